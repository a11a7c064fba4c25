//! Small containers as bytes: tuples, lists and dictionaries of simple values, nested a little.
//!
//! ```text
//! value   None 0 | False 1 | True 2 | int8 3 i8 | int 4 i64 | float 5 f64
//!         | str 6 len bytes | bytes 7 len bytes | tuple 8 len value* | list 9 len value* | dict 10 len (value value)*
//! len     u8 below 255, else 255 and u32
//! ```
//!
//! What pickle does for such a value costs several times as much as the value is worth: a pickler with its memo
//! and its buffer is made, and on the other side a machine for its opcodes. Nothing here has a memo, so what
//! could occur twice in one value and would come back as two objects is refused and goes to pickle: lists,
//! dictionaries, and tuples that hold such, if anybody else refers to them. Refused, too, is what is not of one
//! of these exact types, what is nested deeper than [`DEEPEST`], and what needs more than [`MOST`] bytes.
//!
//! The reading side trusts no length and no tag.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyDict, PyFloat, PyInt, PyList, PyString, PyTuple};

use crate::ffi;

/// Longer ones are pickled: there the memo may save more than it costs.
const MOST: usize = 4096;
const DEEPEST: u8 = 4;
const LONG: u8 = 255;

const NONE: u8 = 0;
const FALSE: u8 = 1;
const TRUE: u8 = 2;
const INT8: u8 = 3;
const INT: u8 = 4;
const FLOAT: u8 = 5;
const STR: u8 = 6;
const BYTES: u8 = 7;
const TUPLE: u8 = 8;
const LIST: u8 = 9;
const DICT: u8 = 10;

/// What may be met below a container.
#[derive(Clone, Copy)]
struct Below {
    depth: u8,
    /// Others refer to the tuple above: it may occur twice, so nothing in it may be changeable.
    frozen: bool,
}

/// The encoding of a container behind `tag`, if it is one of those that are encoded here.
pub(crate) fn encode(tag: u8, value: &Bound<'_, PyAny>) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(64);
    out.push(tag);
    let below = Below { depth: DEEPEST, frozen: false };
    container(value, &mut out, below)?;
    Some(out)
}

/// A container whose references are no matter.
#[inline]
fn container(value: &Bound<'_, PyAny>, out: &mut Vec<u8>, below: Below) -> Option<()> {
    let below = Below { depth: below.depth.checked_sub(1)?, ..below };
    if let Ok(tuple) = value.cast_exact::<PyTuple>() {
        begin(out, TUPLE, tuple.len())?;
        for part in tuple.iter_borrowed() {
            element(&part, 1, out, below)?;
        }
    } else if let Ok(list) = value.cast_exact::<PyList>() {
        begin(out, LIST, list.len())?;
        for part in list.iter() {
            element(&part, 2, out, below)?;
        }
    } else if let Ok(dict) = value.cast_exact::<PyDict>() {
        begin(out, DICT, dict.len())?;
        for (key, part) in dict.iter() {
            leaf(&key, out)?;
            element(&part, 2, out, below)?;
        }
    } else {
        return None;
    }
    Some(())
}

/// What a container holds; `own` is how many references it has if nobody else refers to it.
#[inline]
fn element(value: &Bound<'_, PyAny>, own: isize, out: &mut Vec<u8>, below: Below) -> Option<()> {
    if out.len() > MOST {
        return None;
    }
    if leaf(value, out).is_some() {
        return Some(());
    }
    let alone = ffi::references(value) <= own;
    if value.is_exact_instance_of::<PyTuple>() {
        return container(value, out, Below { frozen: below.frozen || !alone, ..below });
    }
    if alone && !below.frozen { container(value, out, below) } else { None }
}

#[inline]
fn leaf(value: &Bound<'_, PyAny>, out: &mut Vec<u8>) -> Option<()> {
    if let Ok(text) = value.cast_exact::<PyString>() {
        let bytes = text.to_str().ok()?.as_bytes();
        begin(out, STR, bytes.len())?;
        out.extend_from_slice(bytes);
    } else if value.is_exact_instance_of::<PyInt>() {
        let number = ffi::exact_int(value)?;
        if let Ok(small) = i8::try_from(number) {
            out.extend_from_slice(&[INT8, small.to_le_bytes()[0]]);
        } else {
            out.push(INT);
            out.extend_from_slice(&number.to_le_bytes());
        }
    } else if let Ok(float) = value.cast_exact::<PyFloat>() {
        out.push(FLOAT);
        out.extend_from_slice(&float.value().to_le_bytes());
    } else if value.is_none() {
        out.push(NONE);
    } else if let Ok(flag) = value.cast_exact::<PyBool>() {
        out.push(if flag.is_true() { TRUE } else { FALSE });
    } else if let Ok(bytes) = value.cast_exact::<PyBytes>() {
        begin(out, BYTES, bytes.as_bytes().len())?;
        out.extend_from_slice(bytes.as_bytes());
    } else {
        return None;
    }
    Some(())
}

