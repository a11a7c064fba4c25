//! A channel in a world: its words in a block, its chunks in others, each pinned by the channel.
//!
//! ```text
//! block of the kind CHANNEL   Words
//! pinned by it                the chunks of the chain, the spare one; what its items refer to
//! ```
//!
//! A process has the channel by holding the first block. When the last hold ends, also by a death, the
//! world calls what [`register`] gave it, and everything that is pinned is let go.
//!
//! Chunks and blocks are named by their handles, turned so that the lowest bit is free for a mark.
#![expect(unsafe_code, reason = "copies bytes of chunks, and vouches for the layout of its words")]

use core::fmt;
use core::marker::PhantomData;
use core::mem::MaybeUninit;
use core::time::Duration;
use std::sync::Arc;

use super::chunk::{CHUNK_HEAD, Chunk, ChunkHead, Memory};
use super::head::Head;
use super::tail::{FIRST_ROOM, Item, Prepared, Refused, Tail, prepare};
use super::words::{Limits, Words};
use crate::sync::{Liveness, Owner, Wait};
use crate::world::{self, Arrival, Block, Fill, Handle, Hooks, NoMemory, Plain, World};

/// The kind of the block in which a channel's words lie.
const CHANNEL: u32 = 16;
const WORD: usize = size_of::<u64>();
/// Bytes before the room of a chunk.
const HEAD: usize = 8 * WORD;
const _: () = assert!(HEAD as u64 == CHUNK_HEAD && HEAD >= size_of::<ChunkHead>());

// SAFETY: `repr(C)`, all fields are atomics, `RawMutex` or `Bell`, for which any bytes are valid;
// no address and nothing that belongs to one process.
unsafe impl Plain for Words {}
// SAFETY: as above.
unsafe impl Plain for ChunkHead {}

/// Tells the worlds of this process what ends with a channel: before it uses one.
pub fn register() {
    world::register(CHANNEL, Hooks { recover: None, destroy: Some(destroy) });
}

fn destroy(block: &Block) {
    block.get::<Words>().end(&InWorld(Arc::clone(block.world())));
}

/// The name by which a channel knows a block.
#[must_use]
pub const fn name_of(handle: Handle) -> u64 {
    let generation = handle.0 >> 32;
    let index = handle.0 & 0xffff_ffff;
    // Indices are below 2^31: a world has less memory than so many blocks would take.
    generation << 32 | index << 1 & 0xffff_ffff
}

/// The block of that name.
#[must_use]
pub const fn handle_of(name: u64) -> Handle {
    Handle(name >> 32 << 32 | (name & 0xffff_ffff) >> 1)
}

/// A world, as a channel needs it.
#[derive(Debug, Clone)]
pub struct InWorld(Arc<World>);

impl Liveness for InWorld {
    /// A thread of a process that has exited gives nothing back either.
    fn is_alive(&self, owner: Owner) -> bool {
        self.0.internal().is_alive(owner)
    }

    #[inline]
    fn me(&self) -> Owner {
        self.0.me()
    }
}

impl Memory for InWorld {
    type Chunk<'a> = InBlock<'a>;
    type Fresh = Block;
    type NoMemory = NoMemory;

    #[inline]
    fn chunk(&self, name: u64) -> Option<InBlock<'_>> {
        let (start, len) = self.0.address(handle_of(name))?;
        let room = len.checked_sub(HEAD)? / WORD * WORD;
        Some(InBlock { start: start.as_ptr(), room, world: PhantomData })
    }

    fn fresh(&self, room: u64) -> Result<Block, NoMemory> {
        let len = room.saturating_add(CHUNK_HEAD);
        let no_space = || NoMemory { asked: len, limit: None, source: None };
        self.0.alloc(usize::try_from(len).map_err(|_| no_space())?, Fill::Dirty)
    }

    fn name(fresh: &Block) -> u64 {
        name_of(fresh.handle())
    }

    fn pin(&self, name: u64) {
        // A block that is gone was not held by whoever sends it: the reader is told.
        let _ = self.0.pin(handle_of(name));
    }

    fn unpin(&self, name: u64) {
        self.0.unpin(handle_of(name));
    }
}

/// A chunk in a block.
#[derive(Debug, Clone, Copy)]
pub struct InBlock<'a> {
    start: *mut u8,
    room: usize,
    world: PhantomData<&'a World>,
}

impl InBlock<'_> {
    /// The address of `len` bytes of the room; panics where they would leave it.
    #[inline]
    fn at(&self, at: u64, len: usize) -> *mut u8 {
        let at = usize::try_from(at).unwrap_or(usize::MAX);
        assert!(at.checked_add(len).is_some_and(|end| end <= self.room), "outside of a chunk");
        self.start.wrapping_add(HEAD + at)
    }

    /// The address of a word.
    #[inline]
    fn word_at(&self, at: u64) -> *mut u64 {
        assert!(at.is_multiple_of(WORD as u64), "between two words of a chunk");
        self.at(at, WORD).cast()
    }
}

