//! The end at which items are put: the protocol of put, for the holder of the tail lock.
//!
//! | step | store | killed right after it |
//! | --- | --- | --- |
//! | 1 | the lock | `mend` finds nothing to do |
//! | 2 | a new chunk, where the last one is full: `pending` <- name | it is given back |
//! | 3 | it is pinned, or taken from `spare` | the same |
//! | 4 | `first`, `bytes` of the new chunk; END in the old one | the same; END is written over |
//! | 5 | `next` of the old chunk | the new one is empty, and becomes the tail |
//! | 6 | `chunk`, `offset`; `pending` <- 0 | |
//! | 7 | the bytes of the record | they are written over |
//! | 8 | `offset`, `bytes` | they are counted again |
//! | 9 | **`put` + 1** | the item is in the channel |
//! | 10 | the lock is given back | |
//! | 11 | the bell `not_empty` | a sleeper sees the item after its slice |
//!
//! A large item is written into a chunk of its own before 1, without any lock; that chunk belongs to
//! the process until 3, so that a death gives it back. Several items of one call are committed by
//! one store for each chunk, before the next one is linked: `first` is always `put` at that moment.

use core::time::Duration;

use super::chunk::{
    CHUNK_HEAD, Chunk, END, MOST_LEN, MOST_PINS, Memory, RecordHead, WORD, extra_of, is_name,
    weight,
};
use super::words::{BROKEN, SHUT, Words};
use super::{mend, spare};
use crate::atomic::Ordering;
use crate::sync::{Locked, Wait};

/// Items of at least so many bytes get a chunk of their own.
pub const LARGE: u64 = 32 << 10;
/// Room of the first chunk, and the least that any has.
pub const FIRST_ROOM: u64 = if cfg!(loom) { TWO_WORDS } else { (4 << 10) - CHUNK_HEAD };
/// Room of the largest ordinary chunk.
const LAST_ROOM: u64 = if cfg!(loom) { TWO_WORDS } else { (64 << 10) - CHUNK_HEAD };
/// In a model, a chunk has room for two items of one word each.
const TWO_WORDS: u64 = 40;
const GROWTH: u64 = 4;

/// Why an item is not put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused<E> {
    /// There are as many items as there may be, or more bytes than there may be with this one.
    Full,
    /// This item alone has more bytes than there may be, or refers to more blocks than can be kept.
    TooLarge,
    /// Nobody puts any more.
    Shut,
    /// There is no memory for it.
    Memory(E),
    /// The channel was written over.
    Broken,
}

/// An item: its bytes, in two parts, and the names of the blocks that it refers to.
#[derive(Debug, Clone, Copy)]
pub struct Item<'a> {
    /// They follow each other.
    pub parts: [&'a [u8]; 2],
    /// Each is pinned with the item; but the first may be [`super::extra_bytes`].
    pub pins: &'a [u64],
}

impl Item<'_> {
    /// Its bytes.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.parts[0].len() as u64 + self.parts[1].len() as u64
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What it counts in a channel that counts bytes.
    #[inline]
    #[must_use]
    pub fn weight(&self) -> u64 {
        self.len().saturating_add(self.pins.first().map_or(0, |word| extra_of(*word)))
    }

    pub(super) fn head(&self) -> RecordHead {
        RecordHead { len: self.len(), pins: self.pins.len() as u64 }
    }

    fn write(&self, chunk: impl Chunk, at: u64) {
        let head = self.head();
        chunk.set_word(at, head.word());
        for (name, place) in self.pins.iter().zip(1..) {
            chunk.set_word(at + place * WORD, *name);
        }
        let content = at + head.content();
        chunk.write(content, self.parts[0]);
        chunk.write(content + self.parts[0].len() as u64, self.parts[1]);
    }
}

/// A large item in a chunk of its own, not yet in the channel.
pub struct Prepared<F> {
    fresh: F,
    head: RecordHead,
    linked: bool,
}

impl<F> core::fmt::Debug for Prepared<F> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Prepared").field("head", &self.head).finish_non_exhaustive()
    }
}

/// Writes an item into a chunk of its own, for [`Tail::put_prepared`]. Needs no lock.
///
/// # Errors
/// Without memory.
pub fn prepare<M: Memory>(
    memory: &M,
    item: &Item<'_>,
) -> Result<Prepared<M::Fresh>, Refused<M::NoMemory>> {
    let head = item.head();
    check(head)?;
    let fresh = memory.fresh(head.size() + WORD).map_err(Refused::Memory)?;
    item.write(memory.chunk(M::name(&fresh)).ok_or(Refused::Broken)?, 0);
    Ok(Prepared { fresh, head, linked: false })
}

