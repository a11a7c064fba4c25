//! Noting which blocks an item refers to while it is pickled.
//!
//! An object of ours pickles as the name of its block. Whoever pickles an item *collects* meanwhile: the object
//! notes its block with the innermost collector of its thread, and the collector holds it until the item
//! has arrived, or is held by something else. Where nobody collects, and no child is being started, an object
//! of ours refuses to be pickled (`manyhands._handles`).
//!
//! It refuses to pin: a queue pins what its item names, a pool keeps the holds themselves.

use std::cell::RefCell;
use std::sync::{Mutex, PoisonError};

use manyhands_pool::Luggage;
use manyhands_shm::world::Block;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

use crate::world;

thread_local! {
    /// What each collector of this thread has met, the innermost last.
    static MET: RefCell<Vec<Luggage>> = const { RefCell::new(Vec::new()) };
}

/// Collects in this thread until it is finished or dropped. Collectors nest.
#[derive(Debug)]
#[must_use]
pub(crate) struct Collecting(());

impl Collecting {
    #[inline]
    pub(crate) fn begin() -> Self {
        MET.with_borrow_mut(|met| met.push(Luggage::new()));
        Self(())
    }

    /// Holds on all blocks that were met.
    #[inline]
    pub(crate) fn finish(self) -> Vec<Block> {
        std::mem::forget(self);
        MET.with_borrow_mut(Vec::pop).unwrap_or_default()
    }
}

impl Drop for Collecting {
    fn drop(&mut self) {
        let met = MET.with_borrow_mut(Vec::pop);
        drop(met);
    }
}

/// Notes a block with this thread's collector; whether there is one.
#[pyfunction]
pub(crate) fn collect(world: u64, handle: u64) -> PyResult<bool> {
    if MET.with_borrow(Vec::is_empty) {
        return Ok(false);
    }
    let block = world::adopt(world, handle, "object")?;
    MET.with_borrow_mut(|met| met.last_mut().map(|innermost| innermost.push(block)));
    Ok(true)
}

/// Whether somebody collects in this thread.
#[pyfunction]
pub(crate) fn collecting() -> bool {
    !MET.with_borrow(Vec::is_empty)
}

/// Collects while its `with` block pickles; keeps what was met alive as long as it lives itself.
#[pyclass(frozen, module = "manyhands._native")]
#[derive(Debug, Default)]
pub(crate) struct Collector {
    met: Mutex<Luggage>,
}

impl Collector {
    /// Holds on what was met.
    pub(crate) fn luggage(&self) -> Luggage {
        self.met.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[pymethods]
impl Collector {
    #[new]
    fn new() -> Self {
        Self::default()
    }

    fn __enter__(slf: Py<Self>) -> Py<Self> {
        std::mem::forget(Collecting::begin());
        slf
    }

    #[pyo3(signature = (*_args))]
    fn __exit__(&self, _args: &Bound<'_, PyAny>) -> PyResult<()> {
        let met = MET.with_borrow_mut(Vec::pop);
        let met = met.ok_or_else(|| PyRuntimeError::new_err("this collector was not entered"))?;
        self.met.lock().unwrap_or_else(PoisonError::into_inner).extend(met);
        Ok(())
    }

    /// The names of what was met: id of the world, and handle.
    fn names(&self) -> Vec<(u64, u64)> {
        self.luggage().iter().map(world::name).collect()
    }
}