#[inline]
fn begin(out: &mut Vec<u8>, tag: u8, len: usize) -> Option<()> {
    if len > MOST {
        return None;
    }
    out.push(tag);
    match u8::try_from(len) {
        Ok(short) if short < LONG => out.push(short),
        _ => {
            out.push(LONG);
            out.extend_from_slice(&u32::try_from(len).ok()?.to_le_bytes());
        }
    }
    Some(())
}

/// The container that `encode` has made these bytes of, without the tag before them.
pub(crate) fn decode<'py>(py: Python<'py>, bytes: &[u8]) -> PyResult<Bound<'py, PyAny>> {
    let mut reader = Reader { py, rest: bytes };
    let value = reader.value(DEEPEST)?;
    if reader.rest.is_empty() { Ok(value) } else { Err(damaged(py)) }
}

struct Reader<'py, 'b> {
    py: Python<'py>,
    rest: &'b [u8],
}

impl<'py, 'b> Reader<'py, 'b> {
    #[inline]
    fn take(&mut self, len: usize) -> PyResult<&'b [u8]> {
        let (taken, rest) = self.rest.split_at_checked(len).ok_or_else(|| damaged(self.py))?;
        self.rest = rest;
        Ok(taken)
    }

    #[inline]
    fn word<const N: usize>(&mut self) -> PyResult<[u8; N]> {
        let (word, rest) = self.rest.split_first_chunk().ok_or_else(|| damaged(self.py))?;
        self.rest = rest;
        Ok(*word)
    }

    #[inline]
    fn len(&mut self) -> PyResult<usize> {
        let [short] = self.word()?;
        let len =
            if short == LONG { u32::from_le_bytes(self.word()?) as usize } else { short.into() };
        // Every element has a byte at least: no length makes room for more than there can be.
        if len > self.rest.len() { Err(damaged(self.py)) } else { Ok(len) }
    }

    #[inline]
    fn value(&mut self, depth: u8) -> PyResult<Bound<'py, PyAny>> {
        let py = self.py;
        let [tag] = self.word()?;
        Ok(match tag {
            NONE => py.None().into_bound(py),
            FALSE | TRUE => PyBool::new(py, tag == TRUE).to_owned().into_any(),
            INT8 => PyInt::new(py, i8::from_le_bytes(self.word()?)).into_any(),
            INT => PyInt::new(py, i64::from_le_bytes(self.word()?)).into_any(),
            FLOAT => PyFloat::new(py, f64::from_le_bytes(self.word()?)).into_any(),
            STR => {
                let len = self.len()?;
                let text = std::str::from_utf8(self.take(len)?).map_err(|_| damaged(py))?;
                PyString::new(py, text).into_any()
            }
            BYTES => {
                let len = self.len()?;
                PyBytes::new(py, self.take(len)?).into_any()
            }
            TUPLE | LIST | DICT => self.container(tag, depth)?,
            _ => return Err(damaged(py)),
        })
    }

    fn container(&mut self, tag: u8, depth: u8) -> PyResult<Bound<'py, PyAny>> {
        let py = self.py;
        let depth = depth.checked_sub(1).ok_or_else(|| damaged(py))?;
        let len = self.len()?;
        if tag == DICT {
            let dict = PyDict::new(py);
            for _ in 0..len {
                let key = self.value(0)?;
                dict.set_item(key, self.value(depth)?)?;
            }
            return Ok(dict.into_any());
        }
        let parts = (0..len).map(|_| self.value(depth)).collect::<PyResult<Vec<_>>>()?;
        Ok(if tag == TUPLE {
            PyTuple::new(py, parts)?.into_any()
        } else {
            PyList::new(py, parts)?.into_any()
        })
    }
}

#[cold]
pub(crate) fn damaged(_py: Python<'_>) -> PyErr {
    PyValueError::new_err("a message between parent and worker is damaged: please report this")
}
