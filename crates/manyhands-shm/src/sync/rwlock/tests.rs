//! Units of the readers' and writer's lock: who may be in together, limits, and what the dead had.

use core::time::Duration;

use super::{RwLock, SEATS};
use crate::atomic::{AtomicU32, Ordering};
use crate::sync::testing::{Cemetery, PATIENCE, SHORT};
use crate::sync::{Cause, Liveness, Wait};

const NOW: Option<Duration> = Some(Duration::ZERO);

#[test]
fn readers_share_and_a_writer_is_alone() {
    let (lock, all) = (RwLock::new(), Cemetery::default());
    let (one, two) = (all.process(1), all.process(2));
    let first = lock.read(&one, None).ready().unwrap();
    let second = lock.read(&two, NOW).ready().unwrap();
    let third = lock.read(&one, NOW).ready().unwrap();
    assert_eq!(lock.holders(), (3, false));
    assert_eq!(lock.write(&two, SHORT), Wait::TimedOut);
    lock.leave(first, one.me());
    lock.leave(second, two.me());
    assert_eq!(lock.write(&two, NOW), Wait::TimedOut);
    lock.leave(third, one.me());
    assert_eq!(lock.write(&two, NOW), Wait::Ready(()));
    assert_eq!(lock.holders(), (0, true));
    assert_eq!(lock.read(&one, NOW), Wait::TimedOut);
    assert_eq!(lock.read(&one, SHORT), Wait::TimedOut);
    assert_eq!(lock.write(&one, SHORT), Wait::TimedOut);
    lock.unlock(two.me());
    let again = lock.read(&one, NOW).ready().unwrap();
    lock.leave(again, one.me());
    assert_eq!(lock.holders(), (0, false));
}

#[test]
fn a_dead_reader_holds_nobody_up() {
    let (lock, all) = (RwLock::new(), Cemetery::default());
    let _forgotten = lock.read(&all.process(7), None);
    let living = lock.read(&all.process(8), None).ready().unwrap();
    all.bury(7);
    assert_eq!(lock.write(&all.process(1), NOW), Wait::TimedOut);
    assert_eq!(lock.holders(), (1, false));
    lock.leave(living, all.process(8).me());
    let _forgotten = lock.read(&all.process(9), None);
    all.bury(9);
    assert_eq!(lock.write(&all.process(1), PATIENCE), Wait::Ready(()));
    assert_eq!(lock.poison().get(), None, "who only reads breaks nothing");
}

#[test]
fn a_dead_writer_is_told_to_everybody() {
    for reads in [true, false] {
        let (lock, all) = (RwLock::new(), Cemetery::default());
        assert_eq!(lock.write(&all.process(7), None), Wait::Ready(()));
        all.bury(7);
        let world = all.process(1);
        if reads {
            let reading = lock.read(&world, PATIENCE).ready().unwrap();
            assert_eq!(lock.poison().get(), Some(Cause::OwnerDied));
            lock.leave(reading, world.me());
        } else {
            assert_eq!(lock.write(&world, NOW), Wait::Ready(()));
            assert_eq!(lock.poison().get(), Some(Cause::OwnerDied));
            lock.unlock(world.me());
        }
        let reading = lock.read(&all.process(2), NOW).ready().unwrap();
        assert_eq!(lock.poison().get(), Some(Cause::OwnerDied));
        lock.leave(reading, all.process(2).me());
        lock.poison().clear();
    }
}

#[test]
fn a_sweep_clears_every_word_of_the_dead() {
    let (lock, all) = (RwLock::new(), Cemetery::default());
    let (reader, writer) = (all.process(6), all.process(7));
    let _forgotten = lock.read(&reader, None);
    lock.bury(reader.me());
    assert_eq!(lock.holders(), (0, false));
    assert_eq!(lock.write(&writer, NOW), Wait::Ready(()));
    lock.bury(writer.me());
    let world = all.process(1);
    let reading = lock.read(&world, NOW).ready().unwrap();
    assert_eq!(lock.poison().get(), Some(Cause::OwnerDied));
    lock.leave(reading, world.me());
}

#[test]
fn more_processes_than_seats_are_served() {
    let (lock, all) = (RwLock::new(), Cemetery::default());
    let many: u32 = u32::try_from(SEATS).unwrap();
    let readings: Vec<_> =
        (0..many).map(|slot| lock.read(&all.process(slot), NOW).ready().unwrap()).collect();
    let more = all.process(many);
    let alone = lock.read(&more, NOW).ready().unwrap();
    assert_eq!(lock.read(&all.process(many + 1), SHORT), Wait::TimedOut);
    assert_eq!(lock.write(&all.process(0), SHORT), Wait::TimedOut);
    lock.leave(alone, more.me());
    for (slot, reading) in (0..many).zip(readings) {
        lock.leave(reading, all.process(slot).me());
    }
    assert_eq!(lock.write(&more, NOW), Wait::Ready(()));
}

/// Two words that only ever change together: a reader that sees one without the other was in with a
/// writer.
#[test]
fn threads_never_see_half_a_change() {
    const TURNS: u32 = 5_000;
    let (lock, all) = (RwLock::new(), Cemetery::default());
    let (left, right) = (AtomicU32::new(0), AtomicU32::new(0));
    std::thread::scope(|scope| {
        for slot in 0..4 {
            let (lock, left, right, world) = (&lock, &left, &right, all.process(slot));
            scope.spawn(move || {
                for turn in 0..TURNS {
                    if (turn + slot) % 4 == 0 {
                        assert_eq!(lock.write(&world, PATIENCE), Wait::Ready(()));
                        let next = left.load(Ordering::Relaxed) + 1;
                        left.store(next, Ordering::Relaxed);
                        right.store(next, Ordering::Relaxed);
                        lock.unlock(world.me());
                    } else {
                        let reading = lock.read(&world, PATIENCE).ready().unwrap();
                        let seen = right.load(Ordering::Relaxed);
                        assert_eq!(left.load(Ordering::Relaxed), seen);
                        lock.leave(reading, world.me());
                    }
                }
            });
        }
    });
    assert_eq!(left.load(Ordering::Relaxed), TURNS);
    assert_eq!(lock.holders(), (0, false));
}
