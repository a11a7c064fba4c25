//! Waiting for a condition with the guard of a mutex: the lock is given back meanwhile.

use core::time::Duration;

use super::mutex::MutexGuard;
use super::placed::Shape;
use crate::sync::{Condition, Deadline, Left, Wait};
use crate::world::Block;

/// How a wait ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Woken {
    /// It was notified.
    Notified,
    /// The time was up.
    TimedOut,
    /// As many wait as can: it has not waited.
    NoSeat,
}

/// Gives the lock of `guard` back, waits to be notified, at most for `limit`, and takes it again: without
/// a limit. A notification that comes between the two is not missed.
pub fn wait<'a, T: Shape + ?Sized>(
    condition: &Block,
    guard: MutexGuard<'a, T>,
    limit: Option<Duration>,
) -> (MutexGuard<'a, T>, Woken) {
    let lock = MutexGuard::lock(&guard);
    let (world, words) = (condition.world(), condition.get::<Condition>());
    let Some(place) = words.enrol(&world.internal()) else { return (guard, Woken::NoSeat) };
    drop(guard);
    let deadline = Deadline::after(limit);
    let mut left = limit;
    while words.wait(&place, &world.internal(), left) == Wait::Interrupted {
        left = deadline.left();
    }
    // A notification that came in time counts, even if the time was up.
    let woken = match words.leave(place) {
        Left::Unnotified => Woken::TimedOut,
        Left::Notified | Left::Released => Woken::Notified,
    };
    let guard = lock.lock(None).expect("a wait without a limit ends with the lock");
    (guard, woken)
}
