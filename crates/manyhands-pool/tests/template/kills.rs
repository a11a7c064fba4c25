//! Someone is killed at every step: nobody runs twice, nobody is forgotten, nobody is left.
//!
//! That a worker runs at most once is counted by the letter that each writes when it begins.

use crate::harness::{ActingPool, Harness, Mark, PATIENCE, config};
use manyhands_os::poll::poll;
use manyhands_os::process::{ExitStatus, Signal};
use std::os::fd::AsFd;

const KILLED: ExitStatus = ExitStatus::Signaled { signal: 9, core: false };

/// Three workers are asked for while the template dies once at that step. Returns the harness when
/// all that was asked for has been told to the end.
fn template_killed_at(step: &str) -> Harness {
    let mark = Mark::new(&format!("template-{step}"));
    let mut harness = Harness::new(config(&[("ACT_KILL", step), ("ACT_MARK", mark.path())]));
    harness.template.import("fine");
    for id in 1..=3 {
        harness.fork(id, "exit 0");
    }
    harness.wait("three ends", |harness| harness.exits.len() + harness.lost.len() == 3);
    harness.wait_note("gone");
    assert!(mark.is_set(), "the step was reached");
    harness
}

/// Every worker has one end, and ran exactly once if it was told of.
fn check_ledger(harness: Harness) {
    let mut ends: Vec<_> =
        harness.exits.iter().map(|(id, _)| *id).chain(harness.lost.clone()).collect();
    ends.sort_unstable();
    assert_eq!(ends, [1, 2, 3]);
    assert_eq!(harness.workers.len(), 3);
    for (_, status) in &harness.exits {
        assert_eq!(*status, ExitStatus::Exited(0));
    }
    let (lost, runs) = (harness.lost.len(), harness.count_runs());
    // One that was lost may have been killed between its gate and its letter.
    assert!((3 - lost..=3).contains(&runs), "{runs} runs, {lost} lost");
}

#[test]
fn a_template_killed_before_it_forks_costs_nothing() {
    for step in ["Started", "ForkAllowed"] {
        let harness = template_killed_at(step);
        assert_eq!(harness.lost, [], "{step}");
        assert_eq!(harness.notes_with("ready"), if step == "Started" { 1 } else { 2 });
        assert_eq!(harness.notes_with("gone: the template process (pid "), 1);
        check_ledger(harness);
    }
}

#[test]
fn a_template_killed_between_fork_and_report_costs_nothing() {
    for step in ["Forked", "Led"] {
        let harness = template_killed_at(step);
        assert_eq!(harness.lost, [], "{step}");
        check_ledger(harness);
    }
}

#[test]
fn a_template_killed_after_the_report_loses_that_worker() {
    let harness = template_killed_at("Reported");
    assert_eq!(harness.lost, [1]);
    assert_eq!(harness.notes_with("lost 1: the template process (pid "), 1);
    check_ledger(harness);
}

#[test]
fn a_template_killed_while_it_buries_loses_what_it_has_not_told() {
    for step in ["DeathSeen", "GroupEnded", "Reaped"] {
        let harness = template_killed_at(step);
        assert!(!harness.lost.is_empty(), "{step}");
        check_ledger(harness);
    }
}

#[test]
fn a_template_killed_in_an_import_is_replaced_without_the_module() {
    for step in ["Importing", "Imported"] {
        let harness = template_killed_at(step);
        assert_eq!(harness.notes_with("fine dropped: the template process (pid "), 1, "{step}");
        assert_eq!(harness.lost, []);
        check_ledger(harness);
    }
}

#[test]
fn a_module_that_crashes_is_dropped_with_what_it_printed() {
    let mut harness = Harness::new(config(&[]));
    for module in ["fine", "crash", "also fine"] {
        harness.template.import(module);
    }
    harness.fork(1, "exit 0");
    harness.wait_exited(1);
    let note = harness.wait_note("crash dropped");
    assert!(note.contains("was killed by SIGABRT (signal 6"), "{note}");
    assert!(note.contains("about to crash"), "{note}");
    assert_eq!(harness.notes_with("gone"), 1);
    assert_eq!(harness.notes.len(), 4, "{:?}", harness.notes);
}

