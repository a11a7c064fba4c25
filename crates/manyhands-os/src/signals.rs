//! The signal mask of a thread, and what a whole process does with signals.
//!
//! A helper thread blocks every signal, so that handlers run in the threads of the user's own
//! program. Faults that the thread itself commits are left open: blocked, they would kill the
//! process without the report that a fault handler writes.
#![expect(unsafe_code, reason = "signal masks and dispositions belong to the C library")]

use std::fs;
use std::io;
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::ptr;

use crate::process::Signal;

/// Faults of the thread itself.
const FAULTS: [i32; 6] =
    [libc::SIGSEGV, libc::SIGBUS, libc::SIGFPE, libc::SIGILL, libc::SIGTRAP, libc::SIGSYS];

/// The stack of a thread in which only a handler runs.
const SPARE_STACK: usize = 256 << 10;

/// All signals but faults are blocked in this thread until this is dropped.
#[must_use = "dropping it unblocks the signals"]
pub struct Blocked {
    before: libc::sigset_t,
    /// A mask belongs to a thread: the guard must not move to another.
    not_send: PhantomData<*const ()>,
}

impl std::fmt::Debug for Blocked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Blocked").finish_non_exhaustive()
    }
}

/// Blocks all signals but faults in the calling thread. A thread that is started meanwhile begins
/// with them blocked: hold the guard around the start of a helper thread, and no signal ever
/// reaches that thread.
///
/// # Examples
///
/// ```
/// let blocked = manyhands_os::signals::block_all();
/// let helper = std::thread::spawn(|| "no signal handler runs here");
/// drop(blocked);
/// # helper.join().unwrap();
/// ```
pub fn block_all() -> Blocked {
    let mut all = filled_set();
    for fault in FAULTS {
        // SAFETY: `all` is a valid set, and the number is one of a signal: the call cannot fail.
        unsafe { libc::sigdelset(&raw mut all, fault) };
    }
    Blocked { before: set_mask(&all), not_send: PhantomData }
}

impl Drop for Blocked {
    fn drop(&mut self) {
        set_mask(&self.before);
    }
}

/// Installs a mask for this thread and returns the one before.
fn set_mask(mask: &libc::sigset_t) -> libc::sigset_t {
    let mut before = empty_set();
    // SAFETY: both point to valid sets, which the call reads and writes; SIG_SETMASK is a known
    // way, so it cannot fail.
    let code = unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, mask, &raw mut before) };
    debug_assert_eq!(code, 0, "pthread_sigmask with valid arguments");
    before
}

/// A set of no signals.
pub(crate) fn empty_set() -> libc::sigset_t {
    let mut set = MaybeUninit::uninit();
    // SAFETY: the call initialises the set that it is given and cannot fail.
    unsafe { libc::sigemptyset(set.as_mut_ptr()) };
    // SAFETY: initialised by the call above.
    unsafe { set.assume_init() }
}

/// A set of all signals.
fn filled_set() -> libc::sigset_t {
    let mut set = MaybeUninit::uninit();
    // SAFETY: the call initialises the set that it is given and cannot fail.
    unsafe { libc::sigfillset(set.as_mut_ptr()) };
    // SAFETY: initialised by the call above.
    unsafe { set.assume_init() }
}

/// A set of these signals.
pub(crate) fn set_of(signals: &[i32]) -> libc::sigset_t {
    let mut set = empty_set();
    for signal in signals {
        // SAFETY: `set` is a valid set; a number that is no signal is refused without effect.
        unsafe { libc::sigaddset(&raw mut set, *signal) };
    }
    set
}

/// The signal at which a worker writes the stacks of its threads, where a handler for that is installed.
pub fn stacks() -> Signal {
    // SAFETY: a real-time signal that the C library leaves to programs: SIGRTMAX lies 30 above the first.
    unsafe { Signal::from_raw_unchecked(libc::SIGRTMAX() - 4) }
}

