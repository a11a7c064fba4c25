//! `Event`: what `manyhands.synchronize.Event` is made of.
#![expect(clippy::used_underscore_binding, reason = "a private keyword of Python")]

use manyhands_shm::sync::{self};
use manyhands_shm::world::Block;
use pyo3::prelude::*;

use crate::sync_wait::{block_of, wait};
use crate::waiting::seconds;
use crate::world;

/// A flag that any number wait for.
#[pyclass(frozen, subclass, weakref, module = "manyhands._native")]
#[derive(Debug)]
pub(crate) struct Event {
    block: Block,
}

impl Event {
    #[inline]
    fn words(&self) -> &sync::Event {
        self.block.get()
    }
}

#[pymethods]
impl Event {
    #[new]
    #[pyo3(signature = (*, ctx=None, _block=None))]
    fn new(py: Python<'_>, ctx: Option<Py<PyAny>>, _block: Option<(u64, u64)>) -> PyResult<Self> {
        drop(ctx);
        Ok(Self { block: block_of::<sync::Event>(py, _block, sync::EVENT, "Event")? })
    }

    /// Whether the flag is up.
    fn is_set(&self) -> bool {
        self.words().is_set()
    }

    /// Raises the flag.
    fn set(&self) {
        self.words().set();
    }

    /// Lowers the flag.
    fn clear(&self) {
        self.words().clear();
    }

    /// Waits until the flag is up; whether that came in time.
    #[pyo3(signature = (timeout=None))]
    fn wait(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<bool> {
        let words = self.words();
        let since = words.look();
        if words.is_set() {
            return Ok(true);
        }
        let waited = wait(py, seconds(timeout), |limit| words.wait(since, limit))?;
        Ok(waited.is_some())
    }

    fn _handle(&self) -> (u64, u64) {
        world::name(&self.block)
    }
}
