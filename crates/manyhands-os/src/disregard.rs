//! Signals that mean nothing to this process, but what they did before to the children that it forks.
//!
//! Ignored or blocked, a signal would stay so in what this process executes. A handler that does nothing does not; but
//! a forked child has it, and until it has put its own back, it would not notice what is sent to it. So the
//! handler knows whose it is. In a child it puts back what the signal did before, and raises it once more.
//!
//! A process disregards signals once. It does not learn that it was sent one.
#![expect(unsafe_code, reason = "signal handlers belong to the C library")]
#![expect(
    clippy::disallowed_types,
    reason = "a signal handler may touch nothing but lock-free atomics, and no model runs one"
)]

use core::sync::atomic::{AtomicPtr, Ordering};
use std::io;
use std::ptr;

use crate::process::{Signal, own_pid};
use crate::signals::{Action, set_handler};

/// What the handler reads. It is never freed: a handler that was interrupted may still read it.
static DISREGARDED: AtomicPtr<Table> = AtomicPtr::new(ptr::null_mut());

#[derive(Debug)]
struct Table {
    /// The process that disregards them.
    owner: i32,
    signals: Vec<Signal>,
    /// What they did, those that were not ignored.
    before: Vec<Action>,
}

/// What those signals did before; see [`disregard`].
#[derive(Debug)]
pub struct Disregarded(&'static Table);

/// From now on these signals do nothing to this process. Those that it ignores already it goes on ignoring. To children
/// that it forks they do what they did before, and to what it executes what they do to everybody. Some
/// memory is never given back: it is to be called once in a process.
///
/// # Errors
///
/// `EINVAL` for SIGKILL, SIGSTOP and what the C library keeps for itself; then none is disregarded.
///
/// # Examples
///
/// ```
/// use manyhands_os::{disregard::disregard, ending::signal_number, process::{Signal, own_pid}};
///
/// disregard(&[Signal::TERM])?;
/// signal_number(own_pid(), Signal::TERM)?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn disregard(signals: &[Signal]) -> io::Result<Disregarded> {
    install(signals, &[])
}

/// What was disregarded already did `known` before.
fn install(signals: &[Signal], known: &[Action]) -> io::Result<Disregarded> {
    let mut before = Vec::with_capacity(signals.len());
    for signal in signals {
        let now = Action::current(signal.as_raw())?;
        let known = known.iter().find(|known| known.number() == now.number());
        match known.filter(|_| now.handler() == own_handler()) {
            Some(known) => before.push(*known),
            None if now.handler() != libc::SIG_IGN => before.push(now),
            None => {}
        }
    }
    let table = Table { owner: own_pid(), signals: signals.to_vec(), before };
    let table: &Table = Box::leak(Box::new(table));
    // Release: whoever comes by the pointer finds what it points to.
    DISREGARDED.store(ptr::from_ref(table).cast_mut(), Ordering::Release);
    let disregarded = Disregarded(table);
    for action in &table.before {
        // SAFETY: a function that takes the one argument that a handler without SA_SIGINFO is given, and does
        // only what a handler may.
        let set = unsafe {
            set_handler(action.number(), own_handler(), libc::SA_RESTART | libc::SA_ONSTACK)
        };
        set.inspect_err(|_| disregarded.put_back())?;
    }
    Ok(disregarded)
}

impl Disregarded {
    /// Disregards those, too, that somebody has given another handler meanwhile: that is what they do to children then.
    pub fn renew(&mut self) {
        let has_other = |signal: &Signal| {
            let now = Action::current(signal.as_raw());
            now.is_ok_and(|now| ![own_handler(), libc::SIG_IGN].contains(&now.handler()))
        };
        if self.0.signals.iter().any(has_other)
            // The same calls for the same signals have succeeded before.
            && let Ok(renewed) = install(&self.0.signals, &self.0.before)
        {
            *self = renewed;
        }
    }

    /// Lets them do what they did before, but those that somebody has given another handler meanwhile.
    pub fn put_back(&self) {
        for before in &self.0.before {
            if Action::current(before.number()).is_ok_and(|now| now.handler() == own_handler()) {
                before.put_back();
            }
        }
    }
}

fn own_handler() -> libc::sighandler_t {
    let handler: extern "C" fn(i32) = do_nothing_here;
    handler as libc::sighandler_t
}

/// The handler. What it calls does not fail, so the error number of what it interrupts stays.
extern "C" fn do_nothing_here(signal: i32) {
    // SAFETY: null, or a table that is never freed and was whole when the pointer was stored.
    let Some(table) = (unsafe { DISREGARDED.load(Ordering::Acquire).as_ref() }) else { return };
    if table.owner == own_pid() {
        return;
    }
    for before in table.before.iter().filter(|before| before.number() == signal) {
        before.put_back();
        // SAFETY: allowed in a handler; takes a number. The signal is blocked until this handler returns.
        unsafe { libc::raise(signal) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signals::{Disposition, disposition, ignore, restore_default};

    /// Sends it to this thread, which has handled it on return; another one might not have until its action
    /// is another.
    fn raise(signal: Signal) {
        // SAFETY: takes a number.
        assert_eq!(unsafe { libc::raise(signal.as_raw()) }, 0);
    }

    #[test]
    fn signals_are_disregarded_and_put_back() {
        let signals = [Signal::IO, Signal::VTALARM];
        ignore(Signal::IO).unwrap();
        let disregarded = disregard(&signals).unwrap();
        assert_eq!(disposition(Signal::IO).unwrap(), Disposition::Ignored);
        assert_eq!(disposition(Signal::VTALARM).unwrap(), Disposition::Handled);
        raise(Signal::VTALARM);
        disregarded.put_back();
        assert_eq!(disposition(Signal::VTALARM).unwrap(), Disposition::Default);
        let mut disregarded = disregard(&signals).unwrap();
        ignore(Signal::VTALARM).unwrap();
        disregarded.put_back();
        assert_eq!(disposition(Signal::VTALARM).unwrap(), Disposition::Ignored, "another's");
        for signal in signals {
            restore_default(signal).unwrap();
        }
        disregarded.renew();
        disregarded.renew();
        for signal in signals {
            assert_eq!(disposition(signal).unwrap(), Disposition::Handled);
            raise(signal);
        }
        disregarded.put_back();
        for signal in signals {
            assert_eq!(disposition(signal).unwrap(), Disposition::Default);
        }
        let error = disregard(&[Signal::VTALARM, Signal::KILL]).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EINVAL));
        assert_eq!(disposition(Signal::VTALARM).unwrap(), Disposition::Default);
    }
}
