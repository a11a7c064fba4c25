//! Items arrive once and in order, nobody sleeps on what has happened, counts are those of one moment,
//! and chunks are reused without a race.

use manyhands_shm::channel::{Limits, Refused};
use manyhands_shm::sync::Wait;

use super::model::{Shared, get, put, try_put};

#[test]
fn items_arrive_once_and_in_order() {
    loom::model(|| {
        let shared = Shared::new(Limits::default(), false);
        let producer = shared.spawn(1, |process, words| {
            put(process, words, 1);
            put(process, words, 2);
        });
        let consumer = shared.process(2);
        assert_eq!(get(&consumer, &shared.words), Some(1));
        assert_eq!(get(&consumer, &shared.words), Some(2));
        producer.join().unwrap();
        shared.finish();
    });
}

#[test]
fn two_producers_lose_nothing() {
    loom::model(|| {
        let shared = Shared::new(Limits::default(), false);
        let other = shared.spawn(1, |process, words| put(process, words, 1));
        let this = shared.process(2);
        put(&this, &shared.words, 2);
        other.join().unwrap();
        let mut got = [get(&this, &shared.words), get(&this, &shared.words)];
        got.sort_unstable();
        assert_eq!(got, [Some(1), Some(2)]);
        shared.finish();
    });
}

#[test]
fn two_consumers_share() {
    loom::model(|| {
        let shared = Shared::new(Limits::default(), false);
        let this = shared.process(2);
        put(&this, &shared.words, 1);
        put(&this, &shared.words, 2);
        let other = shared.spawn(1, |process, words| {
            let got = get(process, words);
            assert!(got == Some(1) || got == Some(2));
        });
        let got = get(&this, &shared.words);
        assert!(got == Some(1) || got == Some(2));
        other.join().unwrap();
        assert!(shared.words.is_empty());
        shared.finish();
    });
}

/// The fifth item lies in the third chunk; the first one may be there again as the spare.
#[test]
fn chunks_go_round() {
    loom::model(|| {
        let shared = Shared::new(Limits::default(), false);
        let this = shared.process(2);
        put(&this, &shared.words, 1);
        put(&this, &shared.words, 2);
        let other = shared.spawn(1, |process, words| {
            for item in 1..=3 {
                assert_eq!(get(process, words), Some(item));
            }
        });
        for item in 3..=5 {
            put(&this, &shared.words, item);
        }
        other.join().unwrap();
        assert_eq!(shared.words.len(), 2);
        assert_eq!([4, 5].map(Some), [(); 2].map(|()| get(&this, &shared.words)));
        shared.finish();
    });
}

#[test]
fn a_full_channel_lets_its_producer_wait() {
    loom::model(|| {
        let limits = Limits { items: Some(1), bytes: None };
        let shared = Shared::new(limits, false);
        let producer = shared.spawn(1, |process, words| {
            put(process, words, 1);
            put(process, words, 2);
        });
        let this = shared.process(2);
        assert_eq!(get(&this, &shared.words), Some(1));
        assert_eq!(get(&this, &shared.words), Some(2));
        producer.join().unwrap();
        shared.finish();
    });
}

#[test]
fn counts_are_those_of_one_moment() {
    loom::model(|| {
        let shared = Shared::new(Limits { items: Some(1), bytes: None }, false);
        let this = shared.process(2);
        put(&this, &shared.words, 1);
        let other = shared.spawn(1, |process, words| {
            assert_eq!(get(process, words), Some(1));
            put(process, words, 2);
            assert_eq!(get(process, words), Some(2));
        });
        let (len, full) = (shared.words.len(), shared.words.is_full());
        assert!(len <= 1, "never were there {len} items");
        assert!(!full || len <= 1);
        other.join().unwrap();
        assert!(shared.words.is_empty());
        shared.finish();
    });
}

#[test]
fn a_shut_channel_keeps_nobody_waiting() {
    loom::model(|| {
        let shared = Shared::new(Limits::default(), false);
        let other = shared.spawn(1, |process, words| assert_eq!(get(process, words), None));
        let this = shared.process(2);
        assert_eq!(shared.words.shut(&this, false, None), Wait::Ready(()));
        assert_eq!(try_put(&this, &shared.words, 1), Err(Refused::Shut));
        other.join().unwrap();
        shared.finish();
    });
}

#[test]
fn what_is_thrown_away_is_not_taken() {
    loom::model(|| {
        let shared = Shared::new(Limits::default(), false);
        let this = shared.process(2);
        put(&this, &shared.words, 1);
        put(&this, &shared.words, 2);
        let other = shared.spawn(1, |process, words| {
            let got = get(process, words);
            assert!(got.is_none() || got == Some(1));
            if got.is_some() {
                assert_eq!(words.task_done(), Ok(()));
            }
        });
        assert_eq!(shared.words.shut(&this, true, None), Wait::Ready(()));
        assert!(shared.words.is_empty());
        assert_eq!(get(&this, &shared.words), None);
        assert_eq!(shared.words.wait_all_done(None), Wait::Ready(()));
        other.join().unwrap();
        assert_eq!(shared.words.unfinished(), 0);
        shared.finish();
    });
}

#[test]
fn who_waits_for_the_tasks_is_woken_at_the_last_one() {
    loom::model(|| {
        let shared = Shared::new(Limits::default(), false);
        let this = shared.process(2);
        put(&this, &shared.words, 1);
        let worker = shared.spawn(1, |process, words| {
            assert_eq!(get(process, words), Some(1));
            assert_eq!(words.task_done(), Ok(()));
            assert!(words.task_done().is_err());
        });
        while shared.words.unfinished() > 0 {
            assert_eq!(shared.words.wait_all_done(None), Wait::Ready(()));
        }
        worker.join().unwrap();
        shared.finish();
    });
}
