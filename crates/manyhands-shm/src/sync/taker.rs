//! Who takes a lock: a thread of a process, as one number.
//!
//! ```text
//! bit 63..32  owner   the process, as in a lock's word
//! bit 31..0   thread  the thread, counted within its process from 1; never given out twice there
//! ```
//!
//! The number is unique among all processes of a world, so that a lock can be asked "is it mine?" by
//! one comparison, whatever a dead process left in it. The kernel's thread ids are not used: they
//! are reused, and cost a system call.

use super::owner::Owner;

/// A thread that takes and releases locks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taker {
    owner: Owner,
    thread: u32,
}

impl Taker {
    /// The thread with that number in its process.
    #[inline]
    #[must_use]
    pub const fn new(owner: Owner, thread: u32) -> Self {
        Self { owner, thread }
    }

    /// The calling thread, of the process that is this owner.
    #[cfg(not(loom))]
    #[inline]
    #[must_use]
    pub fn here(owner: Owner) -> Self {
        Self { owner, thread: number::own() }
    }

    /// Its process.
    #[inline]
    #[must_use]
    pub const fn owner(self) -> Owner {
        self.owner
    }

    /// The number that a lock's word keeps; never 0.
    #[inline]
    #[must_use]
    pub const fn get(self) -> u64 {
        (self.owner.get() as u64) << 32 | self.thread as u64
    }
}

/// The numbers of threads.
#[cfg(not(loom))]
mod number {
    use core::cell::Cell;

    use crate::atomic::{AtomicU32, Ordering};

    static LAST: AtomicU32 = AtomicU32::new(0);

    thread_local! {
        static OWN: Cell<u32> = const { Cell::new(0) };
    }

    /// The number of this thread, which it gets when it first asks. A forked child keeps it: the
    /// owner differs.
    #[inline]
    pub(super) fn own() -> u32 {
        // A thread that is being torn down has no number any more: it gets a new one each time.
        match OWN.try_with(Cell::get) {
            Ok(0) | Err(_) => fresh(),
            Ok(number) => number,
        }
    }

    #[cold]
    fn fresh() -> u32 {
        let number = LAST.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        let _torn_down = OWN.try_with(|own| own.set(number));
        number
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn each_thread_has_one_number() {
        let owner = Owner::new(3, 5).unwrap();
        let here = Taker::here(owner);
        assert_eq!(here, Taker::here(owner));
        let there = std::thread::spawn(move || Taker::here(owner)).join().unwrap();
        assert_ne!(here, there);
        assert_ne!(here.get(), Taker::here(Owner::new(3, 6).unwrap()).get());
        assert_ne!(here.get(), 0);
    }
}
