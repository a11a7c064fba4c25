//! The words of a lane outside of its table: who writes each, and what its reader may conclude.
//!
//! | word | written by | means | ordering |
//! | --- | --- | --- | --- |
//! | `published` | worker | replies up to this position may be read | release; pairs with the acquire in `published` |
//! | `replied` | worker | so many items are answered, all published | release, after `published` |
//! | `started` | worker | when the last item with a deadline was begun | release, before `begun` |
//! | `begun` | worker | so many items are begun | release, before the item runs |
//! | `item_ns`, `state` | worker | reports | relaxed, release |
//! | `grown` | worker | it has more memory than it should keep: it wants to be replaced | release |
//! | `since_ns`, `pid` | worker | when its clock was read last; its process: for reports | relaxed |
//! | `exceeded` | worker | so many bytes of memory were too many: it ends itself | release |
//! | `consumed` | parent | replies up to this position were copied | release; pairs with the acquire in `consumed` |
//! | `wake_at`, `feed_at` | parent | the reply counts at which the worker calls | relaxed, with fences |
//! | `interrupt` | parent | the item that is sentenced: a signal is meant for it, and nothing may follow it | release, with fences |
//! | `alarm` | parent | another number: the worker calls when it begins an item with a deadline | relaxed, with fences |
//! | `skip_until` | parent | items before this one are answered without being run | release |
//!
//! Why no call at a mark is lost. The worker stores `replied`, then a fence (in [`ParentWords::due`]), then
//! reads the marks. The parent stores a mark, then a fence (in [`ParentWords::set_feed_at`], or in
//! [`Parker::park`](crate::park::Parker::park) for `wake_at`), then reads `replied`. One fence comes first, so either
//! the worker sees the mark and calls, or the parent sees the count and needs no call.
//!
//! The same pair of fences makes two more promises.
//!
//! *A sentence holds its worker.* The parent stores `interrupt`, a fence, then reads `replied`; the worker stores
//! `replied`, a fence, then reads `interrupt`. Either the parent sees that the item is answered, and takes the
//! sentence back, or the worker sees the sentence, and begins nothing more before the parent says so. Thus
//! a worker that is killed for one item has begun no other.
//!
//! *An alarm is heard.* The parent stores `alarm`, a fence, then reads what runs; the worker stores `begun`, a
//! fence, then reads `alarm`. Either the parent sees the item, or the worker calls.
//!
//! *A start belongs to its item.* `started` is stored before `begun`. The parent reads `begun`, `started`, then
//! `replied`: if the last begun item is not answered, no later one can have stored its start.
//!
//! It waits for nothing and wakes nobody. A number that the other side wrote is handed on as it is:
//! the reader checks it.

use crate::atomic::{AtomicU32, AtomicU64, Ordering, fence};
use crate::space::Position;

/// What a worker is doing, as it says itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum State {
    /// It has not looked at its lane yet.
    Starting = 0,
    /// It runs items.
    Busy = 1,
    /// It has no items and looks for some in a short busy wait.
    Spinning = 2,
    /// It has no items and sleeps.
    Idle = 3,
    /// It waits for the parent to read its replies.
    Blocked = 4,
}

impl State {
    fn from_word(word: u32) -> Self {
        [Self::Starting, Self::Busy, Self::Spinning, Self::Idle, Self::Blocked]
            .into_iter()
            .find(|state| *state as u32 == word)
            .unwrap_or(Self::Busy)
    }
}

/// Words that only the worker writes. All-zero bytes are those of a worker that has not started.
#[derive(Debug, Default)]
#[repr(C, align(128))]
pub struct WorkerWords {
    published: AtomicU64,
    replied: AtomicU64,
    begun: AtomicU64,
    item_ns: AtomicU64,
    state: AtomicU32,
    grown: AtomicU32,
    exceeded: AtomicU64,
    started: AtomicU64,
    since_ns: AtomicU64,
    pid: AtomicU32,
}

impl WorkerWords {
    /// Up to where replies may be read.
    #[inline]
    #[must_use]
    pub fn published(&self) -> Position {
        Position::from_word(self.published.load(Ordering::Acquire))
    }

    /// Worker: lets the parent read up to `tail`.
    #[inline]
    pub fn set_published(&self, tail: Position) {
        self.published.store(tail.to_word(), Ordering::Release);
    }

