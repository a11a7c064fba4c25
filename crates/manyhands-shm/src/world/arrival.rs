//! Blocks that somebody has pinned for a message, on their way to whoever takes the message.
//!
//! | step | a kill right after it leaves |
//! | --- | --- |
//! | 1. a hold of each block | the message, its pins, and holds that a sweep ends |
//! | 2. the message is taken: it is this process's | pins that nobody takes back: the blocks stay for ever |
//! | 3. the pins of what is held are taken back | holds that a sweep ends |
//! | 4. the message is decoded, which makes holds of its own; the first ones end | the same |
//!
//! So the time in which a kill leaves something for ever is that between 2 and 3, however long the
//! decoding takes. What could not be held (memory is short, this process is exiting) stays pinned
//! until 4.

use std::sync::Arc;

use super::block::Block;
use super::home::World;
use super::names::Handle;

/// What a message refers to, from before it is taken until it is decoded.
#[derive(Debug)]
#[must_use = "the pins stay until it is told that the message was taken and decoded"]
pub struct Arrival {
    world: Arc<World>,
    held: Vec<Block>,
    pinned: Vec<Handle>,
}

impl World {
    /// Step 1. Dropped without further steps it leaves the pins as they were.
    pub fn receive(self: &Arc<Self>, handles: impl IntoIterator<Item = Handle>) -> Arrival {
        let mut arrival = Arrival { world: Arc::clone(self), held: Vec::new(), pinned: Vec::new() };
        for handle in handles {
            match self.adopt(handle) {
                Some(block) => arrival.held.push(block),
                None => arrival.pinned.push(handle),
            }
        }
        arrival
    }
}

impl Arrival {
    /// Step 3, once and right after the message was taken.
    pub fn taken(&self) {
        for block in &self.held {
            self.world.unpin(block.handle());
        }
    }

    /// Step 4, once the message is decoded, or cannot be.
    pub fn decoded(self) {
        for handle in self.pinned {
            self.world.unpin(handle);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::Fill;

    #[test]
    fn pins_become_holds() {
        let world = World::create(64 << 20).unwrap();
        let blocks: Vec<_> = (0..3).map(|_| world.alloc(64, Fill::Zero).unwrap()).collect();
        let handles: Vec<_> = blocks.iter().map(Block::handle).collect();
        for handle in &handles {
            assert!(world.pin(*handle));
        }
        drop(blocks);
        let arrival = world.receive(handles.iter().copied());
        drop(arrival);
        let arrival = world.receive(handles.iter().copied());
        arrival.taken();
        world.enter().audit();
        let own = world.adopt(handles[0]).unwrap();
        arrival.decoded();
        assert!(world.adopt(handles[1]).is_none() && world.adopt(handles[2]).is_none());
        drop(own);
        assert!(world.adopt(handles[0]).is_none());
        world.enter().audit();
    }

    #[test]
    fn what_cannot_be_held_is_unpinned_at_the_end() {
        let world = World::create(64 << 20).unwrap();
        let block = world.alloc(64, Fill::Zero).unwrap();
        assert!(world.pin(block.handle()));
        world.retire();
        let arrival = world.receive([block.handle()]);
        arrival.taken();
        assert_eq!(arrival.pinned, [block.handle()]);
        arrival.decoded();
    }
}
