//! One word on which one thread sleeps until another wakes it, across processes.
//!
//! ```text
//! AWAKE     nobody waits
//! SPINNING  the sleeper watches the word in a short busy wait: a waker need not call the kernel
//! PARKED    the sleeper is in the kernel, or on its way there
//!
//! sleeper                                       waker
//! 1. word <- SPINNING (or PARKED)               a. make the condition true (a release store)
//! 2. fence(SeqCst)                              b. fence(SeqCst)
//! 3. condition true? word <- AWAKE, out         c. word not AWAKE? swap AWAKE
//! 4. watch the word; AWAKE? out                 d. it was PARKED: futex wake
//! 5. compare-and-swap SPINNING -> PARKED
//! 6. futex wait while word == PARKED
//! ```
//!
//! Why no wake is lost: of the two fences one comes first. If 2 comes first, c sees that somebody waits;
//! then the word is AWAKE, so 4 or 5 notices, or the kernel refuses the wait, or d ends it. If b comes
//! first, 3 reads what a wrote. Only one waker pays for the system call: the swap hands out PARKED once.
//!
//! Every change of the word is a read-modify-write, so that all of them have one order that the
//! model sees too.
//!
//! A waker that is killed between c and d leaves the sleeper in the kernel and the word AWAKE, so that
//! other wakers pass by: whoever learns of the death calls [`Parker::rouse`]. A sleeper that is killed
//! leaves PARKED behind: the next waker does one system call for nobody.
//!
//! It has one sleeper at a time by contract, keeps no count of wakes, and never times out by itself.

use core::time::Duration;

use crate::atomic::{AtomicU32, Ordering, fence, spin_hint};

const AWAKE: u32 = 0;
const SPINNING: u32 = 1;
const PARKED: u32 = 2;

/// Turns of the busy wait between two looks at the clock.
const TURNS: u32 = if cfg!(loom) { 1 } else { 32 };

/// Why [`Parker::park`] returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Unparked {
    /// The condition held, or somebody woke the sleeper: look again.
    Awake,
    /// The time was up.
    TimedOut,
    /// A signal arrived: the caller may want to run its handlers.
    Interrupted,
}

/// One sleeper's word. All-zero bytes are a valid, awake parker.
#[derive(Debug)]
#[repr(C)]
pub struct Parker {
    word: AtomicU32,
    #[cfg(loom)]
    futex: model::Futex,
}

impl Default for Parker {
    fn default() -> Self {
        Self::new()
    }
}

impl Parker {
    /// A parker on which nobody sleeps.
    #[must_use]
    pub fn new() -> Self {
        Self {
            word: AtomicU32::new(AWAKE),
            #[cfg(loom)]
            futex: model::Futex::new(),
        }
    }