fn check<E>(head: RecordHead) -> Result<(), Refused<E>> {
    if head.len > MOST_LEN || head.pins > MOST_PINS { Err(Refused::TooLarge) } else { Ok(()) }
}

/// The tail lock, held. Dropping it gives it back and wakes those who wait for items.
pub struct Tail<'a, M: Memory> {
    words: &'a Words,
    memory: &'a M,
    committed: u64,
}

impl<M: Memory> core::fmt::Debug for Tail<'_, M> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Tail").field("committed", &self.committed).finish_non_exhaustive()
    }
}

impl<'a, M: Memory> Tail<'a, M> {
    /// Takes the lock, if nobody holds it.
    #[inline]
    pub fn try_lock(words: &'a Words, memory: &'a M) -> Option<Self> {
        words.tail.lock.try_lock(memory.me()).map(|locked| Self::locked(words, memory, locked))
    }

    /// Takes the lock, and waits for it if need be.
    pub fn lock(words: &'a Words, memory: &'a M, limit: Option<Duration>) -> Wait<Self> {
        words.tail.lock.lock(memory, limit).map(|locked| Self::locked(words, memory, locked))
    }

    #[inline]
    fn locked(words: &'a Words, memory: &'a M, locked: Locked) -> Self {
        if locked == Locked::Recovered && mend::tail(words, memory).is_err() {
            words.set_broken();
        }
        Self { words, memory, committed: 0 }
    }

    fn put_count(&self) -> u64 {
        self.words.tail.put.load(Ordering::Relaxed)
    }

    /// Says that nobody puts any more.
    pub(super) fn shut(&mut self, bits: u32) {
        self.memory.step();
        self.words.set(SHUT | bits);
    }

    #[inline]
    fn open(&self) -> Result<(), Refused<M::NoMemory>> {
        let words = self.words;
        if !words.has(SHUT | BROKEN) {
            return Ok(());
        }
        Err(if words.has(BROKEN) { Refused::Broken } else { Refused::Shut })
    }

    /// The channel was written over: everybody is told.
    #[cold]
    fn broken(&self) -> Refused<M::NoMemory> {
        self.words.set_broken();
        Refused::Broken
    }

    /// How many items may be put at once.
    #[inline]
    fn places(&self) -> Result<u64, Refused<M::NoMemory>> {
        let most = self.words.common.most.load(Ordering::Relaxed);
        if most == 0 {
            return Ok(u64::MAX);
        }
        let tail = &self.words.tail;
        let put = self.put_count();
        match most.saturating_sub(put.wrapping_sub(tail.seen_taken.load(Ordering::Relaxed))) {
            0 => {
                let taken = self.words.head.taken.load(Ordering::Acquire);
                tail.seen_taken.store(taken, Ordering::Relaxed);
                // Fewer than nothing would look like a channel that is full for ever.
                put.checked_sub(taken)
                    .map(|held| most.saturating_sub(held))
                    .ok_or_else(|| self.broken())
            }
            places => Ok(places),
        }
    }

    /// Whether so many more bytes may be put.
    #[inline]
    fn may_add(&self, len: u64) -> Result<(), Refused<M::NoMemory>> {
        let most = self.words.common.most_bytes.load(Ordering::Relaxed);
        if most == 0 {
            return Ok(());
        }
        if len > most {
            return Err(Refused::TooLarge);
        }
        let tail = &self.words.tail;
        let came = tail.bytes.load(Ordering::Relaxed);
        let wanted = came.wrapping_add(len);
        let fits = |gone: u64| wanted.wrapping_sub(gone) <= most;
        if fits(tail.seen_taken_bytes.load(Ordering::Relaxed)) {
            return Ok(());
        }
        let gone = self.gone();
        tail.seen_taken_bytes.store(gone, Ordering::Relaxed);
        match fits(gone) {
            true => Ok(()),
            false if gone > came => Err(self.broken()),
            false => Err(Refused::Full),
        }
    }