impl Chunk for InBlock<'_> {
    #[inline]
    #[expect(clippy::cast_ptr_alignment, reason = "a block begins at a multiple of 64")]
    fn head(&self) -> &ChunkHead {
        // SAFETY: the block is live, mapped as long as the world, longer than the head (checked in
        // `chunk`) and aligned to 64; the head is `Plain`, and no `&mut` to it exists.
        unsafe { &*self.start.cast::<ChunkHead>() }
    }

    #[inline]
    fn room(&self) -> u64 {
        self.room as u64
    }

    #[inline]
    fn word(&self, at: u64) -> u64 {
        let place = self.word_at(at);
        // SAFETY: inside of the block and aligned (`word_at`). By the protocol the holder of the tail
        // lock wrote the word before it committed the item, or is the caller.
        unsafe { place.read() }
    }

    #[inline]
    fn set_word(&self, at: u64, word: u64) {
        let place = self.word_at(at);
        // SAFETY: as above; by the protocol nobody reads the word before the caller, who holds the tail
        // lock or has the chunk alone, commits the item.
        unsafe { place.write(word) }
    }

    #[inline]
    fn write(&self, at: u64, bytes: &[u8]) {
        let place = self.at(at, bytes.len());
        // SAFETY: `place` is valid for so many bytes (`at`), private memory does not overlap the world,
        // and nobody reads them before the item is committed.
        unsafe { core::ptr::copy_nonoverlapping(bytes.as_ptr(), place, bytes.len()) }
    }

    #[inline]
    fn read(&self, at: u64, out: &mut [MaybeUninit<u8>]) {
        let place = self.at(at, out.len());
        // SAFETY: `place` is valid for so many bytes (`at`), and private memory does not overlap the
        // world; the item is committed, and stays as it is until the caller, who holds the head lock,
        // has taken it.
        unsafe { core::ptr::copy_nonoverlapping(place, out.as_mut_ptr().cast(), out.len()) }
    }

    #[inline]
    fn append(&self, at: u64, len: usize, out: &mut Vec<u8>) {
        let end = out.len() + len;
        out.reserve(len);
        self.read(at, &mut out.spare_capacity_mut()[..len]);
        // SAFETY: the capacity is there, and the `len` new bytes were just written.
        unsafe { out.set_len(end) }
    }
}

/// A channel that this process holds.
#[derive(Clone)]
pub struct Channel {
    block: Block,
    memory: InWorld,
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let len = self.words().len();
        f.debug_struct("Channel")
            .field("block", &self.block.handle())
            .field("len", &len)
            .finish_non_exhaustive()
    }
}

impl Channel {
    /// Makes an empty channel.
    ///
    /// # Errors
    /// Without memory.
    pub fn create(world: &Arc<World>, limits: Limits) -> Result<Self, NoMemory> {
        Self::create_with(world, limits, size_of::<Words>())
    }

    /// As above, in a block of so many bytes: what follows the words is zero, and the caller's.
    pub(super) fn create_with(
        world: &Arc<World>,
        limits: Limits,
        len: usize,
    ) -> Result<Self, NoMemory> {
        register();
        let block = world.alloc(len.max(size_of::<Words>()), Fill::Zero)?;
        let channel = Self { block, memory: InWorld(Arc::clone(world)) };
        let first = channel.memory.fresh(FIRST_ROOM)?;
        let name = InWorld::name(&first);
        first.get::<ChunkHead>().begin(0, 0);
        channel.memory.pin(name);
        channel.words().begin(limits, name);
        channel.block.set_kind(CHANNEL);
        Ok(channel)
    }

    /// The channel whose words lie in a block; `None` if none do.
    #[must_use]
    pub fn of_block(block: Block) -> Option<Self> {
        let memory = InWorld(Arc::clone(block.world()));
        (block.kind() == CHANNEL && block.len() >= size_of::<Words>())
            .then_some(Self { block, memory })
    }

    /// The block that keeps it alive, and names it.
    #[must_use]
    pub fn block(&self) -> &Block {
        &self.block
    }

    /// What it is waited on by, and counted.
    #[inline]
    #[must_use]
    pub fn words(&self) -> &Words {
        self.block.get()
    }

    /// The world, as its functions need it.
    #[must_use]
    pub fn memory(&self) -> &InWorld {
        &self.memory
    }

