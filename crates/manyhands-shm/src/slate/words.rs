//! The words of a slate.
//!
//! ```text
//! call, group   which batch this is about
//! claim         turn (bits 63..48), open (47), limit (23..0): items from the limit on are not the worker's
//! begun         turn (bits 63..48), items that are begun (23..0)
//! finished      items that are finished (63..32), bytes of their results (31..0)
//! light         1: the parent can pass the heavy half of a fence (`asymmetric`)
//! ```
//!
//! | step of the worker | a death right after it |
//! | --- | --- |
//! | 1. `claim` <- its turn, not open | no batch can be read |
//! | 2. `call`, `group`, `finished` <- 0, `begun` <- next turn, 0 | the same |
//! | 3. `claim` <- next turn, open, limit = count | nothing was begun |
//! | 4. `begun` + 1 | this item is lost |
//! | 5. light half of a fence; is the item below the limit? If not, `begun` - 1, and the batch ends | this item is lost, or was not begun |
//! | 6. the bytes of its result, then `finished` (release) | it is finished, and its result is there |
//!
//! Steps 4 to 6 are those of every item, and are plain loads and stores of the worker's own line: a read-modify-write
//! would cost more than all else that is done for a small item.
//!
//! The parent may take away what is not begun while the worker lives: it lowers the limit to what it sees begun, passes
//! the heavy half of the fence, and looks again. What it sees then is left to the worker: an item that is not among
//! these will find the lowered limit. An item that is, and finds the limit too, is not run, and its reply does not
//! count it; so it is never run twice, and whoever reads replies sends again what they lack. The turn tells a batch from
//! the next one: a parent that has read `call` and `group` between two equal readings of `claim` has read those of
//! that turn.

use crate::asymmetric::{self, Light};
use crate::atomic::{AtomicU64, Ordering, fence};

/// So many items can be in a batch.
const MOST: u64 = (1 << 24) - 1;

/// In `claim`: the batch may be read.
const OPEN: u64 = 1 << 47;

/// Names a batch: a call of a pool, and an item of that call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Batch {
    /// The number of the call.
    pub call: u64,
    /// Which of its requests.
    pub group: u64,
}

/// How far a batch has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Items that were begun.
    pub begun: u32,
    /// Items that may be begun, those included: the others were taken away.
    pub limit: u32,
    /// Items that were finished: as many as were begun, or one less.
    pub finished: u32,
    /// Bytes of their results.
    pub bytes: u32,
}

/// The worker's hand: the batch that it is at, and how far it is.
#[derive(Debug)]
pub struct Hand {
    turn: u64,
    begun: u64,
    light: Light,
}

/// The words. All-zero bytes are a slate without a batch.
#[derive(Debug)]
#[repr(C)]
pub struct Words {
    claim: AtomicU64,
    begun: AtomicU64,
    finished: AtomicU64,
    call: AtomicU64,
    group: AtomicU64,
    light: AtomicU64,
}

const fn turn(word: u64) -> u64 {
    word >> 48
}

/// The limit of a claim, or how many items are begun.
const fn count(word: u64) -> u64 {
    word & MOST
}

const fn word(turn: u64, count: u64) -> u64 {
    turn << 48 | count
}

const fn is_open(claim: u64) -> bool {
    claim & OPEN != 0
}

/// Whether two claims are of one open batch.
const fn is_same(before: u64, after: u64) -> bool {
    turn(before) == turn(after) && is_open(before) && is_open(after)
}

#[expect(clippy::cast_possible_truncation, reason = "a half is cut out on purpose")]
const fn half(word: u64) -> u32 {
    word as u32
}

impl Default for Words {
    fn default() -> Self {
        Self::new()
    }
}

impl Words {
    /// A slate without a batch.
    #[must_use]
    pub fn new() -> Self {
        Self {
            claim: AtomicU64::new(0),
            begun: AtomicU64::new(0),
            finished: AtomicU64::new(0),
            call: AtomicU64::new(0),
            group: AtomicU64::new(0),
            light: AtomicU64::new(0),
        }
    }

    /// Parent, before there is a worker: whether it can pass the heavy half of a fence.
    pub fn offer_heavy(&self, possible: bool) {
        self.light.store(u64::from(possible), Ordering::Relaxed);
    }

    /// Worker: what it has to pass at each item, if its process is registered or not.
    #[must_use]
    pub fn light(&self, registered: bool) -> Light {
        let free = registered && self.light.load(Ordering::Relaxed) == 1;
        self.light.store(u64::from(free), Ordering::Relaxed);
        if free { Light::Free } else { Light::Full }
    }

    /// Worker: a batch of so many items begins.
    #[must_use]
    pub fn open(&self, batch: Batch, items: u32, light: Light) -> Hand {
        let before = turn(self.claim.load(Ordering::Relaxed));
        // Every change of the claim is a read-modify-write, so that the parent's come before it or fail.
        self.claim.swap(word(before, 0), Ordering::Relaxed);
        // Who reads what follows and then the claim again sees at least this claim.
        fence(Ordering::Release);
        let turn = (before + 1) & 0xffff;
        self.call.store(batch.call, Ordering::Relaxed);
        self.group.store(batch.group, Ordering::Relaxed);
        self.finished.store(0, Ordering::Relaxed);
        self.begun.store(word(turn, 0), Ordering::Relaxed);
        let limit = u64::from(items).min(MOST);
        self.claim.swap(word(turn, limit) | OPEN, Ordering::Release);
        Hand { turn, begun: 0, light }
    }

