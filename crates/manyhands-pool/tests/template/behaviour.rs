//! Workers come with all that they should have and nothing else, every end is told, and what is
//! unfit is replaced.

use crate::harness::{ActingPool, Harness, Mark, PATIENCE, config};
use manyhands_os::poll::poll;
use manyhands_os::process::{ExitStatus, Signal};
use manyhands_pool::template::{IMPORT_LIMIT, Role, TemplateConfig};
use std::fs::read_link;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

const KILLED: ExitStatus = ExitStatus::Signaled { signal: 9, core: false };

fn harness() -> Harness {
    Harness::new(config(&[]))
}

/// The signal set of that name in what a worker tells, as bits.
fn signals(facts: &str, name: &str) -> u64 {
    let line = facts.lines().find_map(|line| line.strip_prefix(name)).unwrap_or("");
    u64::from_str_radix(line.trim(), 16).unwrap_or(u64::MAX)
}

fn bit(signal: Signal) -> u64 {
    1 << (signal.as_raw() - 1)
}

#[test]
fn a_worker_has_what_it_should_have_and_nothing_else() {
    let mut harness = harness();
    let facts = harness.ask_worker(1, "facts");
    let line = |start: &str| facts.lines().any(|line| line.starts_with(start));
    assert!(line("leads true"), "{facts}");
    assert!(line("threads 1"), "{facts}");
    assert!(line("fd0 /dev/null"), "{facts}");
    for number in [1, 2] {
        let ours = read_link(format!("/proc/self/fd/{number}")).unwrap();
        assert!(line(&format!("fd{number} {}", ours.display())), "{facts}");
    }
    for own in ["socket:", "anon_inode:", "/memfd:"] {
        assert!(!facts.contains(own), "{own} of the template is open in {facts}");
    }
    assert_eq!(harness.wait_exited(1), ExitStatus::Exited(0));
}

#[test]
fn a_worker_has_no_signal_handler_of_the_template() {
    let facts = harness().ask_worker(1, "facts");
    let ignored = signals(&facts, "SigIgn:");
    for signal in [Signal::TTOU, Signal::TTIN] {
        assert_ne!(ignored & bit(signal), 0, "{facts}");
    }
    let caught = signals(&facts, "SigCgt:");
    for signal in [Signal::HUP, Signal::TERM, Signal::CHILD, Signal::TSTP] {
        assert_eq!((ignored | caught) & bit(signal), 0, "{signal:?} {facts}");
    }
    assert_eq!(signals(&facts, "SigBlk:"), 0, "{facts}");
}

#[test]
fn small_and_large_blobs_arrive() {
    let mut harness = harness();
    for (id, length) in [(1, 100), (2, 4096), (3, 4097), (4, 3_000_000)] {
        let blob = format!("length {}", "x".repeat(length - 7));
        assert_eq!(harness.ask_worker(id, &blob), length.to_string());
    }
}

#[test]
fn exits_and_deaths_are_told_apart() {
    let mut harness = harness();
    harness.fork(1, "exit 7");
    harness.fork(2, "kill");
    harness.fork(3, "exit 0");
    assert_eq!(harness.wait_exited(1), ExitStatus::Exited(7));
    assert_eq!(harness.wait_exited(2), KILLED);
    assert_eq!(harness.wait_exited(3), ExitStatus::Exited(0));
}

#[test]
fn many_requests_are_answered_in_order() {
    let mut harness = harness();
    for id in 0..60 {
        harness.fork(id, "exit 0");
    }
    harness.wait("all exits", |harness| harness.exits.len() == 60);
    let told: Vec<_> = harness.workers.iter().map(|worker| worker.id).collect();
    assert_eq!(told, (0..60).collect::<Vec<_>>());
    assert_eq!(harness.notes, ["ready"]);
}

#[test]
fn more_news_than_a_socket_holds_is_kept() {
    const COUNT: usize = 400;
    let mut harness = harness();
    for id in 0..COUNT as u64 {
        harness.fork(id, "wait");
    }
    harness.wait("all workers", |harness| harness.workers.len() == COUNT);
    for worker in &harness.workers {
        worker.pidfd.signal(Signal::KILL).unwrap();
    }
    for worker in &harness.workers {
        assert_eq!(poll(&[worker.pidfd.as_fd()], Some(PATIENCE)).unwrap(), [true]);
    }
    harness.wait("all exits", |harness| harness.exits.len() == COUNT);
    assert!(harness.exits.iter().all(|(_, status)| *status == KILLED));
}

