//! Permits that come back: how they move between the value and a process's seat in the table.
//!
//! A step moves permits between the value and a seat. These are two words, and a kill may come between
//! them, so a step says first what it will do:
//!
//! | step | a kill right after it leaves |
//! | --- | --- |
//! | 1. lock the mutex | a mutex with a dead owner; nothing has happened |
//! | 2. write the journal | the same |
//! | 3. compare-and-swap of the value, with STEP set | STEP: the next holder of the mutex does 4 and 5 |
//! | 4. the seat <- journal | the same, once more |
//! | 5. STEP <- 0 | nothing is missing |
//! | 6. unlock the mutex | |
//!
//! 3 decides: before it nothing has happened, after it everything has. Plain releases and acquires
//! change the value at any time, and leave STEP as it is.
//!
//! The permits of a dead process are given back by such a step too. A process that finds no free seat
//! takes a plain permit, which would not come back.

use core::time::Duration;

use super::permits::{SLEEPERS, STEP, Semaphore, TooMany, VALUE};
use super::table::Seat;
use crate::atomic::Ordering;
use crate::sync::owner::Liveness;
use crate::sync::wait::{Deadline, Wait};

#[cfg(not(loom))]
const _: () = assert!(size_of::<Semaphore>() == 1024, "a semaphore takes 1 KiB");

/// How the value changes in a step.
#[derive(Clone, Copy)]
enum Change {
    /// One is taken, and these bits are set with it.
    Take(u32),
    /// So many are given, as far as the bound lets them.
    Give(u32),
}

impl Change {
    /// The value after it; `None` if there is no permit to take.
    fn of(self, seen: u32, bound: u32) -> Option<u32> {
        match self {
            Self::Take(_) if seen & VALUE == 0 => None,
            Self::Take(flags) => Some((seen - 1) | flags),
            Self::Give(count) => Some(seen + count.min(bound.saturating_sub(seen & VALUE))),
        }
    }
}

impl Semaphore {
    /// Takes a permit that comes back if this process dies; waits for it at most for `limit`.
    pub fn enter(&self, world: &impl Liveness, limit: Option<Duration>) -> Wait<()> {
        if self.value() != 0
            && let Some(taken) = self.take_noted(world, limit, 0)
        {
            return taken;
        }
        // The mutex is held for some ten instructions: its wait counts as none of the limit.
        self.wait(world, limit, |flags| self.take_noted(world, limit, flags))
    }

    /// Takes a permit by a step; `None` if there is none.
    fn take_noted(
        &self,
        world: &impl Liveness,
        limit: Option<Duration>,
        flags: u32,
    ) -> Option<Wait<()>> {
        match self.lock(world, limit) {
            Wait::Ready(()) => {}
            ended => return Some(ended),
        }
        let me = world.me();
        let taken = match self.table.find(me) {
            Some(seat) => {
                let count = seat.count.saturating_add(1);
                self.step(seat.number, Seat::word(me, count), Change::Take(flags))
            }
            None => self.take(flags).map(|()| 0),
        };
        self.table.mutex.unlock(me);
        taken.map(|_| Wait::Ready(()))
    }

    /// Gives back a permit that [`Semaphore::enter`] took.
    ///
    /// # Errors
    /// If there would be more permits than the bound: somebody has released what he did not have.
    pub fn leave(&self, world: &impl Liveness) -> Result<(), TooMany> {
        // Whatever signals come: a permit must not be lost.
        while self.lock(world, None) == Wait::Interrupted {}
        let me = world.me();
        let seat = self.table.find(me).filter(|seat| seat.count > 0);
        let Some(seat) = seat else {
            self.table.mutex.unlock(me);
            return self.release();
        };
        let next = Seat::word(me, seat.count - 1);
        let before = self.step(seat.number, next, Change::Give(1)).unwrap_or(0);
        self.table.mutex.unlock(me);
        self.wake_after(before, 1);
        if before & VALUE < self.bound() { Ok(()) } else { Err(TooMany) }
    }

