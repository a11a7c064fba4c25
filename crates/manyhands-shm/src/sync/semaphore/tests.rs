//! Units of the semaphore: counts, bounds, limits, and what comes back from the dead.

use std::sync::atomic::{AtomicBool, Ordering as Std};

use super::*;
use crate::sync::owner::Owner;

struct Fake {
    me: u32,
    dead: u32,
}

impl Liveness for Fake {
    fn is_alive(&self, owner: Owner) -> bool {
        owner.slot() != self.dead
    }

    fn me(&self) -> Owner {
        Owner::new(self.me, 1).unwrap()
    }
}

const NOBODY: u32 = 4000;
const SHORT: Option<Duration> = Some(Duration::from_millis(1));
const PATIENCE: Option<Duration> = Some(Duration::from_secs(20));

fn living(me: u32) -> Fake {
    Fake { me, dead: NOBODY }
}

#[test]
fn permits_are_counted() {
    let (semaphore, world) = (Semaphore::new(2, Semaphore::MAX), living(0));
    assert_eq!(semaphore.acquire(&world, None), Wait::Ready(()));
    assert!(semaphore.try_acquire());
    assert!(!semaphore.try_acquire());
    assert_eq!(semaphore.acquire(&world, SHORT), Wait::TimedOut);
    assert_eq!(semaphore.acquire(&world, Some(Duration::ZERO)), Wait::TimedOut);
    assert_eq!(semaphore.value(), 0);
    for expected in 1..=4 {
        assert_eq!(semaphore.release(), Ok(()));
        assert_eq!(semaphore.value(), expected);
    }
}

#[test]
fn nothing_goes_beyond_the_bound() {
    let semaphore = Semaphore::new(1, 1);
    assert_eq!(semaphore.release(), Err(TooMany));
    assert_eq!(semaphore.value(), 1);
    let largest = Semaphore::new(u32::MAX, u32::MAX);
    assert_eq!(largest.value(), Semaphore::MAX);
    assert_eq!(largest.release(), Err(TooMany));
}

#[test]
fn a_with_leaves_no_trace() {
    let (semaphore, world) = (Semaphore::new(1, 1), living(0));
    for _ in 0..3 {
        assert_eq!(semaphore.enter(&world, None), Wait::Ready(()));
        assert_eq!(semaphore.value(), 0);
        assert_eq!(semaphore.enter(&world, SHORT), Wait::TimedOut);
        assert_eq!(semaphore.leave(&world), Ok(()));
        assert!(semaphore.table.is_empty());
    }
    assert_eq!(semaphore.release(), Err(TooMany));
    assert_eq!(semaphore.leave(&world), Err(TooMany));
}

#[test]
fn a_dead_process_gives_back_what_it_took_in_a_with() {
    let semaphore = Semaphore::new(3, Semaphore::MAX);
    for _ in 0..2 {
        assert_eq!(semaphore.enter(&living(7), None), Wait::Ready(()));
    }
    assert_eq!(semaphore.enter(&living(8), None), Wait::Ready(()));
    let world = Fake { me: 1, dead: 7 };
    assert_eq!(semaphore.acquire(&world, PATIENCE), Wait::Ready(()));
    assert_eq!(semaphore.value(), 1, "the other one came back too, that of a living one did not");
    assert_eq!(semaphore.leave(&living(8)), Ok(()));
    assert_eq!(semaphore.value(), 2);
}

#[test]
fn an_attempt_finds_what_the_dead_had() {
    let semaphore = Semaphore::new(1, 1);
    assert_eq!(semaphore.enter(&living(7), None), Wait::Ready(()));
    let world = Fake { me: 1, dead: 7 };
    assert_eq!(semaphore.acquire(&world, Some(Duration::ZERO)), Wait::Ready(()));
}

#[test]
fn what_was_taken_without_a_with_is_nobodys() {
    let semaphore = Semaphore::new(1, 1);
    assert_eq!(semaphore.acquire(&living(7), None), Wait::Ready(()));
    assert_eq!(semaphore.acquire(&Fake { me: 1, dead: 7 }, SHORT), Wait::TimedOut);
    assert_eq!(semaphore.leave(&living(1)), Ok(()), "as CPython: anybody may give");
    assert_eq!(semaphore.value(), 1);
}

#[test]
fn more_processes_than_seats_are_served() {
    let semaphore = Semaphore::new(1000, 1000);
    let many = || (0..1000).map(living);
    assert!(many().all(|world| semaphore.enter(&world, None) == Wait::Ready(())));
    assert_eq!(semaphore.value(), 0);
    assert!(many().all(|world| semaphore.leave(&world) == Ok(())));
    assert_eq!(semaphore.value(), 1000);
    assert!(semaphore.table.is_empty());
}

#[test]
fn threads_take_turns_in_any_way() {
    let semaphore = Semaphore::new(2, 2);
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let workers = (0..4).map(|number| {
            let (semaphore, stop) = (&semaphore, &stop);
            scope.spawn(move || {
                let world = living(number);
                let mut turns = 0;
                while turns < 5_000 && !stop.load(Std::Relaxed) {
                    if number % 2 == 0 {
                        assert_eq!(semaphore.acquire(&world, PATIENCE), Wait::Ready(()));
                        assert_eq!(semaphore.release(), Ok(()));
                    } else {
                        assert_eq!(semaphore.enter(&world, PATIENCE), Wait::Ready(()));
                        assert_eq!(semaphore.leave(&world), Ok(()));
                    }
                    turns += 1;
                }
            })
        });
        let failed = workers.collect::<Vec<_>>().into_iter().any(|one| one.join().is_err());
        stop.store(true, Std::Relaxed);
        assert!(!failed);
    });
    assert_eq!(semaphore.value(), 2);
}