    /// Worker: begins the next item, if one is left to it.
    #[inline]
    #[must_use]
    pub fn begin(&self, hand: &mut Hand) -> bool {
        self.begun.store(word(hand.turn, hand.begun + 1), Ordering::Relaxed);
        // Pairs with the heavy half in `take_away`.
        hand.light.pass();
        if hand.begun < count(self.claim.load(Ordering::Relaxed)) {
            hand.begun += 1;
            return true;
        }
        self.begun.store(word(hand.turn, hand.begun), Ordering::Relaxed);
        false
    }

    /// Worker: so many items are finished now, and so long are their results together, which are written.
    #[inline]
    pub fn finish(&self, finished: u32, bytes: u32) {
        self.finished.store(u64::from(finished) << 32 | u64::from(bytes), Ordering::Release);
    }

    /// Parent: the batch that the worker is at, if there is one.
    #[must_use]
    pub fn batch(&self) -> Option<Batch> {
        let before = self.claim.load(Ordering::Acquire);
        let found = Batch {
            call: self.call.load(Ordering::Relaxed),
            group: self.group.load(Ordering::Relaxed),
        };
        self.reading(found).filter(|after| turn(*after) == turn(before)).map(|_| found)
    }

    /// Parent: how far this batch has come, if it is the one that the slate is about.
    #[must_use]
    pub fn progress(&self, batch: Batch) -> Option<Progress> {
        let claim = self.reading(batch)?;
        let finished = self.finished.load(Ordering::Acquire);
        let begun = self.begun.load(Ordering::Relaxed);
        // If the turn is over by now, these may be the next one's.
        fence(Ordering::Acquire);
        let after = self.claim.load(Ordering::Relaxed);
        is_same(claim, after).then(|| Progress {
            begun: half(count(begun)),
            limit: half(count(claim)),
            finished: half(finished >> 32),
            bytes: half(finished),
        })
    }

    /// Parent: takes away what was not begun of this batch; how many items are left to the worker, those that
    /// it has begun included. Of several answers the least holds. `None`: the worker is not at this batch.
    #[must_use]
    pub fn take_away(&self, batch: Batch) -> Option<u32> {
        let mut now = self.reading(batch)?;
        loop {
            let seen = self.begun.load(Ordering::Relaxed);
            if turn(seen) != turn(now) {
                return None;
            }
            let lowered = word(turn(now), count(seen).min(count(now))) | OPEN;
            match self.claim.compare_exchange(now, lowered, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => break,
                Err(other) if is_same(now, other) => now = other,
                Err(_) => return None,
            }
        }
        let free = self.light.load(Ordering::Relaxed) == 1;
        // Pairs with the light half in `begin`.
        if !asymmetric::heavy_for(if free { Light::Free } else { Light::Full }) {
            return None;
        }
        let begun = self.begun.load(Ordering::Relaxed);
        (turn(begun) == turn(now)).then(|| half(count(begun)))
    }

    /// The claim, if it is that of this batch.
    fn reading(&self, batch: Batch) -> Option<u64> {
        let before = self.claim.load(Ordering::Acquire);
        let found = Batch {
            call: self.call.load(Ordering::Relaxed),
            group: self.group.load(Ordering::Relaxed),
        };
        fence(Ordering::Acquire);
        let after = self.claim.load(Ordering::Relaxed);
        (is_same(before, after) && found == batch).then_some(after)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    const BATCH: Batch = Batch { call: 7, group: 3 };

    #[test]
    fn a_batch_is_begun_item_by_item_and_read_by_its_name() {
        let words = Words::new();
        assert_eq!(words.progress(Batch { call: 0, group: 0 }), None, "no batch");
        let mut hand = words.open(BATCH, 2, Light::Full);
        assert!(words.begin(&mut hand));
        words.finish(1, 10);
        assert!(words.begin(&mut hand));
        assert!(!words.begin(&mut hand));
        let progress = Progress { begun: 2, limit: 2, finished: 1, bytes: 10 };
        assert_eq!(words.progress(BATCH), Some(progress));
        assert_eq!(words.progress(Batch { call: 7, group: 4 }), None);
    }

    #[test]
    fn what_was_taken_away_is_not_begun() {
        for possible in [false, asymmetric::is_possible()] {
            let words = Words::new();
            words.offer_heavy(possible);
            let light = words.light(asymmetric::register());
            let mut hand = words.open(BATCH, 5, light);
            assert!(words.begin(&mut hand));
            assert_eq!(words.take_away(Batch { call: 1, group: 1 }), None);
            assert_eq!(words.take_away(BATCH), Some(1));
            assert!(!words.begin(&mut hand));
            assert_eq!(words.progress(BATCH).map(|progress| progress.begun), Some(1));
            let mut next = words.open(Batch { call: 7, group: 4 }, 5, light);
            assert_eq!(words.take_away(BATCH), None);
            assert!(words.begin(&mut next));
        }
    }

    #[test]
    fn a_batch_of_which_nothing_was_begun_can_be_taken_away_and_is_still_known() {
        let words = Words::new();
        let mut hand = words.open(BATCH, 5, Light::Full);
        assert_eq!(words.take_away(BATCH), Some(0));
        assert!(!words.begin(&mut hand));
        let progress = Progress { begun: 0, limit: 0, finished: 0, bytes: 0 };
        assert_eq!(words.progress(BATCH), Some(progress));
    }
}
