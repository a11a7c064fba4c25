//! `Poison`: a note that what a lock protects may be half done.
//!
//! | bit | set by | when |
//! | --- | --- | --- |
//! | 0 | the holder | it panicked while it changed what the lock protects |
//! | 1 | the taker that found out | the holder died: it was killed, crashed, or exited with the lock |
//!
//! It is changed by the holder of the lock alone, except that anybody may wipe it. It stays until it is
//! wiped, so that everybody is told.

use crate::atomic::{AtomicU32, Ordering};

const PANICKED: u32 = 1;
const DIED: u32 = 2;

/// The word. All-zero bytes are no note.
#[derive(Debug, Default)]
#[repr(transparent)]
pub struct Poison(AtomicU32);

/// Why what a lock protects may be half done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cause {
    /// A thread panicked while it held the lock.
    Panicked,
    /// A process died, or exited, while it held the lock.
    OwnerDied,
}

impl Poison {
    /// Why, if at all; the death counts more.
    #[inline]
    #[must_use]
    pub fn get(&self) -> Option<Cause> {
        match self.0.load(Ordering::Relaxed) {
            0 => None,
            PANICKED => Some(Cause::Panicked),
            _ => Some(Cause::OwnerDied),
        }
    }

    /// Notes it.
    #[cold]
    pub fn set(&self, cause: Cause) {
        let bit = match cause {
            Cause::Panicked => PANICKED,
            Cause::OwnerDied => DIED,
        };
        self.0.fetch_or(bit, Ordering::Relaxed);
    }

    /// Wipes it.
    pub fn clear(&self) {
        self.0.store(0, Ordering::Relaxed);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_note_stays_until_it_is_wiped() {
        let poison = Poison::default();
        assert_eq!(poison.get(), None);
        poison.set(Cause::Panicked);
        assert_eq!(poison.get(), Some(Cause::Panicked));
        poison.set(Cause::OwnerDied);
        poison.set(Cause::Panicked);
        assert_eq!(poison.get(), Some(Cause::OwnerDied));
        poison.clear();
        assert_eq!(poison.get(), None);
    }
}
