//! Values of Rust types in blocks of a world: shared as they are, or behind a lock.
//!
//! | file | what it is |
//! | --- | --- |
//! | [`Shareable`] (`shareable.rs`) | which types may live in shared memory |
//! | [`Placed`] (`placed.rs`) | a block that holds a value of such a type, and says so |
//! | [`Array`] (`array.rs`) | plain values: written as long as nobody else knows the block, read from then on |
//! | [`Mutex`] (`mutex.rs`), [`RwLock`] (`rwlock.rs`) | a value behind a lock, with guards; poison |
//! | [`wait`] (`condvar.rs`) | waiting for a condition with such a guard |
//!
//! All processes run the same program, so a type has the same layout and the same name in all of them.
//! A block is only taken for a value of the type that it was made for.
//!
//! It makes no errors for users of what it says, and knows nothing of how blocks travel.

mod array;
mod condvar;
mod mutex;
mod placed;
mod rwlock;
mod shareable;

pub use array::{Array, Cargo};
pub use condvar::{Woken, wait};
pub use mutex::{Mutex, MutexGuard, MutexWords};
pub use placed::{Held, Nothing, Placed, Shape, Words, register};
pub use rwlock::{ReadGuard, RwLock, RwLockWords, WriteGuard};
pub use shareable::Shareable;
