//! The template process, as Python runs it: imports and forks are Python's, the loop is the engine's.

use std::io;
use std::os::fd::IntoRawFd;
use std::sync::Arc;

use manyhands_os::event::EventFd;
use manyhands_pool::WorkerEnd;
use manyhands_pool::template::{Fork, Host, Outcome, WorkerStart, inherited, run};
use manyhands_shm::hub::Hub;
use manyhands_shm::lane::Lane;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::worker::PyWorkerEnd;
use crate::world;

struct PyHost<'py> {
    import: Bound<'py, PyAny>,
    fork: Bound<'py, PyAny>,
}

impl Host for PyHost<'_> {
    fn import(&mut self, module: &str) -> Result<(), String> {
        self.import.call1((module,)).map(drop).map_err(|error| error.to_string())
    }

    fn fork(&mut self) -> io::Result<Fork> {
        let forked = self.fork.call0().and_then(|pid| pid.extract::<i32>());
        let pid = forked.map_err(|error| {
            let number = error.value(self.fork.py()).getattr("errno").and_then(|it| it.extract());
            number.map_or_else(|_| io::Error::other(error), io::Error::from_raw_os_error)
        })?;
        Ok(if pid == 0 { Fork::Child } else { Fork::Parent(pid) })
    }
}

/// Serves the pool that started this process: None at its end; in a forked worker, what it needs
/// and the parent's snapshot.
#[pyfunction]
pub(crate) fn run_template<'py>(
    py: Python<'py>,
    import: Bound<'py, PyAny>,
    fork: Bound<'py, PyAny>,
) -> PyResult<Option<(PyWorkerEnd, Bound<'py, PyBytes>)>> {
    let (control, parent) = inherited()?;
    let mut host = PyHost { import, fork };
    match run(control, parent, &mut host)? {
        Outcome::Shutdown => Ok(None),
        Outcome::Child(start) => {
            let (end, snapshot) = worker_end(py, start)?;
            Ok(Some((end, PyBytes::new(py, &snapshot))))
        }
    }
}

/// As [`run_template`] for a program's processes: None at the end; in a forked process its descriptors,
/// the lifeline first, and what it is told.
#[pyfunction]
pub(crate) fn run_process_template<'py>(
    py: Python<'py>,
    import: Bound<'py, PyAny>,
    fork: Bound<'py, PyAny>,
) -> PyResult<Option<(Vec<i32>, Bound<'py, PyBytes>)>> {
    let (control, parent) = inherited()?;
    let mut host = PyHost { import, fork };
    match run(control, parent, &mut host)? {
        Outcome::Shutdown => Ok(None),
        Outcome::Child(start) => {
            let fds = start.fds.into_iter().map(IntoRawFd::into_raw_fd).collect();
            Ok(Some((fds, PyBytes::new(py, &start.blob))))
        }
    }
}

/// The pool's descriptors: lane, hub, event, the world, and whatever else it gives.
fn worker_end(py: Python<'_>, start: WorkerStart) -> PyResult<(PyWorkerEnd, Vec<u8>)> {
    let damaged =
        || PyRuntimeError::new_err("the template passed on a damaged order: please report this");
    let mut fds = start.fds.into_iter();
    let mut next = || fds.next().ok_or_else(damaged);
    let (lane, hub, event, world) = (next()?, next()?, next()?, next()?);
    world::admit(py, world)?;
    let (seat, snapshot) = start.blob.split_first_chunk::<8>().ok_or_else(damaged)?;
    let end = WorkerEnd {
        lane: Arc::new(Lane::attach(lane)?),
        hub: Arc::new(Hub::attach(hub)?),
        event: Arc::new(EventFd::from_fd(event)),
        seat: usize::try_from(u64::from_le_bytes(*seat)).map_err(|_| damaged())?,
    };
    Ok((PyWorkerEnd::given(end, fds.collect()), snapshot.to_vec()))
}
