//! A word on which many threads of many processes can sleep: the kernel's futex, or its model.
//!
//! The check of the word and the falling asleep are one step. Under loom [`Futex`] carries a model
//! with the same promise: sleepers queue up, a wake takes the oldest ones and says how many. In a
//! model a time limit is over at once: what is proved with limits is that nothing breaks when they
//! end, what is proved without them is that no wake is lost.
//!
//! It is the mechanism alone: which value means what is the business of whoever has the word.

use core::time::Duration;

use crate::atomic::AtomicU32;

/// Why a sleep ended. None of these says what the word holds now: look again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Slept {
    /// Somebody woke us, or the word did not hold what was expected.
    Awake,
    /// The time was up.
    TimedOut,
    /// A signal handler ran in this thread.
    Interrupted,
}

/// The word. All-zero bytes are a valid one that holds 0.
#[derive(Debug)]
#[repr(C)]
pub struct Futex {
    /// What is compared before a sleep; changed by its users as they like.
    pub word: AtomicU32,
    #[cfg(loom)]
    model: model::Sleepers,
}

impl Default for Futex {
    fn default() -> Self {
        Self::new(0)
    }
}

impl Futex {
    /// A word with a first value.
    #[must_use]
    pub fn new(value: u32) -> Self {
        Self {
            word: AtomicU32::new(value),
            #[cfg(loom)]
            model: model::Sleepers::new(),
        }
    }

    /// Sleeps while the word holds `expected`, at most for `limit` (`None`: without end).
    #[cfg(not(loom))]
    pub fn wait(&self, expected: u32, limit: Option<Duration>) -> Slept {
        use manyhands_os::futex::{Wait, wait};
        match wait(&self.word, expected, limit) {
            Wait::Woken | Wait::Changed => Slept::Awake,
            Wait::TimedOut => Slept::TimedOut,
            Wait::Interrupted => Slept::Interrupted,
        }
    }

    /// Wakes at most `count` sleepers; returns how many.
    #[cfg(not(loom))]
    pub fn wake(&self, count: u32) -> u32 {
        u32::try_from(manyhands_os::futex::wake(&self.word, count)).unwrap_or(u32::MAX)
    }

    /// As above, in a model.
    #[cfg(loom)]
    pub fn wait(&self, expected: u32, limit: Option<Duration>) -> Slept {
        self.model.wait(&self.word, expected, limit)
    }

    /// As above, in a model.
    #[cfg(loom)]
    pub fn wake(&self, count: u32) -> u32 {
        self.model.wake(count)
    }
}

#[cfg(loom)]
mod model {
    use core::time::Duration;

    use loom::sync::{Condvar, Mutex};

    use super::Slept;
    use crate::atomic::{AtomicU32, Ordering};

    /// Sleepers are numbered as they come; those below `released` have been woken.
    #[derive(Debug, Default)]
    struct Queue {
        came: u32,
        released: u32,
    }

    #[derive(Debug)]
    pub(super) struct Sleepers {
        queue: Mutex<Queue>,
        changed: Condvar,
    }

    impl Sleepers {
        pub(super) fn new() -> Self {
            Self { queue: Mutex::new(Queue::default()), changed: Condvar::new() }
        }

        pub(super) fn wait(
            &self,
            word: &AtomicU32,
            expected: u32,
            limit: Option<Duration>,
        ) -> Slept {
            let mut queue = self.queue.lock().expect("the model never poisons");
            if word.load(Ordering::Relaxed) != expected {
                return Slept::Awake;
            }
            if limit.is_some() {
                drop(queue);
                loom::thread::yield_now();
                return Slept::TimedOut;
            }
            let number = queue.came;
            queue.came += 1;
            while queue.released <= number {
                queue = self.changed.wait(queue).expect("the model never poisons");
            }
            Slept::Awake
        }

        pub(super) fn wake(&self, count: u32) -> u32 {
            let mut queue = self.queue.lock().expect("the model never poisons");
            let woken = count.min(queue.came - queue.released);
            queue.released += woken;
            self.changed.notify_all();
            woken
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn another_value_does_not_sleep() {
        assert_eq!(Futex::new(3).wait(4, None), Slept::Awake);
    }

    #[test]
    fn time_runs_out() {
        assert_eq!(Futex::new(3).wait(3, Some(Duration::from_millis(1))), Slept::TimedOut);
        assert_eq!(Futex::new(3).wake(1), 0);
    }
}
