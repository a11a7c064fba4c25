//! A pool as its users see it: results, order, laziness, values, state, settings.

use std::cell::Cell;
use std::collections::HashMap;
use std::time::Duration;

use manyhands::{BuildError, JoinTimeoutError, Pool, PoolFault, TaskError, worker_state};

manyhands::test_support!();

fn square(x: u64) -> u64 {
    x * x
}

fn pool(workers: usize) -> Pool {
    Pool::builder().workers(workers).build().expect("a pool")
}

#[test]
fn map_keeps_the_order() {
    let pool = pool(3);
    for count in [0_u64, 1, 2, 17, 1_000, 100_000] {
        let squares = pool.map(square, 0..count).unwrap();
        assert_eq!(squares, (0..count).map(square).collect::<Vec<_>>());
    }
}

#[test]
fn an_iterator_that_does_not_know_its_length_is_as_good() {
    let even = (0_u64..20_000).filter(|x| x % 2 == 0);
    let squares = pool(2).map(square, even.clone()).unwrap();
    assert_eq!(squares, even.map(square).collect::<Vec<_>>());
}

#[test]
fn imap_keeps_the_order_and_imap_unordered_the_set() {
    let pool = pool(2);
    let ordered: Vec<u64> = pool.imap(square, 0..50_000).map(Result::unwrap).collect();
    assert_eq!(ordered, (0..50_000).map(square).collect::<Vec<_>>());
    let mut any: Vec<u64> = pool.imap_unordered(square, 0..50_000).map(Result::unwrap).collect();
    any.sort_unstable();
    assert_eq!(any, ordered);
}

#[test]
fn an_endless_source_is_pulled_no_further_than_its_window() {
    let pulled = Cell::new(0_u64);
    let pool = Pool::builder().workers(2).buffer(10).build().unwrap();
    let source = (0_u64..).inspect(|_| pulled.set(pulled.get() + 1));
    let mut results = pool.imap(square, source);
    for x in 0..100 {
        assert_eq!(results.next().unwrap().unwrap(), x * x);
        assert!(pulled.get() <= x + 11, "{} pulled at {x}", pulled.get());
    }
    drop(results);
    assert_eq!(pool.map(square, [5]).unwrap(), [25], "the pool goes on");
}

#[test]
fn strings_maps_and_options_travel() {
    let pool = pool(2);
    let words = ["one", "two", "three"].map(str::to_owned);
    let counts = pool
        .map(|word: String| HashMap::from([(word.clone(), Some(word.len()))]), words.clone())
        .unwrap();
    for (word, count) in words.iter().zip(&counts) {
        assert_eq!(count[word], Some(word.len()));
    }
}

#[test]
fn large_values_travel_both_ways() {
    let big: Vec<u64> = (0..200_000).collect();
    let back = pool(2)
        .map(
            |mut own: Vec<u64>| {
                own.reverse();
                own
            },
            vec![big.clone(); 6],
        )
        .unwrap();
    for own in back {
        assert!(own.iter().rev().eq(&big));
    }
}

#[test]
fn results_that_do_not_fit_on_the_slate_are_whole() {
    let results = pool(2).map(|x: u32| vec![x; x as usize % 30_000], 0..3_000).unwrap();
    for (x, result) in (0_u32..).zip(&results) {
        assert_eq!(*result, vec![x; x as usize % 30_000]);
    }
}

#[test]
fn a_value_is_given_by_with() {
    let pool = pool(2);
    let names = vec!["a".to_owned(), "b".to_owned()];
    let with = pool.with(&names);
    let told = with.map(|names: &Vec<String>, at: usize| names[at].clone(), [1, 0]).unwrap();
    assert_eq!(told, ["b", "a"]);
    let handle = with.submit(|names: &Vec<String>, at: usize| names[at].len(), 0);
    assert_eq!(handle.join().unwrap(), 1);
    let mut all: Vec<usize> = with
        .imap_unordered(|names: &Vec<String>, at: usize| names.len() + at, 0..5)
        .map(Result::unwrap)
        .collect();
    all.sort_unstable();
    assert_eq!(all, [2, 3, 4, 5, 6]);
}

#[test]
fn the_initializer_makes_state_that_tasks_change() {
    let pool = Pool::builder().workers(1).initializer(|| vec![0_u64]).build().unwrap();
    let push = |x: u64| {
        let mut state = worker_state::<Vec<u64>>();
        state.push(x);
        state.iter().sum::<u64>()
    };
    assert_eq!(pool.map(push, [1, 2, 3]).unwrap(), [1, 3, 6]);
    let wrong = pool.submit(|_: u8| drop(worker_state::<u64>()), 0).join().unwrap_err();
    assert!(wrong.to_string().contains("returned a alloc::vec::Vec<u64>"), "{wrong}");
}

#[test]
fn without_an_initializer_there_is_no_state() {
    let error = pool(1).submit(|_: u8| drop(worker_state::<u64>()), 0).join().unwrap_err();
    assert!(error.is_panic() && error.to_string().contains("no worker state"), "{error}");
}

