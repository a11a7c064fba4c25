//! What the supervisor remembers of a worker's items with deadlines, and of its start; `deadline` and `readiness` use it.

use std::time::{Duration, Instant};

/// When a worker is looked at next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    Never,
    Called,
    At(Instant),
}

/// How far the start of a worker has come, where it has a limit.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Readiness {
    /// It has until then.
    By(Instant),
    /// Its stacks were asked for; then the pool fails.
    Late(Instant),
}

/// What the supervisor knows of a worker's items with deadlines.
#[derive(Debug)]
pub(crate) struct Watch {
    pub(crate) next: Next,
    /// The last alarm, and whether nothing was seen to have begun since it was set.
    pub(crate) alarm: u64,
    pub(crate) alarmed: bool,
    /// The next look is in time for items with at least this limit.
    pub(crate) presumed: Duration,
    /// The start that was seen last.
    pub(crate) seen: u64,
}

impl Watch {
    pub(crate) const fn new() -> Self {
        Self { next: Next::Never, alarm: 0, alarmed: false, presumed: Duration::MAX, seen: 0 }
    }
}
