//! What ends a task before it ends itself: a limit of time, of memory, an abort; and that nothing else is lost by it.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use manyhands::sync::AtomicU64;
use manyhands::{BuildError, Pool, PoolFault, TaskError};

manyhands::test_support!();

/// Far more than anything here takes.
const LONG: Duration = Duration::from_secs(60);

fn park_at_seven(x: u32) -> u32 {
    if x % 100 == 7 {
        loop {
            std::thread::park();
        }
    }
    x + 1
}

/// Takes memory without an end, in steps of so many bytes; none for 0.
fn grow(step: usize) -> usize {
    let mut all = Vec::new();
    if step > 0 {
        loop {
            all.push(std::hint::black_box(vec![1_u8; step]));
        }
    }
    all.len()
}

#[test]
fn a_task_that_takes_too_long_fails_alone() {
    let limit = Duration::from_millis(500);
    let pool = Pool::builder().workers(2).task_timeout(limit).build().unwrap();
    let results = pool.map_each(park_at_seven, 0..300);
    for (x, result) in (0_u32..).zip(&results) {
        if x % 100 == 7 {
            let Err(TaskError::TimedOut { item, limit: told, ran, worker, .. }) = result else {
                panic!("{x}: {result:?}")
            };
            assert_eq!((item.index(), *told), (Some(x.into()), limit));
            assert!(*ran >= limit && *ran < LONG && *worker < 2, "{result:?}");
        } else {
            assert_eq!(result.as_ref().ok(), Some(&(x + 1)), "{result:?}");
        }
    }
    assert!(pool.submit(park_at_seven, 7).join().unwrap_err().is_timeout());
    assert!(pool.broadcast(|| park_at_seven(7)).iter().all(Result::is_err));
    assert_eq!(pool.map(park_at_seven, [1]).unwrap(), [2]);
}

#[test]
fn a_computation_that_never_sleeps_is_ended_as_well() {
    let limit = Duration::from_millis(500);
    let pool = Pool::builder().workers(1).task_timeout(limit).build().unwrap();
    let mut results = pool.imap(
        |x: u64| {
            if x == 1 {
                loop {
                    std::hint::black_box(x);
                }
            }
            x
        },
        0..3,
    );
    assert_eq!(results.next().unwrap().unwrap(), 0);
    assert!(results.next().unwrap().unwrap_err().is_timeout());
    assert_eq!(results.next().unwrap().unwrap(), 2);
}

#[test]
fn a_worker_beyond_its_memory_ends_with_its_task_alone() {
    let limit = 200 << 20;
    let pool = Pool::builder().workers(2).memory_limit(limit).build().unwrap();
    let results = pool.map_each(|x: usize| grow(if x == 5 { 1 << 20 } else { 0 }), 0..200);
    for (x, result) in results.iter().enumerate() {
        match result {
            Err(TaskError::MemoryLimitExceeded { item, bytes, limit: told, .. }) if x == 5 => {
                assert_eq!((item.index(), *told), (Some(5), limit));
                assert!(*bytes > limit);
            }
            result => assert!(x != 5 && result.is_ok(), "{x}: {result:?}"),
        }
    }
}

#[test]
fn a_worker_that_has_grown_is_replaced_after_its_task() {
    let pool = Pool::builder().workers(1).max_memory_per_child(100 << 20).build().unwrap();
    let leak = |bytes: usize| {
        std::mem::forget(std::hint::black_box(vec![1_u8; bytes]));
        std::process::id()
    };
    let first = pool.submit(leak, 1).join().unwrap();
    assert_eq!(pool.submit(leak, 200 << 20).join().unwrap(), first);
    let began = Instant::now();
    while pool.submit(leak, 1).join().unwrap() == first {
        assert!(began.elapsed() < LONG, "nobody took the seat");
    }
}

#[test]
fn an_aborted_task_ends_and_the_others_do_not() {
    let pool = Pool::builder().workers(1).build().unwrap();
    let handles: Vec<_> = (7..10).map(|x| pool.submit(park_at_seven, x)).collect();
    handles[0].abort();
    handles[2].abort();
    let mut handles = handles.into_iter();
    let mut next = || handles.next().unwrap().join();
    assert!(next().unwrap_err().is_cancelled());
    assert_eq!(next().unwrap(), 9);
    let third = next();
    assert!(third.as_ref().is_err_and(TaskError::is_cancelled), "{third:?}");
    let done = pool.submit(park_at_seven, 1);
    while !done.is_ready() {
        std::thread::yield_now();
    }
    done.abort();
    assert_eq!(done.join().unwrap(), 2, "what has ended is not aborted");
}

