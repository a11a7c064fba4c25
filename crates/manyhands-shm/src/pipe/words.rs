//! The words of one direction of a pipe, and who writes each.
//!
//! | word | written by | meaning |
//! | --- | --- | --- |
//! | `sending` | senders | held for a whole message: one writes at a time |
//! | `tail` | who holds `sending` | bytes written so far, all of them whole records |
//! | `barrier` | the sending side | not 0: the next message needs a ring of its own (`bell.rs`) |
//! | `receiving` | receivers | held while one looks, sleeps or reads |
//! | `head` | who holds `receiving` | bytes read so far |
//! | `exact` | the receiving side | not 0: its socket is readable exactly while the ring is not empty |
//! | `doubt` | both | not 0: somebody died where it left a byte too many in the socket, perhaps |
//! | `bell` | both | whether a ring is in the socket (`bell.rs`) |
//! | `wake_at` | who holds `sending` | at this `head` the sender that sleeps for room is woken; 2^64-1: never |
//! | `room` | both | the sender's parking word |
//! | `load` | who holds `sending` | what the messages under way weigh that lies elsewhere (`load.rs`) |
//!
//! "Side" means every copy of that end, in whatever process. Positions count bytes since the start and
//! never wrap around; all are multiples of 8. A message is there from the one store of `tail` that
//! completes its record, and gone with the one store of `head` that passes it: who is killed before such a
//! store has done nothing, after it everything.
//!
//! Words that different processors write are 128 bytes apart, since processors fetch lines in pairs.

use core::time::Duration;

use super::load::Load;
use crate::atomic::{AtomicU32, AtomicU64, Ordering, fence};
use crate::park::{Parker, Unparked};
use crate::sync::RawMutex;

/// `wake_at` when nobody sleeps for room.
pub(super) const NEVER: u64 = u64::MAX;

/// One direction. All-zero bytes are a valid one that is empty.
#[derive(Debug, Default)]
#[repr(C, align(64))]
pub struct Words {
    pub(super) sender: Sender,
    pub(super) tail: Line<AtomicU64>,
    pub(super) receiver: Receiver,
    pub(super) head: Line<AtomicU64>,
    pub(super) bell: Line<AtomicU32>,
    pub(super) room: Room,
    /// Public for the models.
    pub load: Load,
}

/// A line of a processor's cache without a word, so that the words before and after it are two apart.
/// (A block begins at a multiple of 64.)
#[derive(Debug, Default)]
#[repr(C, align(64))]
struct Apart([u8; 32], [u8; 32]);

/// A word apart.
#[derive(Debug, Default)]
#[repr(C, align(64))]
pub(super) struct Line<T>(pub(super) T, Apart);

#[derive(Debug, Default)]
#[repr(C, align(64))]
pub(super) struct Sender {
    pub(super) sending: RawMutex,
    pub(super) barrier: AtomicU32,
    apart: Apart,
}

#[derive(Debug, Default)]
#[repr(C, align(64))]
pub(super) struct Receiver {
    pub(super) receiving: RawMutex,
    pub(super) exact: AtomicU32,
    pub(super) doubt: AtomicU32,
    apart: Apart,
}

/// Where a sender sleeps that has no room.
#[derive(Debug, Default)]
#[repr(C, align(64))]
pub(super) struct Room {
    /// One more than the position, so that zeroed memory says "never" (wrapping: 0 is 2^64-1).
    wake_after: AtomicU64,
    pub(super) parker: Parker,
}

impl Room {
    /// Sender: at which `head` it wants to be woken. Then it looks at `head` once more.
    pub(super) fn set_wake_at(&self, head: u64) {
        self.wake_after.store(head.wrapping_add(1), Ordering::Relaxed);
    }

    pub(super) fn wake_at(&self) -> u64 {
        self.wake_after.load(Ordering::Relaxed).wrapping_sub(1)
    }
}

impl Words {
    /// Bytes written so far; acquires what was written.
    #[inline]
    pub fn tail(&self) -> u64 {
        self.tail.0.load(Ordering::Acquire)
    }

    /// Bytes read so far; acquires that their place may be written again.
    #[inline]
    pub fn head(&self) -> u64 {
        self.head.0.load(Ordering::Acquire)
    }

    /// Whether there is nothing to read.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.head() == self.tail()
    }

    /// Receiver: all before `head` has been read; the sender is woken if it waits for so much room.
    ///
    /// The fence pairs with the one in [`Parker::park`]: one comes first, so either the sender sees
    /// `head`, or we see the mark that it has set before it parks.
    #[inline]
    pub fn free(&self, head: u64) {
        self.head.0.store(head, Ordering::Release);
        fence(Ordering::SeqCst);
        if head >= self.room.wake_at() {
            self.room.parker.wake();
        }
    }

    /// Sender, holds `sending`: sleeps until `head` has come so far, a signal arrives (`true`) or the time is up.
    pub fn wait_room(&self, head: u64, limit: Option<Duration>, spin: Duration) -> bool {
        self.room.set_wake_at(head);
        let ended = self.room.parker.park(|| self.head() >= head, spin, limit);
        self.room.set_wake_at(NEVER);
        ended == Unparked::Interrupted
    }

    /// Receiver, as it closes its end: a sender that sleeps for room looks whether we are gone.
    pub fn rouse_sender(&self) {
        if self.room.wake_at() != NEVER {
            self.room.parker.rouse();
        }
    }
}
