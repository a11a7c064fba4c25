//! What threads wait for, and why a wait ended.

/// What a thread waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Every item of the call has ended, or the call has failed.
    Complete,
    /// There is a run to take, or nothing will come, or the call has failed.
    Run,
    /// So many items of the call have ended, or it is complete or has failed.
    Settled(u64),
    /// Some call that asked for it is complete, or the pool is at its end.
    Completions,
    /// No item is on its way anywhere.
    Drained,
    /// All workers have gone.
    Gone,
    /// A launch is ordered from the host, or a worker that it launched has died, or all have gone.
    Launches,
}

/// Why a wait ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Waited {
    /// What was needed is there.
    Ready,
    /// The time is up.
    TimedOut,
    /// A signal arrived: run its handlers and wait again.
    Interrupted,
}
