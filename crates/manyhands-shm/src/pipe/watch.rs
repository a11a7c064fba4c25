//! How long one end watches its ring before it sleeps.
//!
//! 50 µs, while messages come within that time. Each time it is in vain it gets shorter by half, down to
//! 4 µs, and it is back at 50 when a message came soon after all. When the last thing that this end did was
//! to wake its peer, it is 200: so long it takes until a processor that slept runs again, and two that talk
//! would otherwise put each other to sleep at every turn.
//!
//! It is this process's own, and a guess: nothing depends on it but time.

use core::time::Duration;

use crate::atomic::{AtomicU32, Ordering};

const USUAL: u32 = 50_000;
const SHORTEST: u32 = 4_000;
const AFTER_WAKE: u32 = 200_000;

/// A wait that was shorter shows that it pays to watch.
pub(super) const SOON: Duration = Duration::from_micros(100);

/// The length of the next watch, in nanoseconds.
#[derive(Debug)]
#[repr(transparent)]
pub(super) struct Watch(AtomicU32);

impl Watch {
    pub(super) fn new() -> Self {
        Self(AtomicU32::new(USUAL))
    }

    pub(super) fn length(&self) -> Duration {
        Duration::from_nanos(self.0.load(Ordering::Relaxed).into())
    }

    /// The peer slept, and was woken just now.
    pub(super) fn woke_peer(&self) {
        self.0.store(AFTER_WAKE, Ordering::Relaxed);
    }

    /// A watch has ended, and whether it was worth it.
    pub(super) fn learn(&self, worth: bool) {
        let now = self.0.load(Ordering::Relaxed);
        let next = if worth { USUAL } else { (now.min(USUAL) / 2).max(SHORTEST) };
        if next != now {
            self.0.store(next, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_shrinks_in_vain_and_comes_back() {
        let watch = Watch::new();
        for _ in 0..20 {
            watch.learn(false);
        }
        assert_eq!(watch.length(), Duration::from_micros(4));
        watch.learn(true);
        assert_eq!(watch.length(), Duration::from_micros(50));
        watch.woke_peer();
        assert_eq!(watch.length(), Duration::from_micros(200));
        watch.learn(false);
        assert_eq!(watch.length(), Duration::from_micros(25));
    }
}
