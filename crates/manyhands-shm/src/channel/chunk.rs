//! Chunks and records: how items lie in memory.
//!
//! ```text
//! chunk   next | first | bytes            64 bytes, then the room for records
//! record  len: 40 bits, pins: 24 bits | pins x 8 bytes: names of blocks | len bytes, filled up to 8
//! END     in the place of a record: the items go on in the chunk `next`
//! ```
//!
//! A record never crosses chunks, and behind the last one there is always room for END. `first` is
//! the number of a chunk's first item and `bytes` what all items before it had, so that after a death
//! the place of any item of a chunk can be found from its number alone (`mend.rs`).
//!
//! It gives no meaning to the bytes of an item, and checks every length against the chunk.

use core::mem::MaybeUninit;

use crate::atomic::{AtomicU64, Ordering};
use crate::sync::Liveness;

/// Bytes before the records of a chunk.
pub const CHUNK_HEAD: u64 = 64;
/// The word that says: go on in the next chunk.
pub(super) const END: u64 = u64::MAX;
/// Bytes of a word.
pub(super) const WORD: u64 = 8;
const LEN_BITS: u32 = 40;
const LEN_MASK: u64 = (1 << LEN_BITS) - 1;
/// Items of more bytes cannot be put.
pub const MOST_LEN: u64 = LEN_MASK - 1;
/// Items that refer to more blocks cannot be put.
pub const MOST_PINS: u64 = (1 << (64 - LEN_BITS)) - 2;

/// The words at the start of a chunk.
#[derive(Debug, Default)]
#[repr(C)]
pub struct ChunkHead {
    /// The chunk after it; 0: none yet. Written once, by the holder of the tail lock.
    pub next: AtomicU64,
    /// The number of its first item. Written before the chunk is linked.
    pub first: AtomicU64,
    /// Bytes of all items before its first. As above.
    pub bytes: AtomicU64,
}

impl ChunkHead {
    /// It is linked to nothing, and holds no item yet.
    pub(super) fn begin(&self, first: u64, bytes: u64) {
        self.next.store(0, Ordering::Relaxed);
        self.first.store(first, Ordering::Relaxed);
        self.bytes.store(bytes, Ordering::Relaxed);
    }
}

/// One chunk that this process can see.
pub trait Chunk: Copy {
    /// Its first words.
    fn head(&self) -> &ChunkHead;
    /// Bytes for records, a multiple of 8.
    fn room(&self) -> u64;
    /// The word at a place, a multiple of 8 within the room.
    fn word(&self, at: u64) -> u64;
    /// Writes it.
    fn set_word(&self, at: u64, word: u64);
    /// Copies bytes to a place within the room.
    fn write(&self, at: u64, bytes: &[u8]);
    /// Copies bytes from a place within the room; all of `out` is written.
    fn read(&self, at: u64, out: &mut [MaybeUninit<u8>]);
    /// Appends `len` bytes from a place within the room.
    fn append(&self, at: u64, len: usize, out: &mut Vec<u8>);
}

/// Where chunks come from, and who asks for them.
pub trait Memory: Liveness {
    /// A chunk, seen from this process.
    type Chunk<'a>: Chunk
    where
        Self: 'a;
    /// A chunk that belongs to this process alone until it is pinned; dropping it gives it back.
    type Fresh;
    /// Why there is no memory.
    type NoMemory;

    /// The chunk of that name; `None` if there can be none.
    fn chunk(&self, name: u64) -> Option<Self::Chunk<'_>>;
    /// Makes a chunk with at least so much room. What it holds may be anything.
    ///
    /// # Errors
    /// Without memory.
    fn fresh(&self, room: u64) -> Result<Self::Fresh, Self::NoMemory>;
    /// Its name.
    fn name(fresh: &Self::Fresh) -> u64;
    /// Keeps the block of that name alive for the channel.
    fn pin(&self, name: u64);
    /// Ends that. What is gone already stays gone.
    fn unpin(&self, name: u64);

    /// Called before each store that others may find after a death; a test kills here.
    #[inline]
    fn step(&self) {}
    /// Whether this caller was killed, in a test.
    #[inline]
    fn is_killed(&self) -> bool {
        false
    }
}

/// The first word of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RecordHead {
    pub(super) len: u64,
    pub(super) pins: u64,
}

impl RecordHead {
    pub(super) const fn word(self) -> u64 {
        self.pins << LEN_BITS | self.len
    }

    pub(super) const fn from_word(word: u64) -> Self {
        Self { len: word & LEN_MASK, pins: word >> LEN_BITS }
    }

    /// Bytes of the whole record.
    #[inline]
    pub(super) const fn size(self) -> u64 {
        WORD + self.pins * WORD + self.len.next_multiple_of(WORD)
    }

    /// Where its item begins, behind the start of the record.
    #[inline]
    pub(super) const fn content(self) -> u64 {
        WORD + self.pins * WORD
    }
}

/// What stands at a place of a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    Record(RecordHead),
    End,
}

/// Something in the channel cannot be: somebody has written over it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Broken;

/// Reads what stands at a place of a chunk, and checks that it lies within.
#[inline]
pub(super) fn next(chunk: impl Chunk, at: u64) -> Result<Next, Broken> {
    let room = chunk.room();
    if !at.is_multiple_of(WORD) || at.checked_add(WORD).is_none_or(|end| end > room) {
        return Err(Broken);
    }
    let word = chunk.word(at);
    if word == END {
        return Ok(Next::End);
    }
    let record = RecordHead::from_word(word);
    // Neither sum can wrap: sizes are below 2^41, and `at` below the size of a mapping.
    if at + record.size() + WORD > room {
        return Err(Broken);
    }
    Ok(Next::Record(record))
}

/// Where item `number` of a chunk lies, or would lie, and the bytes of all items before it.
pub(super) fn find(chunk: impl Chunk, number: u64) -> Result<(u64, u64), Broken> {
    let first = chunk.head().first.load(Ordering::Acquire);
    let (mut at, mut bytes) = (0, chunk.head().bytes.load(Ordering::Acquire));
    for _ in 0..number.checked_sub(first).ok_or(Broken)? {
        let Next::Record(record) = next(chunk, at)? else { return Err(Broken) };
        at += record.size();
        bytes = bytes.wrapping_add(record.len);
    }
    Ok((at, bytes))
}
