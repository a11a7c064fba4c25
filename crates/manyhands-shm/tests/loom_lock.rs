//! Models of the locks of Python: one holder at a time, and nobody takes another's lock for his own.
//!
//! Run with `RUSTFLAGS="--cfg loom" LOOM_MAX_PREEMPTIONS=3 cargo test --release --test 'loom*'`.
#![cfg(loom)]
#![expect(clippy::unwrap_used, reason = "helpers of tests, outside of any test function")]

#[path = "support/cells.rs"]
mod cells;
#[path = "support/processes.rs"]
mod processes;

use cells::Cells;
use loom::sync::Arc;
use loom::thread;
use manyhands_shm::sync::{Liveness, Lock, Locked, RLock, Taker, Wait};
use processes::{Process, immortals, mortals};

struct Shared {
    lock: Lock,
    reentrant: RLock,
    cell: Cells<1>,
}

impl Default for Shared {
    fn default() -> Self {
        Self { lock: Lock::new(), reentrant: RLock::new(), cell: Cells::new() }
    }
}

impl Shared {
    fn visit(&self, process: &Process, thread: u32) {
        let me = Taker::new(process.me(), thread);
        assert!(!self.lock.is_mine(me));
        assert_eq!(self.lock.acquire(process, me, None), Wait::Ready(Locked::Clean));
        assert!(self.lock.is_mine(me));
        self.cell.write(0, self.cell.read(0) + 1);
        assert!(self.lock.release());
        assert!(!self.lock.is_mine(me));
    }

    fn visit_twice_over(&self, process: &Process, thread: u32) {
        let me = Taker::new(process.me(), thread);
        for depth in 1..=2 {
            assert_eq!(self.reentrant.acquire(process, me, None), Wait::Ready(Locked::Clean));
            assert_eq!(self.reentrant.depth(me), depth);
        }
        self.cell.write(0, self.cell.read(0) + 1);
        assert!(self.reentrant.release(me) && self.reentrant.release(me));
        assert_eq!(self.reentrant.depth(me), 0);
    }
}

/// Two threads of one process, or of two.
fn together(visit: fn(&Shared, &Process, u32), same_process: bool) {
    loom::model(move || {
        let [one, two] = immortals();
        let shared = Arc::new(Shared::default());
        let other = {
            let (shared, two) = (Arc::clone(&shared), two.clone());
            thread::spawn(move || visit(&shared, &two, 2))
        };
        visit(&shared, if same_process { &two } else { &one }, 1);
        other.join().unwrap();
        assert_eq!(shared.cell.read(0), 2);
    });
}

#[test]
fn two_processes_take_turns() {
    together(Shared::visit, false);
}

#[test]
fn two_threads_take_turns() {
    together(Shared::visit, true);
}

#[test]
fn two_processes_take_turns_twice_over() {
    together(Shared::visit_twice_over, false);
}

#[test]
fn two_threads_take_turns_twice_over() {
    together(Shared::visit_twice_over, true);
}

/// The holder dies; its number must be nobody's, and both heirs get the lock, one of them told.
#[test]
fn an_inheritance_is_told_once() {
    loom::model(|| {
        let [one, two, three] = mortals();
        let lock = Arc::new(RLock::new());
        assert_eq!(lock.try_acquire(Taker::new(three.me(), 1)), Some(Locked::Clean));
        let heir = |lock: &RLock, process: &Process| {
            let me = Taker::new(process.me(), 1);
            let Wait::Ready(locked) = lock.acquire(process, me, None) else { panic!("no limit") };
            assert_eq!(lock.depth(me), 1);
            assert!(lock.release(me));
            locked == Locked::Recovered
        };
        let other = {
            let (lock, two) = (Arc::clone(&lock), two.clone());
            thread::spawn(move || heir(&lock, &two))
        };
        three.die();
        let mine = heir(&lock, &one);
        assert_ne!(mine, other.join().unwrap());
    });
}
