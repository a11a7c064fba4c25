//! What a message of a pipe is: its label, and its bytes while it is received.
//!
//! ```text
//! RAW       `send_bytes`: what `recv` unpickles
//! VALUE     a small value by its tag (`codec.rs`)
//! TEXT      the UTF-8 of a str      BYTES  a bytes
//! PICKLE    a pickle, which may carry definitions of `__main__` along
//! PINNED    a pickle, or what is stowed (`cargo`), behind a count (u32) and the handles of blocks that the
//!           message keeps alive
//! ```
//!
//! A short message whose bytes are not wanted as `bytes` stays on the stack; every other one is copied to where
//! it stays.

use std::mem::MaybeUninit;

use manyhands_shm::pipe::{Arrival, Suspended};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::ffi;

pub(crate) const RAW: u8 = 0;
pub(crate) const VALUE: u8 = 1;
pub(crate) const TEXT: u8 = 2;
pub(crate) const BYTES: u8 = 3;
pub(crate) const PICKLE: u8 = 4;
pub(crate) use manyhands_shm::pipe::PINNED;

/// Up to this the bytes of a message that are not wanted as bytes stay on the stack.
const SHORT: usize = 128;

/// What an interrupted call has of a message.
#[derive(Debug)]
pub(crate) enum Kept {
    /// A part of a large one.
    Part(Suspended, ffi::NewBytes),
    /// All of a large one, with its label.
    Whole(u8, ffi::NewBytes),
}

/// The bytes of a message.
#[derive(Debug)]
pub(crate) enum Content {
    Short([u8; SHORT], usize),
    Long(ffi::NewBytes),
}

/// The bytes of a message that is complete.
pub(crate) enum Payload<'py> {
    Short([u8; SHORT], usize),
    Long(Bound<'py, PyBytes>),
}

impl Payload<'_> {
    pub(crate) fn as_slice(&self) -> &[u8] {
        match self {
            Self::Short(bytes, len) => &bytes[..*len],
            Self::Long(bytes) => bytes.as_bytes(),
        }
    }
}

impl Content {
    pub(crate) fn new(py: Python<'_>, arrival: Arrival) -> PyResult<Self> {
        let as_bytes = matches!(arrival.label, RAW | BYTES);
        if arrival.len <= SHORT && !as_bytes {
            return Ok(Self::Short([0; SHORT], arrival.len));
        }
        Ok(Self::Long(ffi::NewBytes::new(py, arrival.len)?))
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Short(_, len) => *len,
            Self::Long(bytes) => bytes.len(),
        }
    }

    pub(crate) fn fill<T>(&mut self, fill: impl FnOnce(&mut [MaybeUninit<u8>]) -> T) -> T {
        match self {
            Self::Short(bytes, len) => {
                let mut room = bytes.map(MaybeUninit::new);
                let outcome = fill(&mut room[..*len]);
                *bytes = ffi::filled(room);
                outcome
            }
            Self::Long(bytes) => fill(bytes.room()),
        }
    }

    pub(crate) fn finish(self, py: Python<'_>) -> Payload<'_> {
        match self {
            Self::Short(bytes, len) => Payload::Short(bytes, len),
            Self::Long(bytes) => Payload::Long(bytes.finish(py)),
        }
    }
}