#[test]
fn an_initializer_that_panics_fails_every_item_and_says_why() {
    let init = |path: &String| -> u8 { panic!("no model at {path}") };
    let pool = Pool::builder().workers(2).initializer_with(&"/m".to_owned(), init).build().unwrap();
    for result in pool.map_each(square, 0..10) {
        let error = result.unwrap_err();
        let TaskError::PoolFailed { fault, .. } = &error else { panic!("{error}") };
        let PoolFault::InitializerPanicked(panic) = &**fault else { panic!("{error}") };
        assert_eq!(panic.message(), "no model at /m");
    }
}

#[test]
fn workers_are_replaced_after_their_share() {
    let pool = Pool::builder().workers(2).max_tasks_per_child(5).build().unwrap();
    let pids = pool.map(|_: u32| std::process::id(), 0..40).unwrap();
    let mut counts = HashMap::new();
    for pid in pids {
        *counts.entry(pid).or_insert(0) += 1;
    }
    assert!(counts.len() >= 8 && counts.values().all(|count| *count <= 5), "{counts:?}");
}

#[test]
fn workers_have_the_environment_that_was_set() {
    let pool = Pool::builder().workers(1).env("MANYHANDS_TEST", "of its own").build().unwrap();
    let seen = pool.map(
        |name: String| std::env::var(name).ok(),
        ["MANYHANDS_TEST".to_owned(), "PATH".to_owned(), "MANYHANDS_START".to_owned()],
    );
    let seen = seen.unwrap();
    assert_eq!(seen[0].as_deref(), Some("of its own"));
    assert_eq!(seen[1], std::env::var("PATH").ok());
    assert_eq!(seen[2], None, "children of a worker do not take themselves for workers");
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    let refused = |builder: manyhands::PoolBuilder| {
        let error = builder.build().unwrap_err();
        assert!(matches!(error, BuildError::Setting(_)), "{error}");
    };
    refused(Pool::builder().workers(0));
    refused(Pool::builder().workers(1 << 20));
    refused(Pool::builder().max_tasks_per_child(0));
    refused(Pool::builder().buffer(0));
}

#[test]
fn a_handle_waits_gives_up_and_cancels() {
    let pool = pool(1);
    let wait = |ms: u64| {
        std::thread::park_timeout(Duration::from_millis(ms));
        ms
    };
    let first = pool.submit(wait, 300);
    let second = pool.submit(wait, 1);
    let Err(JoinTimeoutError::TimedOut(first)) = first.join_timeout(Duration::from_millis(1))
    else {
        panic!("300 ms in 1");
    };
    assert!(second.cancel(), "the worker is at the first");
    assert!(second.is_ready());
    assert!(second.join().unwrap_err().is_cancelled());
    assert_eq!(first.join_timeout(Duration::from_secs(60)).unwrap(), 300);
}

#[test]
fn join_runs_what_was_submitted_and_drop_does_not() {
    let one = pool(2);
    let handles: Vec<_> = (0..100).map(|x| one.submit(square, x)).collect();
    one.join();
    for (x, handle) in (0..).zip(handles) {
        assert_eq!(handle.join().unwrap(), x * x);
    }
    let other = pool(1);
    let never = |(): ()| loop {
        std::thread::park();
    };
    let handle = other.submit::<_, (), ()>(never, ());
    drop(other);
    assert!(handle.join().unwrap_err().is_cancelled());
}

#[test]
fn what_serde_refuses_is_the_error_of_one_item() {
    #[derive(serde::Serialize, serde::Deserialize)]
    struct Odd(#[serde(serialize_with = "odd")] u64);
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants a reference")]
    fn odd<S: serde::Serializer>(x: &u64, serializer: S) -> Result<S::Ok, S::Error> {
        if x % 2 == 1 {
            return serializer.serialize_u64(*x);
        }
        Err(serde::ser::Error::custom("it is even"))
    }
    let pool = pool(2);
    let arguments = pool.map_each(|odd: Odd| odd.0, (0..1000).map(Odd));
    let results = pool.map_each(Odd, 0..1000);
    for x in 0..1000 {
        assert_eq!(arguments[x].is_ok(), x % 2 == 1, "argument {x}");
        assert_eq!(results[x].is_ok(), x % 2 == 1, "result {x}");
    }
    let error = results.into_iter().next().unwrap().err().unwrap();
    assert!(matches!(error, TaskError::Carriage { .. }), "{error}");
    assert_eq!(error.item().index(), Some(0));
}

/// What its reader refuses if its number can be divided by 10: before the text, of which nothing is read then.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
struct Picky(#[serde(deserialize_with = "pick")] u64, String);

fn pick<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    match <u64 as serde::Deserialize>::deserialize(deserializer)? {
        x if x.is_multiple_of(10) => Err(serde::de::Error::custom("it can be divided by 10")),
        x => Ok(x),
    }
}

#[test]
fn what_cannot_be_read_fails_alone() {
    let pool = pool(2);
    let picky = |x: u64| Picky(x, "text".repeat((x.count_ones() % 7) as usize));
    let unread = pool.map_each(|own: Picky| own.0 + own.1.len() as u64, (0..5_000).map(picky));
    let results = pool.map_each(picky, 0..5_000);
    for (x, (unread, result)) in (0..5_000).zip(unread.into_iter().zip(results)) {
        if x % 10 == 0 {
            for error in [unread.unwrap_err(), result.unwrap_err()] {
                assert!(matches!(error, TaskError::Carriage { .. }), "{error}");
                assert!(error.to_string().contains("cannot be read"), "{error}");
                assert_eq!(error.item().index(), Some(x), "{error}");
            }
        } else {
            assert_eq!(result.unwrap(), picky(x));
            assert_eq!(unread.unwrap(), x + picky(x).1.len() as u64);
        }
    }
}

/// What panics while it is written or read, if its number can be divided by 10.
#[derive(Debug, Clone, Copy)]
struct Fragile<const WRITTEN: bool>(u64);

impl<const WRITTEN: bool> serde::Serialize for Fragile<WRITTEN> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        assert!(!WRITTEN || !self.0.is_multiple_of(10), "it is written");
        (self.0, self.0).serialize(serializer)
    }
}

