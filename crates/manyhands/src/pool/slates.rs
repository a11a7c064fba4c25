//! The slates of a pool's workers: of the living, and what dead ones have left of the batches that they were at.
//!
//! ```text
//! living   by process id, from the start of a worker until its burial
//! left     by call and group, from the burial until the call's flow has asked, has had an answer, or has ended
//! ```
//!
//! A worker is at one batch when it dies, so a death leaves at most one entry, and only in a call that is open. What
//! is not there was not begun: so nothing may be missing. A worker is buried under the lock under which its batch is
//! looked for, and what was left is dropped by nobody but the flow that it belongs to.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use manyhands_shm::atomic::{AtomicU32, Ordering};
use manyhands_shm::slate::{Batch, Remains, Slate};

/// See the head of this file.
#[derive(Debug, Default)]
pub(super) struct Slates {
    all: Mutex<All>,
    /// How much is left of open calls, to be read without the lock.
    left: AtomicU32,
    /// A worker has found that it is another program than this one.
    replaced: AtomicU32,
}

#[derive(Debug, Default)]
struct All {
    living: HashMap<i32, Slate>,
    /// What is left, by the number of an open call, and by group.
    left: HashMap<u64, HashMap<u64, Remains>>,
}

impl All {
    fn count(&self) -> u32 {
        let count: usize = self.left.values().map(HashMap::len).sum();
        u32::try_from(count).unwrap_or(u32::MAX)
    }
}

impl Slates {
    fn lock(&self) -> MutexGuard<'_, All> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A worker is started.
    pub(super) fn add(&self, pid: i32, slate: Slate) {
        self.lock().living.insert(pid, slate);
    }

    /// A worker is dead: takes what it has left, if anybody may ask for it.
    pub(super) fn bury(&self, pid: i32) {
        let mut all = self.lock();
        let Some(slate) = all.living.remove(&pid) else { return };
        let Some((batch, remains)) = slate.last() else { return };
        if let Some(left) = all.left.get_mut(&batch.call) {
            left.insert(batch.group, remains);
            self.left.store(all.count(), Ordering::Relaxed);
        }
    }

    /// A call begins, whose batches may be asked for.
    pub(super) fn open(&self, call: u64) {
        self.lock().left.insert(call, HashMap::new());
    }

    /// A call has ended.
    pub(super) fn close(&self, call: u64) {
        let mut all = self.lock();
        if all.left.remove(&call).is_some_and(|left| !left.is_empty()) {
            self.left.store(all.count(), Ordering::Relaxed);
        }
    }

    /// What a dead worker has left of a batch, if it was at it.
    pub(super) fn remains(&self, pid: Option<i32>, batch: Batch) -> Option<Remains> {
        let mut all = self.lock();
        if let Some(remains) = all.left.get_mut(&batch.call)?.remove(&batch.group) {
            self.left.store(all.count(), Ordering::Relaxed);
            return Some(remains);
        }
        // The engine was faster than this pool's thread. It is not asked for again, so the burial may find it.
        all.living.get(&pid?)?.remains(batch)
    }

    /// Drops what is left of a call's groups that have come back otherwise: they were answered before the death.
    pub(super) fn prune(&self, call: u64, is_out: impl Fn(u64) -> bool) {
        if self.left.load(Ordering::Relaxed) == 0 {
            return;
        }
        let mut all = self.lock();
        if let Some(left) = all.left.get_mut(&call) {
            left.retain(|group, _| is_out(*group));
            self.left.store(all.count(), Ordering::Relaxed);
        }
    }

    /// Takes away from whichever worker is at this batch what it has not begun: how many items are left to it.
    pub(super) fn take_away(&self, batch: Batch) -> Option<u32> {
        self.lock().living.values().find_map(|slate| slate.words().take_away(batch))
    }

    /// Workers are another program than this one, whose file was replaced.
    pub(super) fn note_replaced(&self) {
        self.replaced.store(1, Ordering::Relaxed);
    }

    /// Whether workers are another program than this one.
    pub(super) fn are_replaced(&self) -> bool {
        self.replaced.load(Ordering::Relaxed) == 1
    }
}

#[cfg(test)]
mod tests {
    use manyhands_shm::world::World;

    use super::*;

    /// A worker that has begun two items of three, and finished one.
    fn worker(slates: &Slates, pid: i32, batch: Batch) {
        let world = World::create(64 << 20).unwrap();
        let slate = Slate::create(&world, 100).unwrap();
        let mut hand = slate.open(batch, 3);
        assert!(slate.words().begin(&mut hand));
        slate.words().finish(1, 0);
        assert!(slate.words().begin(&mut hand));
        slates.add(pid, slate);
    }

    #[test]
    fn however_many_die_each_batch_is_found_once() {
        const DEATHS: u32 = 300;
        let slates = Slates::default();
        slates.open(7);
        let batch = |group: u32| Batch { call: 7, group: group.into() };
        for death in 0..DEATHS {
            // One process id for all of them.
            worker(&slates, 5, batch(death));
            if death % 2 == 0 {
                slates.bury(5);
            } else {
                let remains = slates.remains(Some(5), batch(death)).expect("it is not buried");
                assert_eq!((remains.progress.begun, remains.progress.finished), (2, 1));
                slates.bury(5);
            }
        }
        for death in 0..DEATHS {
            assert!(slates.remains(Some(6), batch(death)).is_some(), "{death}");
            assert_eq!(slates.remains(Some(6), batch(death)), None);
        }
        assert_eq!(slates.left.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn nothing_is_kept_that_nobody_asks_for() {
        let slates = Slates::default();
        worker(&slates, 1, Batch { call: 3, group: 0 });
        slates.bury(1);
        assert_eq!(slates.lock().count(), 0, "the call was never opened");
        slates.open(3);
        for group in 0..10 {
            worker(&slates, 1, Batch { call: 3, group });
            slates.bury(1);
        }
        slates.prune(3, |group| group == 4);
        assert_eq!(slates.lock().count(), 1);
        assert!(slates.remains(None, Batch { call: 3, group: 4 }).is_some());
        worker(&slates, 1, Batch { call: 3, group: 11 });
        slates.bury(1);
        slates.close(3);
        assert_eq!((slates.lock().count(), slates.left.load(Ordering::Relaxed)), (0, 0));
        let fresh = Slate::create(&World::create(64 << 20).unwrap(), 100).unwrap();
        slates.add(2, fresh);
        slates.bury(2);
    }
}
