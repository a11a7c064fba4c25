//! `Atomic`: a number in shared memory that needs no lock, an `int` of 64 bits or a `float`.
#![expect(clippy::used_underscore_binding, reason = "a private keyword of Python")]

use manyhands_shm::sync::{self, Bits};
use manyhands_shm::world::Block;
use pyo3::BoundObject;
use pyo3::exceptions::{PyOverflowError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyFloat, PyInt, PyType};

use crate::sync_wait::{block_of, reduce};
use crate::typing::of_types;
use crate::world;

/// A number in shared memory that all processes change without a lock: an `int` of 64 bits, or a `float`, as its
/// first value is.
///
/// Every method is one indivisible step; `value += 1` is two. A sum that leaves the 64 bits raises `OverflowError` and
/// changes nothing.
///
/// >>> hits = Atomic(0)
/// >>> hits.add(5)
/// 5
/// >>> hits.fetch_add(1), hits.value
/// (5, 6)
#[pyclass(frozen, subclass, weakref, module = "manyhands.synchronize")]
#[derive(Debug)]
pub(crate) struct Atomic {
    block: Block,
    floating: bool,
}

impl Atomic {
    #[inline]
    fn words(&self) -> &sync::Number {
        self.block.get()
    }

    /// Adds a whole number; the one before and the one after.
    #[inline]
    fn add_int(&self, other: Option<i64>) -> PyResult<(i64, i64)> {
        let before = other.and_then(|other| Some((self.words().add(other)?, other)));
        before.map(|(before, other)| (before, before.wrapping_add(other))).ok_or_else(overflow)
    }

    fn add_float(&self, other: f64) -> (f64, f64) {
        let before = self.words().add(other).unwrap_or_default();
        (before, before + other)
    }
}

#[cold]
fn overflow() -> PyErr {
    PyOverflowError::new_err("the sum does not fit into 64 bits; the value has not changed")
}

fn loaded<'py, T: Bits + IntoPyObject<'py>>(
    py: Python<'py>,
    number: &sync::Number,
) -> PyResult<Bound<'py, PyAny>> {
    object(py, number.load::<T>())
}

#[inline]
fn object<'py, T: IntoPyObject<'py>>(py: Python<'py>, value: T) -> PyResult<Bound<'py, PyAny>> {
    value.into_pyobject(py).map_err(Into::into).map(|object| object.into_bound().into_any())
}

#[pymethods]
impl Atomic {
    /// `Atomic[int]`, for type checkers.
    #[classmethod]
    fn __class_getitem__<'py>(
        cls: &Bound<'py, PyType>,
        item: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        of_types(cls, item)
    }

    #[new]
    #[pyo3(signature = (value=None, *, ctx=None, _block=None))]
    fn new(
        py: Python<'_>,
        value: Option<&Bound<'_, PyAny>>,
        ctx: Option<Py<PyAny>>,
        _block: Option<(u64, u64)>,
    ) -> PyResult<Self> {
        drop(ctx);
        let floating = value.is_some_and(PyAnyMethods::is_instance_of::<PyFloat>);
        if let Some(value) = value
            && !floating
            && !value.is_instance_of::<PyInt>()
        {
            let name = value.get_type().name()?;
            return Err(PyTypeError::new_err(format!(
                "an Atomic is an int or a float, not {name}"
            )));
        }
        let made = Self { block: block_of::<sync::Number>(py, _block, 0, "Atomic")?, floating };
        if let (Some(value), None) = (value, _block) {
            made.store(value)?;
        }
        Ok(made)
    }

    /// The value at this moment.
    fn load<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        if self.floating {
            return loaded::<f64>(py, self.words());
        }
        loaded::<i64>(py, self.words())
    }

    /// Replaces the value.
    fn store(&self, value: &Bound<'_, PyAny>) -> PyResult<()> {
        if self.floating {
            self.words().store(value.extract::<f64>()?);
        } else {
            self.words().store(value.extract::<i64>()?);
        }
        Ok(())
    }

    /// Adds to the value and returns the new one.
    fn add<'py>(&self, other: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        if self.floating {
            return object(other.py(), self.add_float(other.extract()?).1);
        }
        object(other.py(), self.add_int(Some(other.extract()?))?.1)
    }

    /// Subtracts from the value and returns the new one.
    fn sub<'py>(&self, other: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        if self.floating {
            return object(other.py(), self.add_float(-other.extract::<f64>()?).1);
        }
        object(other.py(), self.add_int(other.extract::<i64>()?.checked_neg())?.1)
    }

    /// Adds to the value and returns the one before.
    fn fetch_add<'py>(&self, other: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        if self.floating {
            return object(other.py(), self.add_float(other.extract()?).0);
        }
        object(other.py(), self.add_int(Some(other.extract()?))?.0)
    }

    /// Subtracts from the value and returns the one before.
    fn fetch_sub<'py>(&self, other: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        if self.floating {
            return object(other.py(), self.add_float(-other.extract::<f64>()?).0);
        }
        object(other.py(), self.add_int(other.extract::<i64>()?.checked_neg())?.0)
    }

    /// Replaces the value and returns the one before.
    fn exchange<'py>(&self, value: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        if self.floating {
            return object(value.py(), self.words().swap(value.extract::<f64>()?));
        }
        object(value.py(), self.words().swap(value.extract::<i64>()?))
    }

    /// Replaces the value if it is `expected`; whether it was.
    fn compare_exchange(
        &self,
        expected: &Bound<'_, PyAny>,
        value: &Bound<'_, PyAny>,
    ) -> PyResult<bool> {
        if self.floating {
            let (expected, value) = (expected.extract::<f64>()?, value.extract::<f64>()?);
            return Ok(self.words().compare_exchange(expected, value).is_ok());
        }
        let (expected, value) = (expected.extract::<i64>()?, value.extract::<i64>()?);
        Ok(self.words().compare_exchange(expected, value).is_ok())
    }

    /// The value; assigning replaces it.
    #[getter]
    fn value<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.load(py)
    }

    #[setter]
    fn set_value(&self, value: &Bound<'_, PyAny>) -> PyResult<()> {
        self.store(value)
    }

    fn _handle(&self) -> (u64, u64) {
        world::name(&self.block)
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        reduce(slf.as_any())
    }

    fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
        let (name, value) = (slf.get_type().name()?, slf.get().load(slf.py())?.repr()?);
        Ok(format!("<{name}({value})>"))
    }
}
