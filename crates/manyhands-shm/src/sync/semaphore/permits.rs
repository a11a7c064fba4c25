//! The word of a semaphore, and the plain ways to take and give permits.

use core::time::Duration;

use crate::atomic::{AtomicU32, Ordering};
use crate::futex::{Futex, Slept};

use super::table::Table;
use crate::sync::owner::Liveness;
use crate::sync::wait::{Deadline, SPIN, Slices, Wait, spin_until};

pub(super) const SLEEPERS: u32 = 1 << 31;
pub(super) const STEP: u32 = 1 << 30;
pub(super) const VALUE: u32 = STEP - 1;

/// Why a permit could not be given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooMany;

/// The words. All-zero bytes are a semaphore that lets nobody in, and takes no permit: see
/// [`Semaphore::set`].
#[derive(Debug, Default)]
#[repr(C)]
pub struct Semaphore {
    pub(super) state: Futex,
    /// No release goes beyond it.
    pub(super) bound: AtomicU32,
    pub(super) table: Table,
}

impl Semaphore {
    /// The highest value.
    pub const MAX: u32 = VALUE;

    /// A semaphore with so many permits that never has more than `bound`.
    #[must_use]
    pub fn new(value: u32, bound: u32) -> Self {
        let made = Self::default();
        made.set(value, bound);
        made
    }

    /// Prepares a semaphore that nobody uses yet.
    pub fn set(&self, value: u32, bound: u32) {
        self.bound.store(bound.min(VALUE), Ordering::Relaxed);
        self.state.word.store(value.min(VALUE), Ordering::Release);
    }

    /// No release goes beyond this.
    #[must_use]
    pub fn bound(&self) -> u32 {
        // Whatever others have written there, sums stay below the flags.
        self.bound.load(Ordering::Relaxed).min(VALUE)
    }

    /// Free permits at this moment.
    #[must_use]
    pub fn value(&self) -> u32 {
        self.state.word.load(Ordering::Acquire) & VALUE
    }

    /// Whether the table names holders: then some of them may be dead.
    #[must_use]
    pub fn is_noted(&self) -> bool {
        !self.table.is_empty()
    }

    /// Takes a permit if there is one.
    #[inline]
    #[must_use]
    pub fn try_acquire(&self) -> bool {
        self.take(0).is_some()
    }

    /// Takes a permit, waits for it at most for `limit`; none of it (`Duration::ZERO`) is an attempt
    /// that still finds what dead holders had.
    #[inline]
    pub fn acquire(&self, world: &impl Liveness, limit: Option<Duration>) -> Wait<()> {
        if self.try_acquire() {
            return Wait::Ready(());
        }
        self.wait(world, limit, |flags| self.take(flags).map(|()| Wait::Ready(())))
    }

    /// Takes one, and sets `flags` with it.
    #[inline]
    pub(super) fn take(&self, flags: u32) -> Option<()> {
        let mut seen = self.state.word.load(Ordering::Relaxed);
        while seen & VALUE != 0 {
            match self.change(seen, (seen - 1) | flags) {
                Ok(()) => return Some(()),
                Err(now) => seen = now,
            }
        }
        None
    }

    /// Gives a permit.
    ///
    /// # Errors
    /// If there would be more than the bound.
    #[inline]
    pub fn release(&self) -> Result<(), TooMany> {
        let bound = self.bound();
        let mut seen = self.state.word.load(Ordering::Relaxed);
        loop {
            if seen & VALUE >= bound {
                return Err(TooMany);
            }
            match self.change(seen, seen + 1) {
                Ok(()) => break,
                Err(now) => seen = now,
            }
        }
        if seen & SLEEPERS != 0 {
            self.wake(seen + 1, 1);
        }
        Ok(())
    }

    /// Waits until `take`, which is asked only where there is a permit, gives an answer. It is told which
    /// bits to set when it takes one.
    #[cold]
    pub(super) fn wait(
        &self,
        world: &impl Liveness,
        limit: Option<Duration>,
        mut take: impl FnMut(u32) -> Option<Wait<()>>,
    ) -> Wait<()> {
        if limit == Some(Duration::ZERO) {
            self.recover(world);
            let taken = if self.value() == 0 { None } else { take(0) };
            return taken.unwrap_or(Wait::TimedOut);
        }
        let mut taken = None;
        let look = || {
            taken = if self.value() == 0 { None } else { take(0) };
            taken.is_some()
        };
        if spin_until(look, SPIN) {
            return taken.unwrap_or(Wait::TimedOut);
        }
        self.sleep(world, Deadline::after(limit), take)
    }

    fn sleep(
        &self,
        world: &impl Liveness,
        deadline: Deadline,
        mut take: impl FnMut(u32) -> Option<Wait<()>>,
    ) -> Wait<()> {
        let mut flags = 0;
        let mut slices = Slices::new();
        loop {
            let seen = self.state.word.load(Ordering::Acquire);
            if seen & VALUE != 0 {
                let Some(taken) = take(flags) else { continue };
                if flags != 0 {
                    self.pass_on();
                }
                return taken;
            }
            let asleep = seen | SLEEPERS;
            if seen != asleep && self.change(seen, asleep).is_err() {
                continue;
            }
            if deadline.is_over() {
                return Wait::TimedOut;
            }
            match self.state.wait(asleep, deadline.slice(self.slice(world, &mut slices))) {
                Slept::Awake => flags = SLEEPERS,
                Slept::Interrupted => return Wait::Interrupted,
                Slept::TimedOut => self.recover(world),
            }
        }
    }

    /// The longest sleep: whoever holds a permit by the table may die.
    fn slice(&self, world: &impl Liveness, slices: &mut Slices) -> Option<Duration> {
        let owned = world.slice();
        if self.table.is_empty() { slices.beside(owned) } else { owned }
    }

    /// Who was woken leaves other sleepers behind, perhaps, and other permits.
    fn pass_on(&self) {
        let seen = self.state.word.load(Ordering::Relaxed);
        if seen & VALUE != 0 && seen & SLEEPERS != 0 {
            self.wake(seen, 1);
        }
    }

    /// Wakes so many; if there were fewer, nobody sleeps any more.
    #[cold]
    pub(super) fn wake(&self, word: u32, count: u32) {
        if self.state.wake(count) < count {
            // Someone else has changed it: then that one sees to the bit.
            let _ = self.change(word, word & !SLEEPERS);
        }
    }

    #[inline]
    pub(super) fn change(&self, seen: u32, new: u32) -> Result<(), u32> {
        let outcome =
            self.state.word.compare_exchange(seen, new, Ordering::AcqRel, Ordering::Relaxed);
        outcome.map(|_| ())
    }
}
