//! Who holds permits of a semaphore in a `with`, and how they come back.
//!
//! | word | what |
//! | --- | --- |
//! | `mutex` | whoever changes the table has it |
//! | `seats[i]` | bits 63..32: a process; bits 31..0: the permits that it holds. 0: a free seat |
//! | `used` | one more than the highest seat ever used |
//! | `seat`, `next` | the journal: which seat the step changes, to what |

use crate::atomic::{AtomicU32, AtomicU64, Ordering};
use crate::sync::mutex::RawMutex;
use crate::sync::owner::Owner;

/// Processes that can hold permits at once and have them given back if they die.
pub(super) const SEATS: usize = if cfg!(loom) { 2 } else { 124 };

/// The words. All-zero bytes are an empty table.
#[derive(Debug)]
#[repr(C)]
pub(super) struct Table {
    pub(super) mutex: RawMutex,
    pub(super) used: AtomicU32,
    pub(super) seat: AtomicU32,
    pub(super) next: AtomicU64,
    pub(super) seats: [AtomicU64; SEATS],
}

impl Default for Table {
    fn default() -> Self {
        Self {
            mutex: RawMutex::new(),
            used: AtomicU32::new(0),
            seat: AtomicU32::new(0),
            next: AtomicU64::new(0),
            seats: core::array::from_fn(|_| AtomicU64::new(0)),
        }
    }
}

impl Table {
    /// Whether nobody holds a permit by it: a hint.
    pub(super) fn is_empty(&self) -> bool {
        self.taken().iter().all(|seat| seat.load(Ordering::Relaxed) == 0)
    }

    /// The seats that were ever used.
    pub(super) fn taken(&self) -> &[AtomicU64] {
        &self.seats[..(self.used.load(Ordering::Relaxed) as usize).min(SEATS)]
    }

    /// The seat of a process, or a free one.
    pub(super) fn find(&self, owner: Owner) -> Option<Seat> {
        let mut free = None;
        for (number, word) in self.taken().iter().enumerate() {
            let seat = Seat::read(number, word);
            if seat.owner == Some(owner) {
                return Some(seat);
            }
            if seat.owner.is_none() && free.is_none() {
                free = Some(seat);
            }
        }
        let fresh = Seat { number: self.taken().len(), owner: None, count: 0 };
        free.or((fresh.number < SEATS).then_some(fresh))
    }
}

/// What a seat says.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seat {
    pub(super) number: usize,
    pub(super) owner: Option<Owner>,
    pub(super) count: u32,
}

impl Seat {
    #[expect(clippy::cast_possible_truncation, reason = "the two halves are cut out on purpose")]
    pub(super) fn read(number: usize, word: &AtomicU64) -> Self {
        let word = word.load(Ordering::Relaxed);
        Self { number, owner: Owner::from_word((word >> 32) as u32), count: word as u32 }
    }

    /// The word of the same seat with another count.
    pub(super) fn word(owner: Owner, count: u32) -> u64 {
        if count == 0 { 0 } else { u64::from(owner.get()) << 32 | u64::from(count) }
    }
}
