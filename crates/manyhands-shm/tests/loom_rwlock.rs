//! Models of the readers' and writer's lock: who is in together, no lost wake, every death survived.
//!
//! A lost wake is a sleeper that nobody wakes, which the model reports as a deadlock. As in the models
//! of the mutex, those that prove that no wake is lost have no slices; those in which somebody is
//! killed have them.
#![cfg(loom)]
#![expect(clippy::unwrap_used, reason = "helpers of tests, outside of any test function")]

#[path = "support/cells.rs"]
mod cells;

use core::time::Duration;

use cells::Cells;
use loom::sync::Arc;
use loom::thread;
use manyhands_shm::atomic::{AtomicU32, Ordering};
use manyhands_shm::sync::{Cause, Liveness, Owner, Reading, RwLock, Wait};

fn owner(slot: u32) -> Owner {
    Owner::new(slot, 1).unwrap()
}

/// The lock, and two words that change together.
struct Shared {
    lock: RwLock,
    inside: Cells<2>,
    /// The slot of an owner that is dead, plus one.
    dead: AtomicU32,
    slice: Option<Duration>,
}

/// Who asks.
struct Me<'a>(&'a Shared, u32);

impl Liveness for Me<'_> {
    fn is_alive(&self, owner: Owner) -> bool {
        self.0.dead.load(Ordering::Acquire) != owner.slot() + 1
    }

    fn me(&self) -> Owner {
        owner(self.1)
    }

    fn slice(&self) -> Option<Duration> {
        self.0.slice
    }
}

impl Shared {
    fn new(slice: Option<Duration>) -> Arc<Self> {
        let (lock, dead) = (RwLock::new(), AtomicU32::new(0));
        Arc::new(Self { lock, inside: Cells::new(), dead, slice })
    }

    fn enter(&self, slot: u32) -> Reading {
        self.lock.read(&Me(self, slot), None).ready().unwrap()
    }

    /// Reads; whether something may be half done.
    fn read(&self, slot: u32) -> bool {
        let reading = self.enter(slot);
        let poisoned = self.lock.poison().get().is_some();
        let same = self.inside.read(0) == self.inside.read(1);
        assert!(same || poisoned, "half a change was seen");
        self.lock.leave(reading, owner(slot));
        poisoned
    }

    fn change(&self) {
        self.inside.write(0, self.inside.read(0) + 1);
        self.inside.write(1, self.inside.read(1) + 1);
    }

    /// Writes; whether something may have been half done.
    fn write(&self, slot: u32) -> bool {
        assert_eq!(self.lock.write(&Me(self, slot), None), Wait::Ready(()));
        let poisoned = self.lock.poison().get().is_some();
        self.change();
        self.lock.unlock(owner(slot));
        poisoned
    }

    /// Writes, if it may within the time, which in a model is none.
    fn hasty_write(&self, slot: u32) -> bool {
        let ended = self.lock.write(&Me(self, slot), Some(Duration::from_nanos(1)));
        if ended == Wait::Ready(()) {
            self.change();
            self.lock.unlock(owner(slot));
        }
        ended == Wait::Ready(())
    }

    fn die(&self, slot: u32) {
        self.dead.store(slot + 1, Ordering::Release);
    }
}

const SLICE: Option<Duration> = Some(Duration::from_millis(50));

fn spawn<T: 'static>(
    shared: &Arc<Shared>,
    body: impl FnOnce(&Shared) -> T + 'static,
) -> thread::JoinHandle<T> {
    let shared = Arc::clone(shared);
    thread::spawn(move || body(&shared))
}

#[test]
fn a_reader_and_a_writer_exclude_and_wake_each_other() {
    loom::model(|| {
        let shared = Shared::new(None);
        let writer = spawn(&shared, |shared| shared.write(1));
        assert!(!shared.read(0));
        assert!(!shared.read(0));
        assert!(!writer.join().unwrap());
    });
}

/// Three threads with long ways: to two preemptions, which takes a minute; three take many.
#[test]
fn two_readers_and_a_writer_wake_each_other() {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(2);
    model.check(|| {
        let shared = Shared::new(None);
        let reader = spawn(&shared, |shared| shared.read(0));
        let writer = spawn(&shared, |shared| shared.write(1));
        assert!(!shared.read(2));
        assert!(!reader.join().unwrap() && !writer.join().unwrap());
    });
}

