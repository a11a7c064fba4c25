//! A process that ends soon after whoever started it: without a thread that watches.
//!
//! Two signs tell of the other's end, and each sends this process a signal of ours:
//!
//! | sign | ends with | may fail when |
//! | --- | --- | --- |
//! | [`end_on_hangup`]: the other end of a pipe is closed (`O_ASYNC`) | the last holder of that end | a fork by the way holds it too |
//! | [`end_with_creator`]: the parent-death signal | the *thread* that created this process | that thread ends before its process |
//!
//! The signal's handler starts a timer that was made beforehand, and the timer sends SIGKILL. The time
//! between is a grace: who watches its parent can see it dead and say a last word. A handler does only
//! what is allowed in one: it reads atomics and makes a system call.
//!
//! A thread that polls a pidfd would do the same, but it would be a thread: nobody could fork this
//! process soundly, or without a warning. Where something else uses the signal, the signs send SIGKILL
//! themselves, and there is no grace.
//!
//! It refuses to choose between the signs, and ends nobody but this process: children of a process
//! that ends are on lifelines of their own, or on none.
#![expect(
    unsafe_code,
    reason = "fcntl's signal requests, timers and handlers belong to the C library"
)]
#![expect(
    clippy::disallowed_types,
    reason = "a signal handler may touch nothing but lock-free atomics, and no model runs one"
)]

use core::sync::atomic::{AtomicBool, AtomicPtr, Ordering};
use std::io;
use std::mem::{MaybeUninit, zeroed};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::ptr;
use std::time::Duration;

use crate::poll::poll;
use crate::process::{own_pid, parent_pid};
use crate::signals::{empty_set, set_of};

/// How long a process lives after a sign, at most.
pub const GRACE: Duration = Duration::from_millis(500);

/// `F_SETSIG` of `asm-generic/fcntl.h`, which holds on x86-64 and aarch64.
const SET_SIGNAL: i32 = 10;

/// The timer of this process. Relaxed, both: whoever reads them in the handler is the thread that
/// wrote them, or was sent the signal by what that thread set up afterwards.
static TIMER: AtomicPtr<libc::c_void> = AtomicPtr::new(ptr::null_mut());
/// The timer runs: a second sign does not start it anew.
static ENDING: AtomicBool = AtomicBool::new(false);

/// From now on this process is killed at most [`GRACE`] after nobody holds the other end of the pipe
/// whose reading end this is; the same if nobody does already. It lasts until the descriptor and its
/// copies in this process are closed, an exec included, and does not pass to children. The pipe is
/// this process's own: of several that share its reading end only the last one is served.
///
/// # Errors
///
/// `EINVAL` for what cannot notify its owner (a file); what the kernel says where it lacks timers or
/// the request.
pub fn end_on_hangup(pipe: BorrowedFd<'_>) -> io::Result<()> {
    let signal = prepare()?;
    request(pipe, libc::F_SETOWN, own_pid())?;
    request(pipe, SET_SIGNAL, signal)?;
    let flags = request(pipe, libc::F_GETFL, 0)?;
    request(pipe, libc::F_SETFL, flags | libc::O_ASYNC)?;
    // What happened before is not told any more.
    if poll(&[pipe.as_fd()], Some(Duration::ZERO))? == [true] {
        raise(signal)?;
    }
    Ok(())
}

/// From now on this process is killed at most [`GRACE`] after the end of the thread that created it, a
/// thread of the process with the number `parent`; the same if that process has ended already.
///
/// # Errors
///
/// What the kernel says where it lacks timers.
pub fn end_with_creator(parent: i32) -> io::Result<()> {
    let signal = prepare()?;
    let number = libc::c_ulong::from(signal.unsigned_abs());
    // SAFETY: the request takes a valid signal number and touches no memory.
    check(unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, number) })?;
    if parent_pid() != parent {
        raise(signal)?;
    }
    Ok(())
}

