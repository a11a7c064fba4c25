//! A look at a worker of another program, through the descriptor of its lane: for `python -m manyhands stacks`.
//!
//! It writes nothing but the position at which the worker's fault handler writes its stacks.

use manyhands_os::process::PidFd;
use manyhands_os::signals;
use manyhands_shm::lane::{Lane, State};
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use std::os::fd::IntoRawFd;

use crate::ffi;

/// A lane that belongs to others.
#[pyclass(frozen, module = "manyhands._native")]
#[derive(Debug)]
pub(crate) struct LaneView(Lane);

#[pymethods]
impl LaneView {
    /// Takes over the descriptor of a lane.
    #[new]
    fn new(fd: i32) -> PyResult<Self> {
        Ok(Self(Lane::attach(ffi::owned(fd))?))
    }

    /// The worker's process (0: it has not started), what it does, whether it runs something, and since when
    /// in nanoseconds of the monotonic clock.
    fn facts(&self) -> (u32, &'static str, bool, u64) {
        let lane = &self.0;
        (lane.pid(), word(lane.state()), lane.begun() > lane.replied(), lane.since_ns())
    }

    /// Asks the worker to write its stacks. `pid` is its process as this one numbers it.
    fn ask_stacks(&self, pid: i32) -> PyResult<()> {
        let lane = &self.0;
        let process = PidFd::open(pid)?;
        // One that starts has no handler yet, and its task may have taken it away: the signal would end it.
        if lane.state() != State::Starting && signals::is_handled_by(pid, signals::stacks()) {
            lane.ask_stacks()?;
            process.signal(signals::stacks())?;
        }
        Ok(())
    }

    /// What it has written since then.
    fn stacks<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.0.stacks())
    }
}

/// What a worker does, in a word.
pub(crate) const fn word(state: State) -> &'static str {
    match state {
        State::Starting => "starting",
        State::Busy => "busy",
        State::Spinning | State::Idle => "idle",
        State::Blocked => "waiting for its results to be read",
    }
}

/// A copy of a descriptor of another process, with the position that it has there.
#[pyfunction]
pub(crate) fn copy_fd(pid: i32, fd: i32) -> PyResult<i32> {
    Ok(PidFd::open(pid)?.copy_fd(fd)?.into_raw_fd())
}
