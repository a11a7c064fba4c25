//! The roster: which processes use this world.
//!
//! All that there is to know of a process is in one word, so that every change is one compare-and-swap
//! and a slot never names half a process, or a process another one's:
//!
//! ```text
//! bits 3..0    seat
//! bits 21..4   generation, from 1; 0 only in a slot that was never used
//!
//!              FREE      nobody
//! bits 63..22  EXPECTED  a child that is being forked: until when, in monotonic milliseconds
//! bits 43..22  LIVE      a process: its number;  bits 47..44 its pid namespace;
//! bits 43..22  LEFT      ... that exits, and has said so;     bits 63..48 when it started
//! bits 51..22  SWEPT     a process that is gone: the owner who gives back what it held;
//!                        bit 52: it had left
//!
//! FREE -> LIVE           create, attach       FREE -> EXPECTED -> LIVE     fork
//! LIVE -> LEFT           retire               LIVE, LEFT -> SWEPT -> FREE  after its death
//! EXPECTED -> SWEPT      when it did not come in time, or the fork has failed
//! ```
//!
//! A slot becomes FREE, and gets another generation, only after its table was emptied and every word
//! with its owner was cleared. A kill between two changes leaves the first of them.
//!
//! A pid namespace is a number in a short list of the header; processes of another namespace than
//! one's own, and of those beyond the list, are taken for alive.

use std::io;

use manyhands_os::clock::monotonic_ns;
use manyhands_os::life::{Mark, own_namespace};

use super::ground::Ground;
use super::words::{NAMESPACES, Slot, Word};
use crate::atomic::Ordering;
use crate::sync::{Gone, Owner};

/// The namespace of those that found no place in the list.
const ELSEWHERE: u64 = NAMESPACES as u64 + 1;

const GENERATION_SHIFT: u32 = 4;
const SEAT: u64 = (1 << GENERATION_SHIFT) - 1;
const REST_SHIFT: u32 = 22;
const NAMESPACE_SHIFT: u32 = 44;
const START_SHIFT: u32 = 48;
const LEFT_SHIFT: u32 = 52;
const _: () = assert!(Owner::GENERATIONS == 1 << (REST_SHIFT - GENERATION_SHIFT), "18 bits");
const _: () = assert!(ELSEWHERE < 1 << (START_SHIFT - NAMESPACE_SHIFT), "4 bits");

/// What a slot is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seat {
    Free,
    Expected,
    Live,
    Left,
    Swept,
}

/// A reading of a slot's word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct State(u64);

impl State {
    fn new(seat: Seat, generation: u32, rest: u64) -> Self {
        let seat = match seat {
            Seat::Free => 0,
            Seat::Expected => 1,
            Seat::Live => 2,
            Seat::Left => 3,
            Seat::Swept => 4,
        };
        Self(rest << REST_SHIFT | u64::from(generation) << GENERATION_SHIFT | seat)
    }

    pub(super) fn seat(self) -> Seat {
        match self.0 & SEAT {
            1 => Seat::Expected,
            2 => Seat::Live,
            3 => Seat::Left,
            4 => Seat::Swept,
            _ => Seat::Free,
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "18 bits are cut out")]
    fn generation(self) -> u32 {
        (self.0 >> GENERATION_SHIFT) as u32 & (Owner::GENERATIONS - 1)
    }

    fn rest(self) -> u64 {
        self.0 >> REST_SHIFT
    }

    #[expect(clippy::cast_possible_truncation, reason = "30 bits are cut out")]
    fn sweeper(self) -> Option<Owner> {
        Owner::from_word(self.rest() as u32)
    }

    /// How the owner of a swept slot went.
    fn went(self) -> Gone {
        if self.0 >> LEFT_SHIFT & 1 == 1 { Gone::Left } else { Gone::Died }
    }

    fn namespace(self) -> u64 {
        (self.0 >> NAMESPACE_SHIFT) & ((1 << (START_SHIFT - NAMESPACE_SHIFT)) - 1)
    }

    #[expect(clippy::cast_possible_truncation, reason = "22 and 16 bits are cut out")]
    fn mark(self) -> Mark {
        let pid = self.rest() as i32 & ((1 << (NAMESPACE_SHIFT - REST_SHIFT)) - 1);
        Mark { pid, start: (self.0 >> START_SHIFT) as u16 }
    }

