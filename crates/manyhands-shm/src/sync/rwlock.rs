//! `RwLock`: many readers or one writer, of processes that may be killed at any instruction.
//!
//! | word | what | written by |
//! | --- | --- | --- |
//! | `mutex` | who writes, or waits until the readers have left; for a moment, a reader that could not go the short way | its holder |
//! | `writer` | the process that writes; 0: nobody | the holder of `mutex` |
//! | `poison` | what is protected may be half done | the holder of `mutex` |
//! | `seats[i]` | bits 63..32: a process; bits 31..0: how many of its threads read by this seat. 0: a free seat | that process; anybody, when it is dead |
//! | `drained` | rung by a reader that leaves while somebody holds `mutex` | |
//!
//! ```text
//! reader                                        writer
//! 1. mutex is free? else 5                      a. lock mutex
//! 2. its seat: count + 1                        b. fence
//! 3. fence                                      c. are all seats empty? else wait for `drained`, and c
//! 4. mutex is still free? in. Else leave, and   d. writer <- itself. In.
//! 5. lock mutex (no writer can be in);          e. writer <- 0
//!    its seat: count + 1; unlock mutex. In.     f. unlock mutex
//!
//! leave: its seat: count - 1; fence; somebody holds mutex? ring `drained`
//! ```
//!
//! Why they exclude each other: by the two fences either the reader sees in 4 that the mutex is held, or
//! the writer sees the seat in c. Why no leaving is missed: by the fences of `leave` and b either the
//! reader sees that the mutex is held, and rings after its seat was changed, or the writer sees the
//! changed seat; and a ring between the look at the seats and the sleep ends the sleep (`bell.rs`).
//!
//! | killed | leaves | found by |
//! | --- | --- | --- |
//! | a reader between 2 and its leaving | a seat of a dead process | a writer that has waited 50 ms; an attempt to write; a sweep |
//! | a reader in 5 | a mutex with a dead owner; no `writer`, so nothing is half done | the next one that wants the mutex, after 50 ms |
//! | a reader between its leaving and its ring | a writer that sleeps | the writer, after 50 ms |
//! | a writer before d or after e | a mutex with a dead owner; no `writer` | as above |
//! | a writer between d and e | `writer`: the next holder of the mutex notes [`Cause::OwnerDied`] before it goes on | as above |
//!
//! Writers go first: who wants to read while a writer waits, waits behind it, and so does a thread that
//! reads already and wants to read again. (That one would wait for itself: as with std's lock, do not.)
//! A process that finds no free seat reads alone, with the mutex.

use core::time::Duration;

use crate::atomic::{AtomicU32, AtomicU64, Ordering, fence};

use super::bell::Bell;
use super::mutex::{Locked, RawMutex};
use super::owner::{Gone, Liveness, Owner};
use super::poison::{Cause, Poison};
use super::wait::{Deadline, SPIN, Wait};

/// Processes that can read at once without being alone.
const SEATS: usize = if cfg!(loom) { 2 } else { 120 };
/// Seats on one cache line: processes with consecutive slots begin to look on different ones.
const LINE: usize = 8;

/// The words. All-zero bytes are a free lock.
#[derive(Debug)]
#[repr(C)]
pub struct RwLock {
    mutex: RawMutex,
    drained: Bell,
    writer: AtomicU32,
    poison: Poison,
    seats: [AtomicU64; SEATS],
}

/// How a read lock is held; [`RwLock::leave`] gives it back.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "whoever does not leave is waited for"]
pub struct Reading(Option<usize>);

impl Default for RwLock {
    fn default() -> Self {
        Self {
            mutex: RawMutex::new(),
            drained: Bell::new(),
            writer: AtomicU32::new(0),
            poison: Poison::default(),
            seats: core::array::from_fn(|_| AtomicU64::new(0)),
        }
    }
}

impl RwLock {
    /// A free lock.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether what it protects may be half done: to be asked by whoever holds it.
    #[inline]
    #[must_use]
    pub const fn poison(&self) -> &Poison {
        &self.poison
    }

