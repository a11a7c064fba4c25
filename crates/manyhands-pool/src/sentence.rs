//! What was decided about an item that must not run on; `ending` carries it out.

use std::time::{Duration, Instant};

/// Why an item must not run on.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Reason {
    /// It began at `started` (nanoseconds of the monotonic clock) and was allowed to run for `limit`.
    TimeUp { limit: Duration, started: u64 },
    /// Its call was cancelled.
    Unwanted,
}

/// What was decided about the item that a worker runs.
#[derive(Debug)]
pub(crate) struct Sentence {
    /// The item, counted from 0 in its lane.
    pub(crate) number: u64,
    pub(crate) reason: Reason,
    /// It claimed to have answered when its grace was over.
    pub(crate) spared: bool,
    /// While its stacks are waited for: since when, and how many bytes of them the last look saw.
    pub(crate) writing: Option<(Instant, usize)>,
}
