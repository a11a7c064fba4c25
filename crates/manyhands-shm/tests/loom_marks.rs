//! Models of the calls between the two sides: whoever waits for a count of replies is
//! called, or sees that it need not be; so is the supervisor.
//!
//! A lost wake is a deadlock of the model. See `loom_park.rs` for how to run it.
#![cfg(loom)]

use core::time::Duration;

use loom::sync::Arc;
use loom::thread;
use manyhands_shm::atomic::{AtomicU32, Ordering};
use manyhands_shm::hub::Page;
use manyhands_shm::lane::words::{ParentWords, WorkerWords};
use manyhands_shm::park::Parker;
use manyhands_shm::space::Position;

#[derive(Default)]
struct Shared {
    worker: WorkerWords,
    parent: ParentWords,
    leader: Parker,
}

impl Shared {
    fn new() -> Arc<Self> {
        let shared = Self::default();
        shared.parent.reset();
        Arc::new(shared)
    }

    /// What a worker does after each item, and after it has said so.
    fn answer(&self, replied: u64) {
        self.worker.set_published(Position { lap: 0, offset: 8 * replied });
        self.worker.set_replied(replied);
        if self.parent.due(replied).leader {
            self.leader.wake();
        }
    }

    fn reached(&self, count: u64) -> bool {
        self.worker.replied() >= count
    }
}

fn worker(shared: &Arc<Shared>, items: u64) -> thread::JoinHandle<()> {
    let shared = Arc::clone(shared);
    thread::spawn(move || (1..=items).for_each(|replied| shared.answer(replied)))
}

/// The leader waits for the last reply alone; the worker calls once, at that one.
#[test]
fn the_leader_is_woken_at_its_mark() {
    loom::model(|| {
        let shared = Shared::new();
        let worker = worker(&shared, 2);
        while !shared.reached(2) {
            shared.parent.set_wake_at(2);
            let _ = shared.leader.park(|| shared.reached(2), Duration::ZERO, None);
        }
        let published = shared.worker.published();
        assert!(published.offset >= 16, "what is answered is published");
        worker.join().unwrap();
    });
}

/// The mark moves while the worker runs.
#[test]
fn the_leader_is_woken_at_its_next_mark() {
    loom::model(|| {
        let shared = Shared::new();
        let worker = worker(&shared, 2);
        for mark in [1, 2] {
            while !shared.reached(mark) {
                shared.parent.set_wake_at(mark);
                let _ = shared.leader.park(|| shared.reached(mark), Duration::ZERO, None);
            }
        }
        worker.join().unwrap();
    });
}

/// One leader, two lanes: it waits until either has reached its mark.
#[test]
fn the_leader_waits_for_two_lanes() {
    loom::model(|| {
        let lanes = [Shared::new(), Shared::new()];
        let leader = Arc::new(Parker::new());
        let workers = lanes.clone().map(|lane| {
            let leader = Arc::clone(&leader);
            thread::spawn(move || {
                lane.worker.set_replied(1);
                if lane.parent.due(1).leader {
                    leader.wake();
                }
            })
        });
        let mut read = [false; 2];
        while read != [true; 2] {
            for (lane, read) in lanes.iter().zip(read) {
                lane.parent.set_wake_at(if read { u64::MAX } else { 1 });
            }
            let ready = || lanes.iter().any(|lane| lane.worker.replied() >= lane.parent.wake_at());
            let _ = leader.park(ready, Duration::ZERO, None);
            read = [lanes[0].reached(1), lanes[1].reached(1)];
        }
        for worker in workers {
            worker.join().unwrap();
        }
    });
}

/// The supervisor sleeps on something of its own: whoever sets the mark calls it if the worker does not.
#[test]
fn the_supervisor_is_called_at_its_mark() {
    loom::model(|| {
        let (shared, calls) = (Shared::new(), Arc::new(AtomicU32::new(0)));
        let worker = {
            let (shared, calls) = (Arc::clone(&shared), Arc::clone(&calls));
            thread::spawn(move || {
                shared.worker.set_replied(1);
                if shared.parent.due(1).feeder {
                    calls.fetch_add(1, Ordering::Relaxed);
                }
            })
        };
        shared.parent.set_feed_at(1);
        if shared.reached(1) {
            calls.fetch_add(1, Ordering::Relaxed);
        }
        worker.join().unwrap();
        assert_ne!(calls.load(Ordering::Relaxed), 0, "nobody called");
    });
}

/// The same for a worker that runs dry, and the parent that begins to want to know.
#[test]
fn the_supervisor_hears_of_a_dry_lane() {
    loom::model(|| {
        let (shared, page) = (Shared::new(), Arc::new(Page::default()));
        let calls = Arc::new(AtomicU32::new(0));
        let worker = {
            let (shared, page, calls) = (shared.clone(), page.clone(), calls.clone());
            thread::spawn(move || {
                shared.worker.set_replied(1);
                if page.wants_attention() {
                    calls.fetch_add(1, Ordering::Relaxed);
                }
            })
        };
        page.set_attention(true);
        if shared.reached(1) {
            calls.fetch_add(1, Ordering::Relaxed);
        }
        worker.join().unwrap();
        assert_ne!(calls.load(Ordering::Relaxed), 0, "nobody called");
    });
}