    /// The owner who has the slot; `None` if it is free.
    fn owner(self, index: u32) -> Option<Owner> {
        Owner::new(index, self.generation()).filter(|_| self.seat() != Seat::Free)
    }
}

impl Slot {
    fn read(&self) -> State {
        State(self.state.get())
    }

    fn change(&self, seen: State, new: State) -> bool {
        let (success, failure) = (Ordering::AcqRel, Ordering::Relaxed);
        self.state.compare_exchange(seen.0, new.0, success, failure).is_ok()
    }
}

impl Ground {
    /// Takes a slot for this process.
    pub(super) fn take_seat(&self) -> io::Result<Owner> {
        self.take_slot(Seat::Live, self.identity())
    }

    /// Takes a slot for a child that is about to be forked.
    pub(super) fn expect_child(&self) -> io::Result<Owner> {
        let until = monotonic_ns() / 1_000_000 + self.header().patience.get();
        self.take_slot(Seat::Expected, until)
    }

    fn take_slot(&self, seat: Seat, rest: u64) -> io::Result<Owner> {
        let first = self.header().cursor.get();
        for step in 0..Owner::SLOTS {
            let index = first.wrapping_add(step) % Owner::SLOTS;
            let (slot, seen) = (self.slot(index), self.slot(index).read());
            let Some(owner) = Owner::new(index, seen.generation().max(1)) else { continue };
            let new = State::new(seat, owner.generation(), rest);
            // The very last owner is the word for nobody in particular.
            if seen.seat() == Seat::Free && owner != Owner::ABSENT && slot.change(seen, new) {
                self.header().cursor.put(index + 1);
                return Ok(owner);
            }
        }
        Err(io::Error::other(format!(
            "{} processes share this world of memory, and it has no place for more",
            Owner::SLOTS
        )))
    }

    /// This process, as the words of its slot.
    fn identity(&self) -> u64 {
        let mark = Mark::of_self();
        let namespace = self.namespace_index(own_namespace());
        let pid = u64::from(mark.pid.cast_unsigned());
        (u64::from(mark.start) << START_SHIFT | namespace << NAMESPACE_SHIFT) >> REST_SHIFT | pid
    }

    /// The place of a namespace in the list, from 1; 0 for one that is unknown.
    fn namespace_index(&self, namespace: u64) -> u64 {
        for (index, word) in (1..).zip(&self.header().namespaces) {
            let (success, failure) = (Ordering::AcqRel, Ordering::Acquire);
            let outcome = word.compare_exchange(0, namespace, success, failure);
            if namespace == 0 || outcome.is_ok_and(|_| true) || outcome == Err(namespace) {
                return if namespace == 0 { 0 } else { index };
            }
        }
        ELSEWHERE
    }

    /// The state of an owner's slot, if it still is that owner's.
    fn seated(&self, owner: Owner) -> Option<State> {
        if owner == Owner::ABSENT {
            return None;
        }
        let state = self.slot(owner.slot()).read();
        (state.owner(owner.slot()) == Some(owner)).then_some(state)
    }

    /// The number of the process that has an owner's slot.
    pub(super) fn seated_pid(&self, owner: Owner) -> Option<i32> {
        let state = self.seated(owner)?;
        matches!(state.seat(), Seat::Live | Seat::Left).then_some(state.mark().pid)
    }

    /// Whether, and how, an owner went, as the process `me` sees it; `None` if it may still give back
    /// what it holds. Of one whose slot was given back nobody knows how it went: it counts as dead.
    pub(super) fn gone(&self, owner: Owner, me: Owner) -> Option<Gone> {
        if owner == me || owner == Owner::ABSENT {
            return None;
        }
        loop {
            let Some(state) = self.seated(owner) else { return Some(Gone::Died) };
            let gone = match state.seat() {
                Seat::Expected => None,
                Seat::Live => (!self.runs(state, me)).then_some(Gone::Died),
                Seat::Left => (!self.runs(state, me)).then_some(Gone::Left),
                Seat::Free | Seat::Swept => Some(state.went()),
            };
            // A slot that has changed meanwhile says more than the process that was looked at.
            if self.seated(owner) == Some(state) {
                return gone;
            }
        }
    }

    /// Whether the process of a slot runs.
    fn runs(&self, state: State, me: Owner) -> bool {
        self.marks(state, me).is_none_or(|(own, other)| self.known.enter().sees_alive(own, other))
    }

