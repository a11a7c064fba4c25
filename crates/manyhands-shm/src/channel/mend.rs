//! After a death: makes an end whole again whose lock was left locked.
//!
//! The truth is `put`, `taken`, the chain of chunks from the head's on, their `first` and `bytes`, and
//! the records of committed items. All else of an end is made again from these. The journals
//! `pending` and `retiring` name a chunk that was on its way; where it is now tells how far it came.
//! A chunk that is in doubt is unpinned, never kept: a block that is gone already stays gone, since
//! names are never used again.
//!
//! Each step may be killed, too: whoever comes next begins from the start.

use super::chunk::{Broken, Memory, find};
use super::spare;
use super::words::Words;
use crate::atomic::Ordering;

/// The tail, by the holder of its lock.
pub(super) fn tail<M: Memory>(words: &Words, memory: &M) -> Result<(), Broken> {
    let tail = &words.tail;
    let last = memory.chunk(tail.chunk.load(Ordering::Acquire)).ok_or(Broken)?;
    let next = last_link(last);
    if next != 0 {
        memory.step();
        tail.chunk.store(next, Ordering::Release);
    }
    let pending = tail.pending.load(Ordering::Acquire);
    if pending != 0 {
        let linked = pending == tail.chunk.load(Ordering::Relaxed);
        if !linked && spare::look(words) != Some(pending) {
            memory.step();
            memory.unpin(pending);
        }
        memory.step();
        tail.pending.store(0, Ordering::Release);
    }
    let last = memory.chunk(tail.chunk.load(Ordering::Relaxed)).ok_or(Broken)?;
    let (at, bytes) = find(last, tail.put.load(Ordering::Acquire))?;
    tail.offset.store(at, Ordering::Relaxed);
    tail.bytes.store(bytes, Ordering::Relaxed);
    Ok(())
}

fn last_link(chunk: impl super::chunk::Chunk) -> u64 {
    chunk.head().next.load(Ordering::Acquire)
}

/// The head, by the holder of its lock.
pub(super) fn head<M: Memory>(words: &Words, memory: &M) -> Result<(), Broken> {
    let head = &words.head;
    let retiring = head.retiring.load(Ordering::Acquire);
    if retiring != 0 {
        let left = head.chunk.load(Ordering::Acquire) != retiring;
        if left && !spare::is_offered(words, retiring) {
            memory.step();
            memory.unpin(retiring);
        }
        memory.step();
        head.retiring.store(0, Ordering::Release);
    }
    spare::confirm(words, memory);
    let chunk = memory.chunk(head.chunk.load(Ordering::Acquire)).ok_or(Broken)?;
    let (at, bytes) = find(chunk, head.taken.load(Ordering::Acquire))?;
    head.offset.store(at, Ordering::Relaxed);
    head.bytes.store(bytes, Ordering::Release);
    Ok(())
}
