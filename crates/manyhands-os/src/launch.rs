//! Starting a program with chosen descriptors, in a process group of its own or in ours.
//!
//! Done with `posix_spawn`, which neither copies the page tables of a large parent nor runs fork
//! handlers, and which is sound in a program with threads. The new process of [`spawn_exec`] starts with
//!
//! - standard input from `/dev/null`, unless the caller gives it another;
//! - exactly the descriptors that the caller names, at the numbers that the caller names, besides
//!   those that the program itself left open for its children;
//! - no blocked signals; SIGCHLD, SIGPIPE, SIGALRM, SIGTERM, SIGUSR1, SIGUSR2 and the stop signals
//!   with their default meaning, whatever the parent does with them. SIGHUP, SIGINT and SIGQUIT stay
//!   ignored where the parent ignores them, so that `nohup` and background jobs keep their sense.
//!
//! It ties no knot between the lives of the two: nothing here ends the child with its parent.
#![expect(unsafe_code, reason = "posix_spawn belongs to the C library")]
#![expect(clippy::disallowed_types, reason = "one flag that no model needs to see")]

use core::sync::atomic::{AtomicU64, Ordering};
use rustix::io::{Errno, FdFlags, fcntl_dupfd_cloexec, fcntl_setfd};
use rustix::process::{Pid, WaitOptions, waitpid};
use std::ffi::{CString, OsStr, OsString};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;
use std::ptr;

use crate::ending::signal_number;
use crate::process::{PidFd, Signal};
use crate::signals::{empty_set, set_of};

/// Signals that begin with their default meaning.
const DEFAULTS: [i32; 9] = [
    libc::SIGCHLD,
    libc::SIGPIPE,
    libc::SIGALRM,
    libc::SIGTERM,
    libc::SIGUSR1,
    libc::SIGUSR2,
    libc::SIGTSTP,
    libc::SIGTTIN,
    libc::SIGTTOU,
];

/// The numbers that [`take_inherited`] has given away, a bit each. Relaxed: only the bit counts.
static TAKEN: AtomicU64 = AtomicU64::new(0);

/// What to execute.
#[derive(Clone, Debug)]
pub struct Program {
    /// The file; one without a slash is looked up in `PATH`.
    pub path: PathBuf,
    /// The arguments after the program's name.
    pub args: Vec<OsString>,
    /// The whole environment. `None`: that of this process, read at the start; nobody may change
    /// it meanwhile (in Python: hold the GIL).
    pub env: Option<Vec<(OsString, OsString)>>,
    /// The directory to start in. `None`: that of this process.
    pub cwd: Option<PathBuf>,
}

/// A process that was started here. Dropping it neither ends nor reaps the process.
#[derive(Debug)]
pub struct Child {
    /// Its number, which is also the number of the process group that it leads, if it leads one.
    pub pid: i32,
    /// Its handle.
    pub pidfd: PidFd,
}

