//! Models of the event: no set is lost, and what a setter wrote is seen.
//!
//! A lost set is a waiter that nobody wakes, which the model reports as a deadlock. Run with
//! `RUSTFLAGS="--cfg loom" LOOM_MAX_PREEMPTIONS=3 cargo test --release --test 'loom*'`.
#![cfg(loom)]
#![expect(clippy::unwrap_used, reason = "helpers of tests, outside of any test function")]

use core::time::Duration;

use loom::sync::Arc;
use loom::thread;
use manyhands_shm::atomic::{AtomicU32, Ordering};
use manyhands_shm::sync::{Event, Wait};

#[derive(Default)]
struct Shared {
    event: Event,
    plain: AtomicU32,
}

impl Shared {
    fn set(&self) {
        self.plain.store(7, Ordering::Relaxed);
        self.event.set();
    }

    fn wait(&self) {
        assert_eq!(self.event.wait(self.event.look(), None), Wait::Ready(()));
        assert_eq!(self.plain.load(Ordering::Relaxed), 7, "what was written before is seen");
    }
}

fn spawn(shared: &Arc<Shared>, run: fn(&Shared)) -> thread::JoinHandle<()> {
    let shared = Arc::clone(shared);
    thread::spawn(move || run(&shared))
}

#[test]
fn a_set_ends_a_wait() {
    loom::model(|| {
        let shared = Arc::new(Shared::default());
        let setter = spawn(&shared, Shared::set);
        shared.wait();
        setter.join().unwrap();
    });
}

#[test]
fn a_set_ends_all_waits() {
    loom::model(|| {
        let shared = Arc::new(Shared::default());
        let waiters = [(); 2].map(|()| spawn(&shared, Shared::wait));
        shared.set();
        for waiter in waiters {
            waiter.join().unwrap();
        }
    });
}

#[test]
fn a_flag_that_goes_down_again_was_up() {
    loom::model(|| {
        let shared = Arc::new(Shared::default());
        let since = shared.event.look();
        let setter = spawn(&shared, |shared| {
            shared.set();
            shared.event.clear();
        });
        assert_eq!(shared.event.wait(since, None), Wait::Ready(()));
        setter.join().unwrap();
    });
}

/// Two setters race for the change, and each one's writes are seen by who sees the flag after both.
#[test]
fn who_sets_what_is_set_is_seen_too() {
    loom::model(|| {
        let shared = Arc::new(Shared::default());
        let setter = spawn(&shared, |shared| shared.event.set());
        shared.plain.store(7, Ordering::Relaxed);
        shared.event.set();
        let waiter = spawn(&shared, Shared::wait);
        waiter.join().unwrap();
        setter.join().unwrap();
    });
}

/// A wait that ran out of time leaves nothing behind that a later one would suffer from.
#[test]
fn a_wait_after_one_that_timed_out_is_woken() {
    loom::model(|| {
        let shared = Arc::new(Shared::default());
        let setter = spawn(&shared, Shared::set);
        let since = shared.event.look();
        let _ = shared.event.wait(since, Some(Duration::from_nanos(1)));
        assert_eq!(shared.event.wait(since, None), Wait::Ready(()));
        setter.join().unwrap();
    });
}

/// A setter dies before its system call; the next one wakes whoever came meanwhile.
#[test]
fn a_setter_that_dies_spoils_nothing() {
    loom::model(|| {
        let shared = Arc::new(Shared::default());
        let setter = spawn(&shared, |shared| {
            shared.event.set_and_die();
            shared.event.clear();
            shared.set();
        });
        setter.join().unwrap();
        shared.wait();
    });
}