    /// Gives back what dead processes held, as far as nobody else is at the table.
    #[cold]
    pub fn recover(&self, world: &impl Liveness) {
        if self.table.is_empty() && self.state.word.load(Ordering::Relaxed) & STEP == 0 {
            return;
        }
        if self.lock(world, Some(Duration::ZERO)) != Wait::Ready(()) {
            return;
        }
        let me = world.me();
        let mut given = (0, 0);
        for (number, word) in self.table.taken().iter().enumerate() {
            let seat = Seat::read(number, word);
            let Some(owner) = seat.owner else { continue };
            if owner != me && !world.is_alive(owner) {
                let before = self.step(number, 0, Change::Give(seat.count)).unwrap_or(0);
                given = (given.0 | before, u32::saturating_add(given.1, seat.count));
            }
        }
        self.table.mutex.unlock(me);
        self.wake_after(given.0, given.1);
    }

    fn wake_after(&self, before: u32, count: u32) {
        if before & SLEEPERS != 0 {
            self.wake(self.state.word.load(Ordering::Relaxed), count);
        }
    }

    /// Takes the mutex, and completes the step that its last owner died in.
    fn lock(&self, world: &impl Liveness, limit: Option<Duration>) -> Wait<()> {
        let deadline = Deadline::after(limit);
        match self.table.mutex.lock(world, deadline.left()) {
            Wait::Ready(_) => {
                if self.state.word.load(Ordering::Acquire) & STEP != 0 {
                    self.write_step();
                }
                Wait::Ready(())
            }
            Wait::TimedOut => Wait::TimedOut,
            Wait::Interrupted => Wait::Interrupted,
        }
    }

    /// A whole step, under the mutex; the word before it, or `None` if it takes what is not there.
    fn step(&self, seat: usize, next: u64, change: Change) -> Option<u32> {
        self.announce_step(seat, next);
        let before = self.decide_step(change)?;
        self.write_step();
        Some(before)
    }

    /// Step 2.
    fn announce_step(&self, seat: usize, next: u64) {
        let number = u32::try_from(seat).unwrap_or(u32::MAX);
        if self.table.used.load(Ordering::Relaxed) <= number {
            self.table.used.store(number + 1, Ordering::Relaxed);
        }
        self.table.seat.store(number, Ordering::Relaxed);
        self.table.next.store(next, Ordering::Relaxed);
    }

    /// Step 3.
    fn decide_step(&self, change: Change) -> Option<u32> {
        let bound = self.bound();
        let mut seen = self.state.word.load(Ordering::Relaxed);
        loop {
            match self.change(seen, change.of(seen, bound)? | STEP) {
                Ok(()) => return Some(seen),
                Err(now) => seen = now,
            }
        }
    }

    /// Steps 4 and 5.
    fn write_step(&self) {
        let seat = self.table.seat.load(Ordering::Relaxed) as usize;
        if let Some(word) = self.table.seats.get(seat) {
            word.store(self.table.next.load(Ordering::Relaxed), Ordering::Relaxed);
        }
        self.state.word.fetch_and(!STEP, Ordering::Release);
    }

    /// In a model: [`Semaphore::enter`] or [`Semaphore::leave`] by a process that is killed after so
    /// many steps (2 to 5). It must be able to get the mutex, and a permit to take.
    #[cfg(loom)]
    pub fn die_in_step(&self, world: &impl Liveness, enters: bool, steps: u32) {
        let Wait::Ready(()) = self.lock(world, None) else { return };
        let me = world.me();
        let Some(seat) = self.table.find(me) else { return };
        let (count, change) = if enters {
            (seat.count + 1, Change::Take(0))
        } else {
            (seat.count - 1, Change::Give(1))
        };
        self.announce_step(seat.number, Seat::word(me, count));
        if steps < 3 || self.decide_step(change).is_none() {
            return;
        }
        if steps == 4 {
            let next = self.table.next.load(Ordering::Relaxed);
            self.table.seats[seat.number].store(next, Ordering::Relaxed);
        }
        if steps == 5 {
            self.write_step();
        }
    }
}
