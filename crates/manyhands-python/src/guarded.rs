//! `Synchronized`: a shared value with the lock that guards it, as `Value` returns it.
//!
//! A number of four or eight bytes under an `RLock` of ours is read and written here, with the lock taken by
//! one compare-and-swap; every other value and lock takes the way through their Python methods.

use manyhands_shm::cell::{Cell32, Cell64};
use manyhands_shm::world::Block;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyFloat, PyInt, PyString, PyType};

use crate::codec::own;
use crate::ffi::{Quick, wrapped_int};
use crate::memory::Memory;
use crate::sync_mutex::RLock;
use crate::typing::of_types;

/// The kinds of numbers that are read and written here: ctypes' letters.
#[derive(Debug, Clone, Copy)]
enum Number {
    I32,
    U32,
    I64,
    U64,
    F32,
    F64,
}

impl Number {
    fn of(letter: &str) -> Option<Self> {
        let wide = size_of::<std::ffi::c_long>() == 8;
        Some(match letter {
            "i" => Self::I32,
            "I" => Self::U32,
            "l" => {
                if wide {
                    Self::I64
                } else {
                    Self::I32
                }
            }
            "L" => {
                if wide {
                    Self::U64
                } else {
                    Self::U32
                }
            }
            "q" => Self::I64,
            "Q" => Self::U64,
            "f" => Self::F32,
            "d" => Self::F64,
            _ => return None,
        })
    }

    #[inline]
    fn get<'py>(self, py: Python<'py>, block: &Block) -> Bound<'py, PyAny> {
        match self {
            Self::I32 => PyInt::new(py, Cell32::of(block).get().cast_signed()).into_any(),
            Self::U32 => PyInt::new(py, Cell32::of(block).get()).into_any(),
            Self::I64 => PyInt::new(py, Cell64::of(block).get().cast_signed()).into_any(),
            Self::U64 => PyInt::new(py, Cell64::of(block).get()).into_any(),
            Self::F32 => {
                PyFloat::new(py, f32::from_bits(Cell32::of(block).get()).into()).into_any()
            }
            Self::F64 => PyFloat::new(py, f64::from_bits(Cell64::of(block).get())).into_any(),
        }
    }

    /// The bits of a value, as ctypes converts it: whole numbers are cut to size.
    #[inline]
    fn bits(self, value: &Bound<'_, PyAny>) -> PyResult<u64> {
        match self {
            #[expect(clippy::cast_possible_truncation, reason = "as C converts it")]
            Self::F32 => Ok((value.extract::<f64>()? as f32).to_bits().into()),
            Self::F64 => Ok(value.extract::<f64>()?.to_bits()),
            _ if value.is_instance_of::<PyInt>() => wrapped_int(value),
            _ => {
                let found = value.get_type().name()?;
                Err(PyTypeError::new_err(format!("int expected instead of {found} instance")))
            }
        }
    }

    #[inline]
    fn set(self, block: &Block, bits: u64) {
        match self {
            #[expect(clippy::cast_possible_truncation, reason = "whole numbers are cut to size")]
            Self::I32 | Self::U32 | Self::F32 => Cell32::of(block).set(bits as u32),
            Self::I64 | Self::U64 | Self::F64 => Cell64::of(block).set(bits),
        }
    }
}

/// A shared value with the lock that guards it; `Value` makes it.
///
/// `value` is read and written with the lock held, each by itself; `with v.get_lock():` holds it over both.
///
/// >>> v = Value("i", 3)
/// >>> v.value
/// 3
#[pyclass(frozen, dict, weakref, module = "manyhands.sharedctypes")]
#[derive(Debug)]
pub(crate) struct Synchronized {
    obj: Py<PyAny>,
    lock: Py<PyAny>,
    /// The number and the lock, where both are of the quick kinds.
    quick: Option<(Number, Block, Py<RLock>)>,
}

impl Synchronized {
    fn call(&self, py: Python<'_>, name: &str) -> PyResult<()> {
        self.lock.bind(py).call_method0(name).map(drop)
    }

