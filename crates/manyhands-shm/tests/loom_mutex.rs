//! Models of the robust lock: one holder at a time, no lost wake, and every death survived.
//!
//! A lost wake is a sleeper that nobody wakes, which the model reports as a deadlock. Sleepers that
//! have a slice look again by themselves, so the models that prove that no wake is lost have none;
//! those in which somebody is killed have one, but only for one of the waiters, which must wake the
//! others: two that look again and again would never let a model end. Run with
//! `RUSTFLAGS="--cfg loom" LOOM_MAX_PREEMPTIONS=3 cargo test --release --test 'loom*'`.
#![cfg(loom)]
#![expect(clippy::unwrap_used, reason = "helpers of tests, outside of any test function")]

#[path = "support/cells.rs"]
mod cells;

use core::time::Duration;

use cells::Cells;
use loom::sync::Arc;
use loom::thread;
use manyhands_shm::atomic::{AtomicU32, Ordering};
use manyhands_shm::sync::{Gone, Liveness, Locked, Owner, RawMutex, Wait};

fn owner(slot: u32) -> Owner {
    Owner::new(slot, 1).unwrap()
}

/// The lock, and a word that only its holder may touch: the model reports two at once.
struct Shared {
    mutex: RawMutex,
    inside: Cells<1>,
    /// The slot of an owner that is dead, plus one.
    dead: AtomicU32,
    /// That of all but slot 2.
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
        self.0.slice.filter(|_| self.1 != 2)
    }
}

impl Shared {
    fn new(slice: Option<Duration>) -> Arc<Self> {
        let (mutex, dead) = (RawMutex::new(), AtomicU32::new(0));
        Arc::new(Self { mutex, inside: Cells::new(), dead, slice })
    }

    fn lock(&self, slot: u32) -> Locked {
        self.mutex.lock(&Me(self, slot), None).ready().unwrap()
    }

    fn add_one(&self) {
        self.inside.write(0, self.inside.read(0) + 1);
    }

    /// Takes the lock, adds one, gives it back.
    fn turn(&self, slot: u32) -> Locked {
        let locked = self.lock(slot);
        self.add_one();
        self.mutex.unlock(owner(slot));
        locked
    }

