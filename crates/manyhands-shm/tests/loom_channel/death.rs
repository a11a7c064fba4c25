//! One side is killed at each of its steps while the other works.
//!
//! Every model runs once for each step at which the victim can be killed, and for the one that it
//! survives.
#![expect(
    clippy::disallowed_types,
    reason = "it tells from one run of the model to the next: the model must not see it"
)]

use std::sync::atomic::{AtomicBool, Ordering};

use manyhands_shm::channel::{Limits, Words};
use manyhands_shm::sync::Wait;

use super::heap::{Process, mortal};
use super::model::{Shared, get, put, try_get, try_put};

type Act = fn(&Process, &Words);

/// Runs the model for each step at which the victim can be killed; `check` is told whether it was.
fn at_each_step(prepare: Act, victim: Act, other: Act, check: fn(&Process, &Words)) {
    for steps in 0.. {
        let reached: &'static AtomicBool = Box::leak(Box::new(AtomicBool::new(false)));
        loom::model(move || {
            let shared = Shared::new(Limits::default(), true);
            prepare(&shared.process(3), &shared.words);
            let dying = shared.spawn(1, move |process, words| {
                process.kill_after(steps);
                if mortal(|| victim(process, words)) {
                    reached.store(true, Ordering::Relaxed);
                }
            });
            other(&shared.process(2), &shared.words);
            dying.join().unwrap();
            shared.heap.sweep();
            check(&shared.process(4), &shared.words);
            shared.finish();
        });
        if !reached.load(Ordering::Relaxed) {
            assert!(steps >= 2, "the victim has {steps} steps");
            return;
        }
    }
}

/// Takes one item, if there is one.
fn take_one(process: &Process, words: &Words) {
    let _ = try_get(process, words);
}

/// Takes what is there, without waiting.
fn drain(process: &Process, words: &Words) -> Vec<u64> {
    std::iter::from_fn(|| try_get(process, words)).collect()
}

#[test]
fn a_producer_killed_in_put_leaves_its_item_or_nothing() {
    at_each_step(
        |_, _| (),
        |process, words| put(process, words, 1),
        |process, words| put(process, words, 2),
        |process, words| {
            let got = drain(process, words);
            assert!(matches!(got[..], [2] | [1, 2] | [2, 1]), "{got:?}");
        },
    );
}

/// The victim's second item is the third of all: it links a chunk.
#[test]
fn a_producer_killed_while_it_links_a_chunk() {
    at_each_step(
        |process, words| put(process, words, 1),
        |process, words| {
            put(process, words, 2);
            put(process, words, 3);
        },
        |process, words| assert_eq!(get(process, words), Some(1)),
        |process, words| {
            let before = words.len();
            put(process, words, 9);
            let got = drain(process, words);
            assert_eq!(got.len() as u64, before + 1);
            assert!(matches!(got[..], [9] | [2, 9] | [2, 3, 9]), "{got:?}");
        },
    );
}

#[test]
fn a_consumer_killed_in_get_takes_its_item_or_nothing() {
    at_each_step(
        |process, words| {
            put(process, words, 1);
            put(process, words, 2);
        },
        take_one,
        take_one,
        |process, words| {
            let got = drain(process, words);
            assert!(matches!(got[..], [] | [2]), "{got:?}");
        },
    );
}

/// The victim leaves the first chunk, which becomes the spare; the other one takes the spare.
#[test]
fn a_consumer_killed_while_it_gives_a_chunk_back() {
    at_each_step(
        |process, words| {
            for item in 1..=4 {
                put(process, words, item);
            }
            assert_eq!(drain(process, words)[..2], [1, 2]);
            put(process, words, 5);
        },
        take_one,
        |process, words| {
            put(process, words, 6);
            put(process, words, 7);
        },
        |process, words| {
            let got = drain(process, words);
            assert!(matches!(got[..], [5, 6, 7] | [6, 7]), "{got:?}");
        },
    );
}

/// Whoever sleeps for an item gets the next one, also when the first producer died before it rang.
#[test]
fn a_sleeper_is_woken_by_the_next_producer() {
    for steps in 0..4 {
        loom::model(move || {
            let shared = Shared::new(Limits::default(), true);
            let sleeper = shared.spawn(5, |process, words| {
                assert!(get(process, words).is_some());
            });
            let dying = shared.spawn(1, move |process, words| {
                process.kill_after(steps);
                mortal(|| put(process, words, 1));
            });
            put(&shared.process(2), &shared.words, 2);
            dying.join().unwrap();
            sleeper.join().unwrap();
            assert!(shared.words.len() <= 1);
            shared.heap.sweep();
            shared.finish();
        });
    }
}

#[test]
fn a_killed_shutdown_can_be_done_again() {
    at_each_step(
        |process, words| {
            put(process, words, 1);
            put(process, words, 2);
        },
        |process, words| assert_eq!(words.shut(process, true, None), Wait::Ready(())),
        |process, words| {
            let _ = try_get(process, words);
            let _ = try_put(process, words, 3);
        },
        |process, words| {
            assert_eq!(words.shut(process, true, None), Wait::Ready(()));
            assert!(words.is_empty());
            while words.unfinished() > 0 {
                words.task_done().unwrap();
            }
        },
    );
}