#[test]
fn a_module_is_imported_once_and_before_later_workers() {
    let mut harness = harness();
    harness.template.import("fine");
    harness.template.import("fine");
    harness.fork(1, "exit 0");
    harness.wait_exited(1);
    assert_eq!(harness.notes, ["ready"]);
}

#[test]
fn a_module_that_is_missing_is_told_and_hinders_nobody() {
    let mut harness = harness();
    harness.template.import("missing");
    harness.template.import(&"long".repeat(2000));
    harness.fork(1, "exit 0");
    harness.wait_exited(1);
    harness.template.import("missing");
    assert_eq!(harness.notes_with("import of missing failed: No module named 'missing'"), 1);
    assert_eq!(harness.notes_with("import of longlong"), 1);
    assert_eq!(harness.notes_with("ready"), 1);
}

#[test]
fn modules_that_make_it_unfit_are_dropped_one_by_one() {
    let mut harness = harness();
    for module in ["fine", "threads", "sigterm", "env", "sigchld", "missing"] {
        harness.template.import(module);
    }
    harness.fork(1, "exit 0");
    harness.wait_exited(1);
    for note in [
        "threads dropped: it starts a thread",
        "sigterm dropped: it changes what SIGTERM does",
        "env dropped: it reads ACT_MARK",
        "sigchld dropped: it changes what SIGCHLD does",
        "import of missing failed",
    ] {
        assert_eq!(harness.notes_with(note), 1, "{note} in {:?}", harness.notes);
    }
    assert_eq!(harness.notes_with("ready"), 5);
    assert_eq!(harness.notes.len(), 10, "{:?}", harness.notes);
}

#[test]
fn an_import_without_end_is_left_to_the_workers() {
    let import_limit = Duration::from_millis(100);
    let mut harness = Harness::new(TemplateConfig { import_limit, ..config(&[]) });
    for module in ["fine", "slow", "missing"] {
        harness.template.import(module);
    }
    harness.fork(1, "exit 0");
    harness.wait_exited(1);
    harness.wait_note("import of missing failed");
    assert_eq!(harness.notes_with("slow dropped: its import had not ended after 0.1 seconds"), 1);
    assert_eq!(harness.notes_with("ready"), 2, "{:?}", harness.notes);
    assert_eq!(harness.template.deadline(), None);
}

#[test]
fn no_worker_is_ended_because_of_an_import_without_end() {
    let import_limit = Duration::from_millis(100);
    let mut harness = Harness::new(TemplateConfig { import_limit, ..config(&[]) });
    harness.fork(1, "wait");
    let first = harness.wait_forked(1);
    harness.template.import("slow");
    harness.fork(2, "exit 0");
    let until = Instant::now() + 5 * import_limit;
    harness.wait("the limit", |_| Instant::now() > until);
    assert!(!first.pidfd.is_dead());
    first.pidfd.signal(Signal::KILL).unwrap();
    harness.wait_exited(2);
    assert_eq!(harness.lost, [1], "nobody could tell how the first one ended");
    assert_eq!(harness.notes_with("slow dropped: its import had not ended"), 1);
}

#[test]
fn threads_that_are_stopped_before_a_fork_make_nobody_unfit() {
    let mut harness = harness();
    harness.template.import("resting");
    let facts = harness.ask_worker(1, "facts");
    harness.wait_exited(1);
    assert!(facts.lines().any(|line| line == "threads 1"), "{facts}");
    assert_eq!(harness.notes_with("dropped"), 0, "{:?}", harness.notes);
    assert_eq!(harness.notes_with("ready"), 1);
}

#[test]
fn an_unfit_template_watches_its_workers_until_they_are_gone() {
    let mut harness = harness();
    harness.fork(1, "parent");
    let early = harness.wait_forked(1);
    harness.template.import("threads");
    harness.fork(2, "wait");
    let late = harness.wait_forked(2);
    assert_eq!(harness.template.poll_fds().count(), 4, "two processes");
    assert!(!early.pidfd.is_dead());
    early.pidfd.signal(Signal::KILL).unwrap();
    assert_eq!(harness.wait_exited(1), KILLED);
    harness.wait("the unfit one's end", |harness| harness.template.poll_fds().count() == 2);
    assert!(!late.pidfd.is_dead());
    assert_eq!(harness.lost, []);
    assert_eq!(harness.notes_with("gone"), 0);
}

