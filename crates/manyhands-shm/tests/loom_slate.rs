//! Models of a slate: an item is run by the worker or taken away by the parent, never both; what is said to
//! be finished is written; a parent that speaks of one batch never touches the next.
//!
//! See `loom_park.rs` for how to run it.
#![cfg(loom)]

use loom::sync::Arc;
use loom::thread;
use manyhands_shm::asymmetric::Light;
use manyhands_shm::atomic::{AtomicU64, Ordering};
use manyhands_shm::slate::{Batch, Words};

const ONE: Batch = Batch { call: 1, group: 1 };
const TWO: Batch = Batch { call: 1, group: 2 };
/// In models the light half is a full fence either way.
const LIGHT: Light = Light::Free;

/// How many items of a batch of so many the worker begins.
fn run_all(words: &Words, items: u32) -> u32 {
    let mut hand = words.open(ONE, items, LIGHT);
    (0..items).map_while(|_| words.begin(&mut hand).then_some(())).count() as u32
}

/// What is not left to the worker is not run by it. Of what is left it runs all but the one, at most, at which it found
/// out: its reply lacks that one, and only that.
#[test]
fn an_item_is_run_or_taken_away() {
    loom::model(|| {
        let words = Arc::new(Words::new());
        words.offer_heavy(true);
        let worker = {
            let words = Arc::clone(&words);
            thread::spawn(move || run_all(&words, 2))
        };
        let left = words.take_away(ONE);
        let run = worker.join().unwrap();
        match left {
            Some(left) => assert!(run <= left && left <= run + 1, "{run} of {left}"),
            None => assert_eq!(run, 2, "it had not opened the batch"),
        }
        let progress = words.progress(ONE).expect("the batch is still the last one");
        assert_eq!(progress.begun, run, "a dead worker's slate says what it has run");
    });
}

/// Of two answers the lesser holds: the worker has run so many, or one less.
#[test]
fn what_was_taken_away_stays_away() {
    loom::model(|| {
        let words = Arc::new(Words::new());
        words.offer_heavy(true);
        let mut hand = words.open(ONE, 3, LIGHT);
        let worker = {
            let words = Arc::clone(&words);
            thread::spawn(move || {
                let mut run = 0;
                while words.begin(&mut hand) {
                    run += 1;
                }
                run
            })
        };
        let first = words.take_away(ONE).expect("the worker is at this batch");
        let second = words.take_away(ONE).expect("it is still at it");
        let run = worker.join().unwrap();
        let least = first.min(second);
        assert!(run <= least && least <= run + 1, "{run} of {first} and {second}");
    });
}

/// A worker that is killed at any step has run what the slate says, or its last item not yet.
#[test]
fn a_death_at_each_step_names_one_item_at_most() {
    for steps in 0..=4 {
        loom::model(move || {
            let words = Arc::new(Words::new());
            words.offer_heavy(true);
            let worker = {
                let words = Arc::clone(&words);
                thread::spawn(move || {
                    let mut hand = words.open(ONE, 2, LIGHT);
                    let (mut run, mut done) = (0, 0);
                    for step in 0..steps {
                        if step % 2 == 1 {
                            done += 1;
                            words.finish(done, 8 * done);
                        } else if words.begin(&mut hand) {
                            run += 1;
                        } else {
                            break;
                        }
                    }
                    (run, done)
                })
            };
            let left = words.take_away(ONE);
            let (run, done) = worker.join().unwrap();
            let progress = words.progress(ONE).expect("it is dead");
            assert_eq!((progress.begun, progress.finished, progress.bytes), (run, done, 8 * done));
            assert!(left.is_none_or(|left| run <= left));
        });
    }
}

/// The parent takes away from the batch that it means, or from none.
#[test]
fn the_next_batch_is_not_touched() {
    loom::model(|| {
        let words = Arc::new(Words::new());
        words.offer_heavy(true);
        let mut hand = words.open(ONE, 1, LIGHT);
        let worker = {
            let words = Arc::clone(&words);
            thread::spawn(move || {
                let first = words.begin(&mut hand);
                let mut hand = words.open(TWO, 1, LIGHT);
                (first, words.begin(&mut hand))
            })
        };
        let taken = words.take_away(ONE);
        let (first, second) = worker.join().unwrap();
        assert!(second, "nobody spoke of the second batch");
        if taken == Some(0) {
            assert!(!first, "it was taken away before it was begun");
        }
    });
}

/// Who reads that an item is finished finds its result; the same for the name of the batch.
#[test]
fn what_is_finished_is_written() {
    loom::model(|| {
        let shared = Arc::new((Words::new(), AtomicU64::new(0)));
        let worker = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                let (words, result) = &*shared;
                let mut hand = words.open(ONE, 1, LIGHT);
                assert!(words.begin(&mut hand));
                result.store(5, Ordering::Relaxed);
                words.finish(1, 8);
                let _hand = words.open(TWO, 1, LIGHT);
            })
        };
        let (words, result) = &*shared;
        if let Some(progress) = words.progress(ONE) {
            assert!(progress.finished <= 1 && progress.begun <= 1);
            if progress.finished == 1 {
                assert_eq!(result.load(Ordering::Relaxed), 5);
            }
        }
        worker.join().unwrap();
    });
}
