//! Who holds something, as a number that fits into a lock's word.
//!
//! ```text
//! bit 29..12  generation  how often the slot has been given out, from 1; never 0
//! bit 11..0   slot        the process's place in the roster
//! ```
//!
//! Bits 31 and 30 are free for whoever keeps an owner in a word. A slot is given to another process
//! only after every word that names its last one was cleared, and then with another generation.
//!
//! It does not say where the roster is, nor how death is found out: that is [`Liveness`].

use core::num::NonZeroU32;
use core::time::Duration;

use super::wait::OWNED_SLICE;

/// Bits of the slot.
const SLOT_BITS: u32 = 12;
/// Bits of slot and generation.
const BITS: u32 = 30;

/// One process (or whatever else can die) that may hold something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(transparent)]
pub struct Owner(NonZeroU32);

impl Owner {
    /// The bits of a word that an owner uses.
    pub const MASK: u32 = (1 << BITS) - 1;
    /// How many slots there can be.
    pub const SLOTS: u32 = 1 << SLOT_BITS;
    /// How many generations of a slot there can be, 0 (which is none) included.
    pub const GENERATIONS: u32 = 1 << (BITS - SLOT_BITS);
    /// Somebody who can neither die nor come back: the owner of a lock that a process left locked
    /// when it exited. No slot has this number and generation.
    pub const ABSENT: Self = Self(NonZeroU32::new(Self::MASK).expect("a number above 0"));

    /// The owner with that slot and generation; `None` if the generation is 0 or either is too large.
    #[must_use]
    pub const fn new(slot: u32, generation: u32) -> Option<Self> {
        if slot >= Self::SLOTS || generation >= Self::GENERATIONS || generation == 0 {
            return None;
        }
        Self::from_word(generation << SLOT_BITS | slot)
    }

    /// The owner in the lower bits of a word; `None` if there is none.
    #[must_use]
    pub const fn from_word(word: u32) -> Option<Self> {
        match NonZeroU32::new(word & Self::MASK) {
            Some(number) => Some(Self(number)),
            None => None,
        }
    }

    /// The number for a word: never 0, and below 2^30.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0.get()
    }

    /// Its place in the roster.
    #[must_use]
    pub const fn slot(self) -> u32 {
        self.0.get() & (Self::SLOTS - 1)
    }

    /// How often that place has been given out.
    #[must_use]
    pub const fn generation(self) -> u32 {
        self.0.get() >> SLOT_BITS
    }
}

/// How an owner went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gone {
    /// It was killed, crashed, or called `_exit`: what it held is recovered, and the next taker told.
    Died,
    /// It exited normally: what it held stays locked, by [`Owner::ABSENT`].
    Left,
}

/// Whom a waiter asks about the owner that it waits for.
pub trait Liveness {
    /// Whether that owner may still give back what it holds. In doubt it is alive.
    fn is_alive(&self, owner: Owner) -> bool;

    /// The caller, as an owner.
    fn me(&self) -> Owner;

    /// How long a waiter sleeps before it asks; a model that has no deaths says `None`.
    fn slice(&self) -> Option<Duration> {
        Some(OWNED_SLICE)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn owners_round_trip_as_words() {
        let owner = Owner::new(4095, 7).unwrap();
        assert_eq!((owner.slot(), owner.generation()), (4095, 7));
        assert_eq!(Owner::from_word(owner.get() | 3 << 30), Some(owner));
        assert_eq!(Owner::from_word(3 << 30), None);
    }

    #[test]
    fn what_does_not_fit_is_no_owner() {
        assert_eq!(Owner::new(0, 0), None);
        assert_eq!(Owner::new(Owner::SLOTS, 1), None);
        assert_eq!(Owner::new(0, Owner::GENERATIONS), None);
    }
}
