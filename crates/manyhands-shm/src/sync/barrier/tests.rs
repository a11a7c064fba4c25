//! Units of the barrier: rounds, numbers, what breaks it and what repairs it.

use super::*;
use crate::sync::testing::{Cemetery, PATIENCE, Process, SHORT};

fn pass(barrier: &Barrier, world: &Process<'_>, limit: Option<Duration>) -> Outcome {
    let mut visit = Visit::default();
    match barrier.wait(&mut visit, world, limit, false) {
        Wait::Ready(outcome) => outcome,
        _ => barrier.give_up(&mut visit, world).expect("nobody acts"),
    }
}

/// Lets a party of that process come, and not come back.
fn come(barrier: &Barrier, world: &Process<'_>) -> Visit {
    let mut visit = Visit::default();
    let outcome = barrier.wait(&mut visit, world, Some(Duration::ZERO), false);
    assert_eq!(outcome, Wait::TimedOut);
    visit
}

#[test]
fn one_party_passes_alone() {
    let (barrier, all) = (Barrier::new(1), Cemetery::default());
    for _ in 0..3 {
        assert_eq!(pass(&barrier, &all.process(1), None), Outcome::Passed(0));
    }
}

#[test]
fn all_pass_together_with_a_number_each() {
    const ROUNDS: u32 = 500;
    let (barrier, all) = (Barrier::new(4), Cemetery::default());
    let numbers = std::thread::scope(|scope| {
        let parties = (0..4).map(|slot| {
            let (barrier, world) = (&barrier, all.process(slot));
            scope.spawn(move || {
                let number = |_| match pass(barrier, &world, PATIENCE) {
                    Outcome::Passed(number) => number,
                    other => panic!("{other:?}"),
                };
                (0..ROUNDS).map(number).collect::<Vec<_>>()
            })
        });
        let parties: Vec<_> = parties.collect();
        parties.into_iter().map(|party| party.join().unwrap()).collect::<Vec<_>>()
    });
    for round in 0..ROUNDS as usize {
        let mut together: Vec<_> = numbers.iter().map(|party| party[round]).collect();
        together.sort_unstable();
        assert_eq!(together, [0, 1, 2, 3], "round {round}");
    }
    assert_eq!((barrier.waiting(), barrier.is_broken()), (0, false));
}

#[test]
fn who_waits_too_long_breaks_it_until_it_is_reset() {
    let (barrier, all) = (Barrier::new(2), Cemetery::default());
    let world = all.process(1);
    assert_eq!(pass(&barrier, &world, SHORT), Outcome::Broken);
    assert!(barrier.is_broken());
    assert_eq!(pass(&barrier, &world, None), Outcome::Broken);
    barrier.reset(&world);
    assert!(!barrier.is_broken());
    let mut early = come(&barrier, &world);
    assert_eq!(pass(&barrier, &world, None), Outcome::Passed(1));
    assert_eq!(barrier.wait(&mut early, &world, None, false), Wait::Ready(Outcome::Passed(0)));
}

#[test]
fn a_reset_sends_away_who_waits_and_holds_back_who_comes() {
    let (barrier, all) = (Barrier::new(2), Cemetery::default());
    let world = all.process(1);
    let mut early = come(&barrier, &world);
    assert_eq!(barrier.waiting(), 1);
    barrier.reset(&world);
    assert_eq!(barrier.waiting(), 0);
    let mut late = come(&barrier, &world);
    assert!(late.0.is_none(), "outside, until the early one has gone");
    assert_eq!(barrier.wait(&mut early, &world, None, false), Wait::Ready(Outcome::Broken));
    assert_eq!(barrier.wait(&mut late, &world, SHORT, false), Wait::TimedOut);
    assert!(late.0.is_some());
}

#[test]
fn who_leaves_without_a_word_makes_room() {
    let (barrier, all) = (Barrier::new(2), Cemetery::default());
    let world = all.process(1);
    let mut early = come(&barrier, &world);
    barrier.leave(&mut early, &world);
    assert_eq!(barrier.waiting(), 0);
    let _late = come(&barrier, &world);
    assert_eq!(pass(&barrier, &world, None), Outcome::Passed(1));
}

