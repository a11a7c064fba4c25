//! Units of the condition: who is chosen, how often, and what the dead leave.

use super::*;
use crate::sync::testing::{Cemetery, PATIENCE, SHORT};

#[test]
fn nobody_waits_at_first() {
    let (condition, all) = (Condition::new(), Cemetery::default());
    let world = all.process(1);
    assert_eq!(condition.notify(&world, 3), 0);
    assert_eq!(condition.notify_all(), 0);
    assert_eq!(condition.waiters(&world), 0);
}

#[test]
fn time_runs_out_and_leaves_nothing() {
    let (condition, all) = (Condition::new(), Cemetery::default());
    let world = all.process(1);
    for limit in [SHORT, Some(Duration::ZERO)] {
        let place = condition.enrol(&world).unwrap();
        assert_eq!(condition.waiters(&world), 1);
        assert_eq!(condition.wait(&place, &world, limit), Wait::TimedOut);
        assert_eq!(condition.leave(place), Left::Unnotified);
        assert_eq!(condition.waiters(&world), 0);
        assert_eq!(condition.notify(&world, 1), 0);
    }
}

#[test]
fn the_first_to_come_is_the_first_to_go() {
    let (condition, all) = (Condition::new(), Cemetery::default());
    let world = all.process(1);
    let places = [(); 4].map(|()| condition.enrol(&world).unwrap());
    assert_eq!(condition.notify(&world, 2), 2);
    let waits = places.iter().map(|place| condition.wait(place, &world, Some(Duration::ZERO)));
    let expected = [Wait::Ready(()), Wait::Ready(()), Wait::TimedOut, Wait::TimedOut];
    assert_eq!(waits.collect::<Vec<_>>(), expected);
    assert_eq!(condition.notify(&world, 9), 2);
    assert!(places.into_iter().all(|place| condition.leave(place) == Left::Notified));
}

#[test]
fn all_are_released() {
    let (condition, all) = (Condition::new(), Cemetery::default());
    let world = all.process(1);
    let places = [(); 3].map(|()| condition.enrol(&world).unwrap());
    assert_eq!(condition.notify_all(), 3);
    assert_eq!(condition.notify_all(), 0);
    assert!(places.into_iter().all(|place| condition.leave(place) == Left::Released));
}

#[test]
fn the_dead_swallow_nothing() {
    let (condition, all) = (Condition::new(), Cemetery::default());
    let world = all.process(1);
    let dead = condition.enrol(&all.process(7)).unwrap();
    assert_eq!(condition.wait(&dead, &all.process(7), SHORT), Wait::TimedOut);
    let place = condition.enrol(&world).unwrap();
    all.bury(7);
    assert_eq!(condition.notify(&world, 1), 1);
    assert_eq!(condition.leave(place), Left::Notified);
}

#[test]
fn who_dies_in_its_busy_wait_hands_on() {
    let (condition, all) = (Condition::new(), Cemetery::default());
    let world = all.process(1);
    let _dead = condition.enrol(&all.process(7));
    all.bury(7);
    let place = condition.enrol(&world).unwrap();
    assert_eq!(condition.notify(&world, 1), 1);
    assert_eq!(condition.wait(&place, &world, PATIENCE), Wait::Ready(()));
    assert_eq!(condition.notify(&world, 1), 0, "the dead one's seat is free");
    assert_eq!(condition.leave(place), Left::Notified);
}

#[test]
fn who_dies_after_it_was_chosen_hands_on() {
    let (condition, all) = (Condition::new(), Cemetery::default());
    let world = all.process(1);
    let _dead = condition.enrol(&all.process(7));
    assert_eq!(condition.notify(&world, 1), 1);
    let place = condition.enrol(&world).unwrap();
    all.bury(7);
    assert_eq!(condition.wait(&place, &world, PATIENCE), Wait::Ready(()));
    assert_eq!(condition.leave(place), Left::Notified);
}

#[test]
fn who_dies_after_all_were_chosen_hands_on_nothing() {
    let (condition, all) = (Condition::new(), Cemetery::default());
    let world = all.process(1);
    let _dead = condition.enrol(&all.process(7));
    assert_eq!(condition.notify_all(), 1);
    let place = condition.enrol(&world).unwrap();
    all.bury(7);
    assert_eq!(condition.wait(&place, &world, SHORT), Wait::TimedOut);
    assert_eq!(condition.notify(&world, 1), 1);
    assert_eq!(condition.leave(place), Left::Notified);
}

#[test]
fn seats_of_the_dead_are_used_again() {
    let (condition, all) = (Condition::new(), Cemetery::default());
    for _ in 0..Condition::MOST {
        assert!(condition.enrol(&all.process(7)).is_some());
    }
    let world = all.process(1);
    assert!(condition.enrol(&world).is_none());
    all.bury(7);
    assert!(condition.enrol(&world).is_some());
    assert_eq!(condition.waiters(&world), 1);
}

#[test]
fn as_many_go_on_as_are_notified() {
    let (condition, all) = (Condition::new(), Cemetery::default());
    let through = AtomicU32::new(0);
    std::thread::scope(|scope| {
        for slot in 0..4 {
            let (condition, through, world) = (&condition, &through, all.process(slot));
            scope.spawn(move || {
                for _ in 0..200 {
                    let place = condition.enrol(&world).unwrap();
                    assert_eq!(condition.wait(&place, &world, PATIENCE), Wait::Ready(()));
                    through.fetch_add(1, Ordering::Relaxed);
                    assert_eq!(condition.leave(place), Left::Notified);
                }
            });
        }
        let world = all.process(9);
        let mut notified = 0;
        while notified < 800 {
            notified += condition.notify(&world, 1 + notified % 3);
            assert!(through.load(Ordering::Relaxed) <= notified);
            std::thread::yield_now();
        }
    });
    assert_eq!(through.load(Ordering::Relaxed), 800);
}
