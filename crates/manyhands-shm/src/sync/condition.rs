//! `Condition`: waiters on seats, and notifications for exactly so many of them.
//!
//! A waiter takes a seat while it holds the lock that belongs to the condition, gives the lock back, and
//! watches its seat. `notify` chooses the seat that was taken first.
//!
//! | word of a seat | meaning | may become |
//! | --- | --- | --- |
//! | `EMPTY` | taken by nobody, or about to be taken or left | `WAITING`, by its owner |
//! | `WAITING` | its owner watches it in a short busy wait | `PARKED` by the owner, `NOTIFIED` by a notifier |
//! | `PARKED` | its owner is in the kernel, or on its way there | `NOTIFIED` by a notifier, who then wakes it |
//! | `NOTIFIED` | its owner has been chosen | `EMPTY` |
//! | `RELEASED` | everybody has been chosen, its owner too | `EMPTY` |
//!
//! | word | what | written by |
//! | --- | --- | --- |
//! | `owner` of a seat | the process that sits there; 0: the seat is free | taker by compare-and-swap, owner when it leaves |
//! | `ticket` of a seat | when it was taken | owner, before `WAITING` |
//!
//! The owner leaves by a swap to `EMPTY`, which tells it whether it was notified: a notification and a
//! time limit never both count, and none gets lost between them. A waiter that was notified and leaves
//! for another reason (a signal's exception) hands it on.
//!
//! A dead waiter swallows nothing. A notifier that chooses one which sleeps asks whether it lives, and
//! clears the seat if not. A waiter that died in its busy wait, or after it was chosen, is found by the
//! other waiters, who look after each of their slices, and every 50 ms while somebody is in such a state: its
//! notification goes to another first, then the seat is cleared.
//! Who clears a seat takes it over first, so that one does it; if that one dies too, the next one begins
//! again, and a notification may come twice, never not at all. After `notify_all` there is nothing to
//! hand on. A seat whose owner died while it took or left it is found when all others are taken.
//!
//! It does not know the lock: that the caller holds it where it must is the caller's business. Seats are
//! as many as 1,023.

use core::time::Duration;

use crate::atomic::{AtomicU32, AtomicU64, Ordering};
use crate::futex::{Futex, Slept};

use super::owner::{Liveness, Owner};
use super::wait::{Deadline, SPIN, Slices, Wait, spin_until};

/// How many can wait at once.
const SEATS: usize = if cfg!(loom) { 3 } else { 1023 };

const EMPTY: u32 = 0;
const WAITING: u32 = 1;
const PARKED: u32 = 2;
const NOTIFIED: u32 = 3;
const RELEASED: u32 = 4;

/// Why a waiter leaves its seat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Left {
    /// It gave up: nobody had chosen it.
    Unnotified,
    /// It was notified. Who cannot make use of that notifies another one.
    Notified,
    /// It was notified as everybody was.
    Released,
}

/// The words. All-zero bytes are a condition for which nobody waits.
#[derive(Debug)]
#[repr(C)]
pub struct Condition {
    /// The next ticket.
    clock: AtomicU64,
    /// One more than the highest seat that was ever used.
    used: AtomicU32,
    seats: [Seat; SEATS],
}

#[derive(Debug, Default)]
#[repr(C)]
struct Seat {
    word: Futex,
    owner: AtomicU32,
    ticket: AtomicU64,
}

/// A taken seat; [`Condition::leave`] gives it back.
#[derive(Debug)]
#[must_use]
pub struct Place(usize);

impl Default for Condition {
    fn default() -> Self {
        Self {
            clock: AtomicU64::new(0),
            used: AtomicU32::new(0),
            seats: core::array::from_fn(|_| Seat::default()),
        }
    }
}

impl Seat {
    fn owner(&self) -> Option<Owner> {
        Owner::from_word(self.owner.load(Ordering::Relaxed))
    }

    fn take(&self, from: Option<Owner>, to: Owner) -> bool {
        let from = from.map_or(0, Owner::get);
        let taken =
            self.owner.compare_exchange(from, to.get(), Ordering::AcqRel, Ordering::Relaxed);
        taken.is_ok()
    }

    fn leave(&self) -> Left {
        let before = self.word.word.swap(EMPTY, Ordering::AcqRel);
        self.owner.store(0, Ordering::Release);
        match before {
            NOTIFIED => Left::Notified,
            RELEASED => Left::Released,
            _ => Left::Unnotified,
        }
    }

    fn waits(&self) -> bool {
        matches!(self.word.word.load(Ordering::Relaxed), WAITING | PARKED)
    }

    fn holds(&self, state: u32) -> bool {
        self.word.word.load(Ordering::Acquire) == state
    }

    /// Whether it is in a state that lasts some microseconds.
    fn is_brief(&self) -> bool {
        self.holds(WAITING) || self.holds(NOTIFIED)
    }

    fn is_chosen(&self) -> bool {
        matches!(self.word.word.load(Ordering::Acquire), NOTIFIED | RELEASED)
    }

    /// Chooses this waiter, if it still waits.
    fn choose(&self, how: u32) -> bool {
        let mut seen = self.word.word.load(Ordering::Relaxed);
        while let WAITING | PARKED = seen {
            match self.change(seen, how) {
                Ok(()) => {
                    if seen == PARKED {
                        self.word.wake(1);
                    }
                    return true;
                }
                Err(now) => seen = now,
            }
        }
        false
    }

    fn change(&self, seen: u32, new: u32) -> Result<(), u32> {
        let outcome =
            self.word.word.compare_exchange(seen, new, Ordering::AcqRel, Ordering::Acquire);
        outcome.map(|_| ())
    }
}

