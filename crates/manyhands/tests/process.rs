//! `Process`: one function in a process of its own.

use std::time::Duration;

use manyhands::{Process, ProcessError};

manyhands::test_support!();

#[test]
fn a_process_returns_its_result() {
    let process = Process::spawn(|words: Vec<String>| words.len(), vec!["a".into(), "b".into()]);
    assert_eq!(process.unwrap().join().unwrap(), 2);
}

#[test]
fn a_large_result_waits_for_nobody() {
    let process = Process::spawn(|len: usize| vec![7_u8; len], 5 << 20).unwrap();
    assert!(process.wait_timeout(Duration::from_secs(60)), "it ends before anybody reads");
    assert_eq!(process.join().unwrap().len(), 5 << 20);
}

#[test]
fn a_panic_and_a_death_are_told_apart() {
    let panicked = Process::spawn(|x: u32| assert!(x > 1, "no"), 0).unwrap().join().unwrap_err();
    assert!(panicked.is_panic() && panicked.to_string().contains("no"), "{panicked}");
    let died = Process::spawn(|(): ()| std::process::exit(9), ()).unwrap();
    let died: ProcessError = died.join().map(|(): ()| ()).unwrap_err();
    assert!(matches!(died, ProcessError::Died { signal: None, code: Some(9) }), "{died}");
}

#[test]
fn it_can_be_killed() {
    let process = Process::spawn(
        |(): ()| loop {
            std::thread::park();
        },
        (),
    )
    .unwrap();
    assert!(!process.is_finished() && process.pid().is_some());
    process.kill();
    let error: ProcessError = process.join().map(|(): ()| ()).unwrap_err();
    assert!(matches!(error, ProcessError::Died { signal: Some(9), code: None }), "{error}");
}
