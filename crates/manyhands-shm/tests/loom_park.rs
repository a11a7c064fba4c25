//! Models of the parking word: no wake is lost, and what a waker wrote is seen.
//!
//! A lost wake is a sleeper that nobody wakes, which the model reports as a deadlock. Run with
//! `RUSTFLAGS="--cfg loom" LOOM_MAX_PREEMPTIONS=3 cargo test --release --test 'loom*'`.
#![cfg(loom)]
#![expect(clippy::unwrap_used, reason = "helpers of tests, outside of any test function")]

use core::time::Duration;

use loom::sync::Arc;
use loom::thread;
use manyhands_shm::atomic::{AtomicU32, Ordering};
use manyhands_shm::park::{Parker, Unparked};

const SPIN: Duration = Duration::from_nanos(1);

#[derive(Default)]
struct Shared {
    parker: Parker,
    done: AtomicU32,
    plain: AtomicU32,
}

impl Shared {
    /// A waker: the condition gets nearer, then the sleeper is woken.
    fn finish_one(&self) {
        self.plain.store(7, Ordering::Relaxed);
        self.done.fetch_add(1, Ordering::Release);
        self.parker.wake();
    }

    fn is_done(&self, wanted: u32) -> bool {
        self.done.load(Ordering::Acquire) >= wanted
    }

    fn wait_done(&self, wanted: u32, spin: Duration) {
        while !self.is_done(wanted) {
            let _ = self.parker.park(|| self.is_done(wanted), spin, None);
        }
    }
}

fn one_waker(spin: Duration) {
    loom::model(move || {
        let shared = Arc::new(Shared::default());
        let waker = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || shared.finish_one())
        };
        shared.wait_done(1, spin);
        assert_eq!(shared.plain.load(Ordering::Relaxed), 7, "what was written before is seen");
        waker.join().unwrap();
    });
}

#[test]
fn a_wake_is_not_lost_without_a_busy_wait() {
    one_waker(Duration::ZERO);
}

#[test]
fn a_wake_is_not_lost_with_a_busy_wait() {
    one_waker(SPIN);
}

/// The sleeper needs both; each may come while the other one is being noticed.
fn two_wakers(spin: Duration) {
    loom::model(move || {
        let shared = Arc::new(Shared::default());
        let wakers = [(); 2].map(|()| {
            let shared = Arc::clone(&shared);
            thread::spawn(move || shared.finish_one())
        });
        shared.wait_done(2, spin);
        for waker in wakers {
            waker.join().unwrap();
        }
    });
}

#[test]
fn two_wakers_wake_one_sleeper() {
    two_wakers(Duration::ZERO);
}

#[test]
fn two_wakers_wake_one_sleeper_that_watches() {
    two_wakers(SPIN);
}

/// A late wake for the first wait must not eat the one for the second.
fn two_waits(spin: Duration) {
    loom::model(move || {
        let shared = Arc::new(Shared::default());
        let waker = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                shared.finish_one();
                shared.finish_one();
            })
        };
        shared.wait_done(1, spin);
        shared.wait_done(2, spin);
        waker.join().unwrap();
    });
}

#[test]
fn the_next_wait_is_woken_as_well() {
    two_waits(Duration::ZERO);
}

#[test]
fn the_next_watch_is_woken_as_well() {
    two_waits(SPIN);
}

/// A wait that ran out of time leaves nothing behind that a later wait would suffer from.
#[test]
fn a_wait_after_one_that_timed_out_is_woken() {
    loom::model(|| {
        let shared = Arc::new(Shared::default());
        let waker = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || shared.finish_one())
        };
        let first = shared.parker.park(|| shared.is_done(1), SPIN, Some(Duration::from_nanos(1)));
        assert!(matches!(first, Unparked::Awake | Unparked::TimedOut));
        shared.wait_done(1, Duration::ZERO);
        waker.join().unwrap();
    });
}

/// A waker that ended the wait has let the sleeper see what it wrote: `Awake` is worth a look.
#[test]
fn who_is_woken_sees_what_the_waker_wrote() {
    loom::model(|| {
        let shared = Arc::new(Shared::default());
        let waker = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || shared.finish_one())
        };
        for spin in [SPIN, Duration::ZERO] {
            if shared.parker.park(|| shared.is_done(1), spin, None) == Unparked::Awake {
                assert!(shared.done.load(Ordering::Relaxed) == 1, "woken by nobody");
                break;
            }
        }
        waker.join().unwrap();
    });
}

/// The last waker dies before its system call; whoever buries it rouses the sleeper.
#[test]
fn a_waker_that_dies_does_not_keep_the_sleeper_asleep() {
    loom::model(|| {
        let shared = Arc::new(Shared::default());
        let burial = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                shared.done.fetch_add(1, Ordering::Release);
                shared.parker.wake_and_die();
                shared.parker.rouse();
            })
        };
        shared.wait_done(1, SPIN);
        burial.join().unwrap();
    });
}
