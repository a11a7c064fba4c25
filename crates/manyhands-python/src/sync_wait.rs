//! Waiting for objects in shared memory: detached, in slices, with signal handlers between them.

use std::time::Duration;

use manyhands_shm::sync::Wait;
use manyhands_shm::world::Block;
use pyo3::prelude::*;

use crate::waiting::{after, wait_until};
use crate::world;

/// Waits until `once` says that it is ready; `None` if the time is up. What a signal handler raises is
/// raised, and then nothing is ready.
pub(crate) fn wait<T: Send>(
    py: Python<'_>,
    timeout: Option<Duration>,
    once: impl FnMut(Option<Duration>) -> Wait<T> + Send,
) -> PyResult<Option<T>> {
    wait_until(py, after(timeout), once)
}

/// A block of its own for a structure, or the one with that name.
pub(crate) fn block_of<T>(
    py: Python<'_>,
    named: Option<(u64, u64)>,
    kind: u32,
    what: &str,
) -> PyResult<Block> {
    if let Some((world, handle)) = named {
        return world::adopt(world, handle, what);
    }
    let block = world::alloc(py, size_of::<T>(), manyhands_shm::world::Fill::Zero)?;
    if kind != 0 {
        block.set_kind(kind);
    }
    Ok(block)
}

/// What `__reduce__` of every object of this package returns: decided in `manyhands.synchronize`.
pub(crate) fn reduce<'py>(object: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    object.py().import("manyhands.synchronize")?.getattr("_reduce")?.call1((object,))
}

/// `repr` of every object that asks who holds it.
pub(crate) fn describe<'py>(object: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    object.py().import("manyhands.synchronize")?.getattr("_describe")?.call1((object,))
}
