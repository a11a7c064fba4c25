//! What a signal to this process means for process groups of our own: stop, continue, end.
//!
//! Workers lead process groups, so Ctrl-Z in the terminal stops the program but not them.
//! [`install`] puts in a handler for SIGTSTP that stops every registered group first and then the
//! program itself, in the way the kernel would have done, and continues the groups when the
//! program is continued. It steps in only where the signal still had its default meaning: a
//! program with a handler of its own (an editor, a shell) keeps it.
//!
//! A handler does only what is allowed in a handler: it reads a fixed table of atomics and makes
//! system calls. Steps of a stop:
//!
//! 1. SIGSTOP to every registered group (it cannot be caught, so it cannot be missed).
//! 2. SIGTSTP gets its default meaning, is unblocked and raised: the program stops here. (Where
//!    the kernel does not stop it, because its group has lost its terminal, the steps go on.)
//! 3. After SIGCONT: the handler is put in again, and SIGCONT goes to every registered group.
//!
//! Between 2 and 3 a second SIGTSTP stops the program without the groups, which are stopped
//! already. A group that is registered while the program is being stopped may run on; it has no
//! one to give it work. SIGSTOP sent to the program by hand cannot be seen, nor handed on.
//!
//! [`end_groups_on`] is for a process that only looks after its workers: on the given signal every
//! registered group is killed, then the process ends by that signal. With the signal as its
//! [parent-death signal](crate::process::set_parent_death_signal) the groups end with the parent
//! even while the process is busy and watches nothing.
#![expect(unsafe_code, reason = "signal handlers belong to the C library")]
#![expect(
    clippy::disallowed_types,
    reason = "a signal handler may touch nothing but lock-free atomics, and no model runs one"
)]

use core::sync::atomic::{AtomicI32, Ordering};
use std::io;
use std::ptr;

use crate::process::{Signal, own_pid};
use crate::signals::{self, Action, empty_set, set_of};

/// How many groups can be registered at a time.
pub const CAPACITY: usize = 1024;

/// A free place in the table; no group has this number.
const FREE: i32 = 0;

/// The registered groups in no order. A place is taken by compare-and-swap from [`FREE`] and
/// given back by one to it; the handler only reads. Relaxed: each entry stands for itself.
static GROUPS: [AtomicI32; CAPACITY] = [const { AtomicI32::new(FREE) }; CAPACITY];

/// The process that put in a handler; a forked child has the handler but not the groups.
static OWNER: AtomicI32 = AtomicI32::new(0);

/// The signal of [`end_groups_on`]; 0 without one.
static ENDING: AtomicI32 = AtomicI32::new(0);

