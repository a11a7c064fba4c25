//! Processes of a model, some of which die.

use core::time::Duration;

use loom::sync::Arc;
use manyhands_shm::atomic::{AtomicU32, Ordering};
use manyhands_shm::sync::{Liveness, Owner};

/// One process; clones see the same deaths.
#[derive(Clone)]
pub(crate) struct Process {
    number: u32,
    /// A bit for each process that has died.
    dead: Arc<AtomicU32>,
    /// Whether waiters ask for deaths. In a model a sleep with a limit is over at once.
    asks: bool,
}

/// So many processes that never die: their sleeps have no limit, so a lost wake is a deadlock.
pub(crate) fn immortals<const N: usize>() -> [Process; N] {
    processes(false)
}

/// So many processes that may die: sleepers look again and again.
pub(crate) fn mortals<const N: usize>() -> [Process; N] {
    processes(true)
}

fn processes<const N: usize>(asks: bool) -> [Process; N] {
    let dead = Arc::new(AtomicU32::new(0));
    core::array::from_fn(|index| Process {
        number: u32::try_from(index).unwrap(),
        dead: Arc::clone(&dead),
        asks,
    })
}

impl Process {
    /// Dies: what it has done is seen by whoever sees that it is dead.
    pub(crate) fn die(&self) {
        self.dead.fetch_or(1 << self.number, Ordering::Release);
    }
}

impl Liveness for Process {
    fn is_alive(&self, owner: Owner) -> bool {
        self.dead.load(Ordering::Acquire) & 1 << owner.slot() == 0
    }

    fn me(&self) -> Owner {
        Owner::new(self.number, 1).unwrap()
    }

    fn slice(&self) -> Option<Duration> {
        self.asks.then_some(Duration::from_nanos(1))
    }
}