    /// Takes a read lock, and waits for it if need be, at most for `limit`; none of it
    /// (`Duration::ZERO`) is an attempt, which still recovers what a dead writer had.
    #[inline]
    pub fn read(&self, world: &impl Liveness, limit: Option<Duration>) -> Wait<Reading> {
        match self.read_quickly(world.me()) {
            Some(reading) => Wait::Ready(reading),
            None => self.read_slowly(world, limit),
        }
    }

    /// Steps 1 to 4.
    #[inline]
    fn read_quickly(&self, me: Owner) -> Option<Reading> {
        if !self.mutex.is_free() {
            return None;
        }
        let seat = self.sit(me)?;
        // Pairs with the one in `drain`.
        fence(Ordering::SeqCst);
        if self.mutex.is_free() {
            return Some(Reading(Some(seat)));
        }
        self.stand(seat, me);
        None
    }

    /// Step 5.
    #[cold]
    fn read_slowly(&self, world: &impl Liveness, limit: Option<Duration>) -> Wait<Reading> {
        let me = world.me();
        self.lock(world, limit).map(|()| {
            let seat = self.sit(me);
            if seat.is_some() {
                self.mutex.unlock(me);
            }
            Reading(seat)
        })
    }

    /// Gives a read lock back, which `me` took.
    #[inline]
    #[expect(clippy::needless_pass_by_value, reason = "it is the caller's no more")]
    pub fn leave(&self, reading: Reading, me: Owner) {
        match reading.0 {
            Some(seat) => self.stand(seat, me),
            None => self.mutex.unlock(me),
        }
    }

    /// Takes the write lock, and waits for it if need be, at most for `limit`; none of it is an
    /// attempt, which still recovers what the dead had.
    pub fn write(&self, world: &impl Liveness, limit: Option<Duration>) -> Wait<()> {
        let deadline = Deadline::after(limit);
        match self.lock(world, limit) {
            Wait::Ready(()) => {}
            ended => return ended,
        }
        let drained = self.drain(world, deadline);
        match drained {
            Wait::Ready(()) => self.writer.store(world.me().get(), Ordering::Relaxed),
            Wait::TimedOut | Wait::Interrupted => self.mutex.unlock(world.me()),
        }
        drained
    }

    /// Gives the write lock back, which `me` holds.
    #[inline]
    pub fn unlock(&self, me: Owner) {
        // Release: who sees that nobody writes sees all that was written.
        self.writer.store(0, Ordering::Release);
        self.mutex.unlock(me);
    }

    /// Takes the mutex. If its last owner died while it wrote, that is noted first.
    fn lock(&self, world: &impl Liveness, limit: Option<Duration>) -> Wait<()> {
        self.mutex.lock(world, limit).map(|locked| {
            if locked == Locked::Recovered && self.writer.load(Ordering::Acquire) != 0 {
                self.poison.set(Cause::OwnerDied);
                self.writer.store(0, Ordering::Release);
            }
        })
    }

    /// Waits until nobody reads; the mutex is held.
    fn drain(&self, world: &impl Liveness, deadline: Deadline) -> Wait<()> {
        // Pairs with those in `read_quickly` and `stand`.
        fence(Ordering::SeqCst);
        loop {
            let ticket = self.drained.ticket();
            if self.is_drained() {
                return Wait::Ready(());
            }
            if deadline.is_over() {
                self.clear_dead(world);
                return if self.is_drained() { Wait::Ready(()) } else { Wait::TimedOut };
            }
            match self.drained.wait(ticket, deadline.slice(world.slice()), SPIN) {
                Wait::Ready(()) => {}
                Wait::TimedOut => self.clear_dead(world),
                Wait::Interrupted => return Wait::Interrupted,
            }
        }
    }

    fn is_drained(&self) -> bool {
        self.seats.iter().all(|seat| seat.load(Ordering::Acquire) == 0)
    }

    #[cold]
    fn clear_dead(&self, world: &impl Liveness) {
        for seat in &self.seats {
            let seen = seat.load(Ordering::Relaxed);
            let Some(owner) = owner_of(seen) else { continue };
            if owner != world.me() && !world.is_alive(owner) {
                let _ = change(seat, seen, 0);
            }
        }
    }

