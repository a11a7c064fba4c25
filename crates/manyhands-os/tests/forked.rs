//! What can only be seen in a process of its own: redirected standard descriptors, and stopping
//! and continuing for real. Each test forks; the child makes system calls only, since the test
//! process has other threads, and ends with `_exit`.
#![expect(unsafe_code, reason = "fork and pause in the test's own child")]
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use manyhands_os::disregard::disregard;
use manyhands_os::ending::signal_number;
use manyhands_os::fork::{at_fork, fork_alone};
use manyhands_os::launch::{Child, Program, spawn_exec};
use manyhands_os::life::wait_for_parent;
use manyhands_os::poll::poll;
use manyhands_os::process::{
    ExitStatus, PidFd, Signal, become_group_leader, exit_now, kill_group, make_group_leader,
    own_pid, reap,
};
use manyhands_os::{jobcontrol, stdio};
use std::fs;
use std::io::{self, Read, pipe};
use std::os::fd::AsFd;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Runs `body` in a forked child, whose exit code is 0 when it succeeds.
fn fork(body: impl FnOnce() -> io::Result<()>) -> Child {
    // SAFETY: the child only runs `body`, which by this file's rule makes system calls and takes
    // no lock, and then leaves without running anything else.
    match unsafe { libc::fork() } {
        -1 => panic!("fork: {}", io::Error::last_os_error()),
        0 => exit_now(i32::from(body().is_err())),
        pid => Child { pid, pidfd: PidFd::open(pid).unwrap() },
    }
}

/// The state letter of a process as the kernel shows it (`T`: stopped).
fn state(pid: i32) -> char {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    stat.rsplit(") ").next().and_then(|rest| rest.chars().next()).unwrap()
}

/// Waits until the process is stopped, or until it is not.
fn wait_stopped(child: &Child, stopped: bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while (state(child.pid) == 'T') != stopped {
        assert!(Instant::now() < deadline, "{} should be stopped: {stopped}", child.pid);
        let dead = poll(&[child.pidfd.as_fd()], Some(Duration::from_millis(5))).unwrap();
        assert_eq!(dead, [false], "the process should live");
    }
}

fn end(child: &Child) {
    kill_group(child.pid, Signal::KILL).unwrap();
    reap(&child.pidfd).unwrap();
}

fn worker() -> Child {
    let args = vec!["60".into()];
    let program = Program { path: "sleep".into(), args, env: None, cwd: None };
    spawn_exec(&program, &[]).unwrap()
}

fn wait_for_signals() -> ! {
    loop {
        // SAFETY: a system call without arguments.
        unsafe { libc::pause() };
    }
}

#[test]
fn standard_descriptors_are_redirected() {
    let (mut reader, writer) = pipe().unwrap();
    let child = fork(|| {
        stdio::empty_stdin()?;
        stdio::redirect_stdout(writer.as_fd())?;
        stdio::redirect_stderr(rustix::stdio::stdout())?;
        stdio::redirect_stdout(rustix::stdio::stdout())?;
        assert_eq!(rustix::io::read(rustix::stdio::stdin(), &mut [0; 1])?, 0);
        rustix::io::write(rustix::stdio::stdout(), b"out ")?;
        rustix::io::write(stdio::share_stdout()?, b"shared ")?;
        rustix::io::write(rustix::stdio::stderr(), b"err")?;
        Ok(())
    });
    drop(writer);
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    assert_eq!(text, "out shared err");
    assert_eq!(reap(&child.pidfd).unwrap(), ExitStatus::Exited(0));
}