    /// The right to put, if nobody has it.
    #[inline]
    #[must_use]
    pub fn try_tail(&self) -> Option<Tail<'_, InWorld>> {
        Tail::try_lock(self.words(), &self.memory)
    }

    /// The right to put.
    pub fn tail(&self, limit: Option<Duration>) -> Wait<Tail<'_, InWorld>> {
        Tail::lock(self.words(), &self.memory, limit)
    }

    /// The right to take, if nobody has it.
    #[inline]
    #[must_use]
    pub fn try_head(&self) -> Option<Head<'_, InWorld>> {
        Head::try_lock(self.words(), &self.memory)
    }

    /// The right to take.
    pub fn head(&self, limit: Option<Duration>) -> Wait<Head<'_, InWorld>> {
        Head::lock(self.words(), &self.memory, limit)
    }

    /// Writes an item into a chunk of its own, without any lock.
    ///
    /// # Errors
    /// Without memory, or if it can never be put.
    pub fn prepare(&self, item: &Item<'_>) -> Result<Prepared<Block>, Refused<NoMemory>> {
        prepare(&self.memory, item)
    }

    /// Takes holds of what an item refers to, before it is taken out.
    pub fn receive(&self, pins: &[u64]) -> Arrival {
        self.memory.0.receive(pins.iter().map(|name| handle_of(*name)))
    }

    /// Says that nobody puts any more; with `drop`, what is in it is thrown away. See [`Words::shut`].
    pub fn shut(&self, drop: bool, limit: Option<Duration>) -> Wait<()> {
        self.words().shut(&self.memory, drop, limit)
    }

    /// Throws away what is left, where the one who began it has died.
    pub fn finish_drop(&self, limit: Option<Duration>) -> Wait<()> {
        self.words().finish_drop(&self.memory, limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUDGET: u64 = 1 << 30;

    fn put(channel: &Channel, bytes: &[u8], pins: &[u64]) {
        let item = Item { parts: [bytes, &[]], pins };
        if item.len() >= super::super::LARGE {
            let mut prepared = channel.prepare(&item).unwrap();
            channel.try_tail().unwrap().put_prepared(&mut prepared).unwrap();
        } else {
            channel.try_tail().unwrap().put(&item).unwrap();
        }
    }

    fn get(channel: &Channel) -> Option<(Vec<u8>, Vec<u64>)> {
        let mut head = channel.try_head().unwrap();
        let item = head.peek().unwrap()?;
        let (mut bytes, mut pins) = (Vec::new(), Vec::new());
        head.append(&item, &mut bytes).unwrap();
        head.pins(&item, &mut pins).unwrap();
        head.pass(&item);
        head.commit();
        Some((bytes, pins))
    }

    #[test]
    fn handles_and_names_are_one_to_one() {
        for handle in [Handle(1 << 32), Handle(u64::MAX << 32 | 0x7fff_ffff), Handle(7 << 32 | 5)] {
            assert_eq!(handle_of(name_of(handle)), handle);
            assert!(name_of(handle).is_multiple_of(2));
        }
    }

    #[test]
    fn items_come_out_as_they_went_in() {
        let world = World::create(BUDGET).unwrap();
        let channel = Channel::create(&world, Limits::default()).unwrap();
        let other = Channel::of_block(world.adopt(channel.block().handle()).unwrap()).unwrap();
        let lens = [0, 1, 7, 8, 9, 300, 5_000, 40_000, 3, 1 << 20, 12];
        for _ in 0..30 {
            for (number, len) in (0_u8..).zip(lens) {
                put(&channel, &vec![number; len], &[]);
            }
            for (number, len) in (0_u8..).zip(lens) {
                assert_eq!(get(&other), Some((vec![number; len], vec![])));
            }
        }
        assert_eq!(get(&other), None);
    }

    #[test]
    fn nothing_outlives_a_channel() {
        let world = World::create(BUDGET).unwrap();
        drop(world.alloc(1, Fill::Zero).unwrap());
        let before = world.usage().blocks;
        let kept = world.alloc(100, Fill::Zero).unwrap();
        let channel = Channel::create(&world, Limits::default()).unwrap();
        for len in [10, 70_000, 10, 5_000] {
            for _ in 0..20 {
                put(&channel, &vec![1; len], &[name_of(kept.handle())]);
            }
        }
        let handle = kept.handle();
        drop(kept);
        assert!(world.adopt(handle).is_some(), "the items keep it");
        for _ in 0..25 {
            let (_, pins) = get(&channel).unwrap();
            let arrival = channel.receive(&pins);
            arrival.taken();
            arrival.decoded();
        }
        drop(channel);
        assert!(world.adopt(handle).is_none());
        assert_eq!(world.usage().blocks, before);
    }

    #[test]
    fn another_block_is_no_channel() {
        let world = World::create(BUDGET).unwrap();
        assert!(Channel::of_block(world.alloc(4096, Fill::Zero).unwrap()).is_none());
    }
}
