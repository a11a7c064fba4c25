//! What bounds this process: the parts of `cpu_count` and of the budget, for `python -m manyhands doctor`.

use manyhands_os::{budget, cpu, oom};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

/// The processors of the affinity mask, and the quota of control groups in processors.
#[pyfunction]
pub(crate) fn core_limits() -> (usize, Option<f64>) {
    (cpu::affinity(), cpu::quota())
}

/// Bytes of memory that are available, bytes of the budget (None: no limit), and how many processes the kernel
/// has ended for lack of memory (None: nobody counts).
#[pyfunction]
pub(crate) fn memory_limits() -> PyResult<(Option<u64>, Option<u64>, Option<u64>)> {
    let budget = budget::budget().map_err(|error| PyValueError::new_err(error.to_string()))?;
    Ok((budget::available(), Some(budget).filter(|budget| *budget != u64::MAX), oom::kills()))
}
