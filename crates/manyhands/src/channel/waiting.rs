//! Waiting at an end of a channel, with an eye on deaths that may end the other end.

use std::time::Duration;

use manyhands_shm::channel::Ends;
use manyhands_shm::sync::Wait;

use crate::handover;

/// Waits at an end in the way that `once` does; between two slices it looks for deaths, also for those of children that
/// have not taken the end that they were handed.
pub(super) fn wait<T>(
    end: &Ends,
    limit: Option<Duration>,
    mut once: impl FnMut(Option<Duration>) -> Wait<T>,
) -> Option<T> {
    end.wait(limit, |slice| {
        let waited = once(slice);
        if matches!(waited, Wait::TimedOut) {
            handover::let_go_of_the_dead();
        }
        waited
    })
}