/// Starts a thread that does nothing, but that the signal of [`stacks`] reaches when all others block it; it
/// ends with the process.
///
/// # Errors
///
/// `EAGAIN` when there may be no more threads.
pub fn listen_for_stacks() -> io::Result<()> {
    let _blocked = block_all();
    let thread = std::thread::Builder::new().name("manyhands-stacks".into());
    thread.stack_size(SPARE_STACK).spawn(|| {
        let open = set_of(&[stacks().as_raw()]);
        // SAFETY: `open` is a valid set, and a null pointer asks for no answer; the way is a known one.
        let code =
            unsafe { libc::pthread_sigmask(libc::SIG_UNBLOCK, &raw const open, ptr::null_mut()) };
        debug_assert_eq!(code, 0, "pthread_sigmask with valid arguments");
        loop {
            std::thread::park();
        }
    })?;
    Ok(())
}

/// What this process does with a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// What the kernel does by itself.
    Default,
    /// Nothing.
    Ignored,
    /// A handler of the program.
    Handled,
}

/// All that the kernel does with a signal of this process: handler, flags and mask.
#[derive(Clone, Copy)]
pub struct Action {
    number: i32,
    action: libc::sigaction,
}

impl std::fmt::Debug for Action {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Action").field("number", &self.number).finish_non_exhaustive()
    }
}

impl Action {
    /// What it does with that signal at present.
    ///
    /// # Errors
    ///
    /// `EINVAL` for what is no signal, or one that the C library keeps for itself.
    pub fn current(number: i32) -> io::Result<Self> {
        let mut current = MaybeUninit::<libc::sigaction>::uninit();
        // SAFETY: a null action changes nothing; `current` has room for the answer.
        if unsafe { libc::sigaction(number, ptr::null(), current.as_mut_ptr()) } != 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: filled by the successful call above.
        Ok(Self { number, action: unsafe { current.assume_init() } })
    }

    pub(crate) fn number(&self) -> i32 {
        self.number
    }

    /// The address of its handler, `SIG_DFL` or `SIG_IGN`.
    pub(crate) fn handler(&self) -> libc::sighandler_t {
        self.action.sa_sigaction
    }

    /// Lets it do so again.
    pub fn put_back(&self) {
        // SAFETY: a whole action that was in force; the old one is not asked for. Its handler is still
        // there: what was once one may not be unloaded, since anybody may have kept it to call it next.
        let code = unsafe { libc::sigaction(self.number, &raw const self.action, ptr::null_mut()) };
        debug_assert_eq!(code, 0, "sigaction with what it gave");
    }
}

/// Whether a process has a handler for a signal, as `/proc` tells; not if that cannot be read.
pub fn is_handled_by(pid: i32, signal: Signal) -> bool {
    let status = fs::read(format!("/proc/{pid}/status")).unwrap_or_default();
    is_handled_in(&String::from_utf8_lossy(&status), signal)
}

fn is_handled_in(status: &str, signal: Signal) -> bool {
    let line = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    let set = line.and_then(|set| u64::from_str_radix(set.trim(), 16).ok()).unwrap_or(0);
    set >> (signal.as_raw() - 1) & 1 == 1
}

/// What this process does with a signal at present.
///
/// # Errors
///
/// `EINVAL` for a number that the C library keeps for itself.
pub fn disposition(signal: Signal) -> io::Result<Disposition> {
    Ok(match Action::current(signal.as_raw())?.handler() {
        libc::SIG_DFL => Disposition::Default,
        libc::SIG_IGN => Disposition::Ignored,
        _ => Disposition::Handled,
    })
}

/// Lets this process ignore a signal; programs that it executes inherit that.
///
/// # Errors
///
/// `EINVAL` for SIGKILL, SIGSTOP and what the C library keeps for itself.
pub fn ignore(signal: Signal) -> io::Result<()> {
    // SAFETY: no function.
    unsafe { set_handler(signal.as_raw(), libc::SIG_IGN, 0) }
}

/// Gives a signal back its meaning of the kernel's own.
///
/// # Errors
///
/// Those of [`ignore`].
pub fn restore_default(signal: Signal) -> io::Result<()> {
    // SAFETY: no function.
    unsafe { set_handler(signal.as_raw(), libc::SIG_DFL, 0) }
}

