//! A lane: the private channel between the parent and one worker (decision 2 of the design).
//!
//! ```text
//! parent  [Feeder] --- batches of request records ---> [Runner]  worker
//! parent  [Replies] <------- reply records ----------- [Runner]  worker
//! ```
//!
//! - [`table`]: the claim word and a ring of batch descriptors, all typed atomics (what loom checks).
//! - [`words`]: the other words of each side, their meaning and their order (what loom checks).
//! - `signs`: those words, as the two sides call them.
//! - `memory`: the layout of the lane's segment, and the only casts of it.
//! - [`Feeder`]: the parent's sending side: appends batches, takes unstarted items back.
//! - [`Runner`]: the worker's side: takes items one by one, writes replies.
//! - [`Replies`]: the parent's receiving side: drains what is published.
//!
//! Item n (in the order of the lane) is answered by reply record n. A lane has one parent side and one
//! worker side by contract; either may be killed at any instruction: nobody ever waits for a lock in it.
//!
//! ```
//! use std::sync::Arc;
//! use manyhands_shm::lane::{Feeder, Heading, Lane, Replies, Runner};
//!
//! let lane = Arc::new(Lane::create()?);
//! let (mut feeder, mut replies) = (Feeder::new(lane.clone()), Replies::new(lane.clone()));
//! let mut runner = Runner::new(lane.clone()); // in the worker, on its own mapping
//!
//! feeder.append(Heading::default(), 1, [&[2, 0, 0, 0], b"hi"]).expect("an empty lane has room");
//! let item = runner.take().expect("an item was offered");
//! runner.reply(2, |room| room.copy_from_slice(&lane.bytes(&item).to_ascii_uppercase())).expect("room");
//! runner.publish(1);
//!
//! let mut out = Vec::new();
//! replies.drain(&mut out).expect("an honest worker");
//! feeder.confirm(1);
//! assert_eq!(out, b"\x02\0\0\0HI");
//! # Ok::<(), std::io::Error>(())
//! ```

#[cfg(not(loom))]
mod feeder;
#[cfg(not(loom))]
mod memory;
#[cfg(not(loom))]
mod replies;
#[cfg(not(loom))]
mod runner;
#[cfg(not(loom))]
mod signs;
pub mod table;
#[cfg(not(loom))]
#[cfg(test)]
mod tests;
pub mod words;

#[cfg(not(loom))]
pub use feeder::{Feeder, Recalled, Refused};
#[cfg(not(loom))]
pub use memory::{Item, Lane};
#[cfg(not(loom))]
pub use replies::{Corrupt, Replies};
#[cfg(not(loom))]
pub use runner::{NoRoom, Runner};
pub use table::Heading;
pub use words::{Due, State};
