//! Locks and signals between processes, for owners that may die at any instruction.
//!
//! | file | what it is |
//! | --- | --- |
//! | [`Owner`], [`Liveness`] (`owner.rs`) | who holds something, and how one learns that it has died |
//! | [`Wait`], [`Deadline`] (`wait.rs`) | why a wait ended; time limits; the short busy wait before a sleep |
//! | [`RawMutex`] (`mutex.rs`) | one word that holds lock and owner; survives its owner |
//! | [`Bell`] (`bell.rs`) | one word on which any number wait and any number ring |
//!
//! It knows no Python and no world: whether an owner lives is asked through [`Liveness`], so that
//! models and unit tests need no processes. No structure here relies on a waker that may have been
//! killed: a sleep lasts 50 ms where it waits for an owner, 200 ms elsewhere, before it looks again.

mod bell;
mod mutex;
mod owner;
mod wait;

pub use bell::{Bell, Ticket};
pub use mutex::{Locked, RawMutex};
pub use owner::{Gone, Liveness, Owner};
pub use wait::{Deadline, OWNED_SLICE, SLICE, SPIN, Wait, spin_until};