#[test]
fn an_aborted_iterator_ends_what_it_runs_and_nothing_else() {
    let pool = Pool::builder().workers(2).build().unwrap();
    let other = pool.submit(park_at_seven, 1);
    let mut stuck = pool.imap(park_at_seven, 7..10_000);
    assert!(stuck.next_timeout(Duration::from_millis(50)).is_none());
    stuck.abort();
    assert_eq!(other.join().unwrap(), 2);
    // Both workers are needed: each waits for the other.
    let barrier = manyhands::sync::Barrier::new(2).unwrap();
    let met = pool.with(&barrier).map(|barrier, _: u8| barrier.wait().is_ok(), [0, 1]).unwrap();
    assert_eq!(met, [true, true]);
    assert!(pool.join_timeout(LONG));
}

#[test]
fn limits_that_make_no_sense_are_refused() {
    for builder in [
        Pool::builder().task_timeout(Duration::ZERO),
        Pool::builder().memory_limit(0),
        Pool::builder().max_memory_per_child(0),
        Pool::builder().env("A=B", "1"),
        Pool::builder().env("", "1"),
        Pool::builder().env("A", "1\0"),
    ] {
        let refused = builder.build().unwrap_err();
        assert!(matches!(refused, BuildError::Setting(_)), "{refused}");
    }
    let forever = Pool::builder().workers(1).task_timeout(Duration::MAX).build().unwrap();
    assert_eq!(forever.map(park_at_seven, [1]).unwrap(), [2]);
    assert!(forever.join_timeout(Duration::MAX));
}

/// Runs until somebody opens the gate of its number.
fn wait_at((begun, gates): &(AtomicU64, [AtomicU64; 2]), gate: usize) {
    begun.fetch_add(1, Ordering::Relaxed);
    while gates[gate].load(Ordering::Relaxed) == 0 {
        std::thread::yield_now();
    }
}

#[test]
fn a_value_that_goes_leaves_the_items_before_its_end_free() {
    let pool = Pool::builder().workers(2).build().unwrap();
    let (sender, _receiver) = manyhands::channel::channel::<u8>().unwrap();
    let value = pool.with(&sender);
    assert!(value.broadcast(|_| ()).iter().all(Result::is_ok));
    let number = || AtomicU64::new(0).unwrap();
    let shared = (number(), [number(), number()]);
    let gates = pool.with(&shared);
    let [first, second] = [0, 1].map(|gate| gates.submit(wait_at, gate));
    while shared.0.load(Ordering::Relaxed) < 2 {
        std::thread::yield_now();
    }
    let behind: Vec<_> = (0..8).map(|x| pool.submit(park_at_seven, x)).collect();
    drop(value);
    assert!(behind[6].cancel(), "nobody has begun it");
    behind[7].abort();
    shared.1[1].store(1, Ordering::Relaxed);
    second.join().unwrap();
    for (x, handle) in (0..).zip(behind) {
        match handle.join_timeout(LONG / 6) {
            Ok(next) => assert!(next == x + 1 && x < 6),
            Err(error) => assert!(x >= 6 && !error.is_timeout(), "{x}: {error}"),
        }
    }
    assert!(!first.is_ready());
    shared.1[0].store(1, Ordering::Relaxed);
    first.join().unwrap();
}

fn park() {
    loop {
        std::thread::park();
    }
}

#[test]
fn an_initializer_that_hangs_ends_its_pool() {
    let limit = Duration::from_millis(500);
    let builder = || Pool::builder().workers(2).initializer_timeout(limit);
    let pool = builder().initializer(park).build().unwrap();
    for result in pool.map_each(park_at_seven, [1, 2, 3]) {
        let Err(TaskError::PoolFailed { fault, .. }) = result else { panic!("{result:?}") };
        assert!(matches!(*fault, PoolFault::InitializerTimedOut { limit: told } if told == limit));
        assert!(fault.to_string().contains("500ms"), "{fault}");
    }
    assert!(pool.join_timeout(LONG));
    let pool = builder().initializer(|| ()).build().unwrap();
    assert_eq!(pool.map(park_at_seven, [1, 2, 3]).unwrap(), [2, 3, 4]);
    assert!(matches!(
        builder().initializer_timeout(Duration::ZERO).build(),
        Err(BuildError::Setting(_))
    ));
}

#[test]
fn the_initializer_of_a_replacement_has_the_same_time() {
    let limit = Duration::from_millis(800);
    let hang = AtomicU64::new(0).unwrap();
    let start = |hang: &AtomicU64| {
        if hang.fetch_add(1, Ordering::SeqCst) > 0 {
            park();
        }
    };
    let builder = Pool::builder().workers(1).initializer_timeout(limit);
    let pool = builder.initializer_with(&hang, start).build().unwrap();
    assert_eq!(pool.submit(park_at_seven, 1).join().unwrap(), 2);
    assert!(pool.submit(|code: i32| -> u8 { std::process::exit(code) }, 3).join().is_err());
    let lost = pool.submit(park_at_seven, 1).join().unwrap_err();
    assert!(matches!(lost, TaskError::PoolFailed { .. }), "{lost}");
}
