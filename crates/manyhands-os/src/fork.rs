//! Forking a process that has one thread, and being told of every fork.
//!
//! A child of fork has only the thread that called it: a lock that another thread held stays
//! locked for ever. So this refuses where there is another thread, and is sound because nobody
//! else can start one meanwhile. A language that runs its own hooks around a fork forks by itself.
//! A fork whose child does nothing but end ([`fork_and_end`]) is sound with any threads.
#![expect(unsafe_code, reason = "fork belongs to the C library")]

use std::fs::read_dir;
use std::io;

use crate::process::exit_now;

/// Forks; gives the number of the child in the parent, and `None` in the child.
///
/// # Errors
///
/// Of kind [`io::ErrorKind::Unsupported`] in a process with several threads; `EAGAIN` at the limit
/// of processes, `ENOMEM`.
///
/// # Examples
///
/// ```
/// use manyhands_os::{fork::fork_alone, process::{ExitStatus, PidFd, exit_now, reap}};
///
/// match fork_alone() {
///     Ok(None) => exit_now(7),
///     Ok(Some(pid)) => assert_eq!(reap(&PidFd::open(pid)?)?, ExitStatus::Exited(7)),
///     Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::Unsupported),
/// }
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn fork_alone() -> io::Result<Option<i32>> {
    let threads = read_dir("/proc/self/task")?.count();
    if threads != 1 {
        let text = format!("a process with {threads} threads cannot be forked safely");
        return Err(io::Error::new(io::ErrorKind::Unsupported, text));
    }
    // SAFETY: this is the only thread, as counted, so the child finds every lock as free as its own
    // caller left it, and may go on with anything.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(None),
        pid => Ok(Some(pid)),
    }
}

/// Forks a child that ends at once; gives its number. What it is good for is what the handlers of
/// forks do in this process: a library that is made to survive a fork stops its threads before it.
///
/// # Errors
///
/// `EAGAIN` at the limit of processes, `ENOMEM`.
///
/// # Examples
///
/// ```
/// use manyhands_os::{fork::fork_and_end, process::{ExitStatus, PidFd, reap}};
///
/// let child = PidFd::open(fork_and_end()?)?;
/// assert_eq!(reap(&child)?, ExitStatus::Exited(0));
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn fork_and_end() -> io::Result<i32> {
    // SAFETY: the child, which may find any lock taken for ever, takes none: it ends at once.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => exit_now(0),
        pid => Ok(pid),
    }
}

/// What an error says that starting a process or a thread gave, and which limit it is about.
///
/// # Examples
/// ```
/// use manyhands_os::fork::told;
/// use std::io::Error;
/// assert!(told(&Error::from_raw_os_error(11)).contains("RLIMIT_NPROC"));
/// assert_eq!(told(&Error::other("full")), "full");
/// ```
#[must_use]
pub fn told(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(libc::EAGAIN) => format!("{error} (RLIMIT_NPROC, or a limit of the control group)"),
        Some(libc::EMFILE) => format!("{error} (RLIMIT_NOFILE)"),
        _ => error.to_string(),
    }
}

/// Whether an error says that this process, or the machine, has no descriptors left.
///
/// # Examples
/// ```
/// use manyhands_os::fork::lacks_descriptors;
/// use std::io::Error;
/// assert!(lacks_descriptors(&Error::from_raw_os_error(24)));
/// assert!(!lacks_descriptors(&Error::other("full")));
/// ```
#[must_use]
pub fn lacks_descriptors(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE))
}

/// Calls `before` before every fork of this process, in the thread that forks, and `parent` or
/// `child` in the same thread after it (`parent` also when the fork failed). For good: there is no
/// way to take it back. It covers every caller of the C library's `fork`; `vfork`, `posix_spawn`
/// and the bare system call pass it by, and so must not go on in the child with what is shared.
///
/// A `parent` handler learns by [`expect_fork`] and [`fork_failed`] whether there is a child.
///
/// The handlers run while other threads are anywhere: they may take locks that nobody holds while
/// he waits for the forking thread. In the child there is only the thread that forked.
///
/// # Errors
///
/// `ENOMEM`; then none of the three was taken.
pub fn at_fork(
    before: extern "C" fn(),
    parent: extern "C" fn(),
    child: extern "C" fn(),
) -> io::Result<()> {
    // SAFETY: the three are functions of this program, which is never unloaded, and safe to call.
    match unsafe { libc::pthread_atfork(Some(before), Some(parent), Some(child)) } {
        0 => Ok(()),
        error => Err(io::Error::from_raw_os_error(error)),
    }
}

/// For a `before` handler of [`at_fork`]: so that its `parent` handler can ask [`fork_failed`].
pub fn expect_fork() {
    // SAFETY: the C library says where this thread's error number is; that needs nothing.
    let number = unsafe { libc::__errno_location() };
    // SAFETY: it is an aligned number of this thread alone, there as long as the thread is.
    unsafe { number.write(0) };
}

/// In a `parent` handler of [`at_fork`]: whether there is no child, as far as one can know. The C library
/// does not say; but it runs the handler with the error number that the kernel gave, if it gave one. A
/// handler of somebody else that has met an error of its own passes for that, so nothing may rely on it
/// that cannot bear a child after all.
pub fn fork_failed() -> bool {
    let error = io::Error::last_os_error().raw_os_error();
    matches!(error, Some(libc::EAGAIN | libc::ENOMEM))
}