    /// One more thread of this process reads; its seat, if there is one for it.
    #[inline]
    fn sit(&self, me: Owner) -> Option<usize> {
        let first = first_seat(me);
        (0..SEATS).map(|step| (first + step) % SEATS).find(|at| {
            let seat = &self.seats[*at];
            let mut seen = seat.load(Ordering::Relaxed);
            while seen == 0 || owner_of(seen) == Some(me) {
                match change(seat, seen, word(me, count(seen) + 1)) {
                    Ok(()) => return true,
                    Err(now) => seen = now,
                }
            }
            false
        })
    }

    /// One thread of this process less.
    #[inline]
    fn stand(&self, seat: usize, me: Owner) {
        self.rise(seat, me);
        // Pairs with the one in `drain`.
        fence(Ordering::SeqCst);
        if self.mutex.owner().is_some() {
            self.drained.ring(1);
        }
    }

    #[inline]
    fn rise(&self, seat: usize, me: Owner) {
        let seat = &self.seats[seat];
        let mut seen = seat.load(Ordering::Relaxed);
        debug_assert_eq!(owner_of(seen), Some(me), "leaving a seat that one does not have");
        while owner_of(seen) == Some(me) {
            match change(seat, seen, word(me, count(seen) - 1)) {
                Ok(()) => break,
                Err(now) => seen = now,
            }
        }
    }

    /// How many read, and whether somebody writes: for reports.
    #[must_use]
    pub fn holders(&self) -> (u32, bool) {
        let counts = self.seats.iter().map(|seat| count(seat.load(Ordering::Relaxed)));
        let readers = counts.fold(0, u32::saturating_add);
        (readers, self.writer.load(Ordering::Relaxed) != 0)
    }

    /// Takes away what an owner held that is gone.
    pub fn bury(&self, gone: Owner) {
        for seat in &self.seats {
            let seen = seat.load(Ordering::Relaxed);
            if owner_of(seen) == Some(gone) {
                let _ = change(seat, seen, 0);
            }
        }
        // Nobody else could give the lock back, however the owner went.
        self.mutex.bury(gone, Gone::Died);
        self.drained.ring(u32::MAX);
    }

    /// In a model: a reader that is killed before it rings.
    #[cfg(loom)]
    #[expect(clippy::needless_pass_by_value, reason = "it is the caller's no more")]
    pub fn leave_and_die(&self, reading: Reading, me: Owner) {
        if let Some(seat) = reading.0 {
            self.rise(seat, me);
        }
    }

    /// In a model: a reader that is killed with the mutex, before or after it has taken its seat.
    #[cfg(loom)]
    pub fn die_in_read(&self, world: &impl Liveness, seated: bool) {
        if self.lock(world, None) == Wait::Ready(()) && seated {
            let _ = self.sit(world.me());
        }
    }

    /// In a model: a writer that is killed after it has said that it writes no more.
    #[cfg(loom)]
    pub fn die_in_unlock(&self) {
        self.writer.store(0, Ordering::Release);
    }
}

fn first_seat(me: Owner) -> usize {
    let slot = me.slot() as usize;
    (slot * LINE + slot * LINE / SEATS) % SEATS
}

fn owner_of(word: u64) -> Option<Owner> {
    Owner::from_word((word >> 32) as u32)
}

#[expect(clippy::cast_possible_truncation, reason = "the lower half is cut out on purpose")]
fn count(word: u64) -> u32 {
    word as u32
}

fn word(owner: Owner, count: u32) -> u64 {
    if count == 0 { 0 } else { u64::from(owner.get()) << 32 | u64::from(count) }
}

#[inline]
fn change(seat: &AtomicU64, seen: u64, new: u64) -> Result<(), u64> {
    let outcome = seat.compare_exchange(seen, new, Ordering::AcqRel, Ordering::Relaxed);
    outcome.map(|_| ())
}

#[cfg(all(test, not(loom)))]
mod tests;