impl Condition {
    /// A condition for which nobody waits.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many can wait at once.
    pub const MOST: usize = SEATS;

    /// Takes a seat, while the lock is held; `None` if all are taken.
    pub fn enrol(&self, world: &impl Liveness) -> Option<Place> {
        let number = self.free_seat(world.me()).or_else(|| {
            self.sweep(world);
            self.free_seat(world.me())
        })?;
        let seats = u32::try_from(number + 1).unwrap_or(u32::MAX);
        self.used.fetch_max(seats, Ordering::Relaxed);
        let ticket = self.clock.fetch_add(1, Ordering::Relaxed);
        self.seats[number].ticket.store(ticket, Ordering::Relaxed);
        self.seats[number].word.word.store(WAITING, Ordering::Release);
        Some(Place(number))
    }

    fn free_seat(&self, me: Owner) -> Option<usize> {
        self.seats.iter().position(|seat| seat.owner().is_none() && seat.take(None, me))
    }

    /// Waits to be notified, at most for `limit`, after the lock was given back. May be called again.
    pub fn wait(&self, place: &Place, world: &impl Liveness, limit: Option<Duration>) -> Wait<()> {
        let seat = &self.seats[place.0];
        let spin = if limit == Some(Duration::ZERO) { Duration::ZERO } else { SPIN };
        if spin_until(|| seat.is_chosen(), spin) {
            return Wait::Ready(());
        }
        let deadline = Deadline::after(limit);
        let mut slices = Slices::new();
        loop {
            if seat.is_chosen() || seat.change(WAITING, PARKED).is_err_and(|now| now != PARKED) {
                return Wait::Ready(());
            }
            if deadline.is_over() {
                return Wait::TimedOut;
            }
            match seat.word.wait(PARKED, deadline.slice(self.slice(world, &mut slices))) {
                Slept::Awake => {}
                Slept::Interrupted => return Wait::Interrupted,
                Slept::TimedOut => self.recover(world),
            }
        }
    }

    /// The longest sleep: who is in a state that should not last may have died.
    fn slice(&self, world: &impl Liveness, slices: &mut Slices) -> Option<Duration> {
        let owned = world.slice();
        let brief = self.used().iter().any(Seat::is_brief);
        if brief { owned } else { slices.beside(owned) }
    }

    /// Gives the seat back, and says why.
    #[expect(clippy::needless_pass_by_value, reason = "the seat is the caller's no more")]
    pub fn leave(&self, place: Place) -> Left {
        self.seats[place.0].leave()
    }

    /// Notifies those that have waited longest, `count` of them or as many as there are; returns how
    /// many. The lock is to be held, but nothing here breaks if it is not.
    pub fn notify(&self, world: &impl Liveness, count: u32) -> u32 {
        let mut notified = 0;
        while notified < count {
            let Some(seat) = self.longest() else { break };
            // Asking costs more than all the rest here, but less than waking a sleeper.
            let sleeps = seat.holds(PARKED);
            match sleeps.then(|| Self::dead_owner(seat, world)).flatten() {
                Some(dead) => self.clear(seat, dead, world),
                None => notified += u32::from(seat.choose(NOTIFIED)),
            }
        }
        notified
    }

    /// Notifies everybody who waits.
    pub fn notify_all(&self) -> u32 {
        let notified = self.used().iter().filter(|seat| seat.choose(RELEASED)).count();
        u32::try_from(notified).unwrap_or(u32::MAX)
    }

    /// Clears the seats of those that died in their busy wait, or before they could make use of their
    /// notification, which is handed on.
    #[cold]
    pub fn recover(&self, world: &impl Liveness) {
        for seat in self.used().iter().filter(|seat| seat.is_brief()) {
            if let Some(dead) = Self::dead_owner(seat, world) {
                self.clear(seat, dead, world);
            }
        }
    }

    /// Clears every seat whose owner is dead.
    #[cold]
    fn sweep(&self, world: &impl Liveness) {
        for seat in self.used() {
            if let Some(dead) = Self::dead_owner(seat, world) {
                self.clear(seat, dead, world);
            }
        }
    }

    fn dead_owner(seat: &Seat, world: &impl Liveness) -> Option<Owner> {
        seat.owner().filter(|owner| *owner != world.me() && !world.is_alive(*owner))
    }

    /// Clears the seat of a dead owner, and hands on the notification that it may have.
    fn clear(&self, seat: &Seat, dead: Owner, world: &impl Liveness) {
        if !seat.take(Some(dead), world.me()) {
            return;
        }
        // From here on it looks like a waiter of this process: it may still be chosen.
        let mut seen = seat.word.word.load(Ordering::Acquire);
        while let WAITING | PARKED = seen {
            match seat.change(seen, EMPTY) {
                Ok(()) => break,
                Err(now) => seen = now,
            }
        }
        if seen == NOTIFIED {
            self.notify(world, 1);
        }
        let _ = seat.leave();
    }

    /// How many wait.
    #[must_use]
    pub fn waiters(&self, world: &impl Liveness) -> usize {
        let alive = |seat: &&Seat| seat.owner().is_some_and(|owner| world.is_alive(owner));
        self.used().iter().filter(|seat| seat.waits()).filter(alive).count()
    }

    fn used(&self) -> &[Seat] {
        &self.seats[..(self.used.load(Ordering::Relaxed) as usize).min(SEATS)]
    }

    /// The seat of the one that has waited longest.
    fn longest(&self) -> Option<&Seat> {
        let waiting = self.used().iter().filter(|seat| seat.waits());
        waiting.min_by_key(|seat| seat.ticket.load(Ordering::Relaxed))
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