/// Puts in a handler that blocks nothing but its own signal. It may be called in a handler.
///
/// # Errors
///
/// Those of [`ignore`].
///
/// # Safety
///
/// The handler is `SIG_DFL`, `SIG_IGN`, or a function that takes what these flags make the kernel give it,
/// does only what a handler may, and stays.
pub(crate) unsafe fn set_handler(
    number: i32,
    handler: libc::sighandler_t,
    flags: i32,
) -> io::Result<()> {
    let action = libc::sigaction {
        sa_sigaction: handler,
        sa_mask: empty_set(),
        sa_flags: flags,
        sa_restorer: None,
    };
    // SAFETY: `action` is whole, and the caller vouches for its handler; the old one is not asked for.
    if unsafe { libc::sigaction(number, &raw const action, ptr::null_mut()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::own_pid;

    /// The blocked signals of this thread as the kernel shows them.
    fn blocked() -> u64 {
        let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("SigBlk:")).unwrap();
        u64::from_str_radix(line.trim(), 16).unwrap()
    }

    fn bit(signal: i32) -> u64 {
        1 << (signal - 1)
    }

    #[test]
    fn blocks_all_but_faults_and_gives_back_what_was() {
        let before = blocked();
        let guard = block_all();
        let during = blocked();
        assert_eq!(during & bit(libc::SIGINT), bit(libc::SIGINT));
        assert_eq!(during & bit(libc::SIGTERM), bit(libc::SIGTERM));
        assert_eq!(during & bit(libc::SIGSEGV), 0);
        assert_eq!(std::thread::spawn(blocked).join().unwrap(), during);
        drop(guard);
        assert_eq!(blocked(), before);
    }

    #[test]
    fn a_signal_is_ignored_and_restored() {
        // SIGURG: its default is to do nothing, so the other tests of this process cannot notice.
        assert_eq!(disposition(Signal::URG).unwrap(), Disposition::Default);
        ignore(Signal::URG).unwrap();
        assert_eq!(disposition(Signal::URG).unwrap(), Disposition::Ignored);
        restore_default(Signal::URG).unwrap();
        assert_eq!(disposition(Signal::URG).unwrap(), Disposition::Default);
    }

    #[test]
    fn what_was_done_with_a_signal_is_put_back_whole() {
        let before = Action::current(libc::SIGWINCH).unwrap();
        let mut restarting = before;
        restarting.action.sa_flags |= libc::SA_RESTART | libc::SA_NODEFER;
        restarting.put_back();
        let kept = Action::current(libc::SIGWINCH).unwrap();
        ignore(Signal::WINCH).unwrap();
        kept.put_back();
        let flags = Action::current(libc::SIGWINCH).unwrap().action.sa_flags;
        assert_eq!(flags & libc::SA_RESTART, libc::SA_RESTART);
        assert_eq!(flags & libc::SA_NODEFER, libc::SA_NODEFER);
        assert_eq!(disposition(Signal::WINCH).unwrap(), Disposition::Default);
        before.put_back();
        assert!(Action::current(libc::SIGKILL + 1000).is_err());
    }

    #[test]
    fn handlers_of_processes_are_seen() {
        assert!(!is_handled_by(own_pid(), Signal::WINCH));
        // The runtime of Rust handles the overflow of a stack.
        assert!(is_handled_by(own_pid(), Signal::SEGV));
        assert!(!is_handled_by(i32::MAX, Signal::SEGV));
        let status = "Name:\tx\nSigCgt:\t0000000080000001\nThreads:\t1\n";
        assert!(is_handled_in(status, Signal::HUP));
        assert!(!is_handled_in(status, Signal::INT));
        assert!(!is_handled_in(status, stacks()));
        assert!(!is_handled_in("SigCgt:\tnonsense", Signal::HUP));
    }

    #[test]
    fn what_cannot_be_ignored_is_an_error() {
        assert_eq!(ignore(Signal::KILL).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }
}
