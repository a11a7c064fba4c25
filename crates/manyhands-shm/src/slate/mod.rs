//! A slate: what a worker has done of a *batch* of items that it was given as one request.
//!
//! The engine knows what a worker has begun by requests. Where a request is a batch of many cheap items, a
//! death in the middle must still cost exactly the item that ran: what was finished before it keeps its
//! result, what had not begun runs elsewhere. So the worker chalks up its steps, and the bytes of its results,
//! in memory that outlives it. Each step is a plain store of the worker's own line.
//!
//! | file | what it is |
//! | --- | --- |
//! | `words.rs` | the words, and the order of their stores |
//! | `board.rs` | the words and the results in a block of the world |
//!
//! It knows neither items nor processes: who reads it after a death makes sure that it was one.

#[cfg(not(loom))]
mod board;
mod words;

#[cfg(not(loom))]
pub use board::{Remains, Slate};
pub use words::{Batch, Hand, Progress, Words};
