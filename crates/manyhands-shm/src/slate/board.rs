//! A slate in a block of the world: its words, and behind them the bytes of results.
#![expect(unsafe_code, reason = "results are plain bytes of shared memory")]

use core::ptr::NonNull;
use std::sync::Arc;

use super::words::{Batch, Hand, Progress, Words};
use crate::asymmetric::{self, Light};
use crate::world::{Block, Fill, NoMemory, Plain, World};

// SAFETY: a `repr(C)` structure of atomics.
unsafe impl Plain for Words {}

/// Where results begin: behind the words, on a line of their own.
const HEAD: usize = 128;

/// The slate of one worker.
#[derive(Debug, Clone)]
pub struct Slate {
    block: Block,
    /// Where the block is: it is asked for at every item.
    words: NonNull<Words>,
    room: NonNull<u8>,
    /// What the worker passes at each item.
    light: Light,
}

// SAFETY: the addresses are of a block that is held as long as this lives, the same for every thread; words are
// atomics, and who may use the room is said at `room`.
unsafe impl Send for Slate {}
// SAFETY: as above.
unsafe impl Sync for Slate {}

/// What a dead worker has left of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remains {
    /// How far it had come.
    pub progress: Progress,
    /// The results of what was finished.
    pub results: Vec<u8>,
}

impl Slate {
    /// An empty slate with room for so many bytes of results.
    ///
    /// # Errors
    /// [`NoMemory`].
    pub fn create(world: &Arc<World>, room: usize) -> Result<Self, NoMemory> {
        let block = world.alloc(HEAD.saturating_add(room), Fill::Zero)?;
        let own = Self::at(block);
        own.words().offer_heavy(asymmetric::is_possible());
        Ok(own)
    }

    fn at(block: Block) -> Self {
        let words = NonNull::from(block.get::<Words>());
        let room = NonNull::new(block.as_ptr().wrapping_add(HEAD));
        let room = room.expect("a block is nowhere near address 0");
        Self { words, room, block, light: Light::Full }
    }

    /// Worker: the slate that a block is; `None` if it is too small to be one. `registered` says whether this process
    /// has let itself be reached by the heavy half of a fence ([`asymmetric::register`]).
    #[must_use]
    pub fn of(block: Block, registered: bool) -> Option<Self> {
        let mut own = (block.len() > HEAD).then(|| Self::at(block))?;
        own.light = own.words().light(registered);
        Some(own)
    }

    /// Worker: a batch of so many items begins.
    #[must_use]
    pub fn open(&self, batch: Batch, items: u32) -> Hand {
        self.words().open(batch, items, self.light)
    }

    /// The block that it is.
    #[must_use]
    pub fn block(&self) -> &Block {
        &self.block
    }

    /// Its words.
    #[inline]
    #[must_use]
    pub fn words(&self) -> &Words {
        // SAFETY: the words lie in the block, whose length and alignment `Block::get` has checked; it is mapped as
        // long as `self` holds it, and they are only used by their atomics.
        unsafe { self.words.as_ref() }
    }

    /// Worker: the place for results. It is the worker's alone: others read it after the worker's death.
    #[inline]
    #[must_use]
    pub fn room(&mut self) -> &mut [u8] {
        let len = self.block.len() - HEAD;
        // SAFETY: the block is mapped, and longer than HEAD, as long as `self` holds it; bytes have no
        // alignment and any of them are valid. Only the worker that the slate belongs to calls this, on its
        // only copy, which is borrowed exclusively; whoever else reads here does so after that worker's death.
        unsafe { std::slice::from_raw_parts_mut(self.room.as_ptr(), len) }
    }

    /// The batch that the dead worker was at last, and what it has left of it; none if it never began one, or
    /// had not opened it. The caller knows that it is dead.
    #[must_use]
    pub fn last(&self) -> Option<(Batch, Remains)> {
        let batch = self.words().batch()?;
        Some((batch, self.remains(batch)?))
    }

    /// What the dead worker has left of this batch, if it was at it. The caller knows that it is dead.
    #[must_use]
    pub fn remains(&self, batch: Batch) -> Option<Remains> {
        let progress = self.words().progress(batch)?;
        let len = (progress.bytes as usize).min(self.block.len() - HEAD);
        let mut results = vec![0; len];
        // SAFETY: `len` bytes from HEAD on lie in the block, which is mapped as long as `self` holds it; the
        // vector is as long and new. Its writer is dead, as the caller knows, so nobody writes meanwhile.
        unsafe {
            std::ptr::copy_nonoverlapping(self.room.as_ptr(), results.as_mut_ptr(), len);
        }
        Some(Remains { progress, results })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_found_after_the_end() {
        let world = World::create(16 << 20).unwrap();
        let slate = Slate::create(&world, 1000).unwrap();
        assert_eq!(slate.last(), None);
        let mut worker = Slate::of(world.adopt(slate.block().handle()).unwrap(), true).unwrap();
        let batch = Batch { call: 1, group: 2 };
        let mut hand = worker.open(batch, 3);
        assert!(worker.words().begin(&mut hand));
        worker.room()[..3].copy_from_slice(b"abc");
        worker.words().finish(1, 3);
        assert!(worker.words().begin(&mut hand));
        let remains = slate.remains(batch).unwrap();
        assert_eq!(remains.results, b"abc");
        assert_eq!(remains.progress, Progress { begun: 2, limit: 3, finished: 1, bytes: 3 });
        assert_eq!(slate.remains(Batch { call: 1, group: 3 }), None);
        assert_eq!(slate.last(), Some((batch, remains)));
        assert_eq!(worker.room().len(), 1000);
    }

    #[test]
    fn a_worker_that_lies_about_bytes_reaches_nobody_elses() {
        let world = World::create(16 << 20).unwrap();
        let slate = Slate::create(&world, 10).unwrap();
        let batch = Batch { call: 0, group: 0 };
        let _hand = slate.open(batch, 1);
        slate.words().finish(1, u32::MAX);
        assert_eq!(slate.remains(batch).unwrap().results.len(), 10);
    }
}
