//! The three standard descriptors of this process: redirecting them, and sharing them with others.
//!
//! For a process that has just been forked and is to read nothing and to print where its parent
//! says. It changes what the numbers 0, 1 and 2 mean for the whole process, at once and for all
//! threads; buffered text of the language above must have been flushed before.

use rustix::fs::{Mode, OFlags, open};
use rustix::io::{Errno, FdFlags, fcntl_dupfd_cloexec, fcntl_setfd};
use rustix::stdio::{dup2_stderr, dup2_stdin, dup2_stdout, stderr, stdin, stdout};
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};

/// The lowest number that is none of the three.
const FIRST_ORDINARY: i32 = 3;

/// A second name of standard output, to be sent to another process; of `/dev/null` when this
/// process has none (a daemon that has closed it).
///
/// # Errors
///
/// `EMFILE` and `ENFILE` without descriptors.
pub fn share_stdout() -> io::Result<OwnedFd> {
    share(stdout())
}

/// As [`share_stdout`], of standard error.
///
/// # Errors
///
/// Those of [`share_stdout`].
pub fn share_stderr() -> io::Result<OwnedFd> {
    share(stderr())
}

fn share(fd: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    match fcntl_dupfd_cloexec(fd, FIRST_ORDINARY) {
        Err(Errno::BADF) => Ok(open("/dev/null", OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?),
        outcome => Ok(outcome?),
    }
}

/// Makes standard input an empty one: every read meets the end of the file.
///
/// # Errors
///
/// When `/dev/null` cannot be opened.
pub fn empty_stdin() -> io::Result<()> {
    let null = open("/dev/null", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    dup2_stdin(&null)?;
    // A `null` that already was number 0 keeps its close-on-exec through the call above.
    Ok(fcntl_setfd(stdin(), FdFlags::empty())?)
}

/// Makes standard output a second name of `fd`; children inherit it.
///
/// # Errors
///
/// The kernel's: `EBUSY` in a race with another thread that opens files.
pub fn redirect_stdout(fd: BorrowedFd<'_>) -> io::Result<()> {
    dup2_stdout(fd)?;
    Ok(fcntl_setfd(stdout(), FdFlags::empty())?)
}

/// Makes standard error a second name of `fd`; children inherit it.
///
/// # Errors
///
/// Those of [`redirect_stdout`].
pub fn redirect_stderr(fd: BorrowedFd<'_>) -> io::Result<()> {
    dup2_stderr(fd)?;
    Ok(fcntl_setfd(stderr(), FdFlags::empty())?)
}