#[test]
fn two_writers_and_a_reader_wake_each_other() {
    loom::model(|| {
        let shared = Shared::new(None);
        let writers = [1, 2].map(|slot| spawn(&shared, move |shared| shared.write(slot)));
        assert!(!shared.read(0));
        for writer in writers {
            assert!(!writer.join().unwrap());
        }
        assert_eq!(shared.inside.read(0), 2);
    });
}

/// Two threads of one process have one seat, or two.
#[test]
fn threads_of_one_process_are_counted() {
    loom::model(|| {
        let shared = Shared::new(None);
        let reader = spawn(&shared, |shared| shared.read(0));
        let reading = shared.enter(0);
        assert!(!shared.hasty_write(1), "somebody reads");
        shared.lock.leave(reading, owner(0));
        assert!(!reader.join().unwrap());
        assert_eq!(shared.lock.holders(), (0, false));
        assert!(!shared.write(1));
    });
}

/// More processes read than there are seats in a model: the third one is alone.
#[test]
fn who_finds_no_seat_is_alone() {
    loom::model(|| {
        let shared = Shared::new(None);
        let first = shared.enter(2);
        let second = shared.enter(3);
        let reader = spawn(&shared, |shared| shared.read(0));
        shared.lock.leave(first, owner(2));
        shared.lock.leave(second, owner(3));
        assert!(!shared.write(1));
        assert!(!reader.join().unwrap());
    });
}

#[test]
fn a_writer_that_gives_up_takes_no_wake_with_it() {
    loom::model(|| {
        let shared = Shared::new(None);
        let reading = shared.enter(0);
        let hasty = spawn(&shared, |shared| shared.hasty_write(2));
        let patient = spawn(&shared, |shared| shared.write(1));
        shared.lock.leave(reading, owner(0));
        let turns = if hasty.join().unwrap() { 2 } else { 1 };
        assert!(!patient.join().unwrap());
        assert_eq!(shared.inside.read(0), turns);
    });
}

#[test]
fn a_dead_reader_is_passed_by() {
    loom::model(|| {
        let shared = Shared::new(SLICE);
        let _dead = shared.enter(0);
        let writer = spawn(&shared, |shared| shared.write(1));
        shared.die(0);
        assert!(!writer.join().unwrap());
    });
}

#[test]
fn a_reader_that_is_killed_before_it_rings_is_survived() {
    loom::model(|| {
        let shared = Shared::new(SLICE);
        let reading = shared.enter(0);
        let writer = spawn(&shared, |shared| shared.write(1));
        shared.lock.leave_and_die(reading, owner(0));
        shared.die(0);
        assert!(!writer.join().unwrap());
    });
}

#[test]
fn a_reader_that_is_killed_with_the_mutex_breaks_nothing() {
    for seated in [false, true] {
        loom::model(move || {
            let shared = Shared::new(SLICE);
            shared.lock.die_in_read(&Me(&shared, 0), seated);
            let writer = spawn(&shared, |shared| shared.write(1));
            shared.die(0);
            assert!(!shared.read(2));
            assert!(!writer.join().unwrap());
        });
    }
}

#[test]
fn a_writer_that_is_killed_is_told_to_everybody() {
    loom::model(|| {
        let shared = Shared::new(SLICE);
        assert_eq!(shared.lock.write(&Me(&shared, 0), None), Wait::Ready(()));
        shared.inside.write(0, 1);
        shared.die(0);
        let reader = spawn(&shared, |shared| shared.read(1));
        assert!(shared.write(2));
        assert!(reader.join().unwrap());
        assert_eq!(shared.lock.poison().get(), Some(Cause::OwnerDied));
    });
}

/// It has written everything: nothing is half done.
#[test]
fn a_writer_that_is_killed_while_it_unlocks_breaks_nothing() {
    loom::model(|| {
        let shared = Shared::new(SLICE);
        assert_eq!(shared.lock.write(&Me(&shared, 0), None), Wait::Ready(()));
        shared.change();
        shared.lock.die_in_unlock();
        shared.die(0);
        let reader = spawn(&shared, |shared| shared.read(1));
        assert!(!shared.write(2));
        assert!(!reader.join().unwrap());
    });
}

/// The sweep and a waiter find the same death.
#[test]
fn a_burial_and_a_waiter_agree() {
    loom::model(|| {
        let shared = Shared::new(SLICE);
        assert_eq!(shared.lock.write(&Me(&shared, 0), None), Wait::Ready(()));
        shared.die(0);
        let reader = spawn(&shared, |shared| shared.read(1));
        shared.lock.bury(owner(0));
        assert!(reader.join().unwrap());
        assert_eq!(shared.lock.holders(), (0, false));
    });
}