    /// Bytes of all items whose get is committed: those of a get that is just being committed only
    /// if its `taken` was seen, too.
    fn gone(&self) -> u64 {
        let head = &self.words.head;
        loop {
            let taken = head.taken.load(Ordering::Acquire);
            let gone = head.bytes.load(Ordering::Acquire);
            if head.taken.load(Ordering::Acquire) == taken {
                return gone;
            }
            crate::atomic::spin_hint();
        }
    }

    /// Puts one item.
    ///
    /// # Errors
    /// See [`Refused`]. Then nothing has happened.
    #[inline]
    pub fn put(&mut self, item: &Item<'_>) -> Result<(), Refused<M::NoMemory>> {
        let (head, weight) = (item.head(), item.weight());
        self.admit(head, weight)?;
        let (chunk, at) = self.place(head.size())?;
        item.write(chunk, at);
        self.pin_all(item);
        self.advance(at, head, weight);
        self.commit(1);
        Ok(())
    }

    /// Puts an item that was prepared; drop it when the lock is given back.
    ///
    /// # Errors
    /// See [`Refused`]. Then nothing has happened, and it may be tried again.
    ///
    /// # Panics
    /// If it was put before.
    pub fn put_prepared(
        &mut self,
        prepared: &mut Prepared<M::Fresh>,
    ) -> Result<(), Refused<M::NoMemory>> {
        assert!(!prepared.linked, "an item is put once");
        let chunk = self.memory.chunk(M::name(&prepared.fresh)).ok_or_else(|| self.broken())?;
        let weight = weight(chunk, 0, prepared.head);
        self.admit(prepared.head, weight)?;
        self.link_fresh(&prepared.fresh)?;
        prepared.linked = true;
        for word in (1..=prepared.head.pins).map(|place| chunk.word(place * WORD)) {
            if is_name(word) {
                self.memory.step();
                self.memory.pin(word);
            }
        }
        self.advance(0, prepared.head, weight);
        self.commit(1);
        Ok(())
    }

    /// Puts as many of these items as there is room for, in their order; returns how many, and
    /// why not all.
    pub fn put_many(&mut self, items: &[Item<'_>]) -> (usize, Option<Refused<M::NoMemory>>) {
        let (mut put, mut ready) = (0, 0);
        let mut places = match self.places() {
            Ok(places) => places,
            Err(refused) => return (0, Some(refused)),
        };
        while let Some(item) = items.get(put) {
            let (head, weight) = (item.head(), item.weight());
            if places == 0 {
                self.commit(core::mem::take(&mut ready));
                places = match self.places() {
                    Ok(places) => places,
                    Err(refused) => return (put, Some(refused)),
                };
            }
            if let Err(refused) = self.admit_with((head, weight), places) {
                self.commit(ready);
                return (put, Some(refused));
            }
            if !self.has_place(head.size()) {
                self.commit(core::mem::take(&mut ready));
            }
            let (chunk, at) = match self.place(head.size()) {
                Ok(place) => place,
                Err(refused) => return (put, Some(refused)),
            };
            item.write(chunk, at);
            self.pin_all(item);
            self.advance(at, head, weight);
            (put, ready, places) = (put + 1, ready + 1, places - 1);
        }
        self.commit(ready);
        (put, None)
    }

    #[inline]
    fn pin_all(&self, item: &Item<'_>) {
        for name in item.pins.iter().filter(|word| is_name(**word)) {
            self.memory.step();
            self.memory.pin(*name);
        }
    }

    #[inline]
    fn admit(&self, head: RecordHead, weight: u64) -> Result<(), Refused<M::NoMemory>> {
        self.admit_with((head, weight), self.places()?)
    }

    #[inline]
    fn admit_with(
        &self,
        (head, weight): (RecordHead, u64),
        places: u64,
    ) -> Result<(), Refused<M::NoMemory>> {
        self.open()?;
        check(head)?;
        if places == 0 {
            return Err(Refused::Full);
        }
        self.may_add(weight)
    }

    #[inline]
    fn chunk(&self) -> Result<M::Chunk<'a>, Refused<M::NoMemory>> {
        let name = self.words.tail.chunk.load(Ordering::Relaxed);
        self.memory.chunk(name).ok_or_else(|| self.broken())
    }

    /// Whether a record of that size goes into the present chunk.
    fn has_place(&self, size: u64) -> bool {
        let at = self.words.tail.offset.load(Ordering::Relaxed);
        self.chunk().is_ok_and(|chunk| fits(chunk, at, size))
    }