/// Starts a program; `fds` says which descriptor it finds at which number.
///
/// # Errors
///
/// What the kernel says about the file (`ENOENT`, `EACCES`, `ENOEXEC`) or the directory, `EAGAIN`
/// at the limit of processes, `ENOMEM`, `EMFILE`; `EINVAL` when a text holds a NUL byte or a number
/// is negative.
///
/// # Examples
///
/// ```
/// use manyhands_os::{launch::{Program, spawn_exec}, process::{ExitStatus, reap}};
///
/// let program = Program { path: "true".into(), args: vec![], env: None, cwd: None };
/// let child = spawn_exec(&program, &[])?;
/// assert_eq!(reap(&child.pidfd)?, ExitStatus::Exited(0));
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn spawn_exec(program: &Program, fds: &[(BorrowedFd<'_>, i32)]) -> io::Result<Child> {
    let mut actions = FileActions::new()?;
    if fds.iter().all(|(_, number)| *number != libc::STDIN_FILENO) {
        actions.empty_stdin()?;
    }
    spawn(program, fds, actions, &Attributes::new()?)
}

/// As [`spawn_exec`], but in all else like a fork and exec by hand: it stays in this process's group,
/// and keeps standard input, blocked signals and what is ignored.
///
/// # Errors
///
/// Those of [`spawn_exec`].
pub fn spawn_member(program: &Program, fds: &[(BorrowedFd<'_>, i32)]) -> io::Result<Child> {
    spawn(program, fds, FileActions::new()?, &Attributes::none()?)
}

fn spawn(
    program: &Program,
    fds: &[(BorrowedFd<'_>, i32)],
    mut actions: FileActions,
    attributes: &Attributes,
) -> io::Result<Child> {
    let sources = actions.fill(program, fds)?;
    let path = c_string(program.path.as_os_str())?;
    let arguments = arguments(program)?;
    let environment = environment(program)?;
    let mut pid = 0;
    // SAFETY: every pointer is to a live, initialised value: the path and both vectors' strings
    // end with NUL, both vectors end with a null pointer, and the call copies what it keeps.
    let code = unsafe {
        libc::posix_spawnp(
            &raw mut pid,
            path.as_ptr(),
            actions.0.as_ptr(),
            attributes.0.as_ptr(),
            pointers(&arguments).as_ptr(),
            pointers(&environment).as_ptr(),
        )
    };
    check(code)?;
    // Their descriptors are free for the handle.
    drop(sources);
    let pidfd = PidFd::open(pid).inspect_err(|_| abandon(pid))?;
    Ok(Child { pid, pidfd })
}

/// Ends a process that was just started and has no handle, and reaps it.
fn abandon(pid: i32) {
    // If somebody else has reaped it, there is nothing to be done.
    let _gone = signal_number(pid, Signal::KILL);
    let _status = waitpid(Pid::from_raw(pid), WaitOptions::empty());
}

/// For a program that [`spawn_exec`] started: takes over what it was given at that number, from now
/// on closed on exec. To be called before the program opens files of its own, and only for numbers
/// that it knows it was given: what else has that number is taken as well.
///
/// # Errors
///
/// `EBADF` when nothing is open there, `EINVAL` for a number of standard input, output or error or
/// beyond 63, `EBUSY` for a number that has been taken already.
pub fn take_inherited(number: i32) -> io::Result<OwnedFd> {
    let bit = match u32::try_from(number) {
        Ok(shift @ 3..64) => 1_u64 << shift,
        _ => return Err(Errno::INVAL.into()),
    };
    // SAFETY: borrowed for one call, which refuses a number that is not open.
    let borrowed = unsafe { BorrowedFd::borrow_raw(number) };
    fcntl_setfd(borrowed, FdFlags::CLOEXEC)?;
    if TAKEN.fetch_or(bit, Ordering::Relaxed) & bit != 0 {
        return Err(Errno::BUSY.into());
    }
    // SAFETY: open, as the call above has shown. Its owner was the parent's order, which is why
    // the number is open at all; each number is taken at most once, so there is one owner now.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

fn arguments(program: &Program) -> io::Result<Vec<CString>> {
    let name = std::iter::once(program.path.as_os_str());
    name.chain(program.args.iter().map(OsString::as_os_str)).map(c_string).collect()
}

fn environment(program: &Program) -> io::Result<Vec<CString>> {
    let variables = program.env.clone().unwrap_or_else(|| std::env::vars_os().collect());
    let assignment = |(mut name, value): (OsString, OsString)| {
        name.push("=");
        name.push(value);
        Ok(CString::new(name.into_vec())?)
    };
    variables.into_iter().map(assignment).collect()
}

/// The addresses of the strings with a null pointer at the end. The mutability is the C
/// signature's: nothing is written through them.
fn pointers(strings: &[CString]) -> Vec<*mut libc::c_char> {
    let addresses = strings.iter().map(|string| string.as_ptr().cast_mut());
    addresses.chain([ptr::null_mut()]).collect()
}

fn c_string(text: &OsStr) -> io::Result<CString> {
    Ok(CString::new(text.as_bytes())?)
}

/// These functions return the error number instead of setting `errno`.
fn check(code: i32) -> io::Result<()> {
    if code == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(code)) }
}

/// The C library's list of steps, freed at the end.
struct FileActions(Box<MaybeUninit<libc::posix_spawn_file_actions_t>>);

impl FileActions {
    fn new() -> io::Result<Self> {
        let mut raw = Box::new(MaybeUninit::uninit());
        // SAFETY: the call initialises the value that it is given.
        check(unsafe { libc::posix_spawn_file_actions_init(raw.as_mut_ptr()) })?;
        Ok(Self(raw))
    }

    /// Adds the steps that give the new process its descriptors and directory; returns the
    /// descriptors that they read from, which must stay open until the process has started.
    fn fill(
        &mut self,
        program: &Program,
        fds: &[(BorrowedFd<'_>, i32)],
    ) -> io::Result<Vec<OwnedFd>> {
        // Sources above every number in use: no step overwrites what a later one reads.
        let floor = fds.iter().map(|(_, number)| number + 1).fold(3, i32::max);
        let mut sources = Vec::with_capacity(fds.len());
        for (fd, number) in fds {
            let source = fcntl_dupfd_cloexec(fd, floor)?;
            self.duplicate(source.as_raw_fd(), *number)?;
            sources.push(source);
        }
        if let Some(cwd) = &program.cwd {
            self.change_directory(cwd.as_os_str())?;
        }
        Ok(sources)
    }

    fn empty_stdin(&mut self) -> io::Result<()> {
        let (path, flags) = (c"/dev/null".as_ptr(), libc::O_RDONLY);
        // SAFETY: initialised by `new`; the path ends with NUL and is copied.
        check(unsafe {
            libc::posix_spawn_file_actions_addopen(self.0.as_mut_ptr(), 0, path, flags, 0)
        })
    }

    fn duplicate(&mut self, source: i32, number: i32) -> io::Result<()> {
        // SAFETY: initialised by `new`; a number that is no descriptor is refused.
        check(unsafe {
            libc::posix_spawn_file_actions_adddup2(self.0.as_mut_ptr(), source, number)
        })
    }

    fn change_directory(&mut self, path: &OsStr) -> io::Result<()> {
        let path = c_string(path)?;
        // SAFETY: initialised by `new`; the path ends with NUL and is copied.
        check(unsafe {
            libc::posix_spawn_file_actions_addchdir_np(self.0.as_mut_ptr(), path.as_ptr())
        })
    }
}

impl Drop for FileActions {
    fn drop(&mut self) {
        // SAFETY: initialised by `new`, destroyed once.
        unsafe { libc::posix_spawn_file_actions_destroy(self.0.as_mut_ptr()) };
    }
}

/// The C library's attributes: own group, no blocked signals, [`DEFAULTS`]; freed at the end.
struct Attributes(Box<MaybeUninit<libc::posix_spawnattr_t>>);

impl Attributes {
    fn new() -> io::Result<Self> {
        let mut attributes = Self::none()?;
        attributes.fill()?;
        Ok(attributes)
    }

    /// None of the above: everything as it is here.
    fn none() -> io::Result<Self> {
        let mut raw = Box::new(MaybeUninit::uninit());
        // SAFETY: the call initialises the value that it is given.
        check(unsafe { libc::posix_spawnattr_init(raw.as_mut_ptr()) })?;
        Ok(Self(raw))
    }

    fn fill(&mut self) -> io::Result<()> {
        const FLAGS: i32 = libc::POSIX_SPAWN_SETPGROUP
            | libc::POSIX_SPAWN_SETSIGMASK
            | libc::POSIX_SPAWN_SETSIGDEF;
        let flags = libc::c_short::try_from(FLAGS).map_err(io::Error::other)?;
        let (unblocked, defaults) = (empty_set(), set_of(&DEFAULTS));
        let raw = self.0.as_mut_ptr();
        // SAFETY: `raw` was initialised by `new`; the call stores a number.
        check(unsafe { libc::posix_spawnattr_setflags(raw, flags) })?;
        // SAFETY: as above; 0 asks for a group with the number of the new process.
        check(unsafe { libc::posix_spawnattr_setpgroup(raw, 0) })?;
        // SAFETY: as above; the set is valid and copied.
        check(unsafe { libc::posix_spawnattr_setsigmask(raw, &raw const unblocked) })?;
        // SAFETY: as above; the set is valid and copied.
        check(unsafe { libc::posix_spawnattr_setsigdefault(raw, &raw const defaults) })
    }
}

impl Drop for Attributes {
    fn drop(&mut self) {
        // SAFETY: initialised by `new`, destroyed once.
        unsafe { libc::posix_spawnattr_destroy(self.0.as_mut_ptr()) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::{ExitStatus, reap};
    use std::fs::File;
    use std::io::{Read, pipe};
    use std::os::fd::{AsFd, IntoRawFd};

    fn shell(script: &str) -> Program {
        let args = vec!["-c".into(), script.into()];
        Program { path: "sh".into(), args, env: None, cwd: None }
    }

    /// Runs a program with its standard output (and `more`) connected; returns what it printed.
    fn output(program: &Program, more: &[(BorrowedFd<'_>, i32)]) -> String {
        let (mut reader, writer) = pipe().unwrap();
        let mut fds = vec![(writer.as_fd(), 1)];
        fds.extend_from_slice(more);
        let child = spawn_exec(program, &fds).unwrap();
        drop(writer);
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        assert_eq!(reap(&child.pidfd).unwrap(), ExitStatus::Exited(0));
        text
    }

    #[test]
    fn descriptors_arrive_at_their_numbers_even_crosswise() {
        let (one, two) = (File::open("/dev/zero").unwrap(), File::open("/dev/full").unwrap());
        let (a, b) = (one.as_raw_fd(), two.as_raw_fd());
        let script = format!("readlink /proc/$$/fd/{a} /proc/$$/fd/{b} /proc/$$/fd/0");
        let text = output(&shell(&script), &[(one.as_fd(), b), (two.as_fd(), a)]);
        assert_eq!(text, "/dev/full\n/dev/zero\n/dev/null\n");
    }

    #[test]
    fn nothing_else_of_ours_is_inherited() {
        let _open = File::open("/dev/zero").unwrap();
        let text = output(&shell("for fd in /proc/$$/fd/*; do readlink $fd; done; true"), &[]);
        assert!(!text.contains("/dev/zero"), "{text}");
    }

    #[test]
    fn environment_and_directory_are_as_told() {
        let mut program = shell("echo $MH_TEST; pwd; echo ${HOME-none}");
        let path = std::env::var_os("PATH").unwrap();
        program.env = Some(vec![("MH_TEST".into(), "a=b".into()), ("PATH".into(), path)]);
        program.cwd = Some("/proc".into());
        assert_eq!(output(&program, &[]), "a=b\n/proc\nnone\n");
    }

    #[test]
    fn leads_a_group_with_a_clean_signal_state() {
        let _blocked = crate::signals::block_all();
        let text = output(
            &shell("cut -d' ' -f5 /proc/$$/stat; echo $$; exec grep SigBlk /proc/self/status"),
            &[],
        );
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[0], lines[1]);
        assert_eq!(lines[2], "SigBlk:\t0000000000000000");
    }

    #[test]
    fn a_member_stays_in_the_group_with_the_signals_that_are_blocked() {
        let (mut reader, writer) = pipe().unwrap();
        let blocked = crate::signals::block_all();
        // No shell: that would unblock them.
        let mut program = shell("");
        program.path = "cat".into();
        program.args = vec!["/proc/self/stat".into(), "/proc/self/status".into()];
        let child = spawn_member(&program, &[(writer.as_fd(), 1)]).unwrap();
        drop((blocked, writer));
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        assert_eq!(reap(&child.pidfd).unwrap(), ExitStatus::Exited(0));
        assert_eq!(text.split(' ').nth(4), Some(&*crate::process::own_group().to_string()));
        assert!(!text.contains("SigBlk:\t0000000000000000"), "{text}");
    }

    #[test]
    fn what_was_inherited_is_taken_once_and_closes_on_exec() {
        let number =
            fcntl_dupfd_cloexec(File::open("/dev/zero").unwrap(), 40).unwrap().into_raw_fd();
        let taken = take_inherited(number).unwrap();
        assert_eq!(taken.as_raw_fd(), number);
        assert_eq!(rustix::io::fcntl_getfd(&taken), Ok(FdFlags::CLOEXEC));
        assert_eq!(take_inherited(number).unwrap_err().kind(), io::ErrorKind::ResourceBusy);
        for wrong in [-1, 0, 2, 64] {
            assert_eq!(take_inherited(wrong).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        }
        assert_eq!(take_inherited(63).unwrap_err().raw_os_error(), Some(libc::EBADF));
    }

    #[test]
    fn what_cannot_start_is_an_error_that_says_why() {
        let mut program = shell("");
        program.path = "/nonexistent/program".into();
        assert_eq!(spawn_exec(&program, &[]).unwrap_err().kind(), io::ErrorKind::NotFound);
        program.path = "sh".into();
        program.cwd = Some("/nonexistent".into());
        assert_eq!(spawn_exec(&program, &[]).unwrap_err().kind(), io::ErrorKind::NotFound);
        program.args = vec!["a\0b".into()];
        program.cwd = None;
        assert_eq!(spawn_exec(&program, &[]).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }
}
