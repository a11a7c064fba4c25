//! Cargo: large bytes that travel in blocks of the world instead of in the message.
//!
//! ```text
//! STOWED  a value whose payload lies in a block:   10, world (u64), handle (u64), tag of the value
//! CARGO   a pickle with buffers that are not in it:  9, world (u64), count (u32), buffers, value
//! buffer  handle, offset, length (u64 each)
//! ```
//!
//! The value of a CARGO is a pickle, or a STOWED one. Numbers are little-endian. What is named is held by whoever
//! collects (see `travel`); the reader takes a hold of its own, so that what becomes a view of a block keeps it
//! alive. One copy in; a view out for buffers and pickles, one copy out for `bytes`, `str` and `bytearray`, whose
//! objects own their memory.
//!
//! It refuses to decide who may write: the one who decodes says whether the views are read-only (`window`).

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyByteArray, PyBytes, PyList};

use crate::codec::{self, Encoded, PICKLE, own};
use crate::ffi::{self, NewBytes, View};
use crate::travel;
use crate::window::{self, Access, Cargo, Window};
use crate::world;

pub(crate) const CARGO: u8 = 9;
pub(crate) const STOWED: u8 = 10;
/// The tag of a `bytearray`, which is encoded only when it is large.
pub(crate) const BYTEARRAY: u8 = 11;

/// The value of a payload, the caller's own: what it has a view of can be written.
#[inline]
pub(crate) fn decode<'py>(py: Python<'py>, payload: &[u8]) -> PyResult<Bound<'py, PyAny>> {
    decode_with(py, payload, Access::Writable)
}

/// The value of an argument, whose views are read-only.
#[inline]
pub(crate) fn decode_argument<'py>(py: Python<'py>, payload: &[u8]) -> PyResult<Bound<'py, PyAny>> {
    decode_with(py, payload, Access::ReadOnly)
}

#[inline]
fn decode_with<'py>(
    py: Python<'py>,
    payload: &[u8],
    access: Access,
) -> PyResult<Bound<'py, PyAny>> {
    match payload.split_first() {
        Some((&CARGO, rest)) => decode_cargo(py, rest, access),
        Some((&STOWED, rest)) => decode_stowed(py, rest, None),
        Some((&tag, rest)) => codec::decode_tagged(py, tag, rest),
        None => Err(codec::damaged(py)),
    }
}

/// A large value as a whole, with its payload in a block which the innermost collector holds: one of a simple type
/// in its encoding (`large`), or a `bytearray`. None if it has to be pickled.
pub(crate) fn whole<'py>(
    value: &Bound<'py, PyAny>,
    large: Option<&Encoded<'py>>,
) -> PyResult<Option<Encoded<'py>>> {
    match large {
        Some(large) => stow_simple(value.py(), large).map(Some),
        None => bytearray(value),
    }
}

#[cold]
fn stow_simple<'py>(py: Python<'py>, value: &Encoded<'py>) -> PyResult<Encoded<'py>> {
    match value.tagged() {
        Some((tag, payload)) => stow_payload(py, tag, payload),
        None => Ok(Encoded::Small(value.to_bytes())),
    }
}

fn bytearray<'py>(value: &Bound<'py, PyAny>) -> PyResult<Option<Encoded<'py>>> {
    let Ok(array) = value.cast_exact::<PyByteArray>() else { return Ok(None) };
    if array.len() < window::LARGE {
        return Ok(None);
    }
    let view = View::of(value)?;
    stow_payload(value.py(), BYTEARRAY, view.bytes()).map(Some)
}

fn stow_payload<'py>(py: Python<'py>, tag: u8, payload: &[u8]) -> PyResult<Encoded<'py>> {
    let block = window::stow(py, payload)?;
    let (world, handle) = world::name(&block);
    travel::hold(block);
    let mut out = vec![STOWED];
    out.extend_from_slice(&world.to_le_bytes());
    out.extend_from_slice(&handle.to_le_bytes());
    out.push(tag);
    Ok(Encoded::Small(out))
}

