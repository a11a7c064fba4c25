//! Waiting with the interpreter detached, and with its signal handlers alive.

use std::time::{Duration, Instant};

use manyhands_os::{clock, process};
use manyhands_pool::{Stillness, Waited};
use manyhands_shm::sync::{Slices, Wait, resume};
use pyo3::prelude::*;

use crate::exit;
use crate::world;

/// The pieces into which one wait is cut, so that signal handlers get a chance: a signal can land between
/// the look for it and the sleep. Only the first of them watches before it sleeps; each is twice as long
/// as the one before, up to a limit.
#[derive(Debug)]
pub(crate) struct Pieces {
    begun: bool,
    slices: Option<Slices>,
}

impl Pieces {
    /// Of a wait that is to be looked after in every thread.
    pub(crate) fn new() -> Self {
        Self { begun: false, slices: Some(Slices::new()) }
    }

    /// Of a wait in which only signals may have to be seen to: handlers run in the main thread alone, and
    /// elsewhere the first piece is the whole.
    fn of_thread() -> Self {
        Self { begun: false, slices: process::is_main_thread().then(Slices::new) }
    }

    /// How long the next piece lasts if so much is left of the wait.
    pub(crate) fn limit(&mut self, left: Option<Duration>) -> Option<Duration> {
        let slice = self.slices.as_mut().and_then(Slices::length);
        [left, slice].into_iter().flatten().min()
    }

    /// Runs the next piece, detached from the interpreter.
    pub(crate) fn run<T: Send>(&mut self, py: Python<'_>, piece: impl FnOnce() -> T + Send) -> T {
        let goes_on = std::mem::replace(&mut self.begun, true);
        py.detach(|| {
            if goes_on {
                give_back();
            }
            let outcome = if goes_on { resume(piece) } else { piece() };
            exit::stay_out();
            outcome
        })
    }
}

/// Who waits long gives shared memory back that has stood free for a while: perhaps no pool does it.
#[cold]
fn give_back() {
    static STILLNESS: Stillness = Stillness::new();
    if let Some(world) = world::known_home() {
        STILLNESS.look(clock::monotonic_ns(), &world);
    }
}

/// Waits in pieces, detached from the interpreter, until `once` says that it is ready; `None` if the time is
/// up. What a signal handler raises is raised, and then nothing is ready.
pub(crate) fn wait_until<T: Send>(
    py: Python<'_>,
    deadline: Option<Instant>,
    mut once: impl FnMut(Option<Duration>) -> Wait<T> + Send,
) -> PyResult<Option<T>> {
    let mut pieces = Pieces::of_thread();
    loop {
        let left = deadline.map(left_until);
        let limit = pieces.limit(left);
        match pieces.run(py, || once(limit)) {
            Wait::Ready(value) => return Ok(Some(value)),
            Wait::TimedOut if left.is_some() && limit == left => return Ok(None),
            Wait::TimedOut | Wait::Interrupted => {}
        }
        py.check_signals()?;
    }
}

/// As [`wait_until`], for what happens in a pool: whether it came in time.
pub(crate) fn wait(
    py: Python<'_>,
    mut once: impl FnMut(Option<Duration>) -> Waited + Send,
    timeout: Option<Duration>,
) -> PyResult<bool> {
    let told = |limit| match once(limit) {
        Waited::Ready => Wait::Ready(()),
        Waited::TimedOut => Wait::TimedOut,
        Waited::Interrupted => Wait::Interrupted,
    };
    wait_until(py, after(timeout), told).map(|came| came.is_some())
}

/// How long it is until then.
pub(crate) fn left_until(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now())
}

/// When a wait of that length ends; never for none, and for more than a clock can count.
pub(crate) fn after(timeout: Option<Duration>) -> Option<Instant> {
    timeout.and_then(|timeout| Instant::now().checked_add(timeout))
}

/// A timeout in seconds; a negative one is over at once, too long a one never ends.
pub(crate) fn seconds(timeout: Option<f64>) -> Option<Duration> {
    timeout.and_then(|seconds| {
        if seconds.is_nan() || seconds <= 0.0 {
            Some(Duration::ZERO)
        } else {
            Duration::try_from_secs_f64(seconds).ok()
        }
    })
}
