//! Processes that are none of a pool's: they stay in their parent's group, outlive a killed template,
//! and end with the parent if they are bound to it.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use crate::harness::{ActingPool, Mark, PATIENCE, config};
use manyhands_os::poll::poll;
use manyhands_os::process::{ExitStatus, PidFd, Signal, own_group};
use manyhands_pool::template::processes::Ending;
use manyhands_pool::template::{Processes, Role, Started};
use std::io::{PipeReader, PipeWriter, Read, pipe};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Mutex;

const SOME: std::time::Duration = std::time::Duration::from_millis(50);

/// A template and the other ends of its processes' lifelines: each has a pipe of its own.
struct Program {
    processes: Processes,
    held: Mutex<Vec<PipeWriter>>,
    /// Every process that runs writes a letter to it; nobody counts them.
    runs: (PipeReader, PipeWriter),
}

impl Program {
    fn new(variables: &[(&str, &str)]) -> Self {
        let processes = Processes::new(config(variables));
        Self { processes, held: Mutex::default(), runs: pipe().unwrap() }
    }

    fn ask(&self, blob: &str) -> u64 {
        self.ask_with(blob, &[self.runs.1.as_fd()])
    }

    fn ask_with(&self, blob: &str, more: &[BorrowedFd<'_>]) -> u64 {
        let role = Role::Process { group: own_group(), bound: true };
        let (lifeline, held) = pipe().unwrap();
        self.held.lock().unwrap().push(held);
        let fds = [&[lifeline.as_fd()], more].concat();
        self.processes.ask(role, blob.as_bytes(), &fds).unwrap()
    }

    fn start(&self, blob: &str) -> (u64, Started) {
        let id = self.ask(blob);
        (id, self.processes.started(id, PATIENCE).unwrap().unwrap())
    }

    /// What a new process finds about itself.
    fn facts(&self) -> String {
        let (mut reader, writer) = pipe().unwrap();
        let id = self.ask_with("facts", &[self.runs.1.as_fd(), writer.as_fd()]);
        self.processes.started(id, PATIENCE).unwrap().unwrap();
        drop(writer);
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        self.processes.ended(id, PATIENCE).unwrap();
        text
    }

    fn template(&self) -> PidFd {
        let facts = self.facts();
        let pid = facts.lines().find_map(|line| line.strip_prefix("ppid ")).unwrap();
        PidFd::open(pid.parse().unwrap()).unwrap()
    }
}

fn told(status: ExitStatus) -> Ending {
    Ending::Told(status)
}

#[test]
fn ends_are_told_and_those_who_wait_meet() {
    let program = Program::new(&[]);
    std::thread::scope(|scope| {
        for code in 0..8 {
            let program = &program;
            scope.spawn(move || {
                for _ in 0..5 {
                    let (id, _) = program.start(&format!("exit {code}"));
                    let ended = program.processes.ended(id, PATIENCE);
                    assert_eq!(ended, Some(told(ExitStatus::Exited(code))));
                    program.processes.forget(id);
                }
            });
        }
    });
}

#[test]
fn a_process_is_in_our_group_and_stopped_by_the_terminal_like_us() {
    let facts = Program::new(&[]).facts();
    let line = |start: &str| facts.lines().any(|line| line.starts_with(start));
    assert!(line(&format!("group {}", own_group())), "{facts}");
    assert!(line("leads false"), "{facts}");
    assert!(line("threads 1"), "{facts}");
    let ignored = facts.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap();
    let ignored = u64::from_str_radix(ignored.trim(), 16).unwrap();
    assert_eq!(ignored & (1 << (Signal::TTOU.as_raw() - 1)), 0, "{facts}");
}

#[test]
fn a_process_outlives_its_template_and_ends_with_its_lifeline() {
    let program = Program::new(&[]);
    let (id, started) = program.start("wait");
    assert_eq!(program.processes.ended(id, SOME), None);
    program.template().signal(Signal::KILL).unwrap();
    assert!(matches!(program.processes.ended(id, PATIENCE), Some(Ending::Untold(_))));
    assert_eq!(poll(&[started.pidfd.as_fd()], Some(SOME)).unwrap(), [false]);
    let (other, _) = program.start("exit 3");
    assert_eq!(program.processes.ended(other, PATIENCE), Some(told(ExitStatus::Exited(3))));
    program.held.lock().unwrap().clear();
    assert_eq!(poll(&[started.pidfd.as_fd()], Some(PATIENCE)).unwrap(), [true]);
}

#[test]
fn a_template_killed_at_any_step_costs_no_process_its_end() {
    for step in ["Started", "ForkAllowed", "Forked", "Led", "Reported", "DeathSeen", "Reaped"] {
        let mark = Mark::new(&format!("process-{step}"));
        let program = Program::new(&[("ACT_KILL", step), ("ACT_MARK", mark.path())]);
        for code in 0..3 {
            let (id, started) = program.start(&format!("exit {code}"));
            assert_eq!(poll(&[started.pidfd.as_fd()], Some(PATIENCE)).unwrap(), [true], "{step}");
            match program.processes.ended(id, PATIENCE) {
                Some(Ending::Told(status)) => {
                    assert_eq!(status, ExitStatus::Exited(code), "{step}");
                }
                Some(Ending::Untold(reason)) => assert!(reason.contains("SIGKILL"), "{reason}"),
                None => panic!("nobody tells how {code} ended after {step}"),
            }
        }
        assert!(mark.is_set(), "{step}");
    }
}

#[test]
fn a_signal_that_comes_right_after_the_fork_is_not_lost() {
    for signal in [Signal::INT, Signal::TERM, Signal::USR1, Signal::ALARM] {
        let (mark, number) = (Mark::new(&format!("early-{signal:?}")), signal.as_raw());
        let text = number.to_string();
        let variables =
            [("ACT_KILL", "ChildBorn"), ("ACT_SIGNAL", &text), ("ACT_MARK", mark.path())];
        let program = Program::new(&variables);
        let (id, _) = program.start("wait");
        let ended = program.processes.ended(id, PATIENCE);
        let by_signal = ExitStatus::Signaled { signal: number, core: false };
        assert_eq!(ended, Some(told(by_signal)));
        let (next, _) = program.start("exit 3");
        let ended = program.processes.ended(next, PATIENCE);
        assert_eq!(ended, Some(told(ExitStatus::Exited(3))), "its template was harmed");
    }
}

#[test]
fn one_that_nobody_wants_any_more_is_killed_when_it_comes() {
    let program = Program::new(&[]);
    let (mut reader, writer) = pipe().unwrap();
    let id = program.ask_with("wait", &[writer.as_fd()]);
    program.processes.forget(id);
    drop(writer);
    // Somebody else's wait takes the news.
    program.start("exit 0");
    let mut letters = Vec::new();
    reader.read_to_end(&mut letters).unwrap();
}

#[test]
fn what_cannot_be_started_is_told_to_who_asked() {
    let mut broken = config(&[]);
    broken.args = vec!["broken".into()];
    let processes = Processes::new(broken);
    let id = processes.ask(Role::Worker, b"", &[]).unwrap();
    let error = processes.started(id, PATIENCE).unwrap_err().to_string();
    assert!(error.contains("this template is broken on purpose"), "{error}");
    assert!(processes.ask(Role::Worker, b"", &[]).is_err());
}

#[test]
fn bound_processes_end_with_a_killed_parent_at_any_step() {
    for step in ["ForkAllowed", "Forked", "Led", "Reported", "ChildBorn", "ChildGated", "Reaped"] {
        let mut pool = ActingPool::start(&["process", "exit 0", "process"], &[("ACT_KILL", step)]);
        pool.wait_all_gone();
    }
}
