//! Models of deadlines: a sentenced item holds its worker, a start belongs to its item, and an alarm is heard.
//!
//! A lost wake is a deadlock of the model. See `loom_park.rs` for how to run it.
#![cfg(loom)]

use core::time::Duration;

use loom::sync::Arc;
use loom::thread;
use manyhands_shm::atomic::{AtomicU32, Ordering};
use manyhands_shm::lane::words::{ParentWords, WorkerWords};
use manyhands_shm::park::Parker;

#[derive(Default)]
struct Shared {
    worker: WorkerWords,
    parent: ParentWords,
    bell: Parker,
    calls: AtomicU32,
}

impl Shared {
    fn new() -> Arc<Self> {
        let shared = Self::default();
        shared.parent.reset();
        Arc::new(shared)
    }

    fn begin(&self, number: u64) {
        self.worker.set_started(10 * number);
        self.worker.set_begun(number + 1);
    }

    /// What a worker does after item `number`; whether it was held.
    fn answer(&self, number: u64) -> bool {
        self.worker.set_replied(number + 1);
        let held = self.parent.due(number + 1).held;
        while held && self.parent.interrupt() <= number {
            let pardoned = || self.parent.interrupt() > number;
            let _ = self.bell.park(pardoned, Duration::ZERO, None);
        }
        held
    }

    /// What a parent does; whether the sentence stands.
    fn sentence(&self, number: u64) -> bool {
        self.parent.set_interrupt(number);
        let stands = self.worker.replied() <= number;
        if !stands {
            self.pardon();
        }
        stands
    }

    fn pardon(&self) {
        self.parent.set_interrupt(u64::MAX);
        self.bell.wake();
    }
}

/// Between a sentence and its end the worker begins nothing: so whoever kills it kills one item only.
#[test]
fn a_sentenced_worker_begins_nothing() {
    loom::model(|| {
        let shared = Shared::new();
        shared.begin(0);
        let worker = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                shared.answer(0);
                shared.begin(1);
            })
        };
        if shared.sentence(0) {
            assert_eq!(shared.worker.begun(), 1, "an item was begun under a sentence");
            shared.pardon();
        }
        worker.join().unwrap();
    });
}

/// Whether the sentence comes in time or not, the worker goes on in the end.
#[test]
fn a_pardon_is_not_lost() {
    loom::model(|| {
        let shared = Shared::new();
        shared.begin(0);
        let worker = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                shared.answer(0);
                shared.begin(1);
            })
        };
        if shared.sentence(0) {
            shared.pardon();
        }
        worker.join().unwrap();
        assert_eq!(shared.worker.begun(), 2);
    });
}

/// What is seen to run began when `started` says.
#[test]
fn a_start_belongs_to_its_item() {
    loom::model(|| {
        let shared = Shared::new();
        let worker = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                for number in 0..3 {
                    shared.begin(number);
                    shared.worker.set_replied(number + 1);
                }
            })
        };
        if let Some((number, started)) = shared.worker.running() {
            assert_eq!(started, 10 * number);
        }
        worker.join().unwrap();
    });
}

/// Either the parent sees the item that has begun, or the worker calls.
#[test]
fn an_alarm_is_heard() {
    loom::model(|| {
        let shared = Shared::new();
        let worker = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                shared.begin(0);
                if shared.parent.alarm() == 1 {
                    shared.calls.fetch_add(1, Ordering::Relaxed);
                }
            })
        };
        shared.parent.set_alarm(1);
        let seen = shared.worker.running().is_some();
        worker.join().unwrap();
        assert!(seen || shared.calls.load(Ordering::Relaxed) == 1, "an item began unnoticed");
    });
}