#[test]
fn registered_groups_stop_and_continue_with_the_program_again_and_again() {
    let (registered, other) = (worker(), worker());
    let (mut reader, writer) = pipe().unwrap();
    let program = fork(|| {
        become_group_leader()?;
        assert!(jobcontrol::install()?);
        assert!(jobcontrol::install()?, "a second install changes nothing");
        assert!(jobcontrol::register_group(registered.pid));
        rustix::io::write(&writer, b"x")?;
        wait_for_signals()
    });
    reader.read_exact(&mut [0; 1]).unwrap();
    for _ in 0..3 {
        program.pidfd.signal(Signal::TSTP).unwrap();
        wait_stopped(&program, true);
        wait_stopped(&registered, true);
        wait_stopped(&other, false);
        program.pidfd.signal(Signal::CONT).unwrap();
        wait_stopped(&program, false);
        wait_stopped(&registered, false);
    }
    [&program, &registered, &other].into_iter().for_each(end);
}

#[test]
fn a_forked_child_leaves_the_groups_of_its_parent_alone() {
    let registered = worker();
    let (mut reader, writer) = pipe().unwrap();
    let program = fork(|| {
        become_group_leader()?;
        assert!(jobcontrol::install()?);
        assert!(jobcontrol::register_group(registered.pid));
        // A grandchild that inherits the handler, and one that clears it.
        for clear in [false, true] {
            let child = fork(|| {
                if clear {
                    jobcontrol::clear_in_child()?;
                }
                wait_for_signals()
            });
            rustix::io::write(&writer, &child.pid.to_ne_bytes())?;
        }
        wait_for_signals()
    });
    for _ in 0..2 {
        let mut pid = [0; 4];
        reader.read_exact(&mut pid).unwrap();
        let pid = i32::from_ne_bytes(pid);
        let child = Child { pid, pidfd: PidFd::open(pid).unwrap() };
        child.pidfd.signal(Signal::TSTP).unwrap();
        wait_stopped(&child, true);
        assert_ne!(state(registered.pid), 'T');
    }
    assert_ne!(state(program.pid), 'T');
    [&program, &registered].into_iter().for_each(end);
}

#[test]
fn a_closed_output_is_shared_as_an_empty_one() {
    let child = fork(|| {
        // SAFETY: closes numbers of the child that nothing in the child uses.
        unsafe { libc::close(1) };
        rustix::io::write(stdio::share_stdout()?, b"nowhere")?;
        Ok(())
    });
    assert_eq!(reap(&child.pidfd).unwrap(), ExitStatus::Exited(0));
}

#[test]
fn a_signal_ends_the_registered_groups_and_then_the_program() {
    let (registered, other) = (worker(), worker());
    let (mut reader, writer) = pipe().unwrap();
    let program = fork(|| {
        jobcontrol::end_groups_on(Signal::TERM)?;
        assert!(jobcontrol::ends_groups_on(Signal::TERM)?);
        assert!(jobcontrol::register_group(registered.pid));
        // A child has the handler, but the groups are not its own.
        let child = fork(|| wait_for_signals());
        child.pidfd.signal(Signal::TERM)?;
        let by_term = ExitStatus::Signaled { signal: libc::SIGTERM, core: false };
        assert_eq!(reap(&child.pidfd)?, by_term);
        rustix::io::write(&writer, b"x")?;
        wait_for_signals()
    });
    reader.read_exact(&mut [0; 1]).unwrap();
    assert!(!registered.pidfd.is_dead());
    program.pidfd.signal(Signal::TERM).unwrap();
    let by_term = ExitStatus::Signaled { signal: libc::SIGTERM, core: false };
    assert_eq!(reap(&program.pidfd).unwrap(), by_term);
    let killed = ExitStatus::Signaled { signal: libc::SIGKILL, core: false };
    assert_eq!(reap(&registered.pidfd).unwrap(), killed);
    assert!(!other.pidfd.is_dead());
    end(&other);
}

#[test]
fn a_cleared_child_has_the_signal_back() {
    let child = fork(|| {
        jobcontrol::end_groups_on(Signal::TERM)?;
        jobcontrol::clear_in_child()?;
        assert!(!jobcontrol::ends_groups_on(Signal::TERM)?);
        Ok(())
    });
    assert_eq!(reap(&child.pidfd).unwrap(), ExitStatus::Exited(0));
}

