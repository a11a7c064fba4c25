//! Models of the bell: no ring is lost, and what was done before it is seen.
//!
//! Waiters have no slice in a model, so a lost ring is a deadlock; where a ringer is killed before its
//! system call, the waiter's time is up at once instead, as its slice would be. Run with
//! `RUSTFLAGS="--cfg loom" LOOM_MAX_PREEMPTIONS=3 cargo test --release --test 'loom*'`.
#![cfg(loom)]
#![expect(clippy::unwrap_used, reason = "helpers of tests, outside of any test function")]

use core::time::Duration;

use loom::sync::Arc;
use loom::thread;
use manyhands_shm::atomic::{AtomicU32, Ordering};
use manyhands_shm::sync::{Bell, Wait};

#[derive(Default)]
struct Shared {
    bell: Bell,
    items: AtomicU32,
    plain: AtomicU32,
}

const SPIN: Duration = Duration::from_nanos(1);

impl Shared {
    fn put(&self, wake: u32) {
        self.plain.store(7, Ordering::Relaxed);
        self.items.fetch_add(1, Ordering::Relaxed);
        self.bell.ring(wake);
    }

    fn try_take(&self) -> bool {
        let take = |items: u32| items.checked_sub(1);
        self.items.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok()
    }

    fn take(&self, spin: Duration) {
        loop {
            let ticket = self.bell.ticket();
            if self.try_take() {
                return;
            }
            assert_eq!(self.bell.wait(ticket, None, spin), Wait::Ready(()));
        }
    }
}

fn spawn(shared: &Arc<Shared>, body: impl FnOnce(&Shared) + 'static) -> thread::JoinHandle<()> {
    let shared = Arc::clone(shared);
    thread::spawn(move || body(&shared))
}

/// The waiter sees what the ringer wrote: `ring` releases, `ticket` and `wait` acquire.
fn one_ring(spin: Duration) {
    loom::model(move || {
        let shared = Arc::new(Shared::default());
        let ringer = spawn(&shared, |shared| shared.put(1));
        let ticket = shared.bell.ticket();
        if shared.items.load(Ordering::Relaxed) == 0 {
            assert_eq!(shared.bell.wait(ticket, None, spin), Wait::Ready(()));
            assert_eq!(shared.plain.load(Ordering::Relaxed), 7);
            assert!(shared.try_take(), "woken for nothing");
        }
        ringer.join().unwrap();
    });
}

#[test]
fn a_ring_is_not_lost() {
    one_ring(Duration::ZERO);
}

#[test]
fn a_ring_is_not_lost_on_one_who_watches() {
    one_ring(SPIN);
}

/// Each ring wakes one: two sleepers need both.
#[test]
fn two_rings_of_one_feed_two_waiters() {
    loom::model(|| {
        let shared = Arc::new(Shared::default());
        let waiters = [(); 2].map(|()| spawn(&shared, |shared| shared.take(Duration::ZERO)));
        shared.put(1);
        shared.put(1);
        for waiter in waiters {
            waiter.join().unwrap();
        }
    });
}

/// The same with two who ring: the second may find the bit that the first is about to set again.
#[test]
fn two_ringers_feed_two_waiters() {
    loom::model(|| {
        let shared = Arc::new(Shared::default());
        let waiter = spawn(&shared, |shared| shared.take(Duration::ZERO));
        let ringer = spawn(&shared, |shared| shared.put(1));
        shared.put(1);
        shared.take(Duration::ZERO);
        waiter.join().unwrap();
        ringer.join().unwrap();
    });
}

#[test]
fn one_ring_for_all_ends_all_waits() {
    loom::model(|| {
        let shared = Arc::new(Shared::default());
        let waiters = [(); 2].map(|()| {
            spawn(&shared, |shared| {
                let ticket = shared.bell.ticket();
                if shared.plain.load(Ordering::Relaxed) == 0 {
                    assert_eq!(shared.bell.wait(ticket, None, Duration::ZERO), Wait::Ready(()));
                }
            })
        });
        shared.put(u32::MAX);
        for waiter in waiters {
            waiter.join().unwrap();
        }
    });
}

/// A wait that runs out of time (or is killed: it leaves the same) costs the next ones nothing.
#[test]
fn a_waiter_that_has_gone_takes_no_ring_with_it() {
    loom::model(|| {
        let shared = Arc::new(Shared::default());
        let gone = spawn(&shared, |shared| {
            let ticket = shared.bell.ticket();
            let _ = shared.bell.wait(ticket, Some(Duration::from_nanos(1)), Duration::ZERO);
        });
        let ringer = spawn(&shared, |shared| shared.put(1));
        shared.take(Duration::ZERO);
        gone.join().unwrap();
        ringer.join().unwrap();
    });
}

/// Killed between the count and the system call: whoever looks again after a slice sees the count.
#[test]
fn a_ringer_that_is_killed_is_survived_by_the_slice() {
    loom::model(|| {
        let shared = Arc::new(Shared::default());
        let ringer = spawn(&shared, |shared| {
            shared.items.fetch_add(1, Ordering::Relaxed);
            shared.bell.ring_and_die();
        });
        let ticket = shared.bell.ticket();
        if !shared.try_take() {
            while shared.bell.wait(ticket, Some(SPIN), Duration::ZERO) != Wait::Ready(()) {
                thread::yield_now();
            }
            assert!(shared.try_take());
        }
        ringer.join().unwrap();
    });
}
