//! A process that ends when the other end of a pipe is closed: without a thread that watches.
//!
//! The parent keeps the writing end of a pipe, the child arms the reading end. When the last holder
//! of the writing end has closed it or has died, of whatever, the kernel kills the child.
//!
//! It is done with the oldest kind of asynchronous I/O: the descriptor is set to send its owner a
//! signal when something happens to it (`O_ASYNC`), and the signal is chosen to be SIGKILL. Nothing is
//! ever written, so the only thing that can happen is the end. Compared with the alternatives:
//!
//! | | ends with | costs |
//! | --- | --- | --- |
//! | this | whoever holds the writing end | a pipe; a holder that was forked by the way counts too |
//! | [the parent-death signal](crate::process::set_parent_death_signal) | the *thread* that created the child | nothing |
//! | a thread that polls a pidfd | the process | a thread, so that the child cannot be forked soundly |
//!
//! It refuses to choose among them.
#![expect(unsafe_code, reason = "fcntl's signal requests, which rustix lacks")]

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::time::Duration;

use crate::poll::poll;
use crate::process::{PidFd, Signal, own_pid};

/// `F_SETSIG` of `asm-generic/fcntl.h`, which holds on x86-64 and aarch64.
const SET_SIGNAL: i32 = 10;

/// From now on this process is killed (SIGKILL) as soon as nobody holds the other end of the pipe
/// whose reading end this is; at once if nobody does. It lasts until the descriptor and all its
/// copies in this process are closed, an exec included, and does not pass to children.
///
/// # Errors
///
/// `EINVAL` for what cannot notify its owner (a file); what the kernel says where it lacks the request.
pub fn end_on_hangup(pipe: BorrowedFd<'_>) -> io::Result<()> {
    request(pipe, libc::F_SETOWN, own_pid())?;
    request(pipe, SET_SIGNAL, libc::SIGKILL)?;
    let flags = request(pipe, libc::F_GETFL, 0)?;
    request(pipe, libc::F_SETFL, flags | libc::O_ASYNC)?;
    // What happened before is not told any more.
    if poll(&[pipe.as_fd()], Some(Duration::ZERO))? == [true] {
        PidFd::of_self()?.signal(Signal::KILL)?;
    }
    Ok(())
}

fn request(fd: BorrowedFd<'_>, command: i32, argument: i32) -> io::Result<i32> {
    // SAFETY: the descriptor is open, and the requests above take and give plain numbers.
    match unsafe { libc::fcntl(fd.as_raw_fd(), command, argument) } {
        -1 => Err(io::Error::last_os_error()),
        answer => Ok(answer),
    }
}