impl<'de, const WRITTEN: bool> serde::Deserialize<'de> for Fragile<WRITTEN> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (x, _) = <(u64, u64)>::deserialize(deserializer)?;
        assert!(WRITTEN || !x.is_multiple_of(10), "it is read");
        Ok(Self(x))
    }
}

#[test]
fn a_panic_of_what_serde_calls_is_the_error_of_its_item() {
    let pool = pool(2);
    let results = pool.map_each(Fragile::<true>, 0..2_000);
    let arguments = pool.map_each(|own: Fragile<false>| own.0, (0..2_000).map(Fragile));
    for (x, (result, argument)) in (0..2_000).zip(results.into_iter().zip(arguments)) {
        if x % 10 == 0 {
            for (error, words) in
                [(result.unwrap_err(), "it is written"), (argument.unwrap_err(), "it is read")]
            {
                assert!(error.is_panic() && error.to_string().contains(words), "{error}");
                assert_eq!(error.item().index(), Some(x), "{error}");
            }
        } else {
            assert_eq!((result.unwrap().0, argument.unwrap()), (x, x));
        }
    }
}

#[test]
fn many_threads_share_a_pool() {
    let pool = pool(2);
    std::thread::scope(|scope| {
        for start in 0..4_u64 {
            let pool = &pool;
            scope.spawn(move || {
                let items = start * 10_000..(start + 1) * 10_000;
                let squares = pool.map(square, items.clone()).unwrap();
                assert!(squares.into_iter().eq(items.map(square)));
            });
        }
    });
}

#[test]
fn a_worker_has_a_pool_of_its_own() {
    let inner = |n: u64| pool(1).map(square, 0..n).unwrap().into_iter().sum::<u64>();
    assert_eq!(pool(2).map(inner, [10, 20]).unwrap(), [285, 2470]);
}

#[test]
fn a_broadcast_runs_once_on_each_worker() {
    let pool = Pool::builder().workers(3).initializer(|| 0_u64).build().unwrap();
    let count = || {
        let mut state = worker_state::<u64>();
        *state += 1;
        (std::process::id(), *state)
    };
    for round in 1..=50 {
        let busy: Vec<_> = (0..20).map(|x| pool.submit(square, x)).collect();
        let told: Vec<(u32, u64)> = pool.broadcast(count).into_iter().map(Result::unwrap).collect();
        let mut pids: Vec<_> = told.iter().map(|(pid, _)| *pid).collect();
        pids.sort_unstable();
        pids.dedup();
        assert_eq!(pids.len(), 3, "{told:?}");
        assert!(told.iter().all(|(_, state)| *state == round), "{told:?}");
        for (x, handle) in (0..).zip(busy) {
            assert_eq!(handle.join().unwrap(), x * x);
        }
    }
}

#[test]
fn broadcasts_of_many_threads_do_not_wait_for_each_other() {
    let pool = pool(2);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..50 {
                    let told = pool.broadcast(|| 1);
                    assert_eq!(told.into_iter().map(Result::unwrap).sum::<u32>(), 2);
                }
            });
        }
    });
}

#[test]
fn a_death_in_a_broadcast_costs_its_own_result() {
    let pool = Pool::builder().workers(2).initializer(|| ()).build().unwrap();
    let pids = pool.broadcast(std::process::id);
    let victim = *pids[1].as_ref().unwrap();
    let told = pool.with(&victim).broadcast(|victim: &u32| {
        if std::process::id() == *victim {
            std::process::abort();
        }
    });
    assert!(told[0].is_ok());
    let error = told[1].as_ref().unwrap_err();
    assert!(error.is_worker_death(), "{error}");
    assert!(pool.broadcast(|| ()).iter().all(Result::is_ok));
}
