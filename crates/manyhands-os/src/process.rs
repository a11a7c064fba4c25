//! Other processes: naming them safely, asking whether they live, ending them and their groups.
//!
//! A process is named by a [`PidFd`], which stays the name of that one process for ever; a bare
//! process number may belong to someone else by the time it is used. Whether a process is dead is
//! asked of its pidfd, never with `kill(pid, 0)`, which a zombie passes.
//!
//! Numbers are used in three places where the kernel has nothing else, each safe by its caller's
//! duty: opening the pidfd of an own child that has not been reaped, ending a process group whose
//! leader has not been reaped, and [`PidFd::signal_group`]'s absence before Linux 6.9.
#![expect(
    unsafe_code,
    reason = "a flag of pidfd_send_signal, waitid's account of resources and _exit, which rustix lacks"
)]

use rustix::io::Errno;
use rustix::process::{
    Pid, PidfdFlags, PidfdGetfdFlags, WaitId, WaitIdOptions, WaitIdStatus, getpgrp, getpid,
    getppid, kill_process_group, pidfd_getfd, pidfd_open, pidfd_send_signal,
    set_parent_process_death_signal, setpgid, waitid,
};
use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use crate::own::Own;
use crate::poll::poll;

pub use rustix::process::Signal;

/// `PIDFD_SIGNAL_PROCESS_GROUP` of `linux/pidfd.h`.
const TO_PROCESS_GROUP: libc::c_uint = 1 << 2;

/// A handle of one process; readable for [`poll`] once that process is dead.
#[derive(Debug)]
pub struct PidFd(Own<OwnedFd>);

impl PidFd {
    /// Opens the process with that number. Only for a process that cannot have been reaped yet:
    /// an own child that nobody has waited for, or the caller itself.
    ///
    /// # Errors
    ///
    /// `ESRCH` when there is no such process, `EINVAL` for a number that is not positive, `EMFILE`
    /// and `ENFILE` without descriptors.
    pub fn open(pid: i32) -> io::Result<Self> {
        Ok(Self::from_fd(pidfd_open(number_above(0, pid)?, PidfdFlags::empty())?))
    }

    /// A handle of this process, to be given to others.
    ///
    /// # Errors
    ///
    /// `EMFILE` and `ENFILE` without descriptors.
    pub fn of_self() -> io::Result<Self> {
        Ok(Self::from_fd(pidfd_open(getpid(), PidfdFlags::empty())?))
    }

    /// Takes over a pidfd that another process has opened and sent.
    pub fn from_fd(fd: OwnedFd) -> Self {
        Self(Own::new(fd))
    }

    /// Sends a signal to the process.
    ///
    /// # Errors
    ///
    /// `ESRCH` when it is dead and reaped, `EPERM` without the right.
    pub fn signal(&self, signal: Signal) -> io::Result<()> {
        Ok(pidfd_send_signal(self.0.own()?, signal)?)
    }

    /// Sends a signal to the process group that this process leads or led, even when the leader
    /// has been reaped: the handle cannot come to mean another group.
    ///
    /// # Errors
    ///
    /// `ESRCH` when nobody is left in the group, `EPERM` without the right, and an error of kind
    /// [`io::ErrorKind::Unsupported`] before Linux 6.9.
    pub fn signal_group(&self, signal: Signal) -> io::Result<()> {
        let own = self.0.own()?;
        // SAFETY: the call takes the descriptor, which is open, a signal number that rustix holds
        // for valid, no info (a null pointer is allowed), and flags; it touches no memory of ours.
        let outcome = unsafe {
            libc::syscall(
                libc::SYS_pidfd_send_signal,
                own.as_raw_fd(),
                signal.as_raw(),
                std::ptr::null::<libc::siginfo_t>(),
                TO_PROCESS_GROUP,
            )
        };
        if outcome == 0 {
            return Ok(());
        }
        match io::Error::last_os_error() {
            error if error.raw_os_error() == Some(libc::EINVAL) => {
                Err(io::ErrorKind::Unsupported.into())
            }
            error => Err(error),
        }
    }

