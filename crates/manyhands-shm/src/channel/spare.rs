//! The spare chunk: one that was read empty is kept warm for the next items.
//!
//! ```text
//! 0         none
//! name      whoever holds the tail lock may take it
//! name | 1  just put there by the holder of the head lock, who has not yet noted that it did
//! ```
//!
//! Names are multiples of 2. The head gives in three stores: 0 -> name|1, its journal `retiring` <- 0,
//! name|1 -> name. So a chunk that the journal names is either still the head's to give, or lies
//! there marked; it is never already back in the chain. Only the holder of the tail lock takes, so a
//! chunk that its journal `pending` names and that still lies here was not taken.

use super::chunk::Memory;
use super::words::Words;
use crate::atomic::Ordering;

/// Not yet confirmed.
const MARK: u64 = 1;

/// Head: offers the chunk named by `retiring`; whether there was room for it. To be confirmed after
/// the journal is cleared.
pub(super) fn offer<M: Memory>(words: &Words, memory: &M, name: u64) -> bool {
    memory.step();
    let spare = &words.common.spare;
    spare.compare_exchange(0, name | MARK, Ordering::AcqRel, Ordering::Relaxed).is_ok()
}

/// Head: what was offered may be taken from now on.
pub(super) fn confirm<M: Memory>(words: &Words, memory: &M) {
    memory.step();
    let spare = &words.common.spare;
    let offered = spare.load(Ordering::Relaxed);
    if offered & MARK != 0 {
        // Only the head changes a marked one.
        spare.store(offered & !MARK, Ordering::Release);
    }
}

/// Head, after a death: whether that chunk was offered.
pub(super) fn is_offered(words: &Words, name: u64) -> bool {
    words.common.spare.load(Ordering::Acquire) == name | MARK
}

/// Tail: the spare chunk, if there is one to take.
pub(super) fn look(words: &Words) -> Option<u64> {
    let name = words.common.spare.load(Ordering::Acquire);
    (name != 0 && name & MARK == 0).then_some(name)
}

/// Tail: takes the chunk that was just seen, and that `pending` names.
pub(super) fn take<M: Memory>(words: &Words, memory: &M) {
    memory.step();
    // Nobody else takes, and nobody puts one in the place of another.
    words.common.spare.store(0, Ordering::Release);
}
