//! How much memory this process has for itself, and being ended when that is more than it may have.
//!
//! Counted is what is resident and private: what `/proc/self/statm` calls resident less what it calls
//! shared. Memory that is shared with others, files and memfds, is nobody's fault alone. The kernel's
//! own limits are of no use here: they count address space, which allocators reserve and do not use.
//!
//! [`end_beyond`] sets a timer that runs with the processor time of this process and not with the
//! clock: a process that waits takes no memory, and is not woken. Its signal's handler reads the file,
//! and ends the process if there is too much; so nothing has to be asked of code that allocates, in
//! whatever language, and a process that has the GIL in one long call is ended like any other. A
//! handler does only what is allowed in one: it reads atomics, makes system calls, stores one word.
//!
//! It refuses to count the children of this process, and to end anybody else.
#![expect(unsafe_code, reason = "timers and handlers belong to the C library")]
#![expect(
    clippy::disallowed_types,
    reason = "a signal handler may touch nothing but lock-free atomics, and no model runs one"
)]

use core::sync::atomic::{AtomicI32, AtomicPtr, AtomicU64, Ordering};
use std::io;
use std::mem::zeroed;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::ptr;
use std::time::Duration;

use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::pread;
use rustix::param::page_size;

use crate::process::own_pid;
use crate::signals::empty_set;

/// Processor time between two looks.
const EVERY: Duration = Duration::from_millis(10);

/// The file that tells how much memory this process has.
#[derive(Debug)]
pub struct Footprint(OwnedFd);

impl Footprint {
    /// Opens the file of this process; a forked child needs one of its own.
    ///
    /// # Errors
    ///
    /// Without `/proc`, and without descriptors.
    pub fn open() -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        Ok(Self(openat(CWD, "/proc/self/statm", flags, Mode::empty())?))
    }

    /// How many bytes this process has for itself; none if the file makes no sense.
    ///
    /// # Examples
    ///
    /// ```
    /// let footprint = manyhands_os::footprint::Footprint::open()?;
    /// assert!(footprint.bytes() > Some(0));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn bytes(&self) -> Option<u64> {
        let mut text = [0; 128];
        let len = pread(&self.0, &mut text, 0).ok()?;
        private_pages(text.get(..len)?)?.checked_mul(page_size() as u64)
    }
}

/// Of the numbers `size resident shared ...`: resident less shared.
fn private_pages(text: &[u8]) -> Option<u64> {
    let mut numbers = text.split(|byte| *byte == b' ').skip(1).map(number);
    let (resident, shared) = (numbers.next()??, numbers.next()??);
    Some(resident.saturating_sub(shared))
}

fn number(digits: &[u8]) -> Option<u64> {
    let digit = |byte: &u8| byte.is_ascii_digit().then(|| u64::from(byte - b'0'));
    let add = |sum: u64, byte| sum.checked_mul(10)?.checked_add(digit(byte)?);
    if digits.is_empty() { None } else { digits.iter().try_fold(0, add) }
}

/// What the handler needs. All are stored before its signal can come, so relaxed is enough.
static FILE: AtomicI32 = AtomicI32::new(-1);
static LIMIT: AtomicU64 = AtomicU64::new(u64::MAX);
static REPORT: AtomicPtr<AtomicU64> = AtomicPtr::new(ptr::null_mut());
static OWNER: AtomicI32 = AtomicI32::new(0);

/// From now on this process is ended by SIGKILL once it has more than `limit` bytes for itself; how
/// many it had is stored in `report` before. It holds for good, and does not pass to children.
///
/// # Errors
///
/// Without `/proc` or descriptors, without timers, and when something else handles the signal.
pub fn end_beyond(limit: u64, report: &'static AtomicU64) -> io::Result<()> {
    let signal = libc::SIGRTMAX() - 5;
    let file = Footprint::open()?;
    LIMIT.store(limit, Ordering::Relaxed);
    REPORT.store(ptr::from_ref(report).cast_mut(), Ordering::Relaxed);
    OWNER.store(own_pid(), Ordering::Relaxed);
    // The handler uses it until this process ends.
    FILE.store(file.0.as_raw_fd(), Ordering::Relaxed);
    std::mem::forget(file);
    put_in_handler(signal)?;
    start_timer(signal)
}

