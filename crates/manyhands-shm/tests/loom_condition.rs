//! Models of the condition: a notification reaches exactly one waiter, and no dead one keeps it.
//!
//! Run with `RUSTFLAGS="--cfg loom" LOOM_MAX_PREEMPTIONS=3 cargo test --release --test 'loom*'`.
#![cfg(loom)]
#![expect(clippy::unwrap_used, reason = "helpers of tests, outside of any test function")]

#[path = "support/processes.rs"]
mod processes;

use core::time::Duration;

use loom::sync::Arc;
use loom::thread;
use manyhands_shm::atomic::{AtomicU32, Ordering};
use manyhands_shm::sync::{Condition, Left, Liveness, RawMutex, Wait};
use processes::{Process, immortals, mortals};

#[derive(Default)]
struct Shared {
    lock: RawMutex,
    condition: Condition,
    items: AtomicU32,
}

impl Shared {
    fn lock(&self, process: &Process) {
        assert!(matches!(self.lock.lock(process, None), Wait::Ready(_)));
    }

    fn unlock(&self, process: &Process) {
        self.lock.unlock(process.me());
    }

    /// A consumer as everybody writes it.
    fn take(&self, process: &Process) {
        self.lock(process);
        while self.items.load(Ordering::Relaxed) == 0 {
            let place = self.condition.enrol(process).unwrap();
            self.unlock(process);
            assert_eq!(self.condition.wait(&place, process, None), Wait::Ready(()));
            assert_eq!(self.condition.leave(place), Left::Notified);
            self.lock(process);
        }
        self.items.fetch_sub(1, Ordering::Relaxed);
        self.unlock(process);
    }

    /// A producer as everybody writes it.
    fn put(&self, process: &Process) {
        self.lock(process);
        self.items.fetch_add(1, Ordering::Relaxed);
        self.condition.notify(process, 1);
        self.unlock(process);
    }
}

fn spawn(
    shared: &Arc<Shared>,
    process: &Process,
    run: impl FnOnce(&Shared, &Process) + 'static,
) -> thread::JoinHandle<()> {
    let (shared, process) = (Arc::clone(shared), process.clone());
    thread::spawn(move || run(&shared, &process))
}

#[test]
fn a_notification_is_not_lost() {
    loom::model(|| {
        let [one, two] = immortals();
        let shared = Arc::new(Shared::default());
        let producer = spawn(&shared, &two, Shared::put);
        shared.take(&one);
        producer.join().unwrap();
    });
}

#[test]
fn two_notifications_reach_two() {
    loom::model(|| {
        let [one, two, three] = immortals();
        let shared = Arc::new(Shared::default());
        let consumers = [&one, &two].map(|process| spawn(&shared, process, Shared::take));
        shared.put(&three);
        shared.put(&three);
        for consumer in consumers {
            consumer.join().unwrap();
        }
    });
}

/// One waiter's time is up while one is notified: exactly one of the two has the notification.
#[test]
fn a_time_limit_swallows_nothing() {
    loom::model(|| {
        let [one, two, three] = immortals();
        let shared = Arc::new(Shared::default());
        let (first, second) =
            (shared.condition.enrol(&one).unwrap(), shared.condition.enrol(&two).unwrap());
        let notifier = spawn(&shared, &three, |shared, process| {
            assert_eq!(shared.condition.notify(process, 1), 1);
        });
        let _ = shared.condition.wait(&first, &one, Some(Duration::from_nanos(1)));
        let left = shared.condition.leave(first);
        notifier.join().unwrap();
        let other = shared.condition.leave(second);
        assert_ne!(left == Left::Notified, other == Left::Notified);
    });
}

#[test]
fn all_are_released_who_wait() {
    loom::model(|| {
        let [one, two, three] = immortals();
        let shared = Arc::new(Shared::default());
        let places = [&one, &two].map(|process| shared.condition.enrol(process).unwrap());
        let notifier = spawn(&shared, &three, |shared, _| {
            assert_eq!(shared.condition.notify_all(), 2);
        });
        for (place, process) in places.into_iter().zip([&one, &two]) {
            assert_eq!(shared.condition.wait(&place, process, None), Wait::Ready(()));
            assert_eq!(shared.condition.leave(place), Left::Released);
        }
        notifier.join().unwrap();
    });
}

/// The one that has waited longest dies, before or after it is chosen: the other one goes on.
#[test]
fn a_waiter_that_dies_swallows_nothing() {
    loom::model(|| {
        let [one, two, three] = mortals();
        let shared = Arc::new(Shared::default());
        let _dead = shared.condition.enrol(&two).unwrap();
        let place = shared.condition.enrol(&one).unwrap();
        let dying = spawn(&shared, &two, |_, process| process.die());
        let notifier = spawn(&shared, &three, |shared, process| {
            assert_eq!(shared.condition.notify(process, 1), 1);
        });
        assert_eq!(shared.condition.wait(&place, &one, None), Wait::Ready(()));
        assert_eq!(shared.condition.leave(place), Left::Notified);
        dying.join().unwrap();
        notifier.join().unwrap();
        assert_eq!(shared.condition.waiters(&one), 0);
    });
}

/// Two find the dead one at once: its notification is handed on once.
#[test]
fn a_dead_one_is_cleared_once() {
    loom::model(|| {
        let [one, two, three] = mortals();
        let shared = Arc::new(Shared::default());
        let _dead = shared.condition.enrol(&two).unwrap();
        assert_eq!(shared.condition.notify(&one, 1), 1);
        let places = [(); 2].map(|()| shared.condition.enrol(&one).unwrap());
        two.die();
        let other = spawn(&shared, &three, |shared, process| shared.condition.recover(process));
        shared.condition.recover(&one);
        other.join().unwrap();
        let notified = places.map(|place| shared.condition.leave(place) == Left::Notified);
        assert_eq!(notified.iter().filter(|is| **is).count(), 1);
    });
}
