//! Ending processes that may be dead already, together with what they have started.
//!
//! It waits for nobody but [`reap_number`], which is asked to.

use rustix::io::Errno;
use rustix::process::{Pid, kill_process};
use std::io;

use crate::process::{PidFd, Signal, kill_group, reap};

/// Ends a process and the group that it leads or led: what it started and did not move to another
/// group. The process goes first, since whoever is to be killed forks no more. It may be dead and
/// reaped, by whomever: the handle cannot come to mean another process or group. Only before Linux
/// 6.9 the group has to be found by its number, and is left alone where somebody else has that now.
pub fn end_with_group(pid: i32, pidfd: &PidFd) {
    // Whoever is gone needs no signal, and there is nobody to tell.
    let _ = pidfd.signal(Signal::KILL);
    match pidfd.signal_group(Signal::KILL) {
        Err(error) if error.kind() == io::ErrorKind::Unsupported => {
            // Members of the group that are left keep its number from being given to others.
            let is_anothers = pidfd.is_dead() && PidFd::open(pid).is_ok_and(|now| !now.is_dead());
            if !is_anothers {
                let _ = kill_group(pid, Signal::KILL);
            }
        }
        _ => {}
    }
}

/// Sends a signal to the process with that number, where there is no descriptor for a handle. The
/// caller vouches for the number: the process has just been started, and cannot have been reaped long.
///
/// # Errors
///
/// `EINVAL` for a number below 2, `ESRCH` when there is no such process, `EPERM` without the right.
pub fn signal_number(pid: i32, signal: Signal) -> io::Result<()> {
    let valid = Some(pid).filter(|pid| *pid > 1).and_then(Pid::from_raw);
    Ok(kill_process(valid.ok_or(Errno::INVAL)?, signal)?)
}

/// Ends a process and the group that it leads, where no descriptor is left that names it. The caller
/// vouches for the number: whoever has it cannot have been reaped long.
pub fn end_group_by_number(pid: i32) {
    // Whoever is gone needs no signal, and there is nobody to tell.
    let _ = signal_number(pid, Signal::KILL);
    let _ = kill_group(pid, Signal::KILL);
}

/// Waits for an own child that was killed, by its number, which it keeps until it is reaped.
pub fn reap_number(pid: i32) {
    if let Ok(child) = PidFd::open(pid) {
        // If somebody else was quicker there is nothing to be done.
        let _ = reap(&child);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::launch::{Program, spawn_exec};
    use crate::poll::poll;
    use std::io::{BufRead, BufReader, PipeReader};
    use std::os::fd::AsFd;

    /// A shell that leads a group, and what its child holds: it reads as ended once that is dead.
    fn family(script: &str) -> (crate::launch::Child, PipeReader) {
        let (reader, writer) = io::pipe().unwrap();
        let args = vec!["-c".into(), script.into()];
        let program = Program { path: "sh".into(), args, env: None, cwd: None };
        let child = spawn_exec(&program, &[(writer.as_fd(), 1)]).unwrap();
        (child, reader)
    }

    #[test]
    fn what_a_dead_and_reaped_process_has_started_is_ended() {
        let (child, reader) = family("sleep 60 & echo started");
        let mut lines = BufReader::new(reader).lines();
        assert_eq!(lines.next().unwrap().unwrap(), "started");
        poll(&[child.pidfd.as_fd()], None).unwrap();
        reap(&child.pidfd).unwrap();
        end_with_group(child.pid, &child.pidfd);
        assert!(lines.next().is_none(), "the sleeper has the pipe's other end");
    }

    #[test]
    fn a_process_is_ended_with_what_it_has_started() {
        let (child, reader) = family("sleep 60 & echo started; wait");
        let mut lines = BufReader::new(reader).lines();
        assert_eq!(lines.next().unwrap().unwrap(), "started");
        end_with_group(child.pid, &child.pidfd);
        assert!(lines.next().is_none());
        reap(&child.pidfd).unwrap();
    }

    #[test]
    fn dangerous_numbers_are_refused() {
        for number in [i32::MIN, -1, 0, 1] {
            assert_eq!(
                signal_number(number, Signal::KILL).unwrap_err().kind(),
                io::ErrorKind::InvalidInput
            );
        }
    }
}
