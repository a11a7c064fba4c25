//! The few bytes that the engine understands: kinds of request and the first byte of a reply.
//!
//! A request's heading carries a kind; kinds below [`CONTROL`] are items, whose meaning but for the bit [`TIMED`]
//! belongs to the rung above. A reply's first byte says what it is; below [`RAISED`] it is a value.

/// Set in the kind of an item that has a deadline: the worker says when it begins it.
pub const TIMED: u32 = 1 << 15;
/// Kinds from here on are the engine's own.
pub const CONTROL: u32 = 1 << 16;
/// The payload is a blob of code; the heading's word is its id.
pub const CODE: u32 = CONTROL;
/// The payload is the pool's initializer and its arguments.
pub const INITIALIZE: u32 = CONTROL + 1;
/// The worker ends after this one.
pub const STOP: u32 = CONTROL + 2;
/// The code whose id is the heading's word will not be used again.
pub const FORGET: u32 = CONTROL + 3;

/// First byte of a reply: the item raised; the rest describes the exception.
pub const RAISED: u8 = 0xf0;
/// The same, and the item may run again if its call has retries left.
pub const AGAIN: u8 = 0xf1;
/// The whole reply to an item of a chunk that was not run, because the parent said so.
pub const SKIPPED: u8 = 0xf4;
/// First byte of a reply that names blocks of shared memory: see [`crate::luggage`].
pub const LADEN: u8 = 0xf6;
/// First byte of a record that answers nothing: text, a log record.
pub const EVENT: u8 = 0xf8;
/// Whether a reply that begins so says that the item raised.
#[inline]
#[must_use]
pub const fn is_raised(tag: u8) -> bool {
    tag == RAISED || tag == AGAIN
}

/// The whole reply to a control request that went well.
pub const DONE: &[u8] = &[0];
