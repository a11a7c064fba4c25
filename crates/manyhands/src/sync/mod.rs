//! Locks, signals and values between processes, in the manner of [`std::sync`].
//!
//! | type | what it is | what the death of its holder does |
//! | --- | --- | --- |
//! | [`Mutex`], [`RwLock`] | a value behind a lock | the lock is free again within 50 ms, and poisoned |
//! | [`Condvar`] | waiting for a change of what a mutex protects | a notification for a dead waiter goes to another |
//! | [`Semaphore`] | so many permits | the permits come back |
//! | [`Barrier`] | a meeting of so many | it breaks, and the others are told |
//! | [`Shared`] | a value that all see as it is, without a lock | nothing |
//! | [`AtomicU64`] and the like | a number that all change without a lock | nothing |
//!
//! Each lives in memory that the processes of one program share, and is a handle there: cheap to clone, and a
//! clone is the same object. It travels by serde: as an argument or a result of a task, to
//! [`Process::spawn`](crate::Process::spawn), to an initializer, and in an item of a
//! [channel](crate::channel). Elsewhere, in a file for example, serializing it is an error. It lives until
//! the last process that has it is gone.
//!
//! What may be in it is [`Shareable`]: numbers, arrays, the standard library's atomics, and structures
//! of them that derive it.
//!
//! ```
//! use manyhands::sync::Mutex;
//!
//! let total = Mutex::new(0_u64)?;
//! let same = total.clone(); // to be given to another process, or a thread
//! *same.lock().unwrap() += 5;
//! assert_eq!(*total.lock().unwrap(), 5);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod atomic;
mod barrier;
mod condvar;
mod mutex;
mod poison;
mod rwlock;
mod semaphore;
mod shared;

pub use atomic::{
    AtomicBool, AtomicI32, AtomicI64, AtomicIsize, AtomicU32, AtomicU64, AtomicUsize,
};
pub use barrier::{Barrier, BarrierWaitResult, BrokenBarrier};
pub use condvar::{Condvar, WaitTimeoutResult};
pub use manyhands_derive::Shareable;
pub use manyhands_shm::sync::Cause;
pub use manyhands_shm::typed::{MutexGuard, ReadGuard, Shape, Shareable, WriteGuard};
pub use mutex::Mutex;
pub use poison::{LockResult, PoisonError, TryLockError, TryLockResult};
pub use rwlock::RwLock;
pub use semaphore::{Permit, Semaphore, TooManyPermits};
pub use shared::Shared;
