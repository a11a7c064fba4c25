//! How what an argument names is handed to a child: so that it lives until the child has it, and no longer.
//!
//! A channel ends with its last sender. So the parent of a process must not hold what it has sent there as long
//! as the process runs; nor may it let go before the child holds it. It pins the blocks instead, and either side
//! unpins them, once: whoever changes a word in shared memory first.
//!
//! | who | when |
//! | --- | --- |
//! | the child | when it has decoded its argument, and holds what it names |
//! | the parent | when the child is dead, or was never started |
//!
//! A child that is killed between the change of the word and the last unpin leaves pins: those blocks stay until
//! the world ends. It refuses to know what the blocks are.

use std::sync::Arc;

use manyhands_pool::Luggage;
use manyhands_shm::atomic::{AtomicU32, Ordering};
use manyhands_shm::sync::Owner;
use manyhands_shm::typed::Held;
use manyhands_shm::world::{Handle, NoMemory, World};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use crate::world;

/// Somebody has unpinned, or is about to.
const TAKEN: u32 = 1;

/// What is on its way, as the parent sees it; unpins when it is dropped, if nobody has.
#[derive(Debug)]
pub(crate) struct Handover(Option<Pinned>);

#[derive(Debug)]
struct Pinned {
    word: Held<AtomicU32>,
    order: Order,
    /// Who has pinned: a forked copy does nothing.
    me: Owner,
}

/// What is on its way, as it is told to the child: the word's block, 0 for none; the blocks.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub(crate) struct Order(u64, Vec<u64>);

impl Handover {
    /// Pins what some bytes name.
    pub(crate) fn of(luggage: &Luggage) -> Result<Self, NoMemory> {
        let Some(first) = luggage.first() else { return Ok(Self(None)) };
        let word = Held::create(first.world(), AtomicU32::new(0))?;
        let me = first.world().me();
        for block in luggage {
            block.world().pin(block.handle());
        }
        let names = luggage.iter().map(|block| block.handle().0).collect();
        let order = Order(word.block().handle().0, names);
        Ok(Self(Some(Pinned { word, order, me })))
    }

    /// What the child is told.
    pub(crate) fn order(&self) -> Order {
        self.0.as_ref().map(|pinned| pinned.order.clone()).unwrap_or_default()
    }
}

impl Drop for Handover {
    fn drop(&mut self) {
        let Some(Pinned { word, order, me }) = &self.0 else { return };
        if word.block().world().me() == *me {
            order.unpin(word.block().world(), word);
        }
    }
}

impl Order {
    fn unpin(&self, world: &Arc<World>, state: &AtomicU32) {
        if state.swap(TAKEN, Ordering::AcqRel) != TAKEN {
            for name in &self.1 {
                world.unpin(Handle(*name));
            }
        }
    }

    /// In the child, which holds what it was sent; none if there is nothing of that name.
    fn take(&self) -> Option<()> {
        if self.0 == 0 {
            return Some(());
        }
        let home = world::home().ok()?;
        let state = Held::<AtomicU32>::of_block(home.adopt(Handle(self.0))?)?;
        self.unpin(&home, &state);
        Some(())
    }
}

/// An argument, and behind it what it names: when both are decoded, the child has everything.
#[derive(Debug)]
pub(crate) struct Handed<T>(pub(crate) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Handed<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (value, order) = <(T, Order)>::deserialize(deserializer)?;
        order.take().ok_or_else(|| D::Error::custom("its parent is gone"))?;
        Ok(Self(value))
    }
}
