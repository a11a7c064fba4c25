//! The end at which items are taken: the protocol of get, for the holder of the head lock.
//!
//! | step | store | killed right after it |
//! | --- | --- | --- |
//! | 1 | the lock | `mend` finds nothing to do |
//! | 2 | at END: `retiring` <- the chunk that was read | it is still the head's: nothing to do |
//! | 3 | `chunk` <- its `next`, `offset` <- 0 | it is given back |
//! | 4 | it becomes the spare (marked), or is unpinned | it stays the spare; what is gone stays gone |
//! | 5 | `retiring` <- 0; the spare loses its mark | the mark is taken away |
//! | 6 | the item is copied to private memory | the item is still in the channel, at the head |
//! | 7 | `offset`, `bytes` | they are counted again |
//! | 8 | **`taken` + 1** | the item is gone: at most once |
//! | 9 | the lock is given back | |
//! | 10 | the bell `not_full`, where there are limits | a sleeper sees the room after its slice |
//!
//! Several items are committed by one store for each chunk, before the next one is entered. Whoever
//! takes an item that refers to blocks holds them before 8 and takes their pins back right after it;
//! one that dies in between leaves those blocks alive for as long as their world.

use core::mem::MaybeUninit;
use core::time::Duration;

use super::chunk::{Broken, Chunk, Memory, Next, RecordHead, WORD, is_name, next, weight};
use super::words::{BROKEN, DROPPED, Words};
use super::{mend, spare};
use crate::atomic::Ordering;
use crate::sync::{Locked, Wait};

/// Chunks with more room than this do not become the spare.
const MOST_SPARE_ROOM: u64 = 64 << 10;
/// Each chunk without an item costs the death of a producer: more in a row are no honest chain.
const MOST_EMPTY: u32 = if cfg!(loom) { 8 } else { 4096 };

/// The item at the head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peek {
    head: RecordHead,
    at: u64,
    weight: u64,
    /// Its first byte (0 if it has none).
    pub first: u8,
}

impl Peek {
    /// Its bytes.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        usize::try_from(self.head.len).expect("what is mapped fits the address space")
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.head.len == 0
    }

    /// How many blocks it refers to.
    #[inline]
    #[must_use]
    pub fn pins(&self) -> usize {
        usize::try_from(self.head.pins).expect("a number below 2^24")
    }
}

/// The head lock, held. Dropping it gives it back and wakes those who wait for room.
pub struct Head<'a, M: Memory> {
    words: &'a Words,
    memory: &'a M,
    /// Items copied and not committed, and where the next one is.
    ready: u64,
    at: u64,
    bytes: u64,
    committed: u64,
}

impl<M: Memory> core::fmt::Debug for Head<'_, M> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Head").field("committed", &self.committed).finish_non_exhaustive()
    }
}

impl<'a, M: Memory> Head<'a, M> {
    /// Takes the lock, if nobody holds it.
    #[inline]
    pub fn try_lock(words: &'a Words, memory: &'a M) -> Option<Self> {
        words.head.lock.try_lock(memory.me()).map(|locked| Self::locked(words, memory, locked))
    }

    /// Takes the lock, and waits for it if need be.
    pub fn lock(words: &'a Words, memory: &'a M, limit: Option<Duration>) -> Wait<Self> {
        words.head.lock.lock(memory, limit).map(|locked| Self::locked(words, memory, locked))
    }

    #[inline]
    fn locked(words: &'a Words, memory: &'a M, locked: Locked) -> Self {
        if locked == Locked::Recovered && mend::head(words, memory).is_err() {
            words.set_broken();
        }
        let (at, bytes) =
            (words.head.offset.load(Ordering::Relaxed), words.head.bytes.load(Ordering::Relaxed));
        Self { words, memory, ready: 0, at, bytes, committed: 0 }
    }

    #[inline]
    fn taken(&self) -> u64 {
        self.words.head.taken.load(Ordering::Relaxed)
    }

