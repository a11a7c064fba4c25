//! `Memory`: a piece of the home world for ctypes objects.
//!
//! It gives an address that is valid as long as the object lives. What lies there, and who may touch it when, is
//! the business of `manyhands.sharedctypes`, as it is with any ctypes object.

use manyhands_shm::world::{Block, Fill};
use pyo3::prelude::*;

use crate::world;

/// Shared memory, zeroed when it is made.
#[pyclass(frozen, weakref, module = "manyhands._native")]
#[derive(Debug)]
pub(crate) struct Memory {
    block: Block,
}

impl Memory {
    pub(crate) fn block(&self) -> &Block {
        &self.block
    }
}

#[pymethods]
impl Memory {
    #[new]
    fn new(py: Python<'_>, size: usize) -> PyResult<Self> {
        Ok(Self { block: world::alloc(py, size.max(1), Fill::Zero)? })
    }

    /// Where it lies in this process.
    #[getter]
    fn address(&self) -> usize {
        self.block.as_ptr().expose_provenance()
    }

    /// Its name for other processes: id of the world, and handle.
    fn _handle(&self) -> (u64, u64) {
        world::name(&self.block)
    }

    /// Another process's memory, by its name.
    #[staticmethod]
    fn _adopt(world: u64, handle: u64) -> PyResult<Self> {
        Ok(Self { block: world::adopt(world, handle, "shared ctypes object")? })
    }

    /// Refuses: the plain pickling of a ctypes object would copy it.
    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        py.import("manyhands._handles")?.getattr("refuse")?.call1(("shared ctypes",))
    }
}
