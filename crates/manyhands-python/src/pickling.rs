//! Pickling what is not of a simple type: the plain pickler first, the package's own for what it cannot do rightly.
//!
//! Plain pickle copies some data of other libraries more often than need be (`manyhands._reducers`). Where such a
//! library is loaded, values that are of one of its types, or hold one, are pickled with these reducers; so is what
//! turned out to be large and to mention one.

use std::sync::{Mutex, PoisonError};

use memchr::memmem::Finder;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyDict, PyInt, PyList, PyString, PyTuple, PyType};

use crate::cargo;
use crate::codec::{Encoded, own};
use crate::ffi;
use crate::interrupt::is_interrupt;
use crate::listing;
use crate::travel;
use crate::window::LARGE;

/// How many parts of a container are looked at.
const LOOKS: usize = 8;

/// The types that have reducers of ours, of libraries that are loaded; by their addresses.
static WATCHED: Mutex<Vec<Py<PyType>>> = Mutex::new(Vec::new());

/// From now on values of these types, and what holds them, are pickled by `manyhands._reducers`.
#[pyfunction]
pub(crate) fn watch_types(mut types: Vec<Py<PyType>>) {
    types.sort_unstable_by_key(Py::as_ptr);
    let before = {
        let mut watched = WATCHED.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *watched, types)
    };
    drop(before);
}

/// What is known of a value before it is pickled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sight {
    /// No library is loaded.
    Plain,
    /// It may hold something, deep inside.
    Perhaps,
    /// It is, or holds, something.
    Surely,
}

fn look(value: &Bound<'_, PyAny>) -> Sight {
    let watched = WATCHED.lock().unwrap_or_else(PoisonError::into_inner);
    if watched.is_empty() {
        return Sight::Plain;
    }
    let is_one = |part: &Bound<'_, PyAny>| {
        let kind = part.get_type_ptr().cast();
        watched.binary_search_by_key(&kind, Py::as_ptr).is_ok()
    };
    // Arrays that are shared must never be copied, however deep they are.
    if !listing::is_empty() || holds(value, &is_one, 2) { Sight::Surely } else { Sight::Perhaps }
}

/// Whether a value, or one of the first parts of a container, is of a watched type.
fn holds(value: &Bound<'_, PyAny>, is_one: &dyn Fn(&Bound<'_, PyAny>) -> bool, deep: u32) -> bool {
    if is_one(value) {
        return true;
    }
    if deep == 0 {
        return false;
    }
    let within = |part: Bound<'_, PyAny>| holds(&part, is_one, deep - 1);
    if let Ok(tuple) = value.cast_exact::<PyTuple>() {
        return tuple.iter().take(LOOKS).any(within);
    }
    if let Ok(list) = value.cast_exact::<PyList>() {
        return list.iter().take(LOOKS).any(within);
    }
    value
        .cast_exact::<PyDict>()
        .is_ok_and(|dict| dict.iter().take(LOOKS).any(|(_, part)| holds(&part, is_one, deep - 1)))
}

/// What plain pickle may be trusted with, as `manyhands._pickling.care` says it.
const MIND_THE_STANDARD: u8 = 1;
const NEVER: u8 = 2;

/// Pickles what is not simple: the plain pickler first, `slow` for what it can't do rightly. Where the innermost
/// collector takes cargo, large buffers and large pickles are stowed.
pub(crate) fn pickle<'py>(
    value: &Bound<'py, PyAny>,
    slow: impl FnOnce() -> PyResult<Bound<'py, PyAny>>,
    may_name_main: bool,
) -> PyResult<Encoded<'py>> {
    static CARE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let py = value.py();
    let care: u8 = own(py, &CARE, "manyhands._pickling", "care")?.call0()?.extract()?;
    if care < NEVER {
        travel::set_trying(true);
        let made = attempt(value, care, may_name_main);
        travel::set_trying(false);
        if let Some(bytes) = made? {
            return cargo::encode(bytes);
        }
        travel::begin_anew();
    }
    cargo::encode(slow()?.cast_into::<PyBytes>()?)
}