#[test]
fn the_last_one_acts_before_anybody_goes() {
    let (barrier, all) = (Barrier::new(2), Cemetery::default());
    let world = all.process(1);
    for succeeds in [true, false] {
        let mut early = come(&barrier, &world);
        let mut last = Visit::default();
        assert_eq!(barrier.wait(&mut last, &world, None, true), Wait::Ready(Outcome::Act));
        assert_eq!(barrier.waiting(), 2);
        assert_eq!(barrier.give_up(&mut early, &world), None, "all are there");
        let outcome = barrier.end_action(&mut last, &world, succeeds);
        assert_eq!(outcome == Outcome::Passed(1), succeeds);
        assert_eq!(barrier.is_broken(), !succeeds);
        let early = barrier.wait(&mut early, &world, None, false);
        assert_eq!(early == Wait::Ready(Outcome::Passed(0)), succeeds);
    }
}

#[test]
fn an_action_that_was_aborted_has_failed() {
    let (barrier, all) = (Barrier::new(1), Cemetery::default());
    let world = all.process(1);
    let mut visit = Visit::default();
    assert_eq!(barrier.wait(&mut visit, &world, None, true), Wait::Ready(Outcome::Act));
    barrier.abort(&world);
    assert_eq!(barrier.end_action(&mut visit, &world, true), Outcome::Broken);
}

#[test]
fn a_death_inside_breaks_it() {
    let (barrier, all) = (Barrier::new(3), Cemetery::default());
    let world = all.process(1);
    let _dead = come(&barrier, &all.process(7));
    all.bury(7);
    assert_eq!(pass(&barrier, &world, PATIENCE), Outcome::Broken);
    barrier.reset(&world);
    assert_eq!((barrier.waiting(), barrier.is_broken()), (0, false));
}

#[test]
fn a_death_on_the_way_out_breaks_it_for_who_comes() {
    let (barrier, all) = (Barrier::new(2), Cemetery::default());
    let world = all.process(1);
    let _dead = come(&barrier, &all.process(7));
    assert_eq!(pass(&barrier, &world, None), Outcome::Passed(1));
    all.bury(7);
    assert_eq!(pass(&barrier, &world, PATIENCE), Outcome::Broken);
}

#[test]
fn a_reset_does_not_wait_for_the_dead() {
    let (barrier, all) = (Barrier::new(2), Cemetery::default());
    let world = all.process(1);
    let _dead = come(&barrier, &all.process(7));
    all.bury(7);
    barrier.reset(&world);
    let _early = come(&barrier, &world);
    assert_eq!(pass(&barrier, &world, None), Outcome::Passed(1));
}

#[test]
fn a_death_under_the_mutex_breaks_it() {
    let (barrier, all) = (Barrier::new(2), Cemetery::default());
    let (world, dead) = (all.process(1), all.process(7));
    assert_eq!(barrier.mutex.lock(&dead, None), Wait::Ready(Locked::Clean));
    barrier.seats[0].store(dead.me().get(), Ordering::Relaxed);
    all.bury(7);
    assert_eq!(pass(&barrier, &world, PATIENCE), Outcome::Broken);
    assert_eq!(barrier.count.load(Ordering::Relaxed), 0);
}

#[test]
fn who_sleeps_alone_is_told_of_the_next_one_and_then_looks_after_it() {
    let (barrier, all) = (Barrier::new(3), Cemetery::default());
    std::thread::scope(|scope| {
        let first = scope.spawn(|| pass(&barrier, &all.process(1), PATIENCE));
        while barrier.lone.load(Ordering::Relaxed) == 0 {
            std::thread::yield_now();
        }
        let ticket = barrier.bell.ticket();
        let _second = come(&barrier, &all.process(2));
        assert_ne!(barrier.bell.ticket(), ticket);
        all.bury(2);
        assert_eq!(first.join().unwrap(), Outcome::Broken);
    });
}
