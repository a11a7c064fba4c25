//! `Barrier`: a meeting of so many parties, that breaks when one of them dies there.
//!
//! | phase | meaning | goes on to |
//! | --- | --- | --- |
//! | `FILLING` | parties come and wait | `DRAINING` with the last one; `ACTING` if that one has an action to run |
//! | `ACTING` | all are there; the last one runs its action | `DRAINING`, or `BROKEN` if the action fails |
//! | `DRAINING` | all may go; who comes waits outside | `FILLING`, when the last one has gone |
//! | `RESETTING` | those inside leave with an error; who comes waits outside | `FILLING`, likewise |
//! | `BROKEN` | everybody leaves with an error | `RESETTING` or `FILLING` by `reset` |
//!
//! All words are changed under `mutex` alone, in a few instructions each time; every change of the phase
//! rings `bell`. Each party inside has a seat that names its process. The seats are the truth, `count`
//! is how many are taken.
//!
//! Whoever takes the mutex from a dead owner counts the seats, clears those of the dead and breaks the
//! barrier: a party died there. Waiters look at the seats every 50 ms (one of them, for all), so a party
//! that dies while it waits breaks it too, also one that had only to leave. A party that dies outside is
//! missed by nobody here: that is what time limits are for. So one that is alone inside has nobody to
//! look at: after its first sleep it says so (`lone`) and sleeps for 200 ms and longer; who comes next rings.
//!
//! It runs no action and raises nothing; it says what came of a wait.

use core::time::Duration;

use crate::atomic::{AtomicU32, AtomicU64, Ordering};

use super::bell::{Bell, Ticket};
use super::mutex::{Locked, RawMutex};
use super::owner::{Liveness, Owner};
use super::wait::{Deadline, SPIN, Slices, Wait};

/// The most parties.
const SEATS: usize = if cfg!(loom) { 2 } else { 1016 };

const FILLING: u32 = 0;
const ACTING: u32 = 1;
const DRAINING: u32 = 2;
const RESETTING: u32 = 3;
const BROKEN: u32 = 4;

/// The words. All-zero bytes are a barrier for no parties: see [`Barrier::set`].
#[derive(Debug)]
#[repr(C)]
pub struct Barrier {
    mutex: RawMutex,
    bell: Bell,
    parties: AtomicU32,
    phase: AtomicU32,
    count: AtomicU32,
    /// Not 0: the only party inside sleeps longer than those that watch each other.
    lone: AtomicU32,
    /// When somebody last looked for the dead, in nanoseconds.
    watched: AtomicU64,
    seats: [AtomicU32; SEATS],
}

/// One party's way through the barrier.
#[derive(Debug, Default)]
pub struct Visit(Option<Place>);

#[cfg(not(loom))]
const _: () = assert!(size_of::<Barrier>() == 4096, "a barrier takes 4 KiB");

/// How a party waits for the next change.
#[derive(Debug, Clone, Copy)]
struct Pace {
    spin: Duration,
    /// Nobody else is there who might die: it looks ever more rarely.
    alone: bool,
    slices: Slices,
}

#[derive(Debug, Clone, Copy)]
struct Place {
    index: u32,
    seat: usize,
}

/// What came of a visit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// All were there; this party's number, by which they can be told apart.
    Passed(u32),
    /// All are there, and this party has to run the action, then to call [`Barrier::end_action`].
    Act,
    /// The barrier broke or was reset, or it was broken before.
    Broken,
}

impl Default for Barrier {
    fn default() -> Self {
        Self {
            mutex: RawMutex::new(),
            bell: Bell::new(),
            parties: AtomicU32::new(0),
            phase: AtomicU32::new(FILLING),
            count: AtomicU32::new(0),
            lone: AtomicU32::new(0),
            watched: AtomicU64::new(0),
            seats: core::array::from_fn(|_| AtomicU32::new(0)),
        }
    }
}

impl Barrier {
    /// The most parties.
    #[expect(clippy::cast_possible_truncation, reason = "a small constant")]
    pub const MOST: u32 = SEATS as u32;

    /// A barrier for so many parties.
    #[must_use]
    pub fn new(parties: u32) -> Self {
        let made = Self::default();
        made.set(parties);
        made
    }

    /// Prepares a barrier that nobody uses yet.
    pub fn set(&self, parties: u32) {
        self.parties.store(parties.min(Self::MOST), Ordering::Release);
    }

    /// How many have to come.
    #[must_use]
    pub fn parties(&self) -> u32 {
        self.parties.load(Ordering::Relaxed)
    }

    /// How many wait at this moment.
    #[must_use]
    pub fn waiting(&self) -> u32 {
        match self.phase.load(Ordering::Acquire) {
            FILLING | ACTING => self.count.load(Ordering::Relaxed),
            _ => 0,
        }
    }

