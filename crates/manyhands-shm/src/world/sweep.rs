//! The end of a process: what it held is given back, by itself when it exits, by others when it died.
//!
//! | step of a burial | a kill right after it leaves |
//! | --- | --- |
//! | 1. its slot says that it is being buried, and by whom | a burial whose digger is dead: the next sweep goes on |
//! | 2. for each hold: the kind's `recover` | the same: it is called again |
//! | 3. the hold ends (its block may end, too) | the same, with a hold less |
//! | 4. its chunks are freed, one by one | the same |
//! | 5. its slot is free | nothing |
//!
//! No step is under a lock of the world for longer than one hold.

use core::time::Duration;
use std::sync::Arc;

use manyhands_os::clock::monotonic_ns;

use super::home::World;
use super::inside::Heat;
use super::kinds::hooks;
use super::names::{Handle, Life};
use super::words::Word;
use crate::atomic::Ordering;
use crate::sync::{Gone, Owner};

impl World {
    /// Gives back what dead processes held: blocks, and whatever names them as owner. Costs some ten
    /// microseconds for each process there is.
    pub fn sweep(self: &Arc<Self>) {
        if self.local.enter().outside.is_some() {
            return;
        }
        self.ground.known.enter().forget_the_dead();
        self.ground.relieve(self.me());
        for owner in (0..Owner::SLOTS).filter_map(|index| self.ground.owner_at(index)) {
            if let Some(how) = self.ground.begin_burial(owner, self.me()) {
                self.bury(owner, how);
            }
        }
    }

    /// Sweeps, unless some process of this world has done so by this call within the last `pause`: for
    /// those who wait for what a death would tell them, and cannot know who learns of it. However many wait,
    /// one of them pays.
    #[cold]
    pub fn sweep_now_and_then(self: &Arc<Self>, pause: Duration) {
        let (now, swept) = (monotonic_ns() / 1_000_000, &self.ground.header().swept);
        let last = swept.load(Ordering::Relaxed);
        let due = u128::from(now.saturating_sub(last)) >= pause.as_millis();
        let order = Ordering::Relaxed;
        if due && swept.compare_exchange(last, now, order, order).is_ok() {
            self.sweep();
        }
    }

    pub(super) fn bury(self: &Arc<Self>, owner: Owner, how: Gone) {
        let mut link = self.ground.slot(owner.slot()).table.get();
        while let Some(index) = self.ground.linked(link) {
            let chunk = self.ground.chunk(index);
            for hold in &chunk.holds {
                let handle = Handle(hold.get());
                if handle.0 != 0 {
                    let remains = self.recover(handle, owner, how);
                    let inside = self.enter();
                    hold.commit(0);
                    if let Some(name) = inside.ground.find_name(handle) {
                        inside.drop_hold(name, handle, Heat::Warm);
                    }
                    drop(inside);
                    drop(remains);
                }
            }
            link = chunk.next.get();
        }
        let inside = self.enter();
        while inside.drop_chunk(owner) {}
        drop(inside);
        self.ground.give_seat(owner);
    }

    /// Recovers one block of an owner that is gone. Returns a hold of our own where the block's end
    /// takes more than freeing it.
    fn recover(
        self: &Arc<Self>,
        handle: Handle,
        owner: Owner,
        how: Gone,
    ) -> Option<super::block::Block> {
        let name = self.ground.find_name(handle)?;
        let hooks = hooks(name.kind.get());
        if name.life() != Life::Dying && hooks.recover.is_none() && hooks.destroy.is_none() {
            return None;
        }
        let block = self.adopt_remains(handle)?;
        match (block.0.ending, hooks.recover, hooks.destroy) {
            (None, Some(recover), _) => recover(&block, owner, how),
            (Some(_), _, Some(destroy)) => destroy(&block),
            _ => {}
        }
        Some(block)
    }

    /// This process exits normally: what it owns stays locked, by nobody who could die, and what it
    /// holds is given back by whoever sweeps next, once it is gone. (Other threads may still be using
    /// it.) From now on it takes and gives nothing.
    pub fn retire(self: &Arc<Self>) {
        let handles: Vec<_> = {
            let local = self.local.enter();
            if local.outside.is_some() || !self.is_seated() {
                return;
            }
            local.table.handles().collect()
        };
        let me = self.me();
        for handle in handles {
            let Some(name) = self.ground.find_name(handle) else { continue };
            let Some(recover) = hooks(name.kind.get()).recover else { continue };
            if let Some(block) = self.adopt(handle) {
                recover(&block, me, Gone::Left);
            }
        }
        self.ground.leave(me);
        self.local.enter().outside = Some("this process is exiting");
    }
}