    /// As above, if the lock comes within the time, which in a model is none.
    fn hasty_turn(&self, slot: u32) -> bool {
        let limit = Some(Duration::from_nanos(1));
        match self.mutex.lock(&Me(self, slot), limit) {
            Wait::Ready(_) => {
                self.add_one();
                self.mutex.unlock(owner(slot));
                true
            }
            Wait::TimedOut | Wait::Interrupted => false,
        }
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
fn two_exclude_each_other_and_wake_each_other() {
    loom::model(|| {
        let shared = Shared::new(None);
        let other = spawn(&shared, |shared| {
            let _ = shared.turn(1);
            let _ = shared.turn(1);
        });
        assert_eq!(shared.turn(0), Locked::Clean);
        other.join().unwrap();
        assert_eq!(shared.inside.read(0), 3);
    });
}

#[test]
fn three_exclude_each_other_and_wake_each_other() {
    loom::model(|| {
        let shared = Shared::new(None);
        let others = [1, 2].map(|slot| spawn(&shared, move |shared| shared.turn(slot)));
        assert_eq!(shared.turn(0), Locked::Clean);
        for other in others {
            assert_eq!(other.join().unwrap(), Locked::Clean);
        }
        assert_eq!(shared.inside.read(0), 3);
    });
}

/// A waiter that gives up may have been the one that was woken, or the one that said that somebody
/// waits: the third one must not suffer from it.
#[test]
fn a_waiter_that_gives_up_takes_no_wake_with_it() {
    loom::model(|| {
        let shared = Shared::new(None);
        let patient = spawn(&shared, |shared| shared.turn(1));
        let hasty = spawn(&shared, |shared| shared.hasty_turn(2));
        assert_eq!(shared.turn(0), Locked::Clean);
        assert_eq!(patient.join().unwrap(), Locked::Clean);
        let turns = if hasty.join().unwrap() { 3 } else { 2 };
        assert_eq!(shared.inside.read(0), turns);
    });
}

/// Two wait for an owner that dies with the lock: one of them is told, the other gets it clean.
#[test]
fn a_dead_owner_is_found_and_one_is_told() {
    loom::model(|| {
        let shared = Shared::new(SLICE);
        let _ = shared.lock(0);
        shared.add_one();
        let waiters = [1, 2].map(|slot| spawn(&shared, move |shared| shared.turn(slot)));
        shared.die(0);
        let found = waiters.map(|waiter| waiter.join().unwrap());
        assert!(
            found == [Locked::Clean, Locked::Recovered]
                || found == [Locked::Recovered, Locked::Clean]
        );
        assert_eq!(shared.inside.read(0), 3);
    });
}

/// The sweep and a waiter find the same death: one of both frees the lock, and one taker is told.
#[test]
fn a_burial_and_a_waiter_agree() {
    loom::model(|| {
        let shared = Shared::new(SLICE);
        let _ = shared.lock(0);
        shared.die(0);
        let waiter = spawn(&shared, |shared| shared.turn(1));
        let buried = shared.mutex.bury(owner(0), Gone::Died);
        assert_eq!(waiter.join().unwrap(), Locked::Recovered);
        assert_eq!(shared.mutex.owner(), None);
        let _ = buried;
        assert_eq!(shared.turn(2), Locked::Clean);
    });
}

/// The burial wakes those who sleep: here nobody has a slice.
#[test]
fn a_burial_wakes_a_sleeper() {
    loom::model(|| {
        let shared = Shared::new(None);
        let _ = shared.lock(0);
        let waiters = [1, 2].map(|slot| spawn(&shared, move |shared| shared.turn(slot)));
        assert!(shared.mutex.bury(owner(0), Gone::Died));
        let found = waiters.map(|waiter| waiter.join().unwrap());
        assert_eq!(found.iter().filter(|locked| **locked == Locked::Recovered).count(), 1);
    });
}

/// Killed between its swap and its system call: a sleeper looks again after its slice. (Each one has
/// to: who comes later and finds the lock free knows nothing of those who sleep.)
#[test]
fn an_unlocker_that_is_killed_before_it_wakes_is_survived() {
    loom::model(|| {
        let shared = Shared::new(SLICE);
        let _ = shared.lock(0);
        let waiter = spawn(&shared, |shared| shared.turn(1));
        shared.mutex.unlock_and_die();
        shared.die(0);
        assert_eq!(waiter.join().unwrap(), Locked::Clean);
    });
}

/// A waiter that takes its wake and is killed before it takes the lock: the others look again.
#[test]
fn a_waiter_that_is_killed_is_survived() {
    loom::model(|| {
        let shared = Shared::new(SLICE);
        let _ = shared.lock(0);
        // It says that it waits, and is seen no more.
        let killed = spawn(&shared, |shared| shared.mutex.wait_and_die());
        let waiter = spawn(&shared, |shared| shared.turn(1));
        shared.mutex.unlock(owner(0));
        assert_eq!(waiter.join().unwrap(), Locked::Clean);
        killed.join().unwrap();
    });
}

/// The next holder dies as well, while it waits for nobody: the third one still gets it.
#[test]
fn two_deaths_in_a_row_are_survived() {
    loom::model(|| {
        let shared = Shared::new(SLICE);
        let _ = shared.lock(0);
        shared.die(0);
        let second = spawn(&shared, |shared| {
            let locked = shared.lock(1);
            shared.die(1);
            locked
        });
        assert_eq!(second.join().unwrap(), Locked::Recovered);
        assert_eq!(shared.turn(3), Locked::Recovered);
    });
}

/// Whoever leaves normally leaves it locked; somebody else gives it back.
#[test]
fn a_lock_that_was_left_is_given_back_by_another() {
    loom::model(|| {
        let shared = Shared::new(None);
        let _ = shared.lock(0);
        let waiter = spawn(&shared, |shared| shared.turn(1));
        assert!(shared.mutex.bury(owner(0), Gone::Left));
        assert!(shared.mutex.release());
        assert_eq!(waiter.join().unwrap(), Locked::Clean);
    });
}
