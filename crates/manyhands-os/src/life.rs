//! Whether a process that is known by number still lives, asked by somebody who is no relation.
//!
//! A pidfd names a process for ever, but it cannot be kept in shared memory, and ten thousand of them
//! are more than a process may open. What can be kept is a [`Mark`], which fits into a word together
//! with other things: the number, and some bits of the time at which that process started, since a
//! number that is given out again has another one.
//!
//! Death is judged by a pidfd that is opened for the question, never by signal 0, which a zombie
//! passes; only where no pidfd can be had (no descriptors left, an old sandbox) signal 0 is what is
//! left, and then a zombie counts as alive.
//!
//! A number means something in one pid namespace only: the caller compares [`own_namespace`] first.
//! In doubt a process is alive: where `/proc` is not there or shows another namespace, a number that
//! was given out again passes for its first owner.

use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};
use std::fs;
use std::os::unix::fs::MetadataExt;

use crate::process::{PidFd, own_pid};

/// What tells a process from others of the same number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Its number in its own pid namespace: below 2^22.
    pub pid: i32,
    /// The lower bits of the time at which it started, in the kernel's ticks (there are 100 in a
    /// second), where 0 counts as 1; 0 if the time is unknown.
    pub start: u16,
}

/// The number of the pid namespace of this process; 0 if it is unknown. Not to be kept across a fork.
pub fn own_namespace() -> u64 {
    fs::metadata("/proc/self/ns/pid").map_or(0, |file| file.ino())
}

impl Mark {
    /// This process. Not to be kept across a fork.
    pub fn of_self() -> Self {
        let pid = own_pid();
        // A /proc of another namespace has other numbers, so its times are of no use to anyone.
        let start = started("self").filter(|found| found.pid == pid).map_or(0, |found| found.start);
        Self { pid, start }
    }

    /// Whether `other`, in the same pid namespace, lives, as far as this process, which is `self`, can
    /// know.
    pub fn sees_alive(self, other: Self) -> bool {
        if other == self {
            return true;
        }
        match PidFd::open(other.pid) {
            Ok(pidfd) => !pidfd.is_dead() && !self.sees_another(other) && !pidfd.is_dead(),
            // EINVAL and ENOENT: the number belongs to a thread of somebody else by now.
            Err(error) => match error.raw_os_error().map(Errno::from_raw_os_error) {
                Some(Errno::SRCH | Errno::INVAL | Errno::NOENT) => false,
                _ => exists(other.pid),
            },
        }
    }

    /// Whether the number of `other` belongs to a process that started at another time.
    fn sees_another(self, other: Self) -> bool {
        if self.start == 0 || other.start == 0 {
            return false;
        }
        started(&other.pid.to_string()).is_some_and(|found| found.start != other.start)
    }
}

/// Whether there is a process, or a zombie, with that number.
fn exists(pid: i32) -> bool {
    Pid::from_raw(pid).is_some_and(|pid| test_kill_process(pid) != Err(Errno::SRCH))
}

/// What `/proc/<who>/stat` says of a process: `pid (name) state ppid ... start ...`, where the name
/// may hold anything.
fn started(who: &str) -> Option<Mark> {
    /// The place of the starting time behind the name.
    const START: usize = 19;
    let text = fs::read(format!("/proc/{who}/stat")).ok()?;
    let text = String::from_utf8_lossy(&text);
    let pid = text.split(' ').next()?.parse().ok()?;
    let (_, rest) = text.rsplit_once(") ")?;
    let start: u64 = rest.split(' ').nth(START)?.parse().ok()?;
    Some(Mark { pid, start: fold(start) })
}

/// The lower bits, never 0.
fn fold(start: u64) -> u16 {
    u16::try_from(start & u64::from(u16::MAX)).unwrap_or(0).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn this_process_lives() {
        let me = Mark::of_self();
        assert!(me.start > 0 && own_namespace() > 0);
        assert!(me.sees_alive(me));
        assert!(me.sees_alive(Mark { start: 0, ..me }));
    }

    #[test]
    fn a_zombie_and_a_reaped_process_are_dead() {
        let me = Mark::of_self();
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let other = started(&child.id().to_string()).unwrap();
        assert!(me.sees_alive(other));
        child.kill().unwrap();
        let pidfd = PidFd::open(other.pid).unwrap();
        crate::poll::poll(&[std::os::fd::AsFd::as_fd(&pidfd)], None).unwrap();
        assert!(!me.sees_alive(other), "a zombie");
        child.wait().unwrap();
        assert!(!me.sees_alive(other), "reaped");
    }

    #[test]
    fn a_number_that_was_given_out_again_is_someone_else() {
        let me = Mark::of_self();
        assert!(!me.sees_alive(Mark { start: me.start ^ 2, ..me }));
    }

    #[test]
    fn the_number_of_a_thread_is_no_process() {
        let me = Mark::of_self();
        let thread = std::thread::spawn(|| rustix::thread::gettid().as_raw_nonzero().get());
        let pid = thread.join().unwrap();
        assert!(!me.sees_alive(Mark { pid, start: 0 }));
        assert!(!me.sees_alive(Mark { pid: (1 << 22) - 1, start: 0 }));
    }
}
