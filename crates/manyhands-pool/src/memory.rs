//! Workers that grow: what they may have, how they look at it, what becomes of them.
//!
//! | limit | who looks, when | what follows |
//! | --- | --- | --- |
//! | soft | the worker, after an item, at most every 5 ms | it says so in its lane, and is replaced: what it has not taken goes to others, a spare is forked ahead, it ends after what it has |
//! | hard | a timer of the worker's processor time, in the middle of an item | it ends itself at once; the item ends as [`Failure::Died`](crate::Failure), with both figures |
//!
//! What is counted is memory that a worker has for itself (see `footprint` of rung 0). Nothing looks at
//! workers from outside, and one without limits looks at nothing.

use std::sync::Arc;

use manyhands_os::footprint::{Footprint, end_beyond};
use manyhands_shm::lane::Lane;

/// How long a worker does not look after it has looked, in nanoseconds.
const PAUSE_NS: u64 = 5_000_000;

/// How much memory, in bytes, a worker may have for itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MemoryLimits {
    /// Beyond it a worker is replaced, after the item that it runs.
    pub soft: Option<u64>,
    /// Beyond it a worker ends, and the item that it runs with it.
    pub hard: Option<u64>,
}

/// A worker's look at its own memory.
#[derive(Debug)]
pub(crate) struct Watch {
    footprint: Footprint,
    soft: u64,
    next_ns: u64,
}

impl Watch {
    /// Sets the hard limit, and gets ready to look at the soft one. Where this process cannot see how much
    /// memory it has, there are no limits.
    pub(crate) fn new(lane: &Arc<Lane>, limits: MemoryLimits) -> Option<Self> {
        if let Some(hard) = limits.hard {
            // The word is used until this process ends.
            let lane: &'static Arc<Lane> = Box::leak(Box::new(Arc::clone(lane)));
            let _unlimited = end_beyond(hard, lane.exceeded());
        }
        let footprint = limits.soft.and_then(|_| Footprint::open().ok())?;
        Some(Self { footprint, soft: limits.soft?, next_ns: 0 })
    }

    /// Whether there is too much, at that time of the monotonic clock; false where it is too early to look.
    pub(crate) fn is_beyond(&mut self, now_ns: u64) -> bool {
        if now_ns < self.next_ns {
            return false;
        }
        self.next_ns = now_ns.saturating_add(PAUSE_NS);
        self.footprint.bytes().is_some_and(|bytes| bytes > self.soft)
    }
}
