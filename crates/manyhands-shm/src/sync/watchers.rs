//! `Watchers`: who else is to be told of a change, besides those who wait for it alone.
//!
//! Somebody who waits for several things at once has a bell of his own, in a block with a name. He puts
//! the name on a seat of each of these things; who changes one of them looks at the seats and rings.
//!
//! | word | what | written by |
//! | --- | --- | --- |
//! | `used` | one more than the highest seat that was ever taken; only rises | who takes a seat |
//! | `seats[i]` | the name of a bell; 0: a free seat | who takes and who leaves it; whoever finds that it names nothing any more |
//!
//! ```text
//! watcher                                        changer
//! 1. ticket of his bell                          a. the change
//! 2. a seat <- the name; `used`                  b. fence
//! 3. fence                                       c. for each seat that is used: ring what it names
//! 4. has it changed? out
//! 5. wait on the bell with the ticket
//! ```
//!
//! By the fences either 4 sees the change or c sees the seat; and a ring after the ticket ends the wait.
//!
//! A watcher that is killed leaves a seat that names a block that is gone, after a sweep: the next changer
//! clears it. It does not know what a name is: that is asked of the caller.

use crate::atomic::{AtomicU32, AtomicU64, Ordering, fence};

const SEATS: usize = if cfg!(loom) { 2 } else { 15 };

/// The words. All-zero bytes are nobody.
#[derive(Debug)]
#[repr(C)]
pub struct Watchers {
    used: AtomicU32,
    seats: [AtomicU64; SEATS],
}

impl Default for Watchers {
    fn default() -> Self {
        Self { used: AtomicU32::new(0), seats: core::array::from_fn(|_| AtomicU64::new(0)) }
    }
}

impl Watchers {
    /// Takes a seat, before the watcher looks whether something has changed; false if there is none.
    /// The name is not 0.
    #[must_use]
    pub fn watch(&self, name: u64) -> bool {
        let taken = (1..).zip(&self.seats).find(|(_, seat)| swap(seat, 0, name));
        if let Some((used, _)) = taken {
            self.used.fetch_max(used, Ordering::Relaxed);
        }
        // Pairs with the one in `ring`.
        fence(Ordering::SeqCst);
        taken.is_some()
    }

    /// Gives back one seat that was taken with that name.
    pub fn leave(&self, name: u64) {
        let _ = self.seats.iter().find(|seat| swap(seat, name, 0));
    }

    /// Tells everybody, after a change. `ring` gets a name, and says whether it still names something.
    #[inline]
    pub fn ring(&self, ring: impl FnMut(u64) -> bool) {
        // Pairs with the one in `watch`.
        fence(Ordering::SeqCst);
        let used = self.used.load(Ordering::Relaxed) as usize;
        if used > 0 {
            self.ring_seats(used, ring);
        }
    }

    #[cold]
    fn ring_seats(&self, used: usize, mut ring: impl FnMut(u64) -> bool) {
        for seat in &self.seats[..used.min(SEATS)] {
            let name = seat.load(Ordering::Acquire);
            if name != 0 && !ring(name) {
                swap(seat, name, 0);
            }
        }
    }
}

fn swap(seat: &AtomicU64, seen: u64, new: u64) -> bool {
    seat.compare_exchange(seen, new, Ordering::AcqRel, Ordering::Relaxed).is_ok()
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn rung(watchers: &Watchers, gone: u64) -> Vec<u64> {
        let mut rung = Vec::new();
        watchers.ring(|name| {
            rung.push(name);
            name != gone
        });
        rung
    }

    #[test]
    fn who_watches_is_told() {
        let watchers = Watchers::default();
        assert_eq!(rung(&watchers, 0), []);
        assert!(watchers.watch(7) && watchers.watch(9) && watchers.watch(7));
        assert_eq!(rung(&watchers, 0), [7, 9, 7]);
        watchers.leave(7);
        assert_eq!(rung(&watchers, 9), [9, 7]);
        assert_eq!(rung(&watchers, 0), [7], "what names nothing is forgotten");
        watchers.leave(7);
        watchers.leave(7);
        assert_eq!(rung(&watchers, 0), []);
    }

    #[test]
    fn there_are_so_many_seats() {
        let watchers = Watchers::default();
        assert!((0..SEATS as u64).all(|name| watchers.watch(name + 1)));
        assert!(!watchers.watch(99));
        watchers.leave(3);
        assert!(watchers.watch(99));
    }
}
