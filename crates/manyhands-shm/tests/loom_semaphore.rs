//! Models of the semaphore: no permit lies unused while somebody sleeps, none is lost or made by a
//! death, whatever step it comes after.
//!
//! Run with `RUSTFLAGS="--cfg loom" LOOM_MAX_PREEMPTIONS=3 cargo test --release --test 'loom*'`.
#![cfg(loom)]
#![expect(clippy::unwrap_used, reason = "helpers of tests, outside of any test function")]

#[path = "support/cells.rs"]
mod cells;
#[path = "support/processes.rs"]
mod processes;

use core::time::Duration;

use cells::Cells;
use loom::sync::Arc;
use loom::thread;
use manyhands_shm::sync::{Semaphore, Wait};
use processes::{Process, immortals, mortals};

fn spawn(
    semaphore: &Arc<Semaphore>,
    process: &Process,
    run: impl FnOnce(&Semaphore, &Process) + 'static,
) -> thread::JoinHandle<()> {
    let (semaphore, process) = (Arc::clone(semaphore), process.clone());
    thread::spawn(move || run(&semaphore, &process))
}

fn take(semaphore: &Semaphore, process: &Process) {
    assert_eq!(semaphore.acquire(process, None), Wait::Ready(()));
}

fn give(semaphore: &Semaphore, _: &Process) {
    semaphore.release().unwrap();
}

#[test]
fn a_release_ends_a_wait() {
    loom::model(|| {
        let [one, two] = immortals();
        let semaphore = Arc::new(Semaphore::new(0, 9));
        let giver = spawn(&semaphore, &two, give);
        take(&semaphore, &one);
        giver.join().unwrap();
        assert_eq!(semaphore.value(), 0);
    });
}

#[test]
fn two_permits_wake_two_sleepers() {
    loom::model(|| {
        let [one, two, three] = immortals();
        let semaphore = Arc::new(Semaphore::new(0, 9));
        let takers = [&one, &two].map(|process| spawn(&semaphore, process, take));
        give(&semaphore, &three);
        give(&semaphore, &three);
        for taker in takers {
            taker.join().unwrap();
        }
        assert_eq!(semaphore.value(), 0);
    });
}

/// Givers in two threads, one of whom may find that it woke nobody and clear the mark of sleepers.
#[test]
fn two_givers_wake_who_sleeps() {
    loom::model(|| {
        let [one, two, three] = immortals();
        let semaphore = Arc::new(Semaphore::new(0, 9));
        let givers = [&two, &three].map(|process| spawn(&semaphore, process, give));
        take(&semaphore, &one);
        take(&semaphore, &one);
        for giver in givers {
            giver.join().unwrap();
        }
        assert_eq!(semaphore.value(), 0);
    });
}

#[test]
fn who_gives_up_takes_no_wake_along() {
    loom::model(|| {
        let [one, two] = immortals();
        let semaphore = Arc::new(Semaphore::new(0, 9));
        let limited = spawn(&semaphore, &two, |semaphore, process| {
            if semaphore.acquire(process, Some(Duration::from_nanos(1))) == Wait::Ready(()) {
                give(semaphore, process);
            }
        });
        let giver = spawn(&semaphore, &two, give);
        take(&semaphore, &one);
        limited.join().unwrap();
        giver.join().unwrap();
        assert_eq!(semaphore.value(), 0);
    });
}

#[test]
fn one_permit_lets_one_in() {
    loom::model(|| {
        let [one, two] = immortals();
        let semaphore = Arc::new(Semaphore::new(1, 1));
        let cell = Arc::new(Cells::<1>::new());
        let visit = |cell: Arc<Cells<1>>| {
            move |semaphore: &Semaphore, process: &Process| {
                assert_eq!(semaphore.enter(process, None), Wait::Ready(()));
                cell.write(0, cell.read(0) + 1);
                semaphore.leave(process).unwrap();
            }
        };
        let other = spawn(&semaphore, &two, visit(Arc::clone(&cell)));
        visit(Arc::clone(&cell))(&semaphore, &one);
        other.join().unwrap();
        assert_eq!((cell.read(0), semaphore.value()), (2, 1));
    });
}

#[test]
fn a_with_and_a_plain_release_meet() {
    loom::model(|| {
        let [one, two] = immortals();
        let semaphore = Arc::new(Semaphore::new(0, 9));
        let giver = spawn(&semaphore, &two, give);
        assert_eq!(semaphore.enter(&one, None), Wait::Ready(()));
        semaphore.leave(&one).unwrap();
        giver.join().unwrap();
        assert_eq!(semaphore.value(), 1);
    });
}

/// A process dies after a step of taking a permit: whoever waits gets it, and it exists once.
fn dies_taking(steps: u32) {
    loom::model(move || {
        let [one, two] = mortals();
        let semaphore = Arc::new(Semaphore::new(1, 9));
        let dying = spawn(&semaphore, &two, move |semaphore, process| {
            semaphore.die_in_step(process, true, steps);
            process.die();
        });
        assert_eq!(semaphore.enter(&one, None), Wait::Ready(()));
        dying.join().unwrap();
        semaphore.recover(&one);
        assert_eq!(semaphore.value(), 0, "one permit, and it is taken");
        semaphore.leave(&one).unwrap();
        assert_eq!(semaphore.value(), 1);
    });
}

#[test]
fn death_after_the_journal_of_taking() {
    dies_taking(2);
}

#[test]
fn death_after_the_decision_to_take() {
    dies_taking(3);
}

#[test]
fn death_after_the_seat_was_written() {
    dies_taking(4);
}

#[test]
fn death_after_a_whole_step_of_taking() {
    dies_taking(5);
}

/// A process dies after a step of giving a permit back, while others give and take.
fn dies_giving(steps: u32) {
    loom::model(move || {
        let [one, two, three] = mortals();
        let semaphore = Arc::new(Semaphore::new(1, 9));
        assert_eq!(semaphore.enter(&two, None), Wait::Ready(()));
        let dying = spawn(&semaphore, &two, move |semaphore, process| {
            semaphore.die_in_step(process, false, steps);
            process.die();
        });
        give(&semaphore, &three);
        take(&semaphore, &one);
        take(&semaphore, &one);
        dying.join().unwrap();
        semaphore.recover(&one);
        assert_eq!(semaphore.value(), 0, "two permits, and both are taken");
    });
}

#[test]
fn death_after_the_journal_of_giving() {
    dies_giving(2);
}

#[test]
fn death_after_the_decision_to_give() {
    dies_giving(3);
}

#[test]
fn death_after_the_seat_was_emptied() {
    dies_giving(4);
}

#[test]
fn death_after_a_whole_step_of_giving() {
    dies_giving(5);
}
