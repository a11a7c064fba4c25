//! `Semaphore` and `BoundedSemaphore`: one native class, with a bound or without.
//!
//! A permit that a `with` takes is noted in shared memory under this process, and comes back if the process
//! dies; one that `acquire` takes is nobody's, as in CPython.
#![expect(clippy::used_underscore_binding, reason = "a private keyword of Python")]

use std::ffi::CStr;

use manyhands_shm::sync::{self, Wait};
use manyhands_shm::world::Block;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::ffi::Quick;
use crate::sync_mutex::limit_of;
use crate::sync_wait::{block_of, reduce, wait};
use crate::world;

fn too_many() -> PyErr {
    PyValueError::new_err("semaphore or lock released too many times")
}

/// Permits that any process takes and gives.
///
/// `value` is how many there are at first, at most 2**30 - 1. A permit that a `with` takes comes back if the process
/// dies; one that `acquire` takes does not.
///
/// >>> semaphore = Semaphore(2)
/// >>> with semaphore:
/// ...     semaphore.get_value()
/// 1
#[pyclass(frozen, subclass, weakref, module = "manyhands.synchronize")]
#[derive(Debug)]
pub(crate) struct Semaphore {
    block: Block,
}

impl Semaphore {
    #[inline]
    fn words(&self) -> &sync::Semaphore {
        self.block.get()
    }

    fn make(
        py: Python<'_>,
        value: i64,
        bounded: bool,
        named: Option<(u64, u64)>,
    ) -> PyResult<Self> {
        let most = sync::Semaphore::MAX;
        let Some(value) = u32::try_from(value).ok().filter(|value| *value <= most) else {
            let text = format!("the value of a semaphore is 0 to {most}, not {value}");
            return Err(PyValueError::new_err(text));
        };
        let block = block_of::<sync::Semaphore>(py, named, sync::SEMAPHORE, "Semaphore")?;
        if named.is_none() {
            block.get::<sync::Semaphore>().set(value, if bounded { value } else { most });
        }
        Ok(Self { block })
    }
}

impl Quick for Semaphore {
    const TEXTS: [&'static CStr; 2] = [
        c"acquire($self, /, block=True, timeout=None)\n--\n\n\
          Take a permit; whether it came in time.\n\n\
          block: False takes one only if that needs no wait. timeout: seconds to wait; None waits for ever.",
        c"release($self, /)\n--\n\nGive a permit. ValueError: there are as many as there can be.",
    ];

    #[inline]
    fn acquire_quickly(&self) -> bool {
        self.words().try_acquire()
    }

    #[inline]
    fn release_quickly(&self) -> bool {
        self.words().release().is_ok()
    }
}

#[pymethods]
impl Semaphore {
    #[new]
    #[pyo3(signature = (value=1, *, ctx=None, _block=None))]
    fn new(
        py: Python<'_>,
        value: i64,
        ctx: Option<Py<PyAny>>,
        _block: Option<(u64, u64)>,
    ) -> PyResult<Self> {
        drop(ctx);
        Self::make(py, value, false, _block)
    }

    #[pyo3(signature = (block=true, timeout=None))]
    fn _acquire(&self, py: Python<'_>, block: bool, timeout: Option<f64>) -> PyResult<bool> {
        if self.words().try_acquire() {
            return Ok(true);
        }
        let world = self.block.world();
        let taken = wait(py, limit_of(block, timeout), |limit| {
            self.words().acquire(&world.internal(), limit)
        })?;
        Ok(taken.is_some())
    }

    fn _release(&self) -> PyResult<()> {
        self.words().release().map_err(|_| too_many())
    }

    fn __enter__(&self, py: Python<'_>) -> PyResult<bool> {
        let world = self.block.world();
        if self.words().enter(&world.internal(), Some(std::time::Duration::ZERO)) == Wait::Ready(())
        {
            return Ok(true);
        }
        wait(py, None, |limit| self.words().enter(&world.internal(), limit)).map(|_| true)
    }

    #[pyo3(signature = (_type=None, _value=None, _traceback=None))]
    fn __exit__(
        &self,
        _type: Option<&Bound<'_, PyAny>>,
        _value: Option<&Bound<'_, PyAny>>,
        _traceback: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        self.words().leave(&self.block.world().internal()).map_err(|_| too_many())
    }

    /// The number of free permits.
    fn get_value(&self, py: Python<'_>) -> u32 {
        // What dead processes held is free.
        if self.words().is_noted() {
            py.detach(|| self.words().recover(&self.block.world().internal()));
        }
        self.words().value()
    }

    /// Whether there is no free permit.
    fn locked(&self, py: Python<'_>) -> bool {
        self.get_value(py) == 0
    }

    #[getter]
    fn _bound(&self) -> u32 {
        self.words().bound()
    }

    fn _handle(&self) -> (u64, u64) {
        world::name(&self.block)
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        reduce(slf.as_any())
    }

    fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
        let name = slf.get_type().name()?;
        Ok(format!("<{name}(value={})>", slf.get().get_value(slf.py())))
    }
}

/// A semaphore that never has more permits than at first: to give one more is a `ValueError`.
///
/// >>> BoundedSemaphore(3).get_value()
/// 3
#[pyclass(frozen, subclass, weakref, extends = Semaphore, module = "manyhands.synchronize")]
#[derive(Debug)]
pub(crate) struct BoundedSemaphore;

#[pymethods]
impl BoundedSemaphore {
    #[new]
    #[pyo3(signature = (value=1, *, ctx=None, _block=None))]
    fn new(
        py: Python<'_>,
        value: i64,
        ctx: Option<Py<PyAny>>,
        _block: Option<(u64, u64)>,
    ) -> PyResult<PyClassInitializer<Self>> {
        drop(ctx);
        let semaphore = Semaphore::make(py, value, true, _block)?;
        Ok(PyClassInitializer::from(semaphore).add_subclass(Self))
    }

    fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
        let name = slf.get_type().name()?;
        let semaphore = slf.as_super().get();
        let (value, bound) = (semaphore.get_value(slf.py()), semaphore.words().bound());
        Ok(format!("<{name}(value={value}, maxvalue={bound})>"))
    }
}
