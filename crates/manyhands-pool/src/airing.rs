//! Gives shared memory back to the system that has stood free for a while.
//!
//! Pages that were used for large items are kept for the next ones, since a fresh page costs many times as much. To a
//! program that stands still they are of no use: when nobody has taken any from the world for ten seconds, those that
//! are free go back, but for a megabyte. What is still in use then may become free without our being told, so the
//! clock goes on, ever more slowly.
//!
//! Where there is no pool, nobody has a thread for this. There whoever waits for a queue, a pipe or a lock looks each
//! time that he wakes anyway ([`Stillness`]).
//!
//! It refuses to wake anybody for nothing: the clock runs only after large items.

use std::time::{Duration, Instant};

use manyhands_shm::atomic::{AtomicU64, Ordering};
use manyhands_shm::world::World;

/// For how long nobody has taken any.
const STILL: Duration = Duration::from_secs(10);
/// The longest time between two looks.
const LONGEST: Duration = Duration::from_secs(640);
/// Free bytes that are kept.
const KEPT: u64 = 1 << 20;
/// Bytes in use that are not worth a look.
const FEW: u64 = 8 << 20;

/// When to look next, and what was seen at the last look.
#[derive(Debug, Default)]
pub(crate) struct Airing {
    at: Option<Instant>,
    pause: Duration,
    runs_taken: u64,
    /// There is a deadline that the supervisor does not know.
    news: bool,
}

impl Airing {
    /// Large items have come or gone.
    pub(crate) fn begin(&mut self) {
        if self.at.is_none() || self.pause > STILL {
            self.pause = STILL;
            self.at = Some(Instant::now() + STILL);
            self.news = true;
        }
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.at
    }

    /// Whether the supervisor has to be told; once.
    pub(crate) fn take_news(&mut self) -> bool {
        std::mem::take(&mut self.news)
    }

    /// Whether what is free is to be given back now, with [`air`].
    pub(crate) fn is_due(&mut self, now: Instant, world: Option<&World>) -> bool {
        let Some(world) = world.filter(|_| self.at.is_some_and(|at| at <= now)) else {
            return false;
        };
        let before = std::mem::replace(&mut self.runs_taken, world.runs_taken());
        let still = before == self.runs_taken;
        self.pause = if still { (self.pause * 2).min(LONGEST) } else { STILL };
        self.at = (!still || world.in_use() > FEW).then(|| now + self.pause);
        still && world.warm() > KEPT
    }
}

/// Gives free pages back: without the pool's lock.
pub(crate) fn air(world: &World) {
    world.cool(KEPT);
}

/// Since when nobody has taken any, as far as one process that looks now and then knows.
#[derive(Debug)]
pub struct Stillness {
    since: AtomicU64,
    runs_taken: AtomicU64,
}

impl Stillness {
    /// Nobody has looked yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { since: AtomicU64::new(0), runs_taken: AtomicU64::new(u64::MAX) }
    }

    /// Looks, at a time in nanoseconds; gives free pages back if nobody has taken any for long. Threads that look at
    /// once may do so twice, or too late.
    pub fn look(&self, now: u64, world: &World) {
        let taken = world.runs_taken();
        if self.runs_taken.swap(taken, Ordering::Relaxed) != taken {
            self.since.store(now, Ordering::Relaxed);
            return;
        }
        let since = self.since.load(Ordering::Relaxed);
        if Duration::from_nanos(now.saturating_sub(since)) >= STILL && world.warm() > KEPT {
            air(world);
        }
    }
}

impl Default for Stillness {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use manyhands_shm::world::Fill;

    use super::*;

    #[test]
    fn who_waits_long_gives_pages_back() {
        let world = World::create(64 << 20).expect("a small world");
        let (stillness, second) = (Stillness::new(), 1_000_000_000);
        drop(world.alloc(8 << 20, Fill::Dirty).expect("room"));
        for now in [1, 5, 10] {
            stillness.look(now * second, &world);
            assert!(world.warm() > KEPT, "not still for ten seconds");
        }
        drop(world.alloc(9 << 20, Fill::Dirty).expect("room"));
        for now in [12, 21] {
            stillness.look(now * second, &world);
            assert!(world.warm() > KEPT, "somebody took some");
        }
        stillness.look(22 * second, &world);
        assert!(world.warm() <= KEPT);
    }

    #[test]
    fn pages_go_back_when_nobody_has_taken_any() {
        let world = World::create(64 << 20).expect("a small world");
        let mut airing = Airing::default();
        assert!(!airing.is_due(Instant::now(), Some(&world)));
        let long = world.alloc(20 << 20, Fill::Dirty).expect("room");
        drop(world.alloc(8 << 20, Fill::Dirty).expect("room"));
        airing.begin();
        assert!(airing.take_news() && !airing.take_news());
        let first = airing.deadline().expect("a deadline");
        assert!(!airing.is_due(Instant::now(), Some(&world)));
        assert!(!airing.is_due(first, Some(&world)), "somebody took some");
        let second = airing.deadline().expect("another one");
        assert!(second > first && world.warm() > KEPT);
        assert!(airing.is_due(second, Some(&world)));
        air(&world);
        assert!(world.warm() <= KEPT);
        let third = airing.deadline().expect("there is a long block in use");
        assert!(third > second + STILL);
        drop(long);
        assert!(airing.is_due(third, Some(&world)) && airing.deadline().is_none());
        air(&world);
        assert!(world.warm() <= KEPT);
    }
}
