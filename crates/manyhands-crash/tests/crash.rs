//! The example keeps what it promises.

use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

const PROGRAM: &str = env!("CARGO_BIN_EXE_manyhands-crash");

#[test]
fn every_good_input_is_answered_and_every_bad_one_named() {
    let output = Command::new(PROGRAM).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let said = String::from_utf8(output.stdout).unwrap();
    let bad: Vec<u64> = (0..100_000).filter(|x| x % 9973 == 42).collect();
    let mut lines = said.lines();
    assert_eq!(lines.next(), Some(&*format!("{} answers", 100_000 - bad.len())));
    for x in &bad {
        let line = lines.next().unwrap();
        assert!(line.starts_with(&format!("item {x} of ")) && line.contains("SIGSEGV"), "{line}");
    }
    assert_eq!(lines.next(), None);
}

#[test]
fn threads_die_together() {
    let output = Command::new(PROGRAM).arg("rayon").output().unwrap();
    assert_eq!(output.status.signal(), Some(11), "{output:?}");
}

#[test]
fn what_a_task_has_forked_answers_nothing() {
    for _ in 0..5 {
        let output = Command::new(PROGRAM).arg("forks").output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), "1000 answers\n", "{output:?}");
    }
}

#[test]
fn a_forked_child_takes_nothing_of_the_pool() {
    for _ in 0..5 {
        let output = Command::new(PROGRAM).arg("family").output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        let mut lines: Vec<_> = said.lines().collect();
        lines.sort_unstable();
        assert_eq!(lines, ["child: true false true", "child: true true", "parent: 4 998"]);
    }
}

#[test]
fn workers_that_have_closed_everything_end_with_their_parent() {
    let mut program = Command::new(PROGRAM);
    program.arg("closes").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut program = program.spawn().unwrap();
    let mut line = String::new();
    BufReader::new(program.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let pids: Vec<&str> = line.trim().trim_matches(['[', ']']).split(", ").collect();
    assert_eq!(pids.len(), 2, "{line}");
    program.kill().unwrap();
    program.wait().unwrap();
    let runs = |pid: &&str| Path::new("/proc").join(pid).join("exe").read_link().is_ok();
    let (_nobody, silence) = channel::<()>();
    let deadline = Instant::now() + Duration::from_secs(20);
    while pids.iter().any(runs) {
        if Instant::now() > deadline {
            let _ended = Command::new("kill").arg("-9").args(&pids).status();
            panic!("they outlive it: {line}");
        }
        assert!(silence.recv_timeout(Duration::from_millis(5)).is_err());
    }
}

#[test]
fn who_has_closed_everything_does_not_wait_for_ever() {
    let output = Command::new(PROGRAM).arg("daemon").output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "true true\n", "{output:?}");
}