    /// A place for a record of that size.
    #[inline]
    fn place(&mut self, size: u64) -> Result<(M::Chunk<'a>, u64), Refused<M::NoMemory>> {
        let at = self.words.tail.offset.load(Ordering::Relaxed);
        let chunk = self.chunk()?;
        if !at.is_multiple_of(WORD) {
            return Err(self.broken());
        }
        if fits(chunk, at, size) {
            return Ok((chunk, at));
        }
        self.link(size + WORD)?;
        Ok((self.chunk()?, 0))
    }

    /// Links a chunk with so much room at least.
    #[cold]
    fn link(&mut self, least: u64) -> Result<(), Refused<M::NoMemory>> {
        let room = self.next_room().max(least);
        if let Some(name) = spare::look(self.words) {
            let large_enough = self.memory.chunk(name).is_some_and(|chunk| chunk.room() >= room);
            self.expect(name);
            spare::take(self.words, self.memory);
            if large_enough {
                return self.append(name);
            }
            self.memory.step();
            self.memory.unpin(name);
            self.expect(0);
        }
        let fresh = self.memory.fresh(room).map_err(Refused::Memory)?;
        self.link_fresh(&fresh)
    }

    fn link_fresh(&mut self, fresh: &M::Fresh) -> Result<(), Refused<M::NoMemory>> {
        let name = M::name(fresh);
        self.expect(name);
        self.memory.step();
        self.memory.pin(name);
        self.append(name)
    }

    /// Writes the journal of the chunk that is to be linked.
    fn expect(&self, name: u64) {
        self.memory.step();
        self.words.tail.pending.store(name, Ordering::Release);
    }

    /// Links the chunk that the journal names.
    fn append(&mut self, name: u64) -> Result<(), Refused<M::NoMemory>> {
        let tail = &self.words.tail;
        let new = self.memory.chunk(name).ok_or_else(|| self.broken())?;
        let (last, at) = (self.chunk()?, tail.offset.load(Ordering::Relaxed));
        if !fits(last, at, 0) || !at.is_multiple_of(WORD) {
            return Err(self.broken());
        }
        new.head().begin(self.put_count(), tail.bytes.load(Ordering::Relaxed));
        self.memory.step();
        last.set_word(at, END);
        self.memory.step();
        last.head().next.store(name, Ordering::Release);
        self.memory.step();
        tail.chunk.store(name, Ordering::Release);
        tail.offset.store(0, Ordering::Relaxed);
        self.expect(0);
        Ok(())
    }

    /// Room for an ordinary chunk: more than the last one's where items pile up.
    fn next_room(&self) -> u64 {
        let Ok(last) = self.chunk() else { return FIRST_ROOM };
        let room = last.room().clamp(FIRST_ROOM, LAST_ROOM);
        let first = last.head().first.load(Ordering::Relaxed);
        if self.words.head.taken.load(Ordering::Acquire) > first {
            return room;
        }
        ((room + CHUNK_HEAD) * GROWTH - CHUNK_HEAD).min(LAST_ROOM)
    }

    /// The record at `at` is written; what follows it comes behind it.
    #[inline]
    fn advance(&self, at: u64, head: RecordHead, weight: u64) {
        let tail = &self.words.tail;
        tail.offset.store(at + head.size(), Ordering::Relaxed);
        let bytes = tail.bytes.load(Ordering::Relaxed).wrapping_add(weight);
        tail.bytes.store(bytes, Ordering::Relaxed);
    }

    #[inline]
    fn commit(&mut self, items: u64) {
        if items > 0 {
            self.memory.step();
            self.words.tail.put.store(self.put_count().wrapping_add(items), Ordering::Release);
            self.committed += items;
        }
    }
}

/// Whether a record of that size, and END behind it, lie in the chunk from `at` on. (Sizes are below 2^41.)
#[inline]
fn fits(chunk: impl Chunk, at: u64, size: u64) -> bool {
    chunk.room().checked_sub(at).is_some_and(|left| size + WORD <= left)
}

impl<M: Memory> Drop for Tail<'_, M> {
    #[inline]
    fn drop(&mut self) {
        if self.memory.is_killed() {
            return;
        }
        self.memory.step();
        self.words.tail.lock.unlock(self.memory.me());
        if self.committed > 0 {
            self.memory.step();
            self.words.tail.not_empty.ring(u32::try_from(self.committed).unwrap_or(u32::MAX));
        }
    }
}