    /// Items answered.
    #[inline]
    #[must_use]
    pub fn replied(&self) -> u64 {
        self.replied.load(Ordering::Acquire)
    }

    /// Worker: says how many items are answered, after [`WorkerWords::set_published`].
    #[inline]
    pub fn set_replied(&self, count: u64) {
        self.replied.store(count, Ordering::Release);
    }

    /// Items begun.
    #[inline]
    #[must_use]
    pub fn begun(&self) -> u64 {
        self.begun.load(Ordering::Acquire)
    }

    /// Worker: says how many items are begun, before it runs the last of them.
    #[inline]
    pub fn set_begun(&self, count: u64) {
        self.begun.store(count, Ordering::Release);
    }

    /// When the last item with a deadline was begun, in nanoseconds of the monotonic clock.
    #[must_use]
    pub fn started(&self) -> u64 {
        self.started.load(Ordering::Acquire)
    }

    /// Worker: says when it begins an item with a deadline, before [`WorkerWords::set_begun`].
    #[inline]
    pub fn set_started(&self, ns: u64) {
        self.started.store(ns, Ordering::Release);
    }

    /// The last item that was begun (counted from 0) and when, if it has a deadline and is not answered.
    #[must_use]
    pub fn running(&self) -> Option<(u64, u64)> {
        let (begun, started) = (self.begun(), self.started());
        (self.replied() < begun).then_some((begun.wrapping_sub(1), started))
    }

    /// What an item takes, in nanoseconds (0: not known yet).
    #[must_use]
    pub fn item_ns(&self) -> u64 {
        self.item_ns.load(Ordering::Relaxed)
    }

    /// Worker: says what an item takes, in nanoseconds.
    pub fn set_item_ns(&self, ns: u64) {
        self.item_ns.store(ns, Ordering::Relaxed);
    }

    /// What the worker does; a word that means nothing counts as [`State::Busy`].
    #[must_use]
    pub fn state(&self) -> State {
        State::from_word(self.state.load(Ordering::Acquire))
    }

    /// Whether the worker has grown so much that it should be replaced.
    #[must_use]
    pub fn has_grown(&self) -> bool {
        self.grown.load(Ordering::Acquire) != 0
    }

    /// Worker: says that it has grown too much.
    pub fn set_grown(&self) {
        self.grown.store(1, Ordering::Release);
    }

    /// Where the worker says how many bytes of memory were too many (0: none), before it ends itself.
    #[must_use]
    pub fn exceeded(&self) -> &AtomicU64 {
        &self.exceeded
    }

    /// When the worker's clock was read last, in nanoseconds of the monotonic one (0: never).
    #[must_use]
    pub fn since_ns(&self) -> u64 {
        self.since_ns.load(Ordering::Relaxed)
    }

    /// Worker: says when its clock was read.
    pub fn set_since_ns(&self, ns: u64) {
        self.since_ns.store(ns, Ordering::Relaxed);
    }

    /// The worker's process (0: it has not started).
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid.load(Ordering::Relaxed)
    }

    /// Worker: says which process it is.
    pub fn set_pid(&self, pid: u32) {
        self.pid.store(pid, Ordering::Relaxed);
    }

    /// Worker: says what it does.
    pub fn set_state(&self, state: State) {
        self.state.store(state as u32, Ordering::Release);
    }
}

/// Words that only the parent writes. Call [`ParentWords::reset`] on fresh memory.
#[derive(Debug, Default)]
#[repr(C, align(128))]
pub struct ParentWords {
    consumed: AtomicU64,
    wake_at: AtomicU64,
    feed_at: AtomicU64,
    interrupt: AtomicU64,
    skip_until: AtomicU64,
    alarm: AtomicU64,
}

/// Which marks a count of replies has reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct Due {
    /// The parent's waiting thread wants to be woken.
    pub leader: bool,
    /// The supervisor wants to be called.
    pub feeder: bool,
    /// The item that was answered is sentenced: nothing may be begun until the parent has pardoned.
    pub held: bool,
}

impl ParentWords {
    /// Parent: nothing is wanted, before the worker may look.
    pub fn reset(&self) {
        for mark in [&self.wake_at, &self.feed_at, &self.interrupt] {
            mark.store(u64::MAX, Ordering::Relaxed);
        }
    }

