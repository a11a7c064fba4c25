//! `Launches`: the orders of a pool whose workers the package launches itself (`fork`, contexts).
//!
//! It does not keep the pool alive, so the thread that carries out orders ends with a dropped pool.

use manyhands_os::process::{ExitStatus, PidFd};
use manyhands_pool::Host;
use pyo3::prelude::*;

use crate::waiting::wait;
use crate::worker::PyWorkerEnd;

/// Orders for workers, and reports about them.
#[pyclass(frozen, module = "manyhands._native")]
#[derive(Debug)]
pub(crate) struct Launches {
    pub(crate) host: Host,
}

#[pymethods]
impl Launches {
    /// Waits for work of the launching thread: ("launch", key, end), ("dead", key, None) or None at the end.
    fn next(
        &self,
        py: Python<'_>,
        block: bool,
    ) -> PyResult<Option<(&'static str, u64, Option<PyWorkerEnd>)>> {
        let pool = &self.host;
        if block {
            wait(py, |slice| pool.wait(slice), None)?;
        }
        if let Some(key) = pool.next_host_dead() {
            return Ok(Some(("dead", key, None)));
        }
        let order = pool.next_launch();
        Ok(order.map(|(order, end, hub)| {
            ("launch", order.key, Some(PyWorkerEnd::to_pass_on(end, hub)))
        }))
    }

    /// Says that an order was carried out.
    fn launched(&self, key: u64, pid: i32) -> PyResult<()> {
        let pidfd = PidFd::open(pid)?;
        self.host.launched(key, pid, pidfd);
        Ok(())
    }

    /// Says that an order could not be carried out.
    fn launch_failed(&self, key: u64, message: &str) {
        self.host.launch_failed(key, message);
    }

    /// Says how a worker ended, as `Process.exitcode` does: negative for a signal, None if unknown; and how
    /// many bytes of memory it had at most.
    fn reported(&self, key: u64, exitcode: Option<i32>, peak: Option<u64>) {
        let status = exitcode.map(|code| match code {
            signal if signal < 0 => ExitStatus::Signaled { signal: -signal, core: false },
            code => ExitStatus::Exited(code),
        });
        self.host.reported(key, status, peak);
    }
}
