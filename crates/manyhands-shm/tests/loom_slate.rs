//! Models of a slate: an item is begun by the worker or taken away by the parent, never both; what is said to
//! be finished is written; a parent that speaks of one batch never touches the next.
//!
//! See `loom_park.rs` for how to run it.
#![cfg(loom)]

use loom::sync::Arc;
use loom::thread;
use manyhands_shm::atomic::{AtomicU64, Ordering};
use manyhands_shm::slate::{Batch, Words};

const ONE: Batch = Batch { call: 1, group: 1 };
const TWO: Batch = Batch { call: 1, group: 2 };

/// Every item of a batch is begun or taken away, exactly once.
#[test]
fn an_item_is_begun_or_taken_away() {
    loom::model(|| {
        let words = Arc::new(Words::new());
        words.open(ONE, 2);
        let worker = {
            let words = Arc::clone(&words);
            thread::spawn(move || (0..2).filter(|_| words.begin().is_some()).count())
        };
        let left = words.take_away(ONE).expect("the worker is at this batch") as usize;
        assert_eq!(worker.join().unwrap(), left, "what is left to the worker is what it began");
    });
}

/// The parent takes away from the batch that it means, or from none.
#[test]
fn the_next_batch_is_not_touched() {
    loom::model(|| {
        let words = Arc::new(Words::new());
        words.open(ONE, 1);
        let worker = {
            let words = Arc::clone(&words);
            thread::spawn(move || {
                let first = words.begin().is_some();
                words.open(TWO, 1);
                (first, words.begin().is_some())
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
                words.open(ONE, 1);
                assert_eq!(words.begin(), Some(0));
                result.store(5, Ordering::Relaxed);
                words.finish(1, 8);
                words.open(TWO, 1);
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
