//! Models of those who wait for several things at once: no change is missed.
//!
//! A missed change is a sleeper that nobody wakes, which the model reports as a deadlock.
#![cfg(loom)]

use loom::sync::Arc;
use loom::thread;
use manyhands_shm::atomic::{AtomicU32, Ordering};
use manyhands_shm::sync::{Bell, Wait, Watchers};

const NAME: u64 = 5;

/// Two things that change, and the bell of somebody who waits for either.
#[derive(Default)]
struct Shared {
    changed: [AtomicU32; 2],
    watchers: [Watchers; 2],
    bell: Bell,
}

impl Shared {
    fn change(&self, which: usize) {
        self.changed[which].store(1, Ordering::Release);
        self.watchers[which].ring(|name| {
            assert_eq!(name, NAME);
            self.bell.ring(u32::MAX);
            true
        });
    }

    fn has_changed(&self, which: usize) -> bool {
        self.changed[which].load(Ordering::Acquire) == 1
    }

    /// Waits until so many of the two have changed.
    fn wait(&self, count: usize) {
        for watchers in &self.watchers {
            assert!(watchers.watch(NAME));
        }
        loop {
            let ticket = self.bell.ticket();
            if (0..2).filter(|which| self.has_changed(*which)).count() >= count {
                break;
            }
            assert_eq!(self.bell.wait(ticket, None, core::time::Duration::ZERO), Wait::Ready(()));
        }
        for watchers in &self.watchers {
            watchers.leave(NAME);
        }
    }
}

#[test]
fn a_change_of_either_ends_the_wait() {
    for which in 0..2 {
        loom::model(move || {
            let shared = Arc::new(Shared::default());
            let changer = Arc::clone(&shared);
            let changer = thread::spawn(move || changer.change(which));
            shared.wait(1);
            changer.join().ok();
        });
    }
}

#[test]
fn changes_of_both_are_seen() {
    loom::model(|| {
        let shared = Arc::new(Shared::default());
        let changers = [0, 1].map(|which| {
            let shared = Arc::clone(&shared);
            thread::spawn(move || shared.change(which))
        });
        shared.wait(2);
        for changer in changers {
            changer.join().ok();
        }
    });
}

/// A seat that names nothing is cleared by whoever finds it, and taken again by somebody else.
#[test]
fn a_seat_that_names_nothing_is_cleared_once() {
    loom::model(|| {
        let shared = Arc::new(Watchers::default());
        assert!(shared.watch(NAME));
        let other = Arc::clone(&shared);
        let other = thread::spawn(move || {
            other.ring(|name| name != NAME);
            assert!(other.watch(NAME + 1));
        });
        shared.ring(|name| name != NAME);
        other.join().ok();
        let mut left = Vec::new();
        shared.ring(|name| {
            left.push(name);
            true
        });
        assert_eq!(left, [NAME + 1]);
    });
}