/// A pickle by the plain pickler, or with the reducers, if that is right. An error is an interrupt.
fn attempt<'py>(
    value: &Bound<'py, PyAny>,
    care: u8,
    may_name_main: bool,
) -> PyResult<Option<Bound<'py, PyBytes>>> {
    let py = value.py();
    let sight = look(value);
    let right = |bytes: &Bound<'_, PyBytes>| {
        let bytes = bytes.as_bytes();
        (may_name_main || !mentions_main(bytes))
            && (care < MIND_THE_STANDARD || !mentions_the_standard(bytes))
    };
    if sight != Sight::Surely {
        let Some(bytes) = unless_interrupted(py, plain(value))?.filter(right) else {
            return Ok(None);
        };
        if sight == Sight::Plain || !mentions_data(bytes.as_bytes()) {
            return Ok(Some(bytes));
        }
        travel::begin_anew();
    }
    Ok(unless_interrupted(py, with_reducers(value))?.filter(right))
}

/// What a pickler made, or nothing if the value is to blame.
#[inline]
fn unless_interrupted<T>(py: Python<'_>, made: PyResult<T>) -> PyResult<Option<T>> {
    match made {
        Ok(made) => Ok(Some(made)),
        Err(error) if is_interrupt(py, &error) => Err(error),
        Err(_) => Ok(None),
    }
}

fn plain<'py>(value: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyBytes>> {
    static DUMPS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    static PROTOCOL: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    static STOW: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let py = value.py();
    let dumps = own(py, &DUMPS, "pickle", "dumps")?;
    let protocol = PROTOCOL.get_or_init(py, || PyInt::new(py, 5).into_any().unbind()).bind(py);
    let stow = own(py, &STOW, "manyhands._native", "stow_buffer")?;
    let bytes = ffi::call_with(&dumps, [value, protocol, &stow], &keyword(py))?;
    Ok(bytes.cast_into::<PyBytes>()?)
}

#[cold]
fn with_reducers<'py>(value: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyBytes>> {
    static DUMPS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let dumps = own(value.py(), &DUMPS, "manyhands._reducers", "dumps")?;
    Ok(ffi::call(&dumps, &[value])?.cast_into::<PyBytes>()?)
}

/// Whether a plain pickle had better be made anew, with the reducers: it is large and names a library, or holds
/// a file's memory.
fn mentions_data(bytes: &[u8]) -> bool {
    static WORDS: std::sync::OnceLock<Vec<Finder<'static>>> = std::sync::OnceLock::new();
    let words = WORDS.get_or_init(|| {
        ["memmap", "numpy", "array", "pyarrow", "polars", "torch"].map(Finder::new).into()
    });
    let words = if bytes.len() < LARGE { &words[..1] } else { &words[..] };
    words.iter().any(|word| word.find(bytes).is_some())
}

/// The name of pickle's last argument.
fn keyword(py: Python<'_>) -> Bound<'_, PyTuple> {
    static NAMES: PyOnceLock<Py<PyTuple>> = PyOnceLock::new();
    let names = NAMES.get_or_init(py, || {
        let name = PyString::intern(py, "buffer_callback");
        PyTuple::new(py, [name]).map_or_else(|_| PyTuple::empty(py).unbind(), Bound::unbind)
    });
    names.bind(py).clone()
}

fn mentions_main(bytes: &[u8]) -> bool {
    static MAIN: std::sync::OnceLock<Finder<'static>> = std::sync::OnceLock::new();
    MAIN.get_or_init(|| Finder::new(b"_main__")).find(bytes).is_some()
}

/// Whether a pickle may hold something of the standard library's that has to be pickled in another way for another
/// process: a connection, whose descriptor is only a number elsewhere; named memory, which would start a resource
/// tracker; or what asks another process for a descriptor, and needs the key of the program for that.
fn mentions_the_standard(bytes: &[u8]) -> bool {
    static WORD: std::sync::OnceLock<Finder<'static>> = std::sync::OnceLock::new();
    let word = WORD.get_or_init(|| Finder::new(b"multiprocessing."));
    word.find(bytes).is_some()
}