    /// As [`Ground::runs`], by those who ask once: nothing is kept for the next time.
    fn runs_now(&self, state: State, me: Owner) -> bool {
        self.marks(state, me).is_none_or(|(own, other)| own.sees_alive(other))
    }

    /// What this process and that of a slot are known by; `None` if it cannot be seen from here.
    fn marks(&self, state: State, me: Owner) -> Option<(Mark, Mark)> {
        let own = self.seated(me)?;
        let near = state.namespace() == own.namespace() && state.namespace() != ELSEWHERE;
        near.then(|| (own.mark(), state.mark()))
    }

    /// A child that was expected says that it is there; false if it came too late.
    pub(super) fn arrive(&self, owner: Owner) -> bool {
        let Some(seen) = self.seated(owner).filter(|seen| seen.seat() == Seat::Expected) else {
            return false;
        };
        let new = State::new(Seat::Live, owner.generation(), self.identity());
        self.slot(owner.slot()).change(seen, new)
    }

    /// Begins the burial of a child that was expected and will not come; false if it has come, or is
    /// buried already.
    pub(super) fn expect_no_more(&self, owner: Owner, me: Owner) -> bool {
        let Some(seen) = self.seated(owner).filter(|seen| seen.seat() == Seat::Expected) else {
            return false;
        };
        let new = State::new(Seat::Swept, owner.generation(), u64::from(me.get()));
        self.slot(owner.slot()).change(seen, new)
    }

    /// For tests: takes a slot for some other process.
    #[cfg(test)]
    pub(super) fn take_seat_as(&self, pid: u64, namespace: u64) -> io::Result<Owner> {
        let rest =
            1 << (START_SHIFT - REST_SHIFT) | namespace << (NAMESPACE_SHIFT - REST_SHIFT) | pid;
        self.take_slot(Seat::Live, rest)
    }

    /// For tests: every child that is expected is late.
    #[cfg(test)]
    pub(super) fn forget_the_expected(&self) {
        for index in 0..Owner::SLOTS {
            let (slot, seen) = (self.slot(index), self.slot(index).read());
            if seen.seat() == Seat::Expected {
                slot.change(seen, State::new(Seat::Expected, seen.generation(), 0));
            }
        }
    }

    /// This process exits: from now on nobody says of it that it died.
    pub(super) fn leave(&self, owner: Owner) {
        if let Some(seen) = self.seated(owner).filter(|seen| seen.seat() == Seat::Live) {
            let new = State::new(Seat::Left, owner.generation(), seen.rest());
            self.slot(owner.slot()).change(seen, new);
        }
    }

    /// Whether this process has said that it exits.
    pub(super) fn has_left(&self, owner: Owner) -> bool {
        self.seated(owner).is_some_and(|seen| seen.seat() == Seat::Left)
    }

    /// The owner in a slot, whatever became of its process; `None` of a free one.
    pub(super) fn owner_at(&self, index: u32) -> Option<Owner> {
        self.slot(index).read().owner(index)
    }

    /// Begins, or goes on with, the burial of an owner that is gone and that nobody alive buries.
    pub(super) fn begin_burial(&self, owner: Owner, me: Owner) -> Option<Gone> {
        let seen = self.seated(owner)?;
        let how = match seen.seat() {
            Seat::Free => return None,
            Seat::Expected if monotonic_ns() / 1_000_000 <= seen.rest() => return None,
            Seat::Live | Seat::Left if owner == me || self.runs_now(seen, me) => return None,
            Seat::Swept if seen.sweeper().is_some_and(|by| self.gone(by, me).is_none()) => {
                return None;
            }
            Seat::Swept => seen.went(),
            Seat::Left => Gone::Left,
            Seat::Expected | Seat::Live => Gone::Died,
        };
        let left = u64::from(how == Gone::Left) << LEFT_SHIFT >> REST_SHIFT;
        let new = State::new(Seat::Swept, owner.generation(), left | u64::from(me.get()));
        self.slot(owner.slot()).change(seen, new).then_some(how)
    }

    /// Frees the slot of an owner that holds nothing and is in no word any more.
    pub(super) fn give_seat(&self, owner: Owner) {
        let next = owner.generation() + 1;
        let generation = if next == Owner::GENERATIONS { 1 } else { next };
        self.slot(owner.slot()).state.commit(State::new(Seat::Free, generation, 0).0);
    }
}
