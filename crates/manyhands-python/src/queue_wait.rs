//! How long a queue's caller waits, and what it is told when that was in vain.
//!
//! Waits are cut into slices as everywhere (see `waiting`). Whoever does not want to block still waits
//! for a lock of the queue, which nobody holds for long: a `get_nowait` that says Empty because another
//! one is taking an item would not be exact.

use std::time::{Duration, Instant};

use manyhands_shm::sync::Wait;
use pyo3::exceptions::{PyException, PyMemoryError, PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

use crate::codec::own;
use crate::waiting::{after, left_until, seconds, wait_until};

/// How long a caller waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Patience {
    /// Not at all.
    None,
    Until(Instant),
    Endless,
}

impl Patience {
    /// As `multiprocessing` takes it: without `block` the timeout does not count.
    #[inline]
    pub(crate) fn new(block: bool, timeout: Option<f64>) -> Self {
        if !block {
            return Self::None;
        }
        match timeout {
            None => Self::Endless,
            some => Self::from(seconds(some)),
        }
    }

    /// For a lock of the queue: it is waited for by those who do not want to wait, too.
    pub(crate) fn for_lock(self) -> Self {
        if self == Self::None { Self::Endless } else { self }
    }

    /// What is left; none if it never ends.
    fn left(self) -> Option<Duration> {
        match self {
            Self::None => Some(Duration::ZERO),
            Self::Until(end) => Some(left_until(end)),
            Self::Endless => None,
        }
    }

    /// Whether nothing is left.
    pub(crate) fn is_over(self) -> bool {
        self.left() == Some(Duration::ZERO)
    }
}

impl From<Option<Duration>> for Patience {
    fn from(limit: Option<Duration>) -> Self {
        after(limit).map_or(Self::Endless, Self::Until)
    }
}

/// Waits in slices, detached from the interpreter, so that signal handlers run in between; none when
/// the time is up.
pub(crate) fn wait<T: Send>(
    py: Python<'_>,
    patience: Patience,
    once: impl FnMut(Option<Duration>) -> Wait<T> + Send,
) -> PyResult<Option<T>> {
    let deadline = match patience {
        Patience::None => Some(Instant::now()),
        Patience::Until(end) => Some(end),
        Patience::Endless => None,
    };
    wait_until(py, deadline, once)
}

/// An exception of the standard library's `queue`, or of ours.
fn named(
    py: Python<'_>,
    cell: &'static PyOnceLock<Py<PyAny>>,
    (module, name): (&str, &str),
) -> PyErr {
    match own(py, cell, module, name).and_then(|kind| kind.call0()) {
        Ok(error) => PyErr::from_value(error),
        Err(error) => error,
    }
}

/// `queue.Full`.
#[cold]
pub(crate) fn full(py: Python<'_>) -> PyErr {
    static FULL: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    named(py, &FULL, ("queue", "Full"))
}

/// `queue.Empty`.
#[cold]
pub(crate) fn empty(py: Python<'_>) -> PyErr {
    static EMPTY: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    named(py, &EMPTY, ("queue", "Empty"))
}

/// `manyhands.queues.ShutDown`.
#[cold]
pub(crate) fn shut_down(py: Python<'_>) -> PyErr {
    static SHUT: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    named(py, &SHUT, ("manyhands.queues", "ShutDown"))
}

/// Whether an exception is that of a queue that is shut down.
pub(crate) fn is_shut_down(py: Python<'_>, error: &PyErr) -> bool {
    shut_down(py).get_type(py).is(error.get_type(py))
}

/// Somebody has written over the queue.
#[cold]
pub(crate) fn broken() -> PyErr {
    PyRuntimeError::new_err(
        "what lies in this queue makes no sense: a process has written over the shared memory",
    )
}

/// The byte limit of an unbounded queue would be passed.
#[cold]
pub(crate) fn no_room(len: u64, most: u64) -> PyErr {
    PyMemoryError::new_err(format!(
        "{len} more bytes would pass the limit of this queue, max_bytes={most}: take items out first, \
         or give it a maxsize, so that put waits"
    ))
}

/// An item that can never be put.
#[cold]
pub(crate) fn too_large(len: u64, most: Option<u64>) -> PyErr {
    match most {
        Some(most) if len > most => PyMemoryError::new_err(format!(
            "an item of {len} bytes is larger than all that this queue may hold, max_bytes={most}"
        )),
        _ => PyValueError::new_err(format!(
            "an item of {len} bytes, or one that refers to millions of shared objects, cannot be put"
        )),
    }
}

/// Tells with the exception how far a call with many items came; what cannot be told is left out.
pub(crate) fn with_count(py: Python<'_>, error: PyErr, count: usize) -> PyErr {
    if error.is_instance_of::<PyException>(py) {
        let _refused = error.value(py).setattr("count", count);
    }
    error
}
