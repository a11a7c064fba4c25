//! Units of the semaphore: counts, bounds, limits, and what comes back from the dead.

use core::time::Duration;

use super::{Semaphore, TooMany};
use crate::atomic::{AtomicU32, Ordering};
use crate::sync::Wait;

use crate::sync::testing::{Cemetery, PATIENCE, SHORT};

#[test]
fn permits_are_counted() {
    let (semaphore, all) = (Semaphore::new(2, Semaphore::MAX), Cemetery::default());
    let world = all.process(0);
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
    let (semaphore, all) = (Semaphore::new(1, 1), Cemetery::default());
    let world = all.process(0);
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
    let (semaphore, all) = (Semaphore::new(3, Semaphore::MAX), Cemetery::default());
    for _ in 0..2 {
        assert_eq!(semaphore.enter(&all.process(7), None), Wait::Ready(()));
    }
    assert_eq!(semaphore.enter(&all.process(8), None), Wait::Ready(()));
    all.bury(7);
    let world = all.process(1);
    assert_eq!(semaphore.acquire(&world, PATIENCE), Wait::Ready(()));
    assert_eq!(semaphore.value(), 1, "the other one came back too, that of a living one did not");
    assert_eq!(semaphore.leave(&all.process(8)), Ok(()));
    assert_eq!(semaphore.value(), 2);
}

#[test]
fn an_attempt_finds_what_the_dead_had() {
    let (semaphore, all) = (Semaphore::new(1, 1), Cemetery::default());
    assert_eq!(semaphore.enter(&all.process(7), None), Wait::Ready(()));
    all.bury(7);
    let world = all.process(1);
    assert_eq!(semaphore.acquire(&world, Some(Duration::ZERO)), Wait::Ready(()));
}

#[test]
fn what_was_taken_without_a_with_is_nobodys() {
    let (semaphore, all) = (Semaphore::new(1, 1), Cemetery::default());
    assert_eq!(semaphore.acquire(&all.process(7), None), Wait::Ready(()));
    all.bury(7);
    assert_eq!(semaphore.acquire(&all.process(1), SHORT), Wait::TimedOut);
    assert_eq!(semaphore.leave(&all.process(1)), Ok(()), "as CPython: anybody may give");
    assert_eq!(semaphore.value(), 1);
}

#[test]
fn more_processes_than_seats_are_served() {
    let (semaphore, all) = (Semaphore::new(1000, 1000), Cemetery::default());
    let many = || (0..1000).map(|slot| all.process(slot));
    assert!(many().all(|world| semaphore.enter(&world, None) == Wait::Ready(())));
    assert_eq!(semaphore.value(), 0);
    assert!(many().all(|world| semaphore.leave(&world) == Ok(())));
    assert_eq!(semaphore.value(), 1000);
    assert!(semaphore.table.is_empty());
}

#[test]
fn threads_take_turns_in_any_way() {
    let (semaphore, all) = (Semaphore::new(2, 2), Cemetery::default());
    let stop = AtomicU32::new(0);
    std::thread::scope(|scope| {
        let workers = (0..4).map(|number| {
            let (semaphore, stop, world) = (&semaphore, &stop, all.process(number));
            scope.spawn(move || {
                let mut turns = 0;
                while turns < 5_000 && stop.load(Ordering::Relaxed) == 0 {
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
        stop.store(1, Ordering::Relaxed);
        assert!(!failed);
    });
    assert_eq!(semaphore.value(), 2);
}

#[test]
fn a_bound_that_means_nothing_lets_no_sum_reach_the_flags() {
    let (semaphore, all) = (Semaphore::new(Semaphore::MAX, 5), Cemetery::default());
    semaphore.bound.store(u32::MAX, Ordering::Relaxed);
    assert_eq!(semaphore.release(), Err(TooMany));
    // One that took a permit has died, as it seems: it comes back, as far as there is room.
    assert_eq!(semaphore.enter(&all.process(7), None), Wait::Ready(()));
    assert_eq!(semaphore.release(), Ok(()));
    all.bury(7);
    semaphore.recover(&all.process(1));
    assert_eq!(semaphore.value(), Semaphore::MAX);
}

#[test]
fn a_seat_that_counts_more_than_there_can_be_overflows_nothing() {
    let (semaphore, all) = (Semaphore::new(2, 2), Cemetery::default());
    let me = all.process(3);
    assert_eq!(semaphore.enter(&me, None), Wait::Ready(()));
    semaphore.table.seats[0].fetch_or(u64::from(u32::MAX), Ordering::Relaxed);
    assert_eq!(semaphore.enter(&me, None), Wait::Ready(()));
    semaphore.table.seats[0].fetch_or(u64::from(u32::MAX), Ordering::Relaxed);
    all.bury(3);
    semaphore.recover(&all.process(1));
    assert_eq!(semaphore.value(), 2);
}