    /// Runs `work` with the lock held.
    fn held<'py, T>(
        &self,
        py: Python<'py>,
        work: impl FnOnce(&Bound<'py, PyAny>) -> PyResult<T>,
    ) -> PyResult<T> {
        self.call(py, "acquire")?;
        let outcome = work(self.obj.bind(py));
        self.call(py, "release")?;
        outcome
    }
}

#[pymethods]
impl Synchronized {
    /// `Synchronized[int]`, for type checkers.
    #[classmethod]
    fn __class_getitem__<'py>(
        cls: &Bound<'py, PyType>,
        item: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        of_types(cls, item)
    }

    #[new]
    #[pyo3(signature = (obj, lock=None, ctx=None))]
    fn new(
        py: Python<'_>,
        obj: Bound<'_, PyAny>,
        lock: Option<Bound<'_, PyAny>>,
        ctx: Option<Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let module = py.import("manyhands.sharedctypes")?;
        let lock = match lock {
            Some(lock) => lock,
            None => module.getattr("new_lock")?.call1((ctx,))?,
        };
        let letter = module.getattr("letter_of")?.call1((&obj,))?;
        let number = Number::of(letter.cast::<PyString>()?.to_str()?);
        let memory = obj.getattr("_wrapper").ok();
        let memory = memory.as_ref().and_then(|memory| memory.cast_exact::<Memory>().ok());
        let quick = match (number, memory, lock.cast_exact::<RLock>()) {
            (Some(number), Some(memory), Ok(lock)) => {
                Some((number, memory.get().block().clone(), lock.clone().unbind()))
            }
            _ => None,
        };
        Ok(Self { obj: obj.unbind(), lock: lock.unbind(), quick })
    }

    /// The value, read and written with the lock held.
    #[getter]
    fn value<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        if let Some((number, block, lock)) = &self.quick {
            let lock = lock.get();
            if lock.acquire_quickly() {
                let value = number.get(py, block);
                lock.release_quickly();
                return Ok(value);
            }
        }
        self.held(py, |obj| obj.getattr("value"))
    }

    #[setter]
    fn set_value(&self, value: &Bound<'_, PyAny>) -> PyResult<()> {
        if let Some((number, block, lock)) = &self.quick {
            let (lock, bits) = (lock.get(), number.bits(value)?);
            if lock.acquire_quickly() {
                number.set(block, bits);
                lock.release_quickly();
                return Ok(());
            }
        }
        self.held(value.py(), |obj| obj.setattr("value", value))
    }

    /// The ctypes object, to be used without the lock.
    fn get_obj(&self, py: Python<'_>) -> Py<PyAny> {
        self.obj.clone_ref(py)
    }

    /// The lock.
    fn get_lock(&self, py: Python<'_>) -> Py<PyAny> {
        self.lock.clone_ref(py)
    }

    #[getter]
    fn _obj(&self, py: Python<'_>) -> Py<PyAny> {
        self.obj.clone_ref(py)
    }

    #[getter]
    fn _lock(&self, py: Python<'_>) -> Py<PyAny> {
        self.lock.clone_ref(py)
    }

    /// The lock's `acquire`.
    #[getter]
    fn acquire<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.lock.bind(py).getattr("acquire")
    }

    /// The lock's `release`.
    #[getter]
    fn release<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.lock.bind(py).getattr("release")
    }

    fn __enter__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.lock.bind(py).call_method0("__enter__")
    }

    #[pyo3(signature = (*args))]
    fn __exit__<'py>(
        &self,
        args: &Bound<'py, pyo3::types::PyTuple>,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.lock.bind(args.py()).call_method1("__exit__", args)
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        static REDUCE: pyo3::sync::PyOnceLock<Py<PyAny>> = pyo3::sync::PyOnceLock::new();
        own(slf.py(), &REDUCE, "manyhands.sharedctypes", "reduce_guarded")?.call1((slf,))
    }

    fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
        let kind = slf.get_type().name()?;
        Ok(format!("<{kind} wrapper for {}>", slf.get().obj.bind(slf.py()).str()?))
    }
}