#[test]
fn a_template_ends_with_all_its_workers() {
    for drop_it in [false, true] {
        let mut harness = harness();
        harness.fork(1, "parent");
        harness.template.import("threads");
        harness.fork(2, "parent");
        harness.wait("both", |harness| harness.workers.len() == 2);
        harness.wait_running(2);
        let workers = harness.workers.clone();
        if drop_it {
            drop(harness);
        } else {
            harness.shut_down();
            assert!(harness.template.fork(3, Role::Worker, b"", &[]).is_err());
            assert_eq!(harness.template.deadline(), None);
        }
        for worker in workers {
            assert_eq!(poll(&[worker.pidfd.as_fd()], Some(PATIENCE)).unwrap(), [true]);
        }
    }
}

#[test]
fn a_template_ends_with_workers_whose_news_nobody_has_read() {
    let mut pool = ActingPool::start(&["drop", "parent"], &[]);
    pool.wait_all_gone();
}

#[test]
fn a_forked_copy_of_the_pool_ends_nothing() {
    let mut pool = ActingPool::start(&["fork"], &[]);
    assert_eq!(pool.wait_all_gone(), ExitStatus::Exited(0));
}

#[test]
fn a_fork_that_fails_is_told_and_the_next_one_works() {
    let mark = Mark::new("no-fork");
    let variables = [("ACT_NO_FORK", "1"), ("ACT_MARK", mark.path())];
    let mut harness = Harness::new(config(&variables));
    harness.fork(1, "exit 0");
    harness.fork(2, "exit 0");
    assert_eq!(harness.wait_exited(2), ExitStatus::Exited(0));
    assert_eq!(harness.notes_with("no 1: "), 1);
    assert_eq!(harness.workers.len(), 1);
}

#[test]
fn a_template_that_is_busy_is_ended_after_a_grace() {
    let mut harness = harness();
    harness.template.import("slow");
    harness.wait_note("ready");
    harness.shut_down();
    assert_eq!(harness.notes, ["ready"]);
}

#[test]
fn a_template_that_was_never_needed_has_no_process() {
    let mut harness = harness();
    assert_eq!(harness.template.poll_fds().count(), 0);
    assert!(harness.template.receive().is_empty());
    assert!(harness.template.shutdown());
}

#[test]
fn too_many_descriptors_are_refused() {
    let mut harness = harness();
    let log = manyhands_os::memory::create_log("test").unwrap();
    let error = harness.template.fork(1, Role::Worker, b"", &vec![log.as_fd(); 231]).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
    harness.template.fork(1, Role::Worker, b"exit 0", &vec![log.as_fd(); 230]).unwrap();
    assert_eq!(harness.wait_exited(1), ExitStatus::Exited(0));
}

/// A program that cannot be a template, and what its failure must tell.
fn fails_with(program: &str, args: &[&str], told: &str) {
    let args = args.iter().map(Into::into).collect();
    let config = TemplateConfig {
        program: program.into(),
        args,
        env: None,
        cwd: None,
        import_limit: IMPORT_LIMIT,
    };
    let mut harness = Harness::new(config);
    harness.fork(1, "wait");
    let note = harness.wait_note("failed: no worker could be started: 3 times in a row ");
    assert!(note.contains(told), "{note}");
    assert!(harness.template.fork(2, Role::Worker, b"", &[]).is_err());
    harness.shut_down();
}

#[test]
fn what_cannot_be_a_template_fails_with_its_reason_after_three_attempts() {
    let actor = env!("CARGO_BIN_EXE_acting-template");
    fails_with("/nonexistent/program", &[], "(/nonexistent/program) did not start: No such file");
    fails_with("true", &[], "exited with code 0");
    fails_with(
        actor,
        &["broken"],
        "exited with code 1; the last that it printed:\nError: \"this template is broken on purpose\"",
    );
    fails_with(actor, &["nonsense"], "a message that is none");
    fails_with(actor, &["threaded"], "cannot fork: it starts a thread");
    fails_with("sh", &["-c", "kill -SEGV $$"], "was killed by SIGSEGV (signal 11");
}

#[test]
fn the_parent_may_end_in_good_order_without_a_word() {
    let mut pool = ActingPool::start(&["parent", "import=threads", "parent"], &[]);
    pool.wait_running(2);
    pool.child.pidfd.signal(Signal::TERM).unwrap();
    pool.wait_all_gone();
}
