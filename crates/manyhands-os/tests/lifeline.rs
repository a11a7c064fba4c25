//! A child on a lifeline, from the outside: it lives as long as the other end is held, and not long
//! after that.
#![expect(clippy::unwrap_used, reason = "tests")]

use manyhands_os::launch::{Program, spawn_exec, take_inherited};
use manyhands_os::lifeline::{GRACE, end_on_hangup, end_with_creator};
use manyhands_os::poll::poll;
use manyhands_os::process::{ExitStatus, PidFd, parent_pid, reap};
use std::fs::File;
use std::io::{PipeReader, Read, Write, pipe};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

const KILLED: ExitStatus = ExitStatus::Signaled { signal: 9, core: false };
const PATIENCE: Duration = Duration::from_secs(30);

/// Starts this program again as one of the ignored tests, with the lifeline and its answer at 8 and 9.
fn start(test: &str, lifeline: &OwnedFd) -> (PidFd, PipeReader) {
    let (answers, answer) = pipe().unwrap();
    let args = ["--exact", test, "--ignored", "--nocapture"].map(Into::into).to_vec();
    let program = Program { path: std::env::current_exe().unwrap(), args, env: None, cwd: None };
    let null = File::options().write(true).open("/dev/null").unwrap();
    let fds = [(lifeline.as_fd(), 8), (answer.as_fd(), 9), (null.as_fd(), 1)];
    (spawn_exec(&program, &fds).unwrap().pidfd, answers)
}

#[test]
#[ignore = "started by the other tests"]
fn a_child_on_a_pipe() {
    let (lifeline, answer) = (take_inherited(8).unwrap(), take_inherited(9).unwrap());
    end_on_hangup(lifeline.as_fd()).unwrap();
    let mut answer = File::from(answer);
    answer.write_all(b"x").unwrap();
    // Sees the end of the other side, and has a last word.
    (&File::from(lifeline)).read_to_end(&mut Vec::new()).unwrap();
    answer.write_all(b"y").unwrap();
    poll(&[], None).unwrap();
}

#[test]
#[ignore = "started by the other tests"]
fn a_child_of_a_thread() {
    end_with_creator(parent_pid()).unwrap();
    File::from(take_inherited(9).unwrap()).write_all(b"x").unwrap();
    poll(&[], None).unwrap();
}

#[test]
#[ignore = "started by the other tests"]
fn a_child_of_somebody_else() {
    end_with_creator(1 << 22).unwrap();
    poll(&[], None).unwrap();
}

fn read_letter(answers: &mut PipeReader) -> u8 {
    let mut letter = [0];
    answers.read_exact(&mut letter).unwrap();
    letter[0]
}

fn check_killed(child: &PidFd) {
    assert_eq!(poll(&[child.as_fd()], Some(PATIENCE)).unwrap(), [true]);
    assert_eq!(reap(child).unwrap(), KILLED);
}

#[test]
fn it_ends_after_the_last_holder_has_let_go_with_time_for_a_last_word() {
    let (reader, writer) = pipe().unwrap();
    let (child, mut answers) = start("a_child_on_a_pipe", &OwnedFd::from(reader));
    assert_eq!(read_letter(&mut answers), b'x');
    let second = writer.try_clone().unwrap();
    drop(writer);
    assert_eq!(poll(&[child.as_fd()], Some(GRACE * 2)).unwrap(), [false]);
    let before = Instant::now();
    drop(second);
    assert_eq!(read_letter(&mut answers), b'y');
    check_killed(&child);
    assert!(before.elapsed() >= GRACE);
}

#[test]
fn it_ends_when_nobody_held_it_from_the_start() {
    let (reader, writer) = pipe().unwrap();
    drop(writer);
    check_killed(&start("a_child_on_a_pipe", &OwnedFd::from(reader)).0);
}

#[test]
fn it_ends_with_the_thread_that_created_it() {
    let (ready, is_ready) = channel();
    let (end, may_end) = channel::<()>();
    let creator = thread::spawn(move || {
        let (reader, _writer) = pipe().unwrap();
        let (child, mut answers) = start("a_child_of_a_thread", &OwnedFd::from(reader));
        read_letter(&mut answers);
        ready.send(child).unwrap();
        may_end.recv().unwrap();
    });
    let child: PidFd = is_ready.recv().unwrap();
    assert!(!child.is_dead());
    end.send(()).unwrap();
    creator.join().unwrap();
    check_killed(&child);
}

#[test]
fn it_ends_when_its_parent_was_gone_before() {
    let (reader, _writer) = pipe().unwrap();
    check_killed(&start("a_child_of_somebody_else", &OwnedFd::from(reader)).0);
}
