//! Models of the barrier: all pass or none, and a death inside keeps nobody waiting.
//!
//! Run with `RUSTFLAGS="--cfg loom" LOOM_MAX_PREEMPTIONS=3 cargo test --release --test 'loom*'`.
#![cfg(loom)]
#![expect(clippy::unwrap_used, reason = "helpers of tests, outside of any test function")]

#[path = "support/processes.rs"]
mod processes;

use core::time::Duration;

use loom::sync::Arc;
use loom::thread;
use manyhands_shm::sync::{Barrier, Outcome, Visit, Wait};
use processes::{Process, immortals, mortals};

fn pass(barrier: &Barrier, process: &Process, limit: Option<Duration>) -> Outcome {
    let mut visit = Visit::default();
    match barrier.wait(&mut visit, process, limit, false) {
        Wait::Ready(outcome) => outcome,
        _ => barrier.give_up(&mut visit, process).unwrap(),
    }
}

fn spawn<T: 'static>(
    barrier: &Arc<Barrier>,
    process: &Process,
    run: impl FnOnce(&Barrier, &Process) -> T + 'static,
) -> thread::JoinHandle<T> {
    let (barrier, process) = (Arc::clone(barrier), process.clone());
    thread::spawn(move || run(&barrier, &process))
}

#[test]
fn both_pass_with_a_number_each() {
    loom::model(|| {
        let [one, two] = immortals();
        let barrier = Arc::new(Barrier::new(2));
        let other = spawn(&barrier, &two, |barrier, process| pass(barrier, process, None));
        let mine = pass(&barrier, &one, None);
        let theirs = other.join().unwrap();
        assert_ne!(mine, theirs);
        assert!(matches!((mine, theirs), (Outcome::Passed(0 | 1), Outcome::Passed(0 | 1))));
        assert_eq!((barrier.waiting(), barrier.is_broken()), (0, false));
    });
}

#[test]
fn a_second_round_waits_for_the_end_of_the_first() {
    loom::model(|| {
        let [one, two] = immortals();
        let barrier = Arc::new(Barrier::new(2));
        let twice = |barrier: &Barrier, process: &Process| {
            for _ in 0..2 {
                assert!(matches!(pass(barrier, process, None), Outcome::Passed(_)));
            }
        };
        let other = spawn(&barrier, &two, twice);
        twice(&barrier, &one);
        other.join().unwrap();
    });
}

/// One party's time is up when the other one comes: both pass, or both learn that it is broken.
#[test]
fn a_time_limit_breaks_it_for_both_or_for_none() {
    loom::model(|| {
        let [one, two] = immortals();
        let barrier = Arc::new(Barrier::new(2));
        let other = spawn(&barrier, &two, |barrier, process| pass(barrier, process, None));
        let mine = pass(&barrier, &one, Some(Duration::from_nanos(1)));
        let theirs = other.join().unwrap();
        assert_eq!(mine == Outcome::Broken, theirs == Outcome::Broken);
        assert_eq!(barrier.is_broken(), mine == Outcome::Broken);
    });
}

#[test]
fn an_abort_frees_who_waits() {
    loom::model(|| {
        let [one, two] = immortals();
        let barrier = Arc::new(Barrier::new(2));
        let other = spawn(&barrier, &two, |barrier, process| barrier.abort(process));
        assert_eq!(pass(&barrier, &one, None), Outcome::Broken);
        other.join().unwrap();
    });
}

#[test]
fn a_party_that_dies_while_it_waits_breaks_it() {
    loom::model(|| {
        let [one, two] = mortals();
        let barrier = Arc::new(Barrier::new(2));
        let mut dead = Visit::default();
        let limit = Some(Duration::ZERO);
        assert_eq!(barrier.wait(&mut dead, &two, limit, false), Wait::TimedOut);
        let dying = spawn(&barrier, &two, |_, process| process.die());
        let mine = pass(&barrier, &one, None);
        assert!(matches!(mine, Outcome::Broken | Outcome::Passed(1)), "{mine:?}");
        dying.join().unwrap();
    });
}

/// It dies inside, and the barrier needs one more: nobody comes, and the one that waits learns of it.
#[test]
fn who_waits_for_a_dead_party_is_freed() {
    loom::model(|| {
        let [one, two] = mortals();
        let barrier = Arc::new(Barrier::new(2));
        let other = spawn(&barrier, &two, |barrier, process| {
            barrier.die_under_the_mutex(process);
            process.die();
        });
        assert_eq!(pass(&barrier, &one, None), Outcome::Broken);
        other.join().unwrap();
        assert_eq!(barrier.waiting(), 0);
        barrier.reset(&one);
        assert!(!barrier.is_broken());
    });
}
