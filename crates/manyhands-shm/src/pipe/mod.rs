//! A pipe: two ends, each of which can be held by many processes, and messages of bytes between them.
//!
//! | file | what it is |
//! | --- | --- |
//! | [`Words`] (`words.rs`) | the words of one direction, and who writes each |
//! | `bell.rs` | when a byte is in the socket: ring, doorbell and sleep |
//! | [`Wire`] (`wire.rs`) | the socket, as the protocol sees it |
//! | [`Load`] (`load.rs`) | how much of what lies elsewhere may be under way |
//! | `ring.rs` | the bytes of one direction, and its records |
//! | [`Sending`] (`sending.rs`) | one message on its way into the ring |
//! | [`Receiving`] (`receiving.rs`) | one message on its way out |
//! | [`End`] (`end.rs`) | one end: a socket (`socket.rs`), and its part of the shared block |
//! | `remains.rs` | what becomes of messages that nobody received |
//! | `way.rs` | one direction, as one end sees it |
//! | `watch.rs` | how long the ring is watched before a sleep |
//!
//! Messages stand whole in the ring, or, when they are large, in pieces that follow each other; then
//! sender and receiver copy at the same time. A message of which not all pieces came is never delivered.
//!
//! It knows nothing of what messages mean (a label of one byte goes with each), and it never waits
//! without a limit that its caller gave.

mod bell;
#[cfg(not(loom))]
mod end;
mod load;
#[cfg(not(loom))]
mod receiving;
#[cfg(not(loom))]
mod remains;
#[cfg(not(loom))]
mod ring;
#[cfg(not(loom))]
mod sending;
#[cfg(not(loom))]
mod socket;
#[cfg(not(loom))]
mod watch;
#[cfg(not(loom))]
mod way;
mod wire;
mod words;

pub use bell::{Announced, Arrived, Ear, Marks, Published};
#[cfg(not(loom))]
pub use end::{End, Half, NoPipe};
pub use load::{Load, MOST};
#[cfg(not(loom))]
pub use receiving::{Arrival, Read, Receiving, Suspended};
#[cfg(not(loom))]
pub use remains::PINNED;
#[cfg(not(loom))]
pub use sending::{Parcel, Sending, Sent};
pub use wire::{First, Heard, Rung, Wire};
pub use words::Words;

#[cfg(all(test, not(loom)))]
mod tests;