    #[inline]
    fn chunk(&self) -> Result<M::Chunk<'a>, Broken> {
        self.memory.chunk(self.words.head.chunk.load(Ordering::Relaxed)).ok_or(Broken)
    }

    /// The next item, if there is one. Commits what was copied where the next chunk begins.
    ///
    /// # Errors
    /// If the channel was written over.
    #[inline]
    pub fn peek(&mut self) -> Result<Option<Peek>, Broken> {
        if !self.has_more() {
            return Ok(None);
        }
        let outcome = self.look();
        if outcome.is_err() {
            self.words.set_broken();
        }
        outcome.map(Some)
    }

    #[inline]
    fn has_more(&self) -> bool {
        let words = self.words;
        let next = self.taken().wrapping_add(self.ready);
        if words.head.seen_put.load(Ordering::Relaxed) == next {
            let put = words.tail.put.load(Ordering::Acquire);
            words.head.seen_put.store(put, Ordering::Relaxed);
            if put == next {
                return false;
            }
        }
        !words.has(DROPPED | BROKEN)
    }

    #[inline]
    fn look(&mut self) -> Result<Peek, Broken> {
        for _ in 0..MOST_EMPTY {
            let chunk = self.chunk()?;
            match next(chunk, self.at)? {
                Next::Record(head) => {
                    let weight = weight(chunk, self.at, head);
                    let at = self.at + head.content();
                    let first = if head.len == 0 { 0 } else { first_byte(chunk, at) };
                    return Ok(Peek { head, at, weight, first });
                }
                Next::End => self.enter_next(chunk)?,
            }
        }
        Err(Broken)
    }

    /// The chunk of an item that was seen there, if the item still lies within.
    #[inline]
    fn chunk_of(&self, item: &Peek) -> Result<M::Chunk<'a>, Broken> {
        let chunk = self.chunk()?;
        let within = chunk.room().checked_sub(item.at).is_some_and(|left| item.head.len <= left);
        if within { Ok(chunk) } else { Err(Broken) }
    }

    /// Copies bytes of the item from the `skip`th on; as many as `out` has.
    pub fn copy(
        &self,
        item: &Peek,
        skip: usize,
        out: &mut [MaybeUninit<u8>],
    ) -> Result<(), Broken> {
        if skip.checked_add(out.len()).is_none_or(|end| end > item.len()) {
            return Err(Broken);
        }
        self.chunk_of(item)?.read(item.at + skip as u64, out);
        Ok(())
    }

    /// Appends the bytes of the item to `out`.
    #[inline]
    pub fn append(&self, item: &Peek, out: &mut Vec<u8>) -> Result<(), Broken> {
        self.chunk_of(item)?.append(item.at, item.len(), out);
        Ok(())
    }

    /// Appends the names of the blocks that the item refers to.
    pub fn pins(&self, item: &Peek, out: &mut Vec<u64>) -> Result<(), Broken> {
        let chunk = self.chunk_of(item)?;
        let start = item.at - item.head.pins * WORD;
        let words = (0..item.head.pins).map(|pin| chunk.word(start + pin * WORD));
        out.extend(words.filter(|word| is_name(*word)));
        Ok(())
    }

    /// The item is copied: the next one is at the head, once this is committed.
    #[inline]
    pub fn pass(&mut self, item: &Peek) {
        self.at += item.head.size();
        self.bytes = self.bytes.wrapping_add(item.weight);
        self.ready += 1;
    }

    /// Takes the items that were passed out of the channel.
    #[inline]
    pub fn commit(&mut self) {
        if self.ready == 0 {
            return;
        }
        let head = &self.words.head;
        head.offset.store(self.at, Ordering::Relaxed);
        head.bytes.store(self.bytes, Ordering::Release);
        self.memory.step();
        head.taken.store(self.taken().wrapping_add(self.ready), Ordering::Release);
        self.committed += self.ready;
        self.ready = 0;
    }

    /// Enters the chunk after this one, which is read empty.
    #[cold]
    fn enter_next(&mut self, chunk: M::Chunk<'a>) -> Result<(), Broken> {
        self.commit();
        let next = chunk.head().next.load(Ordering::Acquire);
        // What follows begins with the item after the last one of this chunk: a chain that somebody has
        // bent back on itself ends here.
        let entered = self.memory.chunk(next).ok_or(Broken)?;
        if entered.head().first.load(Ordering::Acquire) != self.taken() {
            return Err(Broken);
        }
        let (words, memory) = (self.words, self.memory);
        let old = words.head.chunk.load(Ordering::Relaxed);
        memory.step();
        words.head.retiring.store(old, Ordering::Release);
        memory.step();
        words.head.chunk.store(next, Ordering::Release);
        words.head.offset.store(0, Ordering::Relaxed);
        self.at = 0;
        let kept = chunk.room() <= MOST_SPARE_ROOM && spare::offer(words, memory, old);
        if !kept {
            memory.step();
            memory.unpin(old);
        }
        memory.step();
        words.head.retiring.store(0, Ordering::Release);
        if kept {
            spare::confirm(words, memory);
        }
        Ok(())
    }

    /// Throws everything away that is left, after nobody puts any more: the bytes, and what the items
    /// refer to. What another one had begun to throw away, and died, is finished.
    pub(super) fn drop_all(&mut self) -> Result<(), Broken> {
        let words = self.words;
        let left = words.tail.put.load(Ordering::Acquire).wrapping_sub(self.taken());
        if left > 0 && words.tasks.dropped.load(Ordering::Relaxed) == 0 {
            self.memory.step();
            words.tasks.dropped.store(left, Ordering::Release);
        }
        let mut pins = Vec::new();
        while words.tail.put.load(Ordering::Acquire) != self.taken() {
            let item = self.look()?;
            self.pins(&item, &mut pins)?;
            self.pass(&item);
            self.commit();
            for name in pins.drain(..) {
                self.memory.step();
                self.memory.unpin(name);
            }
        }
        Ok(())
    }
}

impl<M: Memory> Head<'_, M> {
    /// With nobody left who could hold the lock: throws the items away and lets go of the chunks.
    pub(super) fn drop_rest(words: &Words, memory: &M) {
        let mut head = Head::locked(words, memory, Locked::Clean);
        let whole = head.drop_all().is_ok();
        core::mem::forget(head);
        if !whole {
            return;
        }
        for word in [&words.common.spare, &words.head.chunk] {
            let name = word.load(Ordering::Acquire);
            if name != 0 {
                memory.step();
                memory.unpin(name);
            }
        }
    }
}

#[inline]
fn first_byte(chunk: impl Chunk, at: u64) -> u8 {
    chunk.word(at).to_ne_bytes()[0]
}

impl<M: Memory> Drop for Head<'_, M> {
    #[inline]
    fn drop(&mut self) {
        if self.memory.is_killed() {
            return;
        }
        let (words, memory) = (self.words, self.memory);
        memory.step();
        words.head.lock.unlock(memory.me());
        let limited = words.common.most.load(Ordering::Relaxed) > 0
            || words.common.most_bytes.load(Ordering::Relaxed) > 0;
        if self.committed > 0 && limited {
            memory.step();
            let bytes = words.common.most_bytes.load(Ordering::Relaxed) > 0;
            let count = if bytes { u64::MAX } else { self.committed };
            words.head.not_full.ring(u32::try_from(count).unwrap_or(u32::MAX));
        }
    }
}
