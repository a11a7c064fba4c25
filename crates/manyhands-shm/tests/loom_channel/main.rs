//! Models of the channel, with and without deaths.
//!
//! The words, the locks, the bells and the protocol are the ones that ship; the memory of chunks is a
//! few cells, which the model watches for races. See `loom_park.rs` for how to run them.
#![cfg(loom)]
#![expect(clippy::unwrap_used, reason = "helpers of tests, outside of any test function")]

#[path = "../support/cells.rs"]
mod cells;
mod death;
#[path = "../support/heap.rs"]
mod heap;
mod life;
mod model;
