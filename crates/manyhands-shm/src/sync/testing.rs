//! Processes for the unit tests of this module: some are dead.
#![expect(clippy::unwrap_used, reason = "helpers of tests, outside of any test function")]

use core::time::Duration;
use std::collections::HashSet;
use std::sync::Mutex;

use super::owner::{Liveness, Owner};

/// The limit of waits that must not come to it.
pub(super) const PATIENCE: Option<Duration> = Some(Duration::from_secs(20));
/// The limit of waits that come to it.
pub(super) const SHORT: Option<Duration> = Some(Duration::from_millis(1));

/// Who is dead.
#[derive(Debug, Default)]
pub(super) struct Cemetery(Mutex<HashSet<u32>>);

impl Cemetery {
    pub(super) fn bury(&self, slot: u32) {
        self.0.lock().unwrap().insert(slot);
    }

    /// The process with that slot.
    pub(super) fn process(&self, slot: u32) -> Process<'_> {
        Process { slot, cemetery: self }
    }
}

/// A process as a waiter sees the world.
#[derive(Debug, Clone, Copy)]
pub(super) struct Process<'a> {
    slot: u32,
    cemetery: &'a Cemetery,
}

impl Liveness for Process<'_> {
    fn is_alive(&self, owner: Owner) -> bool {
        !self.cemetery.0.lock().unwrap().contains(&owner.slot())
    }

    fn me(&self) -> Owner {
        Owner::new(self.slot, 1).unwrap()
    }
}
