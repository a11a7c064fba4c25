//! `Event`: a flag that any number wait for, in one word.
//!
//! ```text
//! bit 31..2  sets      how often the flag has been raised, modulo 2^30
//! bit 1      SLEEPERS  somebody sleeps, or is about to: whoever raises the flag calls the kernel
//! bit 0      SET       the flag
//!
//! waiter                                        setter
//! 1. SET? out                                   a. SET, sets + 1, SLEEPERS <- 0; already SET? out
//! 2. SET, or another count? out (perhaps after  b. SLEEPERS was set: futex wake of all
//!    watching the word for a moment)
//! 3. set SLEEPERS, if the word is as in 2
//! 4. futex wait while the word is as in 3,
//!    a slice at most; on with 2
//! ```
//!
//! Why no set is lost: a and 3 are changes of one word, so one comes first. If a does, 2 or 3 sees it. If
//! 3 does, a sees SLEEPERS; then the kernel refuses the sleep, since the word has changed, or b ends it.
//! A flag that is lowered again before a waiter looks has still been raised: the count tells.
//!
//! It has no owner, so no death can spoil it. A setter that is killed between a and b leaves the
//! sleepers to their slice: after it they see the count.

use core::time::Duration;

use crate::atomic::Ordering;
use crate::futex::{Futex, Slept};

use super::wait::{Deadline, SPIN, Slices, Wait, spin_until};

const SET: u32 = 1;
const SLEEPERS: u32 = 2;
const RAISED: u32 = 4;

/// The word. All-zero bytes are a flag that is down.
#[derive(Debug, Default)]
#[repr(C)]
pub struct Event {
    word: Futex,
}

/// What was seen of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen(u32);

impl Event {
    /// A flag that is down.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether the flag is up.
    #[inline]
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.word.word.load(Ordering::Acquire) & SET != 0
    }

    /// Raises the flag: everybody who waits goes on.
    #[inline]
    pub fn set(&self) {
        // One that is up is written too, so that who sees it sees what this setter did before.
        let before = self.change(|seen| match seen & SET {
            0 => (seen & !SLEEPERS).wrapping_add(RAISED) | SET,
            _ => seen,
        });
        if before & SLEEPERS != 0 {
            self.word.wake(u32::MAX);
        }
    }

    /// Lowers the flag.
    #[inline]
    pub fn clear(&self) {
        self.change(|seen| seen & !SET);
    }

    /// In a model: a setter that is killed before its system call.
    #[cfg(loom)]
    pub fn set_and_die(&self) {
        self.change(|seen| (seen & !SLEEPERS).wrapping_add(RAISED) | SET);
    }

    #[inline]
    fn change(&self, to: impl Fn(u32) -> u32) -> u32 {
        let word = &self.word.word;
        let mut seen = word.load(Ordering::Relaxed);
        loop {
            let changed =
                word.compare_exchange(seen, to(seen), Ordering::AcqRel, Ordering::Relaxed);
            match changed {
                Ok(before) => return before,
                Err(now) => seen = now,
            }
        }
    }

    /// The flag and its count at this moment: a set after this ends [`Event::wait`].
    #[inline]
    #[must_use]
    pub fn look(&self) -> Seen {
        Seen(self.word.word.load(Ordering::Acquire) & !SLEEPERS)
    }

    /// Waits until the flag is up, or was up since it was looked at, at most for `limit` (`None`:
    /// without end).
    #[inline]
    pub fn wait(&self, since: Seen, limit: Option<Duration>) -> Wait<()> {
        if since.0 & SET != 0 {
            return Wait::Ready(());
        }
        self.wait_slowly(since.0 | SLEEPERS, limit)
    }

    /// `asleep` is the word as it is while nobody raises the flag.
    #[cold]
    fn wait_slowly(&self, asleep: u32, limit: Option<Duration>) -> Wait<()> {
        let raised = || self.word.word.load(Ordering::Acquire) | SLEEPERS != asleep;
        if spin_until(raised, if limit == Some(Duration::ZERO) { Duration::ZERO } else { SPIN }) {
            return Wait::Ready(());
        }
        let deadline = Deadline::after(limit);
        let mut slices = Slices::new();
        let awake = asleep & !SLEEPERS;
        loop {
            let order = Ordering::Acquire;
            let said = self.word.word.compare_exchange(awake, asleep, order, order);
            if said.is_err_and(|seen| seen != asleep) {
                return Wait::Ready(());
            }
            if deadline.is_over() {
                return Wait::TimedOut;
            }
            if self.word.wait(asleep, deadline.slice(slices.length())) == Slept::Interrupted {
                return Wait::Interrupted;
            }
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    const PATIENCE: Option<Duration> = Some(Duration::from_secs(20));
    const SHORT: Option<Duration> = Some(Duration::from_millis(1));

    #[test]
    fn goes_up_and_down() {
        let event = Event::new();
        assert!(!event.is_set());
        assert_eq!(event.wait(event.look(), Some(Duration::ZERO)), Wait::TimedOut);
        assert_eq!(event.wait(event.look(), SHORT), Wait::TimedOut);
        event.set();
        event.set();
        assert!(event.is_set());
        assert_eq!(event.wait(event.look(), None), Wait::Ready(()));
        event.clear();
        event.clear();
        assert!(!event.is_set());
        assert_eq!(event.wait(event.look(), SHORT), Wait::TimedOut);
    }

    #[test]
    fn a_set_wakes_everybody() {
        let event = Event::new();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| assert_eq!(event.wait(event.look(), PATIENCE), Wait::Ready(())));
            }
            std::thread::yield_now();
            event.set();
        });
    }

    #[test]
    fn a_flag_that_goes_down_at_once_was_seen() {
        let event = Event::new();
        std::thread::scope(|scope| {
            let seen = scope.spawn(|| event.wait(event.look(), PATIENCE));
            while event.word.word.load(Ordering::Relaxed) & SLEEPERS == 0 {
                std::thread::yield_now();
            }
            event.set();
            event.clear();
            assert_eq!(seen.join().unwrap(), Wait::Ready(()));
        });
    }

    #[test]
    fn two_flags_are_a_conversation() {
        let (call, answer) = (Event::new(), Event::new());
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for _ in 0..10_000 {
                    assert_eq!(call.wait(call.look(), PATIENCE), Wait::Ready(()));
                    call.clear();
                    answer.set();
                }
            });
            for _ in 0..10_000 {
                call.set();
                assert_eq!(answer.wait(answer.look(), PATIENCE), Wait::Ready(()));
                answer.clear();
            }
        });
    }
}