extern "C" fn look(_signal: i32) {
    // SAFETY: the address of this thread's error number, which is always valid.
    let error = unsafe { libc::__errno_location() };
    // SAFETY: as above; it is an aligned number that only this thread uses.
    let before = unsafe { error.read() };
    look_at_memory();
    // SAFETY: as above.
    unsafe { error.write(before) };
}

fn look_at_memory() {
    let (file, owner) = (FILE.load(Ordering::Relaxed), OWNER.load(Ordering::Relaxed));
    if file < 0 || owner != own_pid() {
        return;
    }
    let mut text = [0; 128];
    // SAFETY: the descriptor was opened for this and is never closed by us; where the program has closed
    // it, the call fails or reads another file, which is no list of numbers.
    let file = unsafe { BorrowedFd::borrow_raw(file) };
    let Ok(len) = pread(file, &mut text, 0) else { return };
    let Some(pages) = text.get(..len).and_then(private_pages) else { return };
    let used = pages.saturating_mul(page_size() as u64);
    if used <= LIMIT.load(Ordering::Relaxed) {
        return;
    }
    // SAFETY: null, or made from a reference that is valid for ever.
    if let Some(report) = unsafe { REPORT.load(Ordering::Relaxed).as_ref() } {
        report.store(used, Ordering::Release);
    }
    // SAFETY: a signal to this process, which nothing can refuse.
    unsafe { libc::kill(owner, libc::SIGKILL) };
}

fn put_in_handler(signal: i32) -> io::Result<()> {
    let action = libc::sigaction {
        sa_sigaction: look as extern "C" fn(i32) as libc::sighandler_t,
        sa_mask: empty_set(),
        sa_flags: libc::SA_RESTART,
        sa_restorer: None,
    };
    // SAFETY: zero is a valid value of a structure that the call fills.
    let mut before: libc::sigaction = unsafe { zeroed() };
    // SAFETY: `action` is whole and its handler may be called at any time; `before` has room.
    check(unsafe { libc::sigaction(signal, &raw const action, &raw mut before) })?;
    if before.sa_sigaction == libc::SIG_DFL || before.sa_sigaction == action.sa_sigaction {
        return Ok(());
    }
    // SAFETY: puts back what was there.
    check(unsafe { libc::sigaction(signal, &raw const before, ptr::null_mut()) })?;
    Err(io::Error::other(format!("signal {signal} is used by another part of the program")))
}

fn start_timer(signal: i32) -> io::Result<()> {
    // SAFETY: a structure of numbers and a pointer that is not read; zero is valid for all of them.
    let mut event: libc::sigevent = unsafe { zeroed() };
    event.sigev_notify = libc::SIGEV_SIGNAL;
    event.sigev_signo = signal;
    let mut timer = ptr::null_mut();
    let clock = libc::CLOCK_PROCESS_CPUTIME_ID;
    // SAFETY: both point to live values of the types that the call takes.
    check(unsafe { libc::timer_create(clock, &raw mut event, &raw mut timer) })?;
    let every = libc::timespec { tv_sec: 0, tv_nsec: EVERY.subsec_nanos().into() };
    let often = libc::itimerspec { it_interval: every, it_value: every };
    // SAFETY: the timer was made above; the old setting is not asked for.
    check(unsafe { libc::timer_settime(timer, 0, &raw const often, ptr::null_mut()) })
}

fn check(outcome: i32) -> io::Result<()> {
    if outcome == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_touched_is_counted() {
        let footprint = Footprint::open().unwrap();
        let before = footprint.bytes().unwrap();
        let mut block = vec![0_u8; 64 << 20];
        for page in block.chunks_mut(4096) {
            page[0] = 1;
        }
        let grown = footprint.bytes().unwrap() - before;
        assert!((32 << 20..160 << 20).contains(&grown), "{grown}");
        drop(block);
    }

    #[test]
    fn lines_that_make_no_sense_are_none() {
        assert_eq!(private_pages(b"100 70 20 1 0 5 0\n"), Some(50));
        assert_eq!(private_pages(b"100 20 70 1 0 5 0\n"), Some(0));
        for text in
            [&b""[..], b"100", b"100 70", b"100 x 20 1", b"a b c", b"1 99999999999999999999 2"]
        {
            assert_eq!(private_pages(text), None);
        }
    }
}