#[test]
fn only_a_process_with_one_thread_is_forked() {
    let (sender, receiver) = std::sync::mpsc::channel::<()>();
    let other = std::thread::spawn(move || receiver.recv());
    assert_eq!(fork_alone().unwrap_err().kind(), io::ErrorKind::Unsupported);
    drop(sender);
    assert!(other.join().unwrap().is_err());
    let child = fork(|| match fork_alone()? {
        None => exit_now(7),
        Some(pid) => {
            let status = reap(&PidFd::open(pid)?)?;
            if status == ExitStatus::Exited(7) { Ok(()) } else { Err(io::ErrorKind::Other.into()) }
        }
    });
    assert_eq!(reap(&child.pidfd).unwrap(), ExitStatus::Exited(0));
}

#[test]
fn a_parent_makes_its_child_a_leader_and_the_child_may_do_so_too() {
    let (reader, writer) = pipe().unwrap();
    let child = fork(|| {
        rustix::io::read(&reader, &mut [0; 1])?;
        become_group_leader()
    });
    make_group_leader(child.pid).unwrap();
    make_group_leader(child.pid).unwrap();
    rustix::io::write(&writer, b"x").unwrap();
    assert_eq!(reap(&child.pidfd).unwrap(), ExitStatus::Exited(0));
    assert_eq!(make_group_leader(child.pid).unwrap_err().raw_os_error(), Some(libc::ESRCH));
}

#[test]
fn a_program_with_a_handler_of_its_own_keeps_it() {
    let child = fork(|| {
        manyhands_os::signals::ignore(Signal::TSTP)?;
        assert!(!jobcontrol::install()?);
        Ok(())
    });
    assert_eq!(reap(&child.pidfd).unwrap(), ExitStatus::Exited(0));
}

/// What the handlers of the test below saw, as a sum. Only a process with one thread uses it.
static SEEN: Mutex<u32> = Mutex::new(0);

fn see(what: u32) {
    *SEEN.lock().unwrap() += what;
}

extern "C" fn before() {
    see(1);
}

extern "C" fn in_parent() {
    see(10);
}

extern "C" fn in_child() {
    see(100);
}

fn expect_seen(sum: u32) -> io::Result<()> {
    if *SEEN.lock().unwrap() == sum { Ok(()) } else { Err(io::ErrorKind::Other.into()) }
}

#[test]
fn every_fork_is_told_of_on_both_sides() {
    // In a child of its own: handlers cannot be taken back.
    let program = fork(|| {
        at_fork(before, in_parent, in_child)?;
        let child = fork(|| expect_seen(101));
        let status = reap(&child.pidfd)?;
        expect_seen(11)?;
        if status == ExitStatus::Exited(0) { Ok(()) } else { Err(io::ErrorKind::Other.into()) }
    });
    assert_eq!(reap(&program.pidfd).unwrap(), ExitStatus::Exited(0));
}

#[test]
fn a_child_heeds_what_its_parent_disregards() {
    let disregarded = disregard(&[Signal::VTALARM]).unwrap();
    signal_number(own_pid(), Signal::VTALARM).unwrap();
    let heeds = fork(|| signal_number(own_pid(), Signal::VTALARM));
    let has_put_back = fork(|| {
        disregarded.put_back();
        signal_number(own_pid(), Signal::VTALARM)
    });
    let alarm = ExitStatus::Signaled { signal: Signal::VTALARM.as_raw(), core: false };
    assert_eq!(reap(&heeds.pidfd).unwrap(), alarm);
    assert_eq!(reap(&has_put_back.pidfd).unwrap(), alarm);
    disregarded.put_back();
}

#[test]
fn an_orphan_learns_of_it_without_a_descriptor() {
    let (mut reader, writer) = pipe().unwrap();
    let parent = fork(|| {
        let parent = own_pid();
        fork(|| {
            wait_for_parent(parent);
            rustix::io::write(&writer, b"orphan")?;
            Ok(())
        });
        Ok(())
    });
    drop(writer);
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    assert_eq!(text, "orphan");
    reap(&parent.pidfd).unwrap();
}