    /// Sleeps until `ready` holds, a waker calls, the time is up or a signal arrives.
    ///
    /// `ready` is asked once after the word says that we wait; it must read what wakers publish.
    /// Before the sleep the word is watched for the time `spin` (none: at once to the kernel).
    pub fn park(
        &self,
        ready: impl FnOnce() -> bool,
        spin: Duration,
        timeout: Option<Duration>,
    ) -> Unparked {
        let first = if spin.is_zero() { PARKED } else { SPINNING };
        self.word.swap(first, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        if ready() {
            self.word.swap(AWAKE, Ordering::Relaxed);
            return Unparked::Awake;
        }
        if first == SPINNING && self.spin(spin) {
            return Unparked::Awake;
        }
        let outcome = match timeout {
            Some(Duration::ZERO) => Unparked::TimedOut,
            _ => self.sleep(timeout),
        };
        // Acquires what a waker wrote before its fence, as the busy wait does.
        self.word.swap(AWAKE, Ordering::Acquire);
        outcome
    }

    /// Watches the word; whether somebody woke us. If not, the word is `PARKED` afterwards.
    fn spin(&self, length: Duration) -> bool {
        let until =
            spin_clock().saturating_add(u64::try_from(length.as_nanos()).unwrap_or(u64::MAX));
        loop {
            for _ in 0..TURNS {
                if self.word.load(Ordering::Acquire) == AWAKE {
                    return true;
                }
                spin_hint();
            }
            if spin_clock() >= until {
                break;
            }
            // The waker may be waiting for this very core.
            let_others_run();
        }
        self.word.compare_exchange(SPINNING, PARKED, Ordering::Relaxed, Ordering::Acquire).is_err()
    }

    /// Wakes the sleeper, if there is one. What it waits for must have been published before.
    ///
    /// Returns whether it slept in the kernel: then it takes a while until it runs.
    #[inline]
    pub fn wake(&self) -> bool {
        fence(Ordering::SeqCst);
        self.word.load(Ordering::Relaxed) != AWAKE && self.wake_sleeper()
    }

    /// Wakes the sleeper whatever the word says: for whoever learns that a process died that may
    /// have been about to wake it.
    #[cold]
    pub fn rouse(&self) {
        fence(Ordering::SeqCst);
        self.word.swap(AWAKE, Ordering::Relaxed);
        self.futex_wake();
    }

    /// In a model: a waker that is killed between its swap and its system call.
    #[cfg(loom)]
    pub fn wake_and_die(&self) {
        fence(Ordering::SeqCst);
        if self.word.load(Ordering::Relaxed) != AWAKE {
            self.word.swap(AWAKE, Ordering::Relaxed);
        }
    }

    /// Whether somebody waits here at this moment: a hint, for reports.
    #[must_use]
    pub fn is_parked(&self) -> bool {
        self.word.load(Ordering::Relaxed) != AWAKE
    }

    #[cold]
    fn wake_sleeper(&self) -> bool {
        let slept = self.word.swap(AWAKE, Ordering::Relaxed) == PARKED;
        if slept {
            self.futex_wake();
        }
        slept
    }

    #[cfg(not(loom))]
    fn sleep(&self, timeout: Option<Duration>) -> Unparked {
        use manyhands_os::futex::{Wait, wait};
        match wait(&self.word, PARKED, timeout) {
            Wait::Woken | Wait::Changed => Unparked::Awake,
            Wait::TimedOut => Unparked::TimedOut,
            Wait::Interrupted => Unparked::Interrupted,
        }
    }

    #[cfg(not(loom))]
    fn futex_wake(&self) {
        manyhands_os::futex::wake(&self.word, 1);
    }

    /// In a model a time limit is always over at once.
    #[cfg(loom)]
    fn sleep(&self, timeout: Option<Duration>) -> Unparked {
        if timeout.is_some() {
            return Unparked::TimedOut;
        }
        self.futex.wait(&self.word, PARKED);
        Unparked::Awake
    }

    #[cfg(loom)]
    fn futex_wake(&self) {
        self.futex.wake();
    }
}

/// Gives the core to whoever else can run on it.
#[cfg(not(loom))]
fn let_others_run() {
    std::thread::yield_now();
}

/// In a model every turn of the busy wait yields already.
#[cfg(loom)]
fn let_others_run() {}

/// Nanoseconds, for the busy wait.
#[cfg(not(loom))]
fn spin_clock() -> u64 {
    manyhands_os::clock::monotonic_ns()
}

/// In a model the busy wait is one turn long.
#[cfg(loom)]
fn spin_clock() -> u64 {
    u64::MAX
}

/// The kernel's futex, for loom: the check of the word and the falling asleep are one step.
#[cfg(loom)]
mod model {
    use loom::sync::{Condvar, Mutex};

    use crate::atomic::{AtomicU32, Ordering};

    #[derive(Debug)]
    pub(super) struct Futex {
        lock: Mutex<()>,
        woken: Condvar,
    }

    impl Futex {
        pub(super) fn new() -> Self {
            Self { lock: Mutex::new(()), woken: Condvar::new() }
        }

        pub(super) fn wait(&self, word: &AtomicU32, expected: u32) {
            let guard = self.lock.lock().expect("the model never poisons");
            if word.load(Ordering::Relaxed) == expected {
                drop(self.woken.wait(guard).expect("the model never poisons"));
            }
        }

        pub(super) fn wake(&self) {
            let guard = self.lock.lock().expect("the model never poisons");
            self.woken.notify_one();
            drop(guard);
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_condition_that_holds_is_not_slept_on() {
        assert_eq!(Parker::new().park(|| true, Duration::ZERO, None), Unparked::Awake);
    }

    #[test]
    fn time_runs_out() {
        let parker = Parker::new();
        assert_eq!(
            parker.park(|| false, Duration::ZERO, Some(Duration::from_millis(1))),
            Unparked::TimedOut
        );
        assert!(!parker.is_parked());
    }

    #[test]
    fn a_waker_ends_the_sleep_and_the_busy_wait() {
        for spin in [Duration::ZERO, Duration::from_secs(5)] {
            let parker = Parker::new();
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    while !parker.is_parked() {
                        std::thread::yield_now();
                    }
                    parker.wake();
                });
                assert_eq!(parker.park(|| false, spin, None), Unparked::Awake);
            });
        }
    }
}
