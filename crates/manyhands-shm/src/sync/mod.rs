//! Locks and signals between processes, for owners that may die at any instruction.
//!
//! | file | what it is |
//! | --- | --- |
//! | [`Owner`], [`Liveness`] (`owner.rs`) | who holds something, and how one learns that it has died |
//! | [`Wait`], [`Deadline`] (`wait.rs`) | why a wait ended; time limits; the short busy wait before a sleep |
//! | [`RawMutex`] (`mutex.rs`) | one word that holds lock and owner; survives its owner |
//! | [`Bell`] (`bell.rs`) | one word on which any number wait and any number ring |
//! | [`Taker`] (`taker.rs`) | a thread of a process, as one number |
//! | [`Lock`], [`RLock`] (`lock.rs`, `rlock.rs`) | the mutex as Python has it: anybody's to release; its thread's to take again |
//! | [`Semaphore`] (`semaphore/`) | permits, which come back from a process that died in a `with` |
//! | [`RwLock`] (`rwlock.rs`) | many readers or one writer; survives both |
//! | [`Poison`] (`poison.rs`) | a note that what a lock protects may be half done |
//! | [`Condition`] (`condition.rs`) | waiters on seats, and notifications for exactly so many of them |
//! | [`Event`] (`event.rs`) | a flag that any number wait for |
//! | [`Barrier`] (`barrier.rs`) | a meeting of so many parties, that breaks when one dies there |
//! | [`Watchers`] (`watchers.rs`) | who waits for several things at once, and is to be told of this one |
//! | [`Number`] (`number.rs`) | a 64-bit number that needs no lock |
//!
//! It knows no Python and no world: whether an owner lives is asked through [`Liveness`], so that
//! models and unit tests need no processes. No structure here relies on a waker that may have been
//! killed: a sleep lasts 50 ms where it waits for an owner, elsewhere 200 ms to 1.6 s ([`Slices`]), before it looks again.

mod barrier;
mod bell;
mod condition;
mod event;
mod lock;
mod mutex;
mod number;
mod owner;
#[cfg(not(loom))]
mod plain;
mod poison;
mod rlock;
mod rwlock;
mod semaphore;
mod taker;
#[cfg(all(test, not(loom)))]
mod testing;
mod wait;
mod watchers;

pub use barrier::{Barrier, Outcome, Visit};
pub use bell::{Bell, Ticket};
pub use condition::{Condition, Left, Place};
pub use event::{Event, Seen};
pub use lock::{Holder, Lock};
pub use mutex::{Locked, RawMutex};
pub use number::{Bits, Number};
pub use owner::{Gone, Liveness, Owner};
#[cfg(not(loom))]
pub use plain::{BARRIER, CONDITION, EVENT, LOCK, RLOCK, SEMAPHORE, register_kinds};
pub use poison::{Cause, Poison};
pub use rlock::RLock;
pub use rwlock::{Reading, RwLock};
pub use semaphore::{Semaphore, TooMany};
pub use taker::Taker;
pub use wait::{Deadline, LONGEST_SLICE, OWNED_SLICE, SLICE, SPIN, Slices, Wait, spin_until};
#[cfg(not(loom))]
pub use wait::{resume, take_resumed};
pub use watchers::Watchers;