    /// Whether it is broken.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        self.phase.load(Ordering::Acquire) == BROKEN
    }

    /// Comes and waits for the others, at most for `limit`; goes on with a visit that was interrupted.
    /// `acts`: this party has an action to run, should it be the last.
    pub fn wait(
        &self,
        visit: &mut Visit,
        world: &impl Liveness,
        limit: Option<Duration>,
        acts: bool,
    ) -> Wait<Outcome> {
        let deadline = Deadline::after(limit);
        let mut pace = Pace { spin: SPIN, alone: false, slices: Slices::new() };
        let mut slept = visit.0.is_some();
        loop {
            let ticket = self.bell.ticket();
            match self.lock(world, deadline.left()) {
                Wait::Ready(()) => {}
                Wait::TimedOut => return Wait::TimedOut,
                Wait::Interrupted => return Wait::Interrupted,
            }
            let outcome = self.advance(visit, world.me(), acts);
            pace.alone = outcome.is_none() && slept && self.is_alone(visit);
            self.mutex.unlock(world.me());
            if let Some(outcome) = outcome {
                return Wait::Ready(outcome);
            }
            match self.wait_for_change(ticket, (deadline, &mut pace), world) {
                // What changes now brings this party on; what has not changed for a slice may take long.
                Wait::Ready(changed) => {
                    pace.spin = if changed { SPIN } else { Duration::ZERO };
                    slept |= !changed;
                }
                Wait::TimedOut => return Wait::TimedOut,
                Wait::Interrupted => return Wait::Interrupted,
            }
        }
    }

    /// As far as a party gets at this moment; the mutex is held.
    fn advance(&self, visit: &mut Visit, me: Owner, acts: bool) -> Option<Outcome> {
        let phase = self.phase.load(Ordering::Relaxed);
        match (phase, visit.0) {
            (FILLING, None) => self.arrive(visit, me, acts),
            (FILLING | ACTING, Some(_)) | (ACTING | DRAINING | RESETTING, None) => None,
            (DRAINING, Some(place)) => Some(self.depart(visit, Outcome::Passed(place.index))),
            _ => Some(self.depart(visit, Outcome::Broken)),
        }
    }

    fn arrive(&self, visit: &mut Visit, me: Owner, acts: bool) -> Option<Outcome> {
        let index = self.count.load(Ordering::Relaxed);
        let free = |seat: &AtomicU32| seat.load(Ordering::Relaxed) == 0;
        let Some(seat) = self.seats.iter().position(free) else {
            return Some(Outcome::Broken);
        };
        self.seats[seat].store(me.get(), Ordering::Relaxed);
        let count = index.saturating_add(1);
        self.count.store(count, Ordering::Relaxed);
        visit.0 = Some(Place { index, seat });
        if self.lone.swap(0, Ordering::Relaxed) != 0 {
            self.bell.ring(u32::MAX);
        }
        if count < self.parties() {
            return None;
        }
        if acts {
            self.go_to(ACTING);
            return Some(Outcome::Act);
        }
        self.go_to(DRAINING);
        Some(self.depart(visit, Outcome::Passed(index)))
    }

    /// Gives the seat back; the last one to leave opens the barrier again.
    fn depart(&self, visit: &mut Visit, outcome: Outcome) -> Outcome {
        if let Some(place) = visit.0.take() {
            self.seats[place.seat].store(0, Ordering::Relaxed);
            let left = self.count.load(Ordering::Relaxed).saturating_sub(1);
            self.count.store(left, Ordering::Relaxed);
            self.open_if_empty();
        }
        outcome
    }

    fn open_if_empty(&self) {
        let phase = self.phase.load(Ordering::Relaxed);
        if self.count.load(Ordering::Relaxed) == 0 && matches!(phase, DRAINING | RESETTING) {
            self.go_to(FILLING);
        }
    }

    fn go_to(&self, phase: u32) {
        self.phase.store(phase, Ordering::Release);
        self.bell.ring(u32::MAX);
    }

    /// Whether the party is the only one inside, which it says if so. The mutex is held.
    fn is_alone(&self, visit: &Visit) -> bool {
        let alone = visit.0.is_some() && self.count.load(Ordering::Relaxed) == 1;
        if alone {
            self.lone.store(1, Ordering::Relaxed);
        }
        alone
    }

    /// Waits until the bell rings: true. False if it is time to look whether all are alive: they are
    /// looked at.
    fn wait_for_change(
        &self,
        ticket: Ticket,
        (deadline, pace): (Deadline, &mut Pace),
        world: &impl Liveness,
    ) -> Wait<bool> {
        let owned = world.slice();
        let slice = deadline.slice(if pace.alone { pace.slices.beside(owned) } else { owned });
        let spin = if slice == Some(Duration::ZERO) { Duration::ZERO } else { pace.spin };
        let ended = if pace.alone {
            self.bell.wait_for_ring(ticket, slice)
        } else {
            self.bell.wait(ticket, slice, spin)
        };
        match ended {
            Wait::TimedOut if !deadline.is_over() => {
                self.watch(world);
                Wait::Ready(false)
            }
            ended => ended.map(|()| true),
        }
    }

    /// After the action of the party that was told to run it: whether it succeeded.
    pub fn end_action(&self, visit: &mut Visit, world: &impl Liveness, succeeded: bool) -> Outcome {
        self.lock_always(world);
        let acting = self.phase.load(Ordering::Relaxed) == ACTING;
        let mut outcome = Outcome::Broken;
        if acting && succeeded {
            self.go_to(DRAINING);
            outcome = visit.0.map_or(outcome, |place| Outcome::Passed(place.index));
        } else if acting {
            self.go_to(BROKEN);
        }
        let outcome = self.depart(visit, outcome);
        self.mutex.unlock(world.me());
        outcome
    }

    /// When a visit's time is up: breaks the barrier, unless all have come at the last moment. `None`:
    /// all are there and one runs the action, so the visit goes on.
    pub fn give_up(&self, visit: &mut Visit, world: &impl Liveness) -> Option<Outcome> {
        self.lock_always(world);
        let phase = self.phase.load(Ordering::Relaxed);
        let outcome = match (phase, visit.0) {
            (ACTING, Some(_)) => None,
            (DRAINING, Some(place)) => Some(Outcome::Passed(place.index)),
            _ => {
                self.go_to(BROKEN);
                Some(Outcome::Broken)
            }
        };
        let outcome = outcome.map(|outcome| self.depart(visit, outcome));
        self.mutex.unlock(world.me());
        outcome
    }

    /// Leaves without a word: the others go on waiting.
    pub fn leave(&self, visit: &mut Visit, world: &impl Liveness) {
        if visit.0.is_some() {
            self.lock_always(world);
            self.depart(visit, Outcome::Broken);
            self.mutex.unlock(world.me());
        }
    }

    /// Breaks the barrier until it is reset.
    pub fn abort(&self, world: &impl Liveness) {
        self.lock_always(world);
        self.go_to(BROKEN);
        self.mutex.unlock(world.me());
    }

    /// Makes the barrier as new; who waits there leaves with an error.
    pub fn reset(&self, world: &impl Liveness) {
        self.lock_always(world);
        // The dead do not leave by themselves.
        self.clear_dead(world);
        match self.phase.load(Ordering::Relaxed) {
            FILLING | ACTING | BROKEN => self.go_to(RESETTING),
            _ => {}
        }
        self.open_if_empty();
        self.mutex.unlock(world.me());
    }

    /// Looks for dead parties, if nobody has done so for a while.
    #[cold]
    pub fn watch(&self, world: &impl Liveness) {
        if !self.is_due() || self.lock(world, Some(Duration::ZERO)) != Wait::Ready(()) {
            return;
        }
        if self.clear_dead(world) {
            self.break_after_death();
        }
        self.mutex.unlock(world.me());
    }

    #[cfg(not(loom))]
    fn is_due(&self) -> bool {
        /// Of all the waiters one looks in this time.
        const PAUSE_NS: u64 = 30_000_000;
        let (now, last) = (clock_ns(), self.watched.load(Ordering::Relaxed));
        let due = now.wrapping_sub(last) > PAUSE_NS;
        if due {
            self.watched.store(now, Ordering::Relaxed);
        }
        due
    }

    #[cfg(loom)]
    fn is_due(&self) -> bool {
        self.watched.load(Ordering::Relaxed) == 0
    }

    /// Frees the seats of dead parties and counts the others; whether there were any. The mutex is held.
    fn clear_dead(&self, world: &impl Liveness) -> bool {
        let (mut count, mut found) = (0, false);
        for seat in &self.seats[..(self.parties() as usize).min(SEATS)] {
            let Some(owner) = Owner::from_word(seat.load(Ordering::Relaxed)) else { continue };
            if owner == world.me() || world.is_alive(owner) {
                count += 1;
            } else {
                seat.store(0, Ordering::Relaxed);
                found = true;
            }
        }
        self.count.store(count, Ordering::Relaxed);
        found
    }

    fn break_after_death(&self) {
        if self.phase.load(Ordering::Relaxed) == RESETTING {
            self.open_if_empty();
        } else {
            self.go_to(BROKEN);
        }
    }

    /// Takes the mutex, and repairs what its last owner died in.
    fn lock(&self, world: &impl Liveness, limit: Option<Duration>) -> Wait<()> {
        self.mutex.lock(world, limit).map(|locked| {
            if locked == Locked::Recovered {
                self.clear_dead(world);
                self.break_after_death();
            }
        })
    }

    /// In a model: a party that is killed as it arrives, before it is counted.
    #[cfg(loom)]
    pub fn die_under_the_mutex(&self, world: &impl Liveness) {
        self.lock_always(world);
        self.seats[0].store(world.me().get(), Ordering::Relaxed);
    }

    /// Whatever signals come: it is held for a few instructions.
    fn lock_always(&self, world: &impl Liveness) {
        while self.lock(world, None) == Wait::Interrupted {}
    }
}

#[cfg(not(loom))]
fn clock_ns() -> u64 {
    manyhands_os::clock::monotonic_ns()
}

#[cfg(all(test, not(loom)))]
mod tests;