#[test]
fn a_child_killed_on_its_way_is_a_worker_that_died() {
    for step in ["ChildBorn", "ChildGated", "ChildReleased"] {
        let mark = Mark::new(&format!("child-{step}"));
        let mut harness = Harness::new(config(&[("ACT_KILL", step), ("ACT_MARK", mark.path())]));
        harness.fork(1, "exit 0");
        harness.fork(2, "exit 0");
        harness.wait("two exits", |harness| harness.exits.len() == 2);
        let statuses: Vec<_> = harness.exits.iter().map(|(_, status)| *status).collect();
        assert_eq!(statuses.iter().filter(|status| **status == KILLED).count(), 1, "{step}");
        assert_eq!(harness.notes, ["ready"]);
        assert_eq!(harness.count_runs(), 1, "{step}");
    }
}

#[test]
fn a_template_that_dies_each_time_is_given_up() {
    let mut harness = Harness::new(config(&[("ACT_KILL", "ForkAllowed")]));
    harness.fork(1, "wait");
    let note = harness.wait_note("failed");
    assert!(note.contains("3 times in a row the template process (pid "), "{note}");
    assert!(note.contains("was killed by SIGKILL"), "{note}");
    assert_eq!(harness.notes_with("gone"), 3);
    assert_eq!(harness.count_runs(), 0);
}

#[test]
fn a_dead_template_takes_its_workers_and_theirs_and_the_next_one_goes_on() {
    for signal in [Signal::KILL, Signal::TERM] {
        let mut harness = Harness::new(config(&[]));
        for id in 1..=3 {
            harness.fork(id, "parent");
        }
        harness.wait("three workers", |harness| harness.workers.len() == 3);
        harness.wait_running(3);
        harness.find_template().signal(signal).unwrap();
        harness.wait("three losses", |harness| harness.lost.len() == 3);
        for worker in harness.workers.clone() {
            assert_eq!(poll(&[worker.pidfd.as_fd()], Some(PATIENCE)).unwrap(), [true]);
        }
        harness.fork(5, "exit 0");
        assert_eq!(harness.wait_exited(5), ExitStatus::Exited(0));
    }
}

#[test]
fn a_template_killed_while_it_ends_leaves_nobody_to_a_living_parent() {
    let mut pool = ActingPool::start(&["shutdown", "parent"], &[("ACT_KILL", "Ending")]);
    assert_eq!(pool.wait_all_gone(), ExitStatus::Exited(0));
}

#[test]
fn a_terminal_that_goes_away_leaves_the_template_to_the_pool() {
    let mut harness = Harness::new(config(&[]));
    harness.find_template().signal(Signal::HUP).unwrap();
    harness.fork(1, "exit 0");
    assert_eq!(harness.wait_exited(1), ExitStatus::Exited(0));
    assert_eq!(harness.notes, ["ready"]);
}

#[test]
fn nothing_outlives_a_parent_killed_at_any_step() {
    for step in [
        "Started",
        "Importing",
        "Imported",
        "ForkAllowed",
        "Forked",
        "Led",
        "Reported",
        "ChildBorn",
        "ChildGated",
        "ChildReleased",
        "DeathSeen",
        "GroupEnded",
        "Reaped",
    ] {
        let arguments = ["import=fine", "parent", "exit 0", "parent"];
        let mut pool = ActingPool::start(&arguments, &[("ACT_KILL", step)]);
        pool.wait_all_gone();
    }
}

#[test]
fn nothing_outlives_a_parent_killed_while_its_workers_work() {
    let mut pool = ActingPool::start(&["parent", "parent", "wait"], &[]);
    pool.wait_running(3);
    pool.child.pidfd.signal(Signal::KILL).unwrap();
    pool.wait_all_gone();
}

#[test]
fn nothing_outlives_a_parent_killed_while_its_template_imports() {
    let mut pool = ActingPool::start(&["parent", "parent", "import=slow"], &[]);
    pool.wait_running(2);
    pool.child.pidfd.signal(Signal::KILL).unwrap();
    pool.wait_all_gone();
}
