//! The end of a hold.
//!
//! Usually one turn under the world's lock. The last hold of a block that has something to be done
//! first (its kind's `destroy`, or many pages to be given back to the kernel) ends in three steps:
//!
//! | step | a kill right after it leaves |
//! | --- | --- |
//! | 1. under the lock: the block is *dying*, nobody else gets it | a dying block, held by a dead process |
//! | 2. without the lock: `destroy`; its pages are punched | the same; the sweep does both again |
//! | 3. under the lock: the hold ends, the block is freed | as in `tables.rs` |
//!
//! Pinning is here as well: a pin keeps a block alive that no process holds, because it is on its way.
//! A process that dies between a pin and what it was for leaves a block that is never freed: the one
//! thing that a kill can cost.

use std::sync::Arc;

use super::block::Hold;
use super::home::World;
use super::inside::Heat;
use super::kinds::hooks;
use super::names::{Handle, Life};
use super::slabs::{Spot, pages_of};
use super::tables::TABLE_KIND;
use super::words::Word;

/// Blocks of at least so many pages are punched without the lock.
const LONG: u32 = 64;

impl Drop for Hold {
    fn drop(&mut self) {
        match self.ending {
            None => self.let_go(),
            Some(heat) => self.end(heat),
        }
    }
}

impl Hold {
    fn let_go(&self) {
        let world = &self.world;
        let mut local = world.local.enter();
        if local.outside.is_some() || world.ground.has_left(world.me()) {
            // The sweep ends it when this process is gone: until then a lock that it owns shows who does.
            return;
        }
        let inside = world.enter();
        let Some(name) = inside.ground.find_name(self.handle) else {
            return inside.end_hold(&mut local.table, self.entry);
        };
        let destroy = hooks(name.kind.get()).destroy;
        let count = pages_of(name.length()).unwrap_or(0);
        let cools = count >= LONG && inside.is_too_warm(count);
        let is_last = name.holders.get() == 1 && name.pins.get() == 0;
        if !is_last || (destroy.is_none() && !cools) {
            inside.end_hold(&mut local.table, self.entry);
            return inside.drop_hold(name, self.handle, Heat::Warm);
        }
        name.set_dying();
        drop(inside);
        drop(local);
        let block = self.to_end(if cools { Heat::Cold } else { Heat::Warm });
        if let Some(destroy) = destroy {
            destroy(&block);
        }
    }

    /// The end of the last hold of a dying block.
    fn end(&self, heat: Heat) {
        let world = &self.world;
        if let Some(count) = pages_of(self.len).filter(|_| heat == Heat::Cold) {
            world.ground.punch(Spot(self.offset).page(), count);
        }
        let mut local = world.local.enter();
        if local.outside.is_some() {
            return;
        }
        let inside = world.enter();
        inside.end_hold(&mut local.table, self.entry);
        if let Some(name) = inside.ground.find_name(self.handle) {
            inside.drop_hold(name, self.handle, heat);
        }
    }
}

impl World {
    /// Keeps a block alive, whoever holds it, until it is unpinned; false if it is gone. It is for
    /// what is on its way: whoever sends a handle pins, whoever has adopted it unpins.
    pub fn pin(&self, handle: Handle) -> bool {
        let inside = self.enter();
        let Some(name) = inside.ground.find_name(handle) else { return false };
        if name.life() != Life::Used || name.kind.get() == TABLE_KIND {
            return false;
        }
        name.pins.commit(name.pins.get() + 1);
        true
    }

    /// Takes one pin back, if there is one; frees the block if that was the last thing that kept it.
    pub fn unpin(self: &Arc<Self>, handle: Handle) {
        let inside = self.enter();
        let Some(name) = inside.ground.find_name(handle) else { return };
        let (pins, holders) = (name.pins.get(), name.holders.get());
        if pins != 1 || holders > 0 {
            return name.pins.commit(pins.saturating_sub(1));
        }
        if hooks(name.kind.get()).destroy.is_none() {
            name.pins.commit(0);
            return inside.unmake(handle.index(), Heat::Warm);
        }
        drop(inside);
        // With a hold of our own the last pin is not the last thing: the end of the hold is. Where
        // none can be had, the pin stays.
        let Some(block) = self.adopt(handle) else { return };
        let inside = self.enter();
        if let Some(name) = inside.ground.find_name(handle) {
            name.pins.commit(name.pins.get().saturating_sub(1));
        }
        drop(inside);
        drop(block);
    }
}
