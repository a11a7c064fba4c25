//! What does not fit into the shared memory that a program may have, and that what was used is used again.

use std::process::Command;

use manyhands::sync::AtomicU64;
use manyhands::{Buffer, Pool, TaskError};

manyhands::test_support!();

const LEN: usize = 4 << 20;

/// Runs one test of this file in a program of its own, which may have so much shared memory.
fn within(memory: &str, test: &str) -> bool {
    if std::env::var_os("MANYHANDS_TEST_WITHIN").is_some() {
        return true;
    }
    let mut program = Command::new(std::env::current_exe().expect("a path"));
    program.args(["--exact", test, "--nocapture"]);
    program.env("MANYHANDS_TEST_WITHIN", "1").env("MANYHANDS_MEMORY", memory);
    let output = program.output().expect("the program");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    false
}

#[test]
fn many_times_the_memory_goes_through() {
    if !within("100M", "many_times_the_memory_goes_through") {
        return;
    }
    let pool = Pool::builder().workers(2).build().unwrap();
    let next = |own: Buffer<u8>| own.iter().map(|x| x.wrapping_add(1)).collect::<Buffer<u8>>();
    let items = (0..40_u8).map(|at| Buffer::filled(LEN, at));
    for (at, result) in (1..=40).zip(pool.imap(next, items)) {
        assert_eq!(result.unwrap()[LEN - 1], at);
    }
    let same = |own: Vec<u8>| own;
    for (at, result) in (0..40_u8).zip(pool.imap(same, (0..40).map(|at| vec![at; LEN]))) {
        assert_eq!(result.unwrap()[LEN - 1], at);
    }
}

#[test]
fn what_does_not_fit_is_the_error_of_its_item() {
    if !within("64M", "what_does_not_fit_is_the_error_of_its_item") {
        return;
    }
    let pool = Pool::builder().workers(2).build().unwrap();
    let refused = |error: TaskError, index| {
        let said = error.to_string();
        assert!(said.contains("MANYHANDS_MEMORY") && said.contains("shared memory"), "{said}");
        assert_eq!(error.item().index(), index, "{said}");
    };
    let len = |own: Buffer<u8>| own.len();
    for (index, result) in
        (0..).zip(pool.map_each(len, [1_usize, 100 << 20, 5].map(|len| Buffer::filled(len, 1))))
    {
        match result {
            Ok(len) => assert_eq!(len, if index == 0 { 1 } else { 5 }),
            Err(error) => refused(error, Some(1)),
        }
    }
    refused(pool.submit(|own: Vec<u8>| own.len(), vec![0; 100 << 20]).join().unwrap_err(), None);
    for (index, result) in (0..).zip(pool.map_each(|len: usize| vec![1_u8; len], [1, 100 << 20, 5]))
    {
        match result {
            Ok(own) => assert_eq!(own.len(), if index == 0 { 1 } else { 5 }),
            Err(error) => refused(error, Some(1)),
        }
    }
    assert_eq!(
        pool.map(|own: Buffer<u8>| own.len(), [Buffer::filled(20 << 20, 1)]).unwrap(),
        [20 << 20]
    );
}

const SMALL_LANES: &str = "MANYHANDS_TEST_SMALL_LANES";

/// In a program with little address space: results that fit nowhere, among small ones.
#[test]
fn results_that_fit_nowhere() {
    if std::env::var_os(SMALL_LANES).is_none() {
        return;
    }
    let pool = Pool::builder().workers(2).build().unwrap();
    let ran = AtomicU64::new(0).unwrap();
    let grow = |ran: &AtomicU64, x: u64| {
        ran.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        if x % 500 == 499 { "y".repeat(20_000_000) } else { x.to_string() }
    };
    let results = pool.with(&ran).map_each(grow, 0..4_000);
    for (x, result) in (0..).zip(&results) {
        match result {
            Ok(text) => assert_eq!(*text, x.to_string()),
            Err(error) => assert!(x % 500 == 499 && error.to_string().contains("20000"), "{error}"),
        }
    }
    assert_eq!(results.iter().filter(|result| result.is_err()).count(), 8);
    assert_eq!(ran.load(std::sync::atomic::Ordering::Relaxed), 4_000, "each runs once");
}

/// The same for arguments.
#[test]
fn arguments_that_fit_nowhere() {
    if std::env::var_os(SMALL_LANES).is_none() {
        return;
    }
    let pool = Pool::builder().workers(2).build().unwrap();
    let text = |x: u64| if x % 500 == 499 { "y".repeat(20_000_000) } else { x.to_string() };
    let results = pool.map_each(|text: String| text, (0..4_000).map(text));
    for (x, result) in (0..).zip(&results) {
        match result {
            Ok(text) => assert_eq!(*text, x.to_string()),
            Err(error) => assert_eq!(x % 500, 499, "{error}"),
        }
    }
    assert_eq!(results.iter().filter(|result| result.is_err()).count(), 8);
}

#[test]
fn what_fits_nowhere_costs_its_item_alone() {
    for test in ["results_that_fit_nowhere", "arguments_that_fit_nowhere"] {
        let limited = format!("ulimit -v 520000 && exec \"$0\" --exact {test} --nocapture");
        let mut program = Command::new("sh");
        program.arg("-c").arg(limited).arg(std::env::current_exe().unwrap()).env(SMALL_LANES, "1");
        let output = program.output().unwrap();
        assert!(output.status.success(), "{output:?}");
        assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"), "{output:?}");
    }
}