/// A pickle that was just made, together with the buffers that are not in it.
#[inline]
pub(crate) fn encode(pickle: Bound<'_, PyBytes>) -> PyResult<Encoded<'_>> {
    let buffers = travel::take_cargo();
    let large = travel::least_cargo().is_some_and(|least| pickle.as_bytes().len() >= least);
    if buffers.is_empty() && !large {
        return Ok(Encoded::Pickle(pickle));
    }
    let py = pickle.py();
    let pickle =
        if large { stow_payload(py, PICKLE, pickle.as_bytes())? } else { Encoded::Pickle(pickle) };
    let Some((first, ..)) = buffers.first() else { return Ok(pickle) };
    let mut out = vec![CARGO];
    out.extend_from_slice(&first.world().id().to_le_bytes());
    out.extend_from_slice(&u32::try_from(buffers.len())?.to_le_bytes());
    for (block, offset, len) in &buffers {
        out.extend_from_slice(&block.handle().0.to_le_bytes());
        out.extend_from_slice(&(*offset as u64).to_le_bytes());
        out.extend_from_slice(&(*len as u64).to_le_bytes());
    }
    out.extend_from_slice(&pickle.to_bytes());
    Ok(Encoded::Small(out))
}

fn number(bytes: &mut &[u8]) -> Option<u64> {
    let (number, rest) = bytes.split_first_chunk::<8>()?;
    *bytes = rest;
    Some(u64::from_le_bytes(*number))
}

/// A value whose payload lies in a block: what follows its tag, STOWED.
#[cold]
fn decode_stowed<'py>(
    py: Python<'py>,
    mut rest: &[u8],
    buffers: Option<&Bound<'py, PyList>>,
) -> PyResult<Bound<'py, PyAny>> {
    let (Some(world), Some(handle), &[tag]) = (number(&mut rest), number(&mut rest), rest) else {
        return Err(codec::damaged(py));
    };
    let block = world::adopt(world, handle, "value")?;
    let payload = ffi::bytes_of(&block);
    match tag {
        codec::BYTES => {
            let mut bytes = NewBytes::new(py, payload.len())?;
            if payload.len() < window::DETACHED {
                bytes.fill(payload);
            } else {
                py.detach(|| bytes.fill(payload));
            }
            Ok(bytes.finish(py).into_any())
        }
        BYTEARRAY => Ok(PyByteArray::new(py, payload).into_any()),
        PICKLE => {
            let whole = (0, payload.len());
            let window = Window::new(block.clone(), whole, Access::ReadOnly);
            let window = window.ok_or_else(|| codec::damaged(py))?;
            load(Bound::new(py, Cargo::of(window))?.into_any(), buffers)
        }
        _ => codec::decode_tagged(py, tag, payload),
    }
}

/// A pickle with buffers: what follows its tag, CARGO.
#[cold]
fn decode_cargo<'py>(
    py: Python<'py>,
    mut rest: &[u8],
    access: Access,
) -> PyResult<Bound<'py, PyAny>> {
    let damaged = || codec::damaged(py);
    let world = number(&mut rest).ok_or_else(damaged)?;
    let (count, mut rest) = rest.split_first_chunk::<4>().ok_or_else(damaged)?;
    let buffers = PyList::empty(py);
    for _ in 0..u32::from_le_bytes(*count) {
        let mut next = || number(&mut rest).ok_or_else(damaged);
        let (handle, offset, len) = (next()?, next()?, next()?);
        let part = (offset.try_into()?, len.try_into()?);
        buffers.append(window::adopt(py, (world, handle), part, access)?)?;
    }
    match rest.split_first() {
        Some((&PICKLE, pickle)) => load(PyBytes::new(py, pickle).into_any(), Some(&buffers)),
        Some((&STOWED, stowed)) => decode_stowed(py, stowed, Some(&buffers)),
        _ => Err(damaged()),
    }
}

fn load<'py>(
    pickle: Bound<'py, PyAny>,
    buffers: Option<&Bound<'py, PyList>>,
) -> PyResult<Bound<'py, PyAny>> {
    static LOADS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let py = pickle.py();
    own(py, &LOADS, "manyhands._pickling", "loads_cargo")?.call1((pickle, buffers))
}
