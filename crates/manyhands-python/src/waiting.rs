//! Waiting with the interpreter detached, and with its signal handlers alive.

use std::time::Duration;

use manyhands_os::process;
use manyhands_pool::Waited;
use manyhands_shm::sync::resume;
use pyo3::prelude::*;

use crate::exit;

/// How long a wait lasts at most before signal handlers get a chance (decision 13 of the design).
pub(crate) const SLICE: Duration = Duration::from_millis(200);

/// The pieces into which one wait is cut: only the first of them watches before it sleeps.
#[derive(Debug, Default)]
pub(crate) struct Pieces {
    begun: bool,
}

impl Pieces {
    /// Runs the next piece, detached from the interpreter.
    pub(crate) fn run<T: Send>(&mut self, py: Python<'_>, piece: impl FnOnce() -> T + Send) -> T {
        let goes_on = std::mem::replace(&mut self.begun, true);
        py.detach(|| {
            let outcome = if goes_on { resume(piece) } else { piece() };
            exit::stay_out();
            outcome
        })
    }
}

/// Waits in slices, so that signal handlers run; detached from the interpreter.
pub(crate) fn wait(
    py: Python<'_>,
    mut once: impl FnMut(Option<Duration>) -> Waited + Send,
    timeout: Option<Duration>,
) -> PyResult<bool> {
    let deadline = timeout.and_then(|timeout| std::time::Instant::now().checked_add(timeout));
    let slice = if process::is_main_thread() { Some(SLICE) } else { None };
    let mut pieces = Pieces::default();
    loop {
        let left = deadline.map(|at| at.saturating_duration_since(std::time::Instant::now()));
        let limit = [left, slice].into_iter().flatten().min();
        match pieces.run(py, || once(limit)) {
            Waited::Ready => return Ok(true),
            Waited::TimedOut if left.is_some() && limit == left => return Ok(false),
            Waited::Interrupted | Waited::TimedOut => {}
        }
        py.check_signals()?;
    }
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
