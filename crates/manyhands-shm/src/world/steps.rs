//! For tests: a death at any store to the world.

use manyhands_os::process::{PidFd, Signal};

use crate::atomic::{AtomicU64, Ordering};

/// How many stores are left until this process kills itself; 0: it does not.
static STEPS: AtomicU64 = AtomicU64::new(0);

/// From now on, this process dies before its store of that number, from 1.
pub(super) fn die_at(step: u64) {
    STEPS.store(step, Ordering::Relaxed);
}

/// Called before every store to the world.
pub(super) fn step() {
    let left = STEPS.load(Ordering::Relaxed);
    if left == 0 {
        return;
    }
    STEPS.store(left - 1, Ordering::Relaxed);
    if left == 1 {
        PidFd::of_self().unwrap().signal(Signal::KILL).unwrap();
    }
}
