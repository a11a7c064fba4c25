//! Waiting on a channel, and shutting it.
//!
//! Whoever waits takes the bell's ticket first, then looks, then watches the words for a moment, then
//! sleeps on the bell: what changes after the look rings after the ticket. A wait ends when it is
//! worth while to try again; it takes nothing out and promises nothing.
//!
//! Nobody relies on a ringer that may have been killed: a bell looks again after its slice.

use core::time::Duration;

use super::chunk::{Broken, Memory};
use super::head::Head;
use super::tail::Tail;
use super::words::{BROKEN, DROPPED, SHUT, Words};
use crate::atomic::Ordering;
use crate::sync::{Bell, Deadline, SLICE, Wait, spin_until};

/// How long the words are watched before a sleep.
const SPIN: Duration = Duration::from_micros(40);

impl Words {
    /// Waits until there is an item, or there will be none any more.
    pub fn wait_for_item(&self, limit: Option<Duration>) -> Wait<()> {
        watch(&self.tail.not_empty, || self.has_news(), limit)
    }

    /// The same for whoever waits all day and is told otherwise of what a killed producer left.
    pub fn wait_for_next_item(&self) -> Wait<()> {
        let bell = &self.tail.not_empty;
        let ticket = bell.ticket();
        if self.has_news() { Wait::Ready(()) } else { bell.wait_for_ring(ticket, None) }
    }

    /// Waits until there is room for an item of so many bytes, or nobody may put any more.
    pub fn wait_for_room(&self, len: u64, limit: Option<Duration>) -> Wait<()> {
        watch(&self.head.not_full, || self.has_room(len) || self.has(SHUT | BROKEN), limit)
    }

    /// Waits until something is taken, or nobody may put any more: where memory is short, and not the
    /// limits. Only a channel with limits tells of each get.
    pub fn wait_for_get(&self, limit: Option<Duration>) -> Wait<()> {
        let ticket = self.head.not_full.ticket();
        if self.is_empty() || self.has(SHUT | BROKEN) {
            return Wait::Ready(());
        }
        // The memory may be somebody else's, who tells us nothing.
        let slice = Deadline::after(limit).slice(Some(SLICE));
        match self.head.not_full.wait(ticket, slice, Duration::ZERO) {
            Wait::TimedOut if slice != limit => Wait::Ready(()),
            ended => ended,
        }
    }

    /// Waits until no task is left unfinished.
    pub fn wait_all_done(&self, limit: Option<Duration>) -> Wait<()> {
        watch(&self.tasks.all_done, || self.unfinished() == 0 || self.has(BROKEN), limit)
    }

    /// Whether there is room for an item of so many bytes, as far as the limits go.
    #[must_use]
    pub fn has_room(&self, len: u64) -> bool {
        let limits = self.limits();
        if limits.items.is_some_and(|most| self.len() >= most) {
            return false;
        }
        limits.bytes.is_none_or(|most| {
            let came = self.tail.bytes.load(Ordering::Acquire);
            let gone = self.head.bytes.load(Ordering::Acquire);
            came.saturating_sub(gone).saturating_add(len) <= most
        })
    }

    /// Whether what is in it is thrown away, and not all is gone yet.
    #[must_use]
    pub fn is_half_dropped(&self) -> bool {
        self.has(DROPPED)
            && self.tail.put.load(Ordering::Acquire) != self.head.taken.load(Ordering::Acquire)
    }

    /// Whether it was written over.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        self.has(BROKEN)
    }

    /// Says that nobody puts any more, and wakes everybody; with `drop`, what is in it is thrown away.
    ///
    /// A wait that ends early may be begun again; so may one that was killed.
    pub fn shut<M: Memory>(&self, memory: &M, drop: bool, limit: Option<Duration>) -> Wait<()> {
        let deadline = Deadline::after(limit);
        let bits = if drop { DROPPED } else { 0 };
        if !self.has(SHUT) || drop && !self.has(DROPPED) {
            match Tail::lock(self, memory, limit) {
                Wait::Ready(mut tail) => tail.shut(bits),
                ended => return ended.map(|_| ()),
            }
        }
        self.ring_all();
        if !self.has(DROPPED) {
            return Wait::Ready(());
        }
        let dropped = self.finish_drop(memory, deadline.left());
        self.ring_all();
        dropped
    }

    /// As [`Words::shut`], where the lock cannot be had: an item that is being put at this moment may still
    /// come, and what is in it stays.
    #[cfg(not(loom))]
    #[cold]
    pub(super) fn shut_unlocked(&self) {
        self.set(SHUT);
        self.ring_all();
    }

    /// Throws away what is left after [`Words::shut`], also if the one who began has died.
    pub fn finish_drop<M: Memory>(&self, memory: &M, limit: Option<Duration>) -> Wait<()> {
        match Head::lock(self, memory, limit) {
            Wait::Ready(mut head) => {
                if head.drop_all() == Err(Broken) {
                    self.set_broken();
                }
                Wait::Ready(())
            }
            ended => ended.map(|_| ()),
        }
    }

    /// After the last one who could use the channel is gone: throws its items away, and lets go of its
    /// chunks. May be killed and begun again.
    pub fn end<M: Memory>(&self, memory: &M) {
        if super::mend::tail(self, memory).is_err() || super::mend::head(self, memory).is_err() {
            return;
        }
        Head::drop_rest(self, memory);
    }
}

fn watch(bell: &Bell, ready: impl Fn() -> bool, limit: Option<Duration>) -> Wait<()> {
    let ticket = bell.ticket();
    let spin = if limit == Some(Duration::ZERO) { Duration::ZERO } else { SPIN };
    if spin_until(&ready, spin) {
        return Wait::Ready(());
    }
    bell.wait(ticket, limit, Duration::ZERO)
}