    /// Up to where the parent has copied replies.
    #[inline]
    #[must_use]
    pub fn consumed(&self) -> Position {
        Position::from_word(self.consumed.load(Ordering::Acquire))
    }

    /// Parent: frees the room of replies up to `head`.
    pub fn set_consumed(&self, head: Position) {
        self.consumed.store(head.to_word(), Ordering::Release);
    }

    /// Worker, after it has stored `replied`: whom it must call now.
    #[inline]
    pub fn due(&self, replied: u64) -> Due {
        fence(Ordering::SeqCst);
        Due {
            leader: replied >= self.wake_at(),
            feeder: replied >= self.feed_at(),
            held: self.interrupt() < replied,
        }
    }

    /// The reply count at which the worker wakes the parent's waiting thread (`u64::MAX`: never).
    #[inline]
    #[must_use]
    pub fn wake_at(&self) -> u64 {
        self.wake_at.load(Ordering::Relaxed)
    }

    /// Parent: sets [`ParentWords::wake_at`], before it parks on "`replied` has reached it".
    pub fn set_wake_at(&self, count: u64) {
        self.wake_at.store(count, Ordering::Relaxed);
    }

    /// The reply count at which the worker calls the supervisor (`u64::MAX`: never).
    #[inline]
    #[must_use]
    pub fn feed_at(&self) -> u64 {
        self.feed_at.load(Ordering::Relaxed)
    }

    /// Parent: sets [`ParentWords::feed_at`]. Who sets it reads `replied` afterwards: a count that
    /// has reached the mark already may call nobody.
    pub fn set_feed_at(&self, count: u64) {
        self.feed_at.store(count, Ordering::Relaxed);
        fence(Ordering::SeqCst);
    }

    /// The item (counted from 0) that is to be interrupted (`u64::MAX`: none).
    #[must_use]
    pub fn interrupt(&self) -> u64 {
        self.interrupt.load(Ordering::Acquire)
    }

    /// Items before this one (counted from 0) are to be answered without being run.
    #[must_use]
    pub fn skip_until(&self) -> u64 {
        self.skip_until.load(Ordering::Acquire)
    }

    /// Parent: sets [`ParentWords::skip_until`].
    pub fn set_skip_until(&self, item: u64) {
        self.skip_until.store(item, Ordering::Release);
    }

    /// Parent: sentences an item. Who does so reads `replied` afterwards: an item that is answered
    /// holds nobody, and the sentence must be taken back.
    pub fn set_interrupt(&self, item: u64) {
        self.interrupt.store(item, Ordering::Release);
        fence(Ordering::SeqCst);
    }

    /// Worker, after it has begun an item with a deadline: which alarm the parent has set.
    #[inline]
    #[must_use]
    pub fn alarm(&self) -> u64 {
        fence(Ordering::SeqCst);
        self.alarm.load(Ordering::Relaxed)
    }

    /// Parent: wants to be called at the next item with a deadline. Who sets it looks afterwards at what runs:
    /// an item that was begun before may call nobody.
    pub fn set_alarm(&self, number: u64) {
        self.alarm.store(number, Ordering::Relaxed);
        fence(Ordering::SeqCst);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn marks_are_due_once_they_are_reached() {
        let words = ParentWords::default();
        words.reset();
        assert_eq!(words.due(u64::MAX - 1), Due { leader: false, feeder: false, held: false });
        words.set_wake_at(3);
        words.set_feed_at(4);
        assert_eq!(words.due(2), Due { leader: false, feeder: false, held: false });
        assert_eq!(words.due(3), Due { leader: true, feeder: false, held: false });
        assert_eq!(words.due(9), Due { leader: true, feeder: true, held: false });
    }

    #[test]
    fn a_sentence_holds_from_its_item_on() {
        let words = ParentWords::default();
        words.reset();
        assert!(!words.due(0).held && !words.due(7).held);
        words.set_interrupt(7);
        assert!(!words.due(7).held && words.due(8).held);
    }

    #[test]
    fn a_state_that_means_nothing_is_busy() {
        let words = WorkerWords::default();
        assert_eq!(words.state(), State::Starting);
        words.state.store(77, Ordering::Relaxed);
        assert_eq!(words.state(), State::Busy);
    }
}