/// Makes the timer and puts in the handler, if that is possible; the signal that the signs are to send.
fn prepare() -> io::Result<i32> {
    let signal = libc::SIGRTMAX() - 3;
    let current = handler_of(signal)?;
    if current != libc::SIG_DFL && current != address(start_timer) {
        return Ok(libc::SIGKILL);
    }
    // Made anew in each process: a fork inherits the number of a timer, but no timer.
    TIMER.store(make_timer()?, Ordering::Relaxed);
    ENDING.store(false, Ordering::Relaxed);
    set_handler(signal)?;
    let set = set_of(&[signal]);
    // SAFETY: the set is valid; the old one is not asked for.
    check_code(unsafe {
        libc::pthread_sigmask(libc::SIG_UNBLOCK, &raw const set, ptr::null_mut())
    })?;
    Ok(signal)
}

/// A timer that sends this process SIGKILL, not started.
fn make_timer() -> io::Result<libc::timer_t> {
    // SAFETY: a structure of numbers and a pointer that is not read; zero is valid for all of them.
    let mut event: libc::sigevent = unsafe { zeroed() };
    event.sigev_notify = libc::SIGEV_SIGNAL;
    event.sigev_signo = libc::SIGKILL;
    let mut timer = ptr::null_mut();
    // SAFETY: both point to live values of the types that the call takes.
    check(unsafe { libc::timer_create(libc::CLOCK_MONOTONIC, &raw mut event, &raw mut timer) })?;
    Ok(timer)
}

extern "C" fn start_timer(_signal: i32) {
    if ENDING.swap(true, Ordering::Relaxed) {
        return;
    }
    let none = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    let grace = libc::timespec { tv_sec: 0, tv_nsec: GRACE.subsec_nanos().into() };
    let once = libc::itimerspec { it_interval: none, it_value: grace };
    // SAFETY: the timer was made in this process, before the handler was put in; the call is one of
    // those allowed in a handler, and leaves errno alone when it succeeds, as it does for a valid timer.
    unsafe {
        libc::timer_settime(TIMER.load(Ordering::Relaxed), 0, &raw const once, ptr::null_mut())
    };
}

fn address(handler: extern "C" fn(i32)) -> libc::sighandler_t {
    handler as libc::sighandler_t
}

fn handler_of(signal: i32) -> io::Result<libc::sighandler_t> {
    let mut current = MaybeUninit::<libc::sigaction>::uninit();
    // SAFETY: a null action changes nothing; `current` has room for the answer.
    check(unsafe { libc::sigaction(signal, ptr::null(), current.as_mut_ptr()) })?;
    // SAFETY: filled by the successful call above.
    Ok(unsafe { current.assume_init() }.sa_sigaction)
}

fn set_handler(signal: i32) -> io::Result<()> {
    let action = libc::sigaction {
        sa_sigaction: address(start_timer),
        sa_mask: empty_set(),
        sa_flags: libc::SA_RESTART,
        sa_restorer: None,
    };
    // SAFETY: `action` is whole and its handler may be called at any time; the old one is not asked for.
    check(unsafe { libc::sigaction(signal, &raw const action, ptr::null_mut()) })
}

fn raise(signal: i32) -> io::Result<()> {
    // SAFETY: a signal to this process, which has a handler for it or is to be killed.
    check(unsafe { libc::kill(own_pid(), signal) })
}

fn request(fd: BorrowedFd<'_>, command: i32, argument: i32) -> io::Result<i32> {
    // SAFETY: the descriptor is open, and the requests above take and give plain numbers.
    match unsafe { libc::fcntl(fd.as_raw_fd(), command, argument) } {
        -1 => Err(io::Error::last_os_error()),
        answer => Ok(answer),
    }
}

fn check(outcome: i32) -> io::Result<()> {
    if outcome == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// For functions that return the error number instead of setting `errno`.
fn check_code(code: i32) -> io::Result<()> {
    if code == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(code)) }
}
