//! One word on which any number wait for a change, and any number tell of one: an event count.
//!
//! ```text
//! bit 31..1   rings     how often it was rung, modulo 2^31
//! bit 0       SLEEPERS  somebody sleeps, or is about to: whoever rings calls the kernel
//!
//! waiter                                        ringer
//! 1. ticket <- rings                            a. make the condition true
//! 2. condition true? out                        b. rings + 1 and SLEEPERS <- 0, in one step
//! 3. rings != ticket? out (perhaps after        c. SLEEPERS was set: futex wake of n
//!    watching the word for a moment)            d. it woke n: there may be more, SLEEPERS <- 1;
//! 4. set SLEEPERS, if rings == ticket              others have rung since b? futex wake of all
//! 5. futex wait while word == ticket|SLEEPERS,
//!    a slice at most; on with 3
//! ```
//!
//! Why no ring is lost: b and 4 are changes of one word, so one comes first. If b does, 3 or 4 sees
//! another count. If 4 does, c sees SLEEPERS; then the kernel refuses the sleep, since the word has
//! changed, or c ends it, or c ends as many other sleeps. In that last case d says again that somebody
//! sleeps: whoever rings after d sees it, and for whoever rang between b and d the wake of all stands.
//!
//! The slices are [`Slices`]: who has waited long in vain costs next to nothing.
//! A ringer that is killed between b and d leaves the sleepers to their slice: after it they see
//! the count. A waiter that is killed leaves SLEEPERS: one wake finds nobody, and the bit is gone. A
//! waiter that was woken and is killed took a ring with it: the others see the count after their slice.
//!
//! It carries no condition: whoever waits looks again. 2^31 rings between a ticket and its wait would
//! look like none.

use core::time::Duration;

use crate::atomic::Ordering;
use crate::futex::{Futex, Slept};

use super::wait::{Deadline, Slices, Wait, spin_until};

const SLEEPERS: u32 = 1;
const RING: u32 = 2;

/// The word. All-zero bytes are a bell that was never rung.
#[derive(Debug, Default)]
#[repr(C)]
pub struct Bell {
    word: Futex,
}

/// How often a bell had been rung when it was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticket(u32);

impl Bell {
    /// A bell that was never rung.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Taken before the condition is looked at: a ring after this ends [`Bell::wait`].
    #[inline]
    #[must_use]
    pub fn ticket(&self) -> Ticket {
        Ticket(self.word.word.load(Ordering::Acquire) & !SLEEPERS)
    }

    /// Waits until the bell has been rung since the ticket was taken, at most for `limit` (`None`:
    /// without end). Before it sleeps it watches the word for the time `spin`, where a core is to spare.
    pub fn wait(&self, ticket: Ticket, limit: Option<Duration>, spin: Duration) -> Wait<()> {
        if spin_until(|| self.ticket() != ticket, spin) {
            return Wait::Ready(());
        }
        self.sleep(ticket, limit, Some(Slices::new()))
    }

    /// Sleeps until the bell is rung, at most for `limit`, and never looks by itself: for whoever need not
    /// hear of a ringer that was killed, or looks after the limit.
    pub fn wait_for_ring(&self, ticket: Ticket, limit: Option<Duration>) -> Wait<()> {
        if spin_until(|| self.ticket() != ticket, Duration::ZERO) {
            return Wait::Ready(());
        }
        self.sleep(ticket, limit, None)
    }

    #[cold]
    fn sleep(
        &self,
        ticket: Ticket,
        limit: Option<Duration>,
        mut slices: Option<Slices>,
    ) -> Wait<()> {
        if limit == Some(Duration::ZERO) {
            return Wait::TimedOut;
        }
        let deadline = Deadline::after(limit);
        let asleep = ticket.0 | SLEEPERS;
        loop {
            let said = self.word.word.compare_exchange(
                ticket.0,
                asleep,
                Ordering::Acquire,
                Ordering::Acquire,
            );
            if said.is_err_and(|seen| seen != asleep) {
                return Wait::Ready(());
            }
            if deadline.is_over() {
                return Wait::TimedOut;
            }
            let slice = slices.as_mut().and_then(Slices::length);
            if self.word.wait(asleep, deadline.slice(slice)) == Slept::Interrupted {
                return Wait::Interrupted;
            }
        }
    }

    /// Tells of a change, and wakes at most `count` of those who sleep; the others who wait, but do
    /// not sleep, see it anyway. What they wait for must have been made true before.
    #[inline]
    pub fn ring(&self, count: u32) {
        let before = self.count_one();
        if before & SLEEPERS != 0 {
            self.wake(before.wrapping_add(RING), count);
        }
    }

