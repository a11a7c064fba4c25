//! A channel: items go in at the tail and out at the head, between any number of processes that may be
//! killed at any instruction.
//!
//! Two robust locks, one for each end (Michael and Scott's two-lock queue), so that producers and
//! consumers do not wait for each other. Items lie as records in linked chunks. Each put and each get
//! is committed by one store of a count, `put` or `taken`; all else of an end is a cache that the
//! next holder of its lock makes again after a death. So an item is in the channel when put returns,
//! whatever becomes of its producer, and out of it when its consumer has a copy of it, at most once.
//!
//! | file | what it is |
//! | --- | --- |
//! | [`Words`] (`words.rs`) | the words, who writes them; exact counts without a lock |
//! | [`Chunk`], [`Memory`] (`chunk.rs`) | chunks and records; where they come from |
//! | [`Tail`] (`tail.rs`) | put, step by step |
//! | [`Head`] (`head.rs`) | get, step by step |
//! | `spare.rs` | the chunk that is kept warm |
//! | `mend.rs` | what is done after a death |
//! | [`Ends`] (`ends.rs`) | a channel that shuts itself when nobody sends, or receives, any more |
//! | `wait.rs` | waiting, shutting, the end |
//!
//! What lies where in a world, and the way there, is `shared.rs`. It gives no meaning to the bytes of
//! an item, never waits unasked, and does not decide what a refusal means to whoever puts.

mod chunk;
#[cfg(not(loom))]
mod ends;
mod head;
mod mend;
#[cfg(not(loom))]
mod shared;
mod spare;
mod tail;
mod wait;
mod words;

pub use chunk::{Broken, CHUNK_HEAD, Chunk, ChunkHead, MOST_LEN, MOST_PINS, Memory, extra_bytes};
#[cfg(not(loom))]
pub use ends::{Ends, Side, register_ends};
pub use head::{Head, Peek};
#[cfg(not(loom))]
pub use shared::{Channel, InBlock, InWorld, handle_of, name_of, register};
pub use tail::{FIRST_ROOM, Item, LARGE, Prepared, Refused, Tail, prepare};
pub use words::{Limits, TooManyDone, Words};