    /// A copy of a descriptor of that process, which shares its position with it. Asking for it wants the right
    /// to trace that process.
    ///
    /// # Errors
    ///
    /// `EPERM` without the right, `EBADF` when it has no such descriptor, `ESRCH` when it is dead.
    pub fn copy_fd(&self, fd: i32) -> io::Result<OwnedFd> {
        if fd < 0 {
            return Err(io::Error::from_raw_os_error(libc::EBADF));
        }
        Ok(pidfd_getfd(self, fd, PidfdGetfdFlags::empty())?)
    }

    /// Whether the number of this descriptor still is that of a pidfd: a program that closes whatever
    /// is open, and opens other files, leaves it one of those.
    pub fn is_open(&self) -> bool {
        let Ok(own) = self.0.own() else { return false };
        // SAFETY: as in `signal_group`; a number that is not open is an error, and signal 0 is none.
        let outcome = unsafe {
            libc::syscall(
                libc::SYS_pidfd_send_signal,
                own.as_raw_fd(),
                0,
                std::ptr::null::<libc::siginfo_t>(),
                0,
            )
        };
        outcome == 0 || io::Error::last_os_error().raw_os_error() != Some(libc::EBADF)
    }

    /// Whether the process has ended. A zombie has.
    pub fn is_dead(&self) -> bool {
        // Polling one open descriptor fails only without memory: then nothing is known, and a
        // process is not called dead on a guess.
        poll(&[self.as_fd()], Some(Duration::ZERO)).is_ok_and(|ready| ready == [true])
    }
}

impl AsFd for PidFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl From<PidFd> for OwnedFd {
    fn from(pidfd: PidFd) -> Self {
        pidfd.0.into_inner()
    }
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitStatus {
    /// By returning or calling exit, with this code (0 to 255).
    Exited(i32),
    /// By a signal.
    Signaled {
        /// The number of the signal; [`signal_name`] names it.
        signal: i32,
        /// Whether the kernel wrote a core file.
        core: bool,
    },
}

impl fmt::Display for ExitStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Exited(code) => write!(f, "exited with code {code}"),
            Self::Signaled { signal, core } => {
                write!(f, "was killed by {} (signal {signal}", signal_name(signal))?;
                f.write_str(if core { ", core dumped)" } else { ")" })
            }
        }
    }
}

/// How a child ended, if it has; it stays a zombie, so that its number and its group's stay its
/// own until [`reap`].
///
/// # Errors
///
/// `ECHILD` when it is no child of this process or has been reaped (by a `waitpid(-1)` elsewhere
/// in the program, or because SIGCHLD is ignored).
pub fn wait_nowait(child: &PidFd) -> io::Result<Option<ExitStatus>> {
    wait_for(child, WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT)
}

/// Waits until a child has ended, takes its exit state and lets its number go.
///
/// # Errors
///
/// Those of [`wait_nowait`].
pub fn reap(child: &PidFd) -> io::Result<ExitStatus> {
    loop {
        if let Some(status) = wait_for(child, WaitIdOptions::empty())? {
            return Ok(status);
        }
    }
}