    /// One more ring, and nobody sleeps as far as the word says; returns what it was.
    #[inline]
    fn count_one(&self) -> u32 {
        let mut seen = self.word.word.load(Ordering::Relaxed);
        loop {
            let rung = seen.wrapping_add(RING) & !SLEEPERS;
            let changed = self.word.word.compare_exchange_weak(
                seen,
                rung,
                Ordering::Release,
                Ordering::Relaxed,
            );
            match changed {
                Ok(_) => return seen,
                Err(now) => seen = now,
            }
        }
    }

    #[cold]
    fn wake(&self, word: u32, count: u32) {
        if self.word.wake(count) < count {
            return;
        }
        let seen = self.word.word.fetch_or(SLEEPERS, Ordering::Relaxed);
        if (seen ^ word) & !SLEEPERS != 0 {
            // Those who rang meanwhile did not see that somebody sleeps.
            self.word.wake(u32::MAX);
        }
    }

    /// In a model: a ringer that is killed before its system call.
    #[cfg(loom)]
    pub fn ring_and_die(&self) {
        self.count_one();
    }

    /// Whether somebody may sleep here: a hint, for reports.
    #[must_use]
    pub fn has_sleepers(&self) -> bool {
        self.word.word.load(Ordering::Relaxed) & SLEEPERS != 0
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::atomic::AtomicU32;

    const PATIENCE: Option<Duration> = Some(Duration::from_secs(20));

    #[test]
    fn a_ring_after_the_ticket_ends_the_wait() {
        let bell = Bell::new();
        let ticket = bell.ticket();
        bell.ring(1);
        assert_eq!(bell.wait(ticket, PATIENCE, Duration::ZERO), Wait::Ready(()));
        let later = bell.ticket();
        let limit = Some(Duration::from_millis(1));
        assert_eq!(bell.wait(later, limit, Duration::from_micros(5)), Wait::TimedOut);
        assert_eq!(bell.wait(later, Some(Duration::ZERO), Duration::ZERO), Wait::TimedOut);
    }

    #[test]
    fn a_sleeper_that_has_gone_costs_one_wake() {
        let bell = Bell::new();
        let limit = Some(Duration::from_millis(1));
        assert_eq!(bell.wait(bell.ticket(), limit, Duration::ZERO), Wait::TimedOut);
        assert!(bell.has_sleepers());
        bell.ring(1);
        assert!(!bell.has_sleepers());
    }

    #[test]
    fn counts_wrap_around() {
        let bell = Bell { word: Futex::new(u32::MAX - 1) };
        let ticket = bell.ticket();
        bell.ring(1);
        assert_ne!(bell.ticket(), ticket);
        assert!(!bell.has_sleepers());
    }

    #[test]
    fn one_ring_wakes_all_who_sleep() {
        let (bell, done) = (Bell::new(), AtomicU32::new(0));
        std::thread::scope(|scope| {
            let waiters = [(); 3].map(|()| {
                scope.spawn(|| {
                    let ticket = bell.ticket();
                    if done.load(Ordering::Acquire) == 0 {
                        assert_eq!(bell.wait(ticket, PATIENCE, Duration::ZERO), Wait::Ready(()));
                    }
                })
            });
            done.store(1, Ordering::Release);
            bell.ring(u32::MAX);
            for waiter in waiters {
                waiter.join().unwrap();
            }
        });
    }

    #[test]
    fn rings_of_one_wake_as_many_as_there_are_items() {
        const ITEMS: u32 = 20_000;
        let (bell, items, eaten) = (Bell::new(), AtomicU32::new(0), AtomicU32::new(0));
        std::thread::scope(|scope| {
            for spin in [Duration::ZERO, Duration::from_micros(20), Duration::ZERO] {
                let (bell, items, eaten) = (&bell, &items, &eaten);
                scope.spawn(move || {
                    loop {
                        // Before the look at `eaten`: the last ring tells that all are.
                        let ticket = bell.ticket();
                        if eaten.load(Ordering::Acquire) >= ITEMS {
                            break;
                        }
                        let taken =
                            items.fetch_update(Ordering::AcqRel, Ordering::Acquire, |left| {
                                left.checked_sub(1)
                            });
                        match taken {
                            Ok(_) => {
                                if eaten.fetch_add(1, Ordering::AcqRel) + 1 == ITEMS {
                                    bell.ring(u32::MAX);
                                }
                            }
                            Err(_) => {
                                assert_eq!(bell.wait(ticket, PATIENCE, spin), Wait::Ready(()));
                            }
                        }
                    }
                });
            }
            for _ in 0..ITEMS {
                items.fetch_add(1, Ordering::Release);
                bell.ring(1);
            }
        });
    }
}
