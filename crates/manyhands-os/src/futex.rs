//! Waiting on a 32-bit word, in this process or in memory shared with others.
//!
//! The kernel compares and sleeps in one step: [`wait`] sleeps only while the word holds the
//! expected value, and a [`wake`] that comes after the word has changed is never missed. The
//! shared (not the private) flavour is used throughout, so that a word in a shared mapping works
//! at whatever address each process has mapped it.
//!
//! This is the mechanism alone. Which word, which value, who wakes whom and why no wake is lost is
//! the business of the rung above, which also models it.
#![expect(
    clippy::disallowed_types,
    reason = "the system call takes the address of a real atomic; a model replaces this module"
)]

use core::sync::atomic::AtomicU32;
use rustix::io::Errno;
use rustix::thread::futex::{self, Flags, Timespec};
use std::time::Duration;

/// Why a [`wait`] ended. None of these says what the word holds now: look again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Wait {
    /// Someone called [`wake`], or the kernel woke us without a reason (it may).
    Woken,
    /// The word did not hold the expected value; there was no sleep.
    Changed,
    /// The timeout passed.
    TimedOut,
    /// A signal handler ran in this thread.
    Interrupted,
}

/// Sleeps while `word` holds `expected`, at most for `timeout` (`None`: without limit).
///
/// # Examples
///
/// ```
/// use core::sync::atomic::AtomicU32;
/// use manyhands_os::futex::{Wait, wait};
///
/// assert_eq!(wait(&AtomicU32::new(1), 0, None), Wait::Changed);
/// ```
pub fn wait(word: &AtomicU32, expected: u32, timeout: Option<Duration>) -> Wait {
    // A timeout beyond the kernel's range (292 billion years) is no timeout.
    let timeout = timeout.and_then(|duration| Timespec::try_from(duration).ok());
    match futex::wait(word, Flags::empty(), expected, timeout.as_ref()) {
        Err(Errno::AGAIN) => Wait::Changed,
        Err(Errno::TIMEDOUT) => Wait::TimedOut,
        Err(Errno::INTR) => Wait::Interrupted,
        outcome => {
            debug_assert_eq!(outcome, Ok(()), "an aligned, mapped word cannot fail otherwise");
            Wait::Woken
        }
    }
}

/// Wakes at most `count` of those who wait on `word`; returns how many.
pub fn wake(word: &AtomicU32, count: u32) -> usize {
    // The kernel reads the count as a signed number: more would wake one only.
    let count = count.min(i32::MAX.unsigned_abs());
    let woken = futex::wake(word, Flags::empty(), count);
    debug_assert!(woken.is_ok(), "an aligned, mapped word cannot fail: {woken:?}");
    woken.unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::sync::atomic::Ordering;
    use std::sync::Arc;

    #[test]
    fn a_different_value_does_not_sleep() {
        assert_eq!(wait(&AtomicU32::new(7), 6, None), Wait::Changed);
    }

    #[test]
    fn a_wait_without_a_wake_times_out() {
        let word = AtomicU32::new(0);
        let outcome = loop {
            match wait(&word, 0, Some(Duration::from_millis(5))) {
                Wait::Woken | Wait::Interrupted => {}
                outcome => break outcome,
            }
        };
        assert_eq!(outcome, Wait::TimedOut);
    }

    #[test]
    fn an_endless_timeout_is_taken_as_none() {
        assert_eq!(wait(&AtomicU32::new(1), 0, Some(Duration::MAX)), Wait::Changed);
    }

    #[test]
    fn a_wake_after_a_change_is_not_missed() {
        let word = Arc::new(AtomicU32::new(0));
        let waiter = std::thread::spawn({
            let word = Arc::clone(&word);
            move || {
                while word.load(Ordering::Acquire) == 0 {
                    let _ = wait(&word, 0, Some(Duration::from_secs(20)));
                }
            }
        });
        word.store(1, Ordering::Release);
        wake(&word, u32::MAX);
        waiter.join().unwrap();
    }

    #[test]
    fn a_wake_without_waiters_wakes_none() {
        assert_eq!(wake(&AtomicU32::new(0), 1), 0);
    }
}