/// As [`reap`], with the most memory that the child had at once, in bytes: its resident set, that of
/// a child of its own if that was larger.
///
/// # Errors
///
/// Those of [`wait_nowait`].
pub fn reap_with_peak(child: &PidFd) -> io::Result<(ExitStatus, u64)> {
    // SAFETY: two structures of numbers and pointers that are not followed; zero is valid for all.
    let (mut info, mut usage): (libc::siginfo_t, libc::rusage) = unsafe { std::mem::zeroed() };
    loop {
        // SAFETY: the descriptor is open, and both pointers are to live values of the types that the
        // call fills; the C library's wrapper lacks the last argument.
        let outcome = unsafe {
            libc::syscall(
                libc::SYS_waitid,
                libc::P_PIDFD,
                child.as_fd().as_raw_fd(),
                &raw mut info,
                libc::WEXITED,
                &raw mut usage,
            )
        };
        if outcome == 0 {
            break;
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
    // SAFETY: the call has succeeded, and what it tells of an ended child has a status.
    let number = unsafe { info.si_status() };
    let status = match info.si_code {
        libc::CLD_EXITED => ExitStatus::Exited(number),
        code => ExitStatus::Signaled { signal: number, core: code == libc::CLD_DUMPED },
    };
    Ok((status, usage.ru_maxrss.unsigned_abs() * 1024))
}

fn wait_for(child: &PidFd, options: WaitIdOptions) -> io::Result<Option<ExitStatus>> {
    let options = options | WaitIdOptions::EXITED;
    let status = rustix::io::retry_on_intr(|| waitid(WaitId::PidFd(child.as_fd()), options))?;
    Ok(status.as_ref().and_then(exit_status))
}

fn exit_status(status: &WaitIdStatus) -> Option<ExitStatus> {
    let core = status.dumped();
    let signaled = status.terminating_signal().map(|signal| ExitStatus::Signaled { signal, core });
    signaled.or_else(|| status.exit_status().map(ExitStatus::Exited))
}

/// Sends a signal to all processes of a group; succeeds when nobody is left in it. The caller
/// vouches for the number: the group's leader is its own child and has not been reaped, or the
/// caller knows that a member lives.
///
/// # Errors
///
/// `EINVAL` for a number below 2 (0 would mean the caller's own group, 1 everybody), `EPERM`
/// without the right to signal any of them.
pub fn kill_group(pgid: i32, signal: Signal) -> io::Result<()> {
    match kill_process_group(number_above(1, pgid)?, signal) {
        Err(Errno::SRCH) => Ok(()),
        outcome => Ok(outcome?),
    }
}

fn number_above(limit: i32, number: i32) -> io::Result<Pid> {
    let valid = Some(number).filter(|number| *number > limit);
    Ok(valid.and_then(Pid::from_raw).ok_or(Errno::INVAL)?)
}

/// Makes this process the leader of a process group of its own, if it does not lead one already.
///
/// # Errors
///
/// The kernel's; none is known for a process that has not called exec since its fork.
pub fn become_group_leader() -> io::Result<()> {
    if getpgrp() == getpid() {
        return Ok(());
    }
    Ok(setpgid(None, None)?)
}

/// Makes a child the leader of a process group of its own, so that its group exists before anyone
/// is told of it. The child must not have called exec.
///
/// # Errors
///
/// `ESRCH` when it is no child of this process or has been reaped, `EACCES` after an exec.
pub fn make_group_leader(child: i32) -> io::Result<()> {
    let child = number_above(0, child)?;
    Ok(setpgid(Some(child), Some(child))?)
}

/// Makes a child, or this process, a member of a process group of this session. A child must not have called exec.
///
/// # Errors
///
/// `EPERM` when there is no such group in this session, `ESRCH` when it is no child of this process
/// or has been reaped, `EACCES` after an exec.
pub fn join_group(child: i32, group: i32) -> io::Result<()> {
    Ok(setpgid(Some(number_above(0, child)?), Some(number_above(0, group)?))?)
}

/// The process group of this process.
pub fn own_group() -> i32 {
    Pid::as_raw(Some(getpgrp()))
}

/// Ends this process at once: no destructor, no exit handler, no buffer is written. For a forked
/// child, in which all of those belong to its parent.
pub fn exit_now(code: i32) -> ! {
    // SAFETY: takes a number and does not return; allowed at any time.
    unsafe { libc::_exit(code) }
}

/// The kernel will send this signal to this process when the *thread* that created it ends
/// (`None`: nothing). The setting does not pass to children. Whoever sets it looks at
/// [`parent_pid`] afterwards: the parent may have been dead before.
///
/// # Errors
///
/// None is known for a valid signal.
pub fn set_parent_death_signal(signal: Option<Signal>) -> io::Result<()> {
    Ok(set_parent_process_death_signal(signal)?)
}

/// Whether the calling thread is the one with which this process began.
pub fn is_main_thread() -> bool {
    rustix::thread::gettid() == getpid()
}

/// The number of this process.
pub fn own_pid() -> i32 {
    getpid().as_raw_nonzero().get()
}

/// The number of the parent of this process; 0 when it lives outside of our pid namespace.
pub fn parent_pid() -> i32 {
    Pid::as_raw(getppid())
}

/// The name of a signal as people write it, such as `"SIGSEGV"`.
///
/// # Examples
///
/// ```
/// assert_eq!(manyhands_os::process::signal_name(9), "SIGKILL");
/// ```
pub fn signal_name(signal: i32) -> &'static str {
    NAMES.iter().find(|(number, _)| *number == signal).map_or_else(
        || if (32..=64).contains(&signal) { "a real-time signal" } else { "an unknown signal" },
        |(_, name)| *name,
    )
}

#[rustfmt::skip]
const NAMES: [(i32, &str); 31] = [
    (libc::SIGHUP, "SIGHUP"), (libc::SIGINT, "SIGINT"), (libc::SIGQUIT, "SIGQUIT"),
    (libc::SIGILL, "SIGILL"), (libc::SIGTRAP, "SIGTRAP"), (libc::SIGABRT, "SIGABRT"),
    (libc::SIGBUS, "SIGBUS"), (libc::SIGFPE, "SIGFPE"), (libc::SIGKILL, "SIGKILL"),
    (libc::SIGUSR1, "SIGUSR1"), (libc::SIGSEGV, "SIGSEGV"), (libc::SIGUSR2, "SIGUSR2"),
    (libc::SIGPIPE, "SIGPIPE"), (libc::SIGALRM, "SIGALRM"), (libc::SIGTERM, "SIGTERM"),
    (libc::SIGSTKFLT, "SIGSTKFLT"), (libc::SIGCHLD, "SIGCHLD"), (libc::SIGCONT, "SIGCONT"),
    (libc::SIGSTOP, "SIGSTOP"), (libc::SIGTSTP, "SIGTSTP"), (libc::SIGTTIN, "SIGTTIN"),
    (libc::SIGTTOU, "SIGTTOU"), (libc::SIGURG, "SIGURG"), (libc::SIGXCPU, "SIGXCPU"),
    (libc::SIGXFSZ, "SIGXFSZ"), (libc::SIGVTALRM, "SIGVTALRM"), (libc::SIGPROF, "SIGPROF"),
    (libc::SIGWINCH, "SIGWINCH"), (libc::SIGIO, "SIGIO"), (libc::SIGPWR, "SIGPWR"),
    (libc::SIGSYS, "SIGSYS"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::launch::{Program, spawn_exec};
    use std::os::unix::process::CommandExt;
    use std::process::{Child, Command, Stdio};

    fn sleeper() -> (Child, PidFd) {
        let child = Command::new("sleep").arg("60").process_group(0).spawn().unwrap();
        let pidfd = PidFd::open(child.id().try_into().unwrap()).unwrap();
        (child, pidfd)
    }

    fn shell(script: &str) -> PidFd {
        let args = vec!["-c".into(), script.into()];
        let program = Program { path: "sh".into(), args, env: None, cwd: None };
        spawn_exec(&program, &[]).unwrap().pidfd
    }

    #[test]
    fn a_living_process_is_not_dead() {
        assert!(!PidFd::of_self().unwrap().is_dead());
    }

    #[test]
    fn a_zombie_is_dead_and_can_be_looked_at_before_it_is_reaped() {
        let (child, pidfd) = sleeper();
        assert_eq!(wait_nowait(&pidfd).unwrap(), None);
        pidfd.signal(Signal::KILL).unwrap();
        poll(&[pidfd.as_fd()], None).unwrap();
        assert!(pidfd.is_dead());
        let killed = ExitStatus::Signaled { signal: 9, core: false };
        assert_eq!(wait_nowait(&pidfd).unwrap(), Some(killed));
        kill_group(child.id().try_into().unwrap(), Signal::KILL).unwrap();
        assert_eq!(reap(&pidfd).unwrap(), killed);
        assert_eq!(wait_nowait(&pidfd).unwrap_err().raw_os_error(), Some(libc::ECHILD));
        assert_eq!(pidfd.signal(Signal::KILL).unwrap_err().raw_os_error(), Some(libc::ESRCH));
    }

    #[test]
    fn a_descriptor_of_another_process_can_be_copied() {
        let own = PidFd::of_self().unwrap();
        let (reading, mut writing) = io::pipe().unwrap();
        let copy = own.copy_fd(reading.as_raw_fd()).unwrap();
        io::Write::write_all(&mut writing, b"x").unwrap();
        assert_eq!(poll(&[copy.as_fd()], Some(Duration::ZERO)).unwrap(), [true]);
        assert_eq!(own.copy_fd(-1).unwrap_err().raw_os_error(), Some(libc::EBADF));
    }

    #[test]
    fn exit_codes_and_signals_are_told_apart() {
        assert_eq!(reap(&shell("exit 7")).unwrap(), ExitStatus::Exited(7));
        let status = reap(&shell("kill -TERM $$")).unwrap();
        assert_eq!(status, ExitStatus::Signaled { signal: 15, core: false });
    }

    #[test]
    fn a_child_is_reaped_with_its_peak_of_memory() {
        let (status, peak) = reap_with_peak(&shell("exit 5")).unwrap();
        assert_eq!(status, ExitStatus::Exited(5));
        assert!((64 << 10..1 << 30).contains(&peak), "{peak}");
        let child = shell("kill -KILL $$");
        assert_eq!(
            reap_with_peak(&child).unwrap().0,
            ExitStatus::Signaled { signal: 9, core: false }
        );
        assert_eq!(reap_with_peak(&child).unwrap_err().raw_os_error(), Some(libc::ECHILD));
    }

    #[test]
    fn states_read_as_sentences() {
        assert_eq!(ExitStatus::Exited(3).to_string(), "exited with code 3");
        let killed = ExitStatus::Signaled { signal: 9, core: false };
        assert_eq!(killed.to_string(), "was killed by SIGKILL (signal 9)");
        let dumped = ExitStatus::Signaled { signal: 11, core: true };
        assert_eq!(dumped.to_string(), "was killed by SIGSEGV (signal 11, core dumped)");
    }

    #[test]
    fn a_group_outlives_its_reaped_leader_and_is_still_reached_by_handle() {
        let mut command = Command::new("sh");
        command.args(["-c", "sleep 60 & echo $!"]).stdout(Stdio::piped()).process_group(0);
        let mut leader = command.spawn().unwrap();
        let pidfd = PidFd::open(leader.id().try_into().unwrap()).unwrap();
        let mut line = String::new();
        let mut output = std::io::BufReader::new(leader.stdout.take().unwrap());
        std::io::BufRead::read_line(&mut output, &mut line).unwrap();
        let orphan = PidFd::open(line.trim().parse().unwrap()).unwrap();
        leader.wait().unwrap();
        match pidfd.signal_group(Signal::KILL) {
            Err(error) if error.kind() == io::ErrorKind::Unsupported => {
                orphan.signal(Signal::KILL).unwrap();
            }
            outcome => outcome.unwrap(),
        }
        assert_eq!(poll(&[orphan.as_fd()], Some(Duration::from_secs(20))).unwrap(), [true]);
    }

    #[test]
    fn an_empty_group_is_no_error_and_dangerous_numbers_are_refused() {
        let (child, pidfd) = sleeper();
        pidfd.signal(Signal::KILL).unwrap();
        reap(&pidfd).unwrap();
        kill_group(child.id().try_into().unwrap(), Signal::KILL).unwrap();
        for number in [1, 0, -1, i32::MIN] {
            assert_eq!(
                kill_group(number, Signal::KILL).unwrap_err().kind(),
                io::ErrorKind::InvalidInput
            );
            assert!(number == 1 || PidFd::open(number).is_err());
        }
    }

    #[test]
    fn the_parent_is_known() {
        assert_eq!(parent_pid(), std::os::unix::process::parent_id().cast_signed());
        assert_eq!(own_pid(), std::process::id().cast_signed());
    }

    #[test]
    fn signals_have_names() {
        assert_eq!(signal_name(libc::SIGSEGV), "SIGSEGV");
        assert_eq!(signal_name(40), "a real-time signal");
        assert_eq!(signal_name(0), "an unknown signal");
    }
}