/// Adds a group: it is stopped and continued with this program. Returns false when the table is
/// full: then this group runs on while the program is stopped.
pub fn register_group(pgid: i32) -> bool {
    debug_assert!(pgid > 1, "no group of a worker has number {pgid}");
    GROUPS.iter().any(|place| {
        place.compare_exchange(FREE, pgid, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    })
}

/// Removes a group. Do so before its leader is reaped: from then on the number may be another's.
pub fn unregister_group(pgid: i32) {
    debug_assert!(pgid > 1, "no group of a worker has number {pgid}");
    GROUPS.iter().any(|place| {
        place.compare_exchange(pgid, FREE, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    });
}

/// Puts in the handler if SIGTSTP has its default meaning; returns whether the handler is in.
///
/// # Errors
///
/// None is known; what the C library says is passed on.
pub fn install() -> io::Result<bool> {
    let current = handler_of(libc::SIGTSTP)?;
    if current != libc::SIG_DFL && current != address(stop_with_groups) {
        return Ok(false);
    }
    OWNER.store(own_pid(), Ordering::Relaxed);
    set_handler(libc::SIGTSTP, address(stop_with_groups))?;
    Ok(true)
}

/// From now on this signal kills every registered group and then this process, whatever it meant
/// before. For one signal, and for a process that does not want it for anything else.
///
/// # Errors
///
/// `EINVAL` for SIGKILL, SIGSTOP and what the C library keeps for itself.
pub fn end_groups_on(signal: Signal) -> io::Result<()> {
    OWNER.store(own_pid(), Ordering::Relaxed);
    ENDING.store(signal.as_raw(), Ordering::Relaxed);
    set_handler(signal.as_raw(), address(end_with_groups))
}

/// Whether the handler of [`end_groups_on`] is still in: other code may have replaced it.
///
/// # Errors
///
/// Those of [`end_groups_on`].
pub fn ends_groups_on(signal: Signal) -> io::Result<bool> {
    Ok(handler_of(signal.as_raw())? == address(end_with_groups))
}

/// For a forked child: forgets the parent's groups and gives the signals whose handlers are in
/// back their default meaning. (Before this is called the handlers in the child already leave the
/// parent's groups alone: they know whose those are.)
///
/// # Errors
///
/// Those of [`install`].
pub fn clear_in_child() -> io::Result<()> {
    for place in &GROUPS {
        place.store(FREE, Ordering::Relaxed);
    }
    if handler_of(libc::SIGTSTP)? == address(stop_with_groups) {
        set_handler(libc::SIGTSTP, libc::SIG_DFL)?;
    }
    let ending = ENDING.swap(0, Ordering::Relaxed);
    if ending != 0 && handler_of(ending)? == address(end_with_groups) {
        set_handler(ending, libc::SIG_DFL)?;
    }
    Ok(())
}

fn address(handler: extern "C" fn(i32)) -> libc::sighandler_t {
    handler as libc::sighandler_t
}

fn handler_of(signal: i32) -> io::Result<libc::sighandler_t> {
    Ok(Action::current(signal)?.handler())
}

/// Restarts what it interrupts: a stop and a continue must not fail the program's system calls.
fn set_handler(signal: i32, handler: libc::sighandler_t) -> io::Result<()> {
    // SAFETY: the handler is SIG_DFL or one of the two below, which take the one argument that a handler
    // without SA_SIGINFO is given and do only what a handler may.
    unsafe { signals::set_handler(signal, handler, libc::SA_RESTART) }
}

/// The handler of SIGTSTP: see the steps in the module text.
extern "C" fn stop_with_groups(signal: i32) {
    // SAFETY: gives the address of this thread's own errno, valid while the thread runs.
    let errno = unsafe { libc::__errno_location() };
    // SAFETY: as above; nobody else writes it during this handler but the calls below.
    let saved = unsafe { errno.read() };
    signal_groups(libc::SIGSTOP);
    take_default_action(signal);
    let _ = set_handler(signal, address(stop_with_groups));
    signal_groups(libc::SIGCONT);
    // SAFETY: as above.
    unsafe { errno.write(saved) };
}

/// The handler of [`end_groups_on`]. A signal that does not end a process by default returns.
extern "C" fn end_with_groups(signal: i32) {
    signal_groups(libc::SIGKILL);
    take_default_action(signal);
}

/// Does to this process what the signal does without a handler, which is out after that. An error
/// cannot be told to anyone here; what fails leaves the signal with its default meaning.
fn take_default_action(signal: i32) {
    let only = set_of(&[signal]);
    let mut before = empty_set();
    let _ = set_handler(signal, libc::SIG_DFL);
    // SAFETY: allowed in a handler; takes a number.
    unsafe { libc::raise(signal) };
    // SAFETY: allowed in a handler; both sets are valid. The raised signal is delivered in here.
    unsafe { libc::pthread_sigmask(libc::SIG_UNBLOCK, &raw const only, &raw mut before) };
    // SAFETY: as above, with no need of the former mask.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const before, ptr::null_mut()) };
}

fn signal_groups(signal: i32) {
    // SAFETY: a system call without arguments; allowed in a handler.
    if OWNER.load(Ordering::Relaxed) != unsafe { libc::getpid() } {
        return;
    }
    for place in &GROUPS {
        let group = place.load(Ordering::Relaxed);
        if group > 1 {
            // SAFETY: a system call that takes two numbers; allowed in a handler. A group that is
            // gone is an error without effect.
            unsafe { libc::kill(-group, signal) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // One test: the table belongs to the whole process. Stopping and continuing for real is tested
    // in tests/jobcontrol.rs, in a process of its own.
    #[test]
    fn groups_come_and_go_until_the_table_is_full() {
        let first = 1_000_000_000;
        let numbers = first..first + i32::try_from(CAPACITY).unwrap();
        assert!(numbers.clone().all(register_group));
        assert!(!register_group(first - 1));
        unregister_group(first + 5);
        assert!(register_group(first - 1));
        clear_in_child().unwrap();
        assert!(numbers.clone().all(register_group));
        numbers.for_each(unregister_group);
        assert!(GROUPS.iter().all(|place| place.load(Ordering::Relaxed) == FREE));
    }
}
