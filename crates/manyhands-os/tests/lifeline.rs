//! A child on a lifeline, from the outside: it lives as long as the other end is held, and no longer.
#![expect(clippy::unwrap_used, reason = "tests")]

use manyhands_os::launch::{Program, spawn_exec};
use manyhands_os::lifeline::end_on_hangup;
use manyhands_os::poll::poll;
use manyhands_os::process::{ExitStatus, PidFd, reap};
use std::fs::File;
use std::io::{Read, Write, pipe};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

const KILLED: ExitStatus = ExitStatus::Signaled { signal: 9, core: false };
const PATIENCE: Duration = Duration::from_secs(30);

/// The name of the test that is the child.
const CHILD: &str = "be_the_child";

/// Starts this program again as the child, with the lifeline and its answer at 8 and 9.
fn child(lifeline: OwnedFd, answer: OwnedFd) -> PidFd {
    let args = ["--exact", CHILD, "--ignored", "--nocapture"].map(Into::into).to_vec();
    let program = Program { path: std::env::current_exe().unwrap(), args, env: None, cwd: None };
    let null = File::options().write(true).open("/dev/null").unwrap();
    let fds = [(lifeline.as_fd(), 8), (answer.as_fd(), 9), (null.as_fd(), 1)];
    spawn_exec(&program, &fds).unwrap().pidfd
}

#[test]
#[ignore = "started by the other tests"]
fn be_the_child() {
    let lifeline = manyhands_os::launch::take_inherited(8).unwrap();
    let answer = manyhands_os::launch::take_inherited(9).unwrap();
    end_on_hangup(lifeline.as_fd()).unwrap();
    File::from(answer).write_all(b"x").unwrap();
    poll(&[], None).unwrap();
}

#[test]
fn ends_when_the_last_holder_lets_go_and_not_before() {
    let (reader, writer) = pipe().unwrap();
    let (mut answers, answer) = pipe().unwrap();
    let child = child(reader.into(), answer.into());
    answers.read_exact(&mut [0]).unwrap();
    let second = writer.try_clone().unwrap();
    drop(writer);
    assert_eq!(poll(&[child.as_fd()], Some(Duration::from_millis(50))).unwrap(), [false]);
    drop(second);
    assert_eq!(poll(&[child.as_fd()], Some(PATIENCE)).unwrap(), [true]);
    assert_eq!(reap(&child).unwrap(), KILLED);
}

#[test]
fn ends_at_once_when_nobody_holds_it() {
    let (reader, writer) = pipe().unwrap();
    let (mut answers, answer) = pipe().unwrap();
    drop(writer);
    let child = child(reader.into(), answer.into());
    assert_eq!(poll(&[child.as_fd()], Some(PATIENCE)).unwrap(), [true]);
    assert_eq!(reap(&child).unwrap(), KILLED);
    assert_eq!(answers.read(&mut [0]).unwrap(), 0, "it went on after it was armed");
}
