//! Deaths and panics: each costs the item that ran, and nothing else.

use std::process::{abort, exit};

use manyhands::{Pool, TaskError};

manyhands::test_support!();

fn pool(workers: usize) -> Pool {
    Pool::builder().workers(workers).build().expect("a pool")
}

#[test]
fn a_panic_is_an_error_with_message_and_place() {
    let pool = Pool::builder().workers(1).env("RUST_BACKTRACE", "1").build().unwrap();
    let error = pool.submit(|x: u32| assert!(x > 7, "{x} is too small"), 3).join().unwrap_err();
    let TaskError::Panicked { panic, .. } = &error else { panic!("{error}") };
    assert_eq!(panic.message(), "3 is too small");
    assert!(panic.location().unwrap().contains("deaths.rs:"), "{panic}");
    assert!(panic.backtrace().unwrap().contains("deaths"), "{panic}");
    assert!(!panic.backtrace().unwrap().contains("manyhands::function"), "{panic}");
    let debugged = format!("{error:?}");
    assert!(
        debugged.starts_with("Panicked(") && debugged.contains("3 is too small (at "),
        "{debugged}"
    );
    let plain =
        pool_without_backtrace().submit(|(): ()| -> u8 { panic!("text") }, ()).join().unwrap_err();
    assert!(plain.is_panic());
}

fn pool_without_backtrace() -> Pool {
    Pool::builder().workers(1).env("RUST_BACKTRACE", "0").build().expect("a pool")
}

#[test]
fn panics_among_cheap_items_cost_just_these() {
    let results =
        pool(2).map_each(|x: u64| if x % 1000 == 7 { panic!("{x}") } else { x }, 0..20_000);
    for (x, result) in (0..).zip(results) {
        match result {
            Ok(value) => assert_eq!(value, x),
            Err(error) => {
                assert_eq!(x % 1000, 7, "{error}");
                assert_eq!(error.item().index(), Some(x));
                assert!(error.is_panic() && error.to_string().contains(&x.to_string()), "{error}");
            }
        }
    }
}

#[test]
fn every_way_to_die_is_named() {
    let pool = pool(1);
    let ways = [(Some(6), None), (None, Some(3)), (Some(11), None)];
    for (at, (signal, code)) in ways.iter().enumerate() {
        let die = |way: usize| match way {
            0 => abort(),
            1 => exit(3),
            _ => overflow(0),
        };
        let error = pool.submit(die, at).join().unwrap_err();
        let TaskError::WorkerDied { signal: found, code: left, worker, .. } = &error else {
            panic!("{error}");
        };
        assert_eq!((found, left, *worker), (signal, code, 0), "{error}");
    }
    assert_eq!(pool.map(|x: u8| x, [1]).unwrap(), [1]);
}

#[expect(unconditional_recursion, reason = "that is its purpose")]
fn overflow(x: u8) -> u8 {
    let frame = std::hint::black_box([x; 4096]);
    overflow(frame[7]) + frame[8]
}

#[test]
fn deaths_among_cheap_items_cost_just_these() {
    const COUNT: u64 = 100_000;
    let results =
        pool(2).map_each(|x: u64| if x % 5_000 == 777 { abort() } else { x + 1 }, 0..COUNT);
    assert_eq!(results.len() as u64, COUNT);
    for (x, result) in (0..).zip(results) {
        match result {
            Ok(value) => assert_eq!(value, x + 1),
            Err(error) => {
                assert_eq!(x % 5_000, 777, "{error}");
                assert!(error.is_worker_death(), "{error}");
                assert_eq!(error.item().index(), Some(x));
            }
        }
    }
}

#[test]
fn map_fails_with_the_first_failure_in_order() {
    let error = pool(2)
        .map(|x: u64| if x == 900 || x == 4000 { abort() } else { x }, 0..1_000_000)
        .unwrap_err();
    assert_eq!(error.item().index(), Some(900));
}

#[test]
fn iterators_go_on_after_deaths() {
    let pool = pool(2);
    let good = |x: u64| if x % 100 == 99 { exit(0) } else { x };
    let ordered: Vec<_> = pool.imap(good, 0..1000).collect();
    for (x, result) in (0..).zip(ordered) {
        assert_eq!(result.ok(), (x % 100 != 99).then_some(x));
    }
    let any = pool.imap_unordered(good, 0..1000);
    let (kept, lost): (Vec<_>, Vec<_>) = any.partition(Result::is_ok);
    assert_eq!((kept.len(), lost.len()), (990, 10));
}

/// A value that takes the process with it that reads it.
#[derive(serde::Serialize)]
struct Deadly;

impl<'de> serde::Deserialize<'de> for Deadly {
    fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        abort()
    }
}

#[test]
fn a_value_that_kills_whoever_reads_it_fails_its_items_and_nobody_waits() {
    let pool = pool(2);
    // Batches need a measured cost.
    assert_eq!(pool.map(|x: u64| x, 0..5_000).unwrap().len(), 5_000);
    let results = pool.with(&Deadly).map_each(|_: &Deadly, x: u64| x, 0..5_000);
    assert_eq!(results.len(), 5_000);
    assert!(results.iter().all(|result| result.as_ref().is_err_and(TaskError::is_worker_death)));
    assert_eq!(pool.map(|x: u64| x, [7]).unwrap(), [7]);
}

#[test]
fn items_that_wait_for_each_other_are_not_kept_together() {
    // Each item waits until the pool has begun two of them at once, by a file that both create.
    let folder = std::env::temp_dir().join(format!("manyhands-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let meet = |folder: &String, x: u64| {
        if !(5_000..=5_001).contains(&x) {
            return x;
        }
        let path = |x: u64| std::path::Path::new(folder).join(x.to_string());
        std::fs::write(path(x), "").unwrap();
        let other = path(5_000 + 5_001 - x);
        while !other.exists() {
            std::thread::yield_now();
        }
        x
    };
    let pool = pool(2);
    let all = pool.with(&folder.to_str().unwrap().to_owned()).map(meet, 0..10_000).unwrap();
    assert!(all.into_iter().eq(0..10_000));
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn a_death_after_the_rest_was_taken_away_costs_one_item() {
    // One item dies when another has begun that was behind it in its batch, and so was taken away and sent again.
    const DIES: u64 = 5_000;
    let folder = std::env::temp_dir().join(format!("manyhands-taken-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let run = |folder: &String, x: u64| {
        let path = |x: u64| std::path::Path::new(folder).join(x.to_string());
        if x == DIES {
            while !path(DIES + 1).exists() {
                std::thread::yield_now();
            }
            abort();
        }
        if x > DIES && x < DIES + 50 {
            // It would fail if it ran a second time.
            std::fs::File::create_new(path(x)).unwrap();
        }
        x
    };
    let pool = pool(2);
    let results = pool.with(&folder.to_str().unwrap().to_owned()).map_each(run, 0..10_000);
    assert_eq!(results.len(), 10_000);
    for (x, result) in (0..).zip(results) {
        match result {
            Ok(value) => assert_eq!(value, x),
            Err(error) => {
                assert_eq!(x, DIES, "{error}");
                assert!(error.is_worker_death(), "{error}");
                assert_eq!(error.item().index(), Some(x));
            }
        }
    }
    std::fs::remove_dir_all(&folder).unwrap();
}
