//! Notices when the same large object is an argument again and again: sharing it once would cost less.
//!
//! The last few large objects are remembered, weakly where they can be, so that another object at the same address
//! is not taken for one of them. `bytes`, which cannot, are held until others have been sent.
//!
//! It refuses to warn by itself: `manyhands._cargo` does, with the caller's line.

use std::sync::{Mutex, PoisonError};

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyWeakrefMethods, PyWeakrefReference};

use crate::codec::own;

/// Objects of so many bytes are remembered.
pub(crate) const NOTED: usize = 1 << 20;
/// A warning is due when one has been sent so often, and so many bytes of it.
const TIMES: u64 = 16;
const BYTES: u64 = 256 << 20;
/// How many are remembered.
const KEPT: usize = 4;

/// An object that was sent.
#[derive(Debug)]
struct Sent {
    what: What,
    times: u64,
    warned: bool,
}

#[derive(Debug)]
enum What {
    Weak(Py<PyWeakrefReference>),
    Bytes(Py<PyBytes>),
}

impl What {
    fn of(object: &Bound<'_, PyAny>) -> Option<Self> {
        if let Ok(bytes) = object.cast_exact::<PyBytes>() {
            return Some(Self::Bytes(bytes.clone().unbind()));
        }
        PyWeakrefReference::new(object).ok().map(|weak| Self::Weak(weak.unbind()))
    }

    fn is(&self, object: &Bound<'_, PyAny>) -> bool {
        match self {
            Self::Weak(weak) => {
                weak.bind(object.py()).upgrade().is_some_and(|alive| alive.is(object))
            }
            Self::Bytes(bytes) => bytes.is(object),
        }
    }
}

/// The one that was sent last is the last one.
static SENT: Mutex<Vec<Sent>> = Mutex::new(Vec::new());

/// An object is an argument; warns if that has become a habit.
pub(crate) fn note(object: &Bound<'_, PyAny>, len: usize) -> PyResult<()> {
    static WARN: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    // What is dropped here may run Python: not with the lock.
    let (mut sent, dropped) = {
        let mut all = SENT.lock().unwrap_or_else(PoisonError::into_inner);
        let known = all.iter().position(|sent| sent.what.is(object)).map(|at| all.remove(at));
        let dropped = (known.is_none() && all.len() >= KEPT).then(|| all.remove(0));
        (known, dropped)
    };
    drop(dropped);
    if sent.is_none() {
        sent = What::of(object).map(|what| Sent { what, times: 0, warned: false });
    }
    let Some(mut sent) = sent else { return Ok(()) };
    sent.times += 1;
    let times = sent.times;
    let due = !sent.warned && times >= TIMES && times * len as u64 >= BYTES;
    sent.warned |= due;
    SENT.lock().unwrap_or_else(PoisonError::into_inner).push(sent);
    if due {
        let kind = object.get_type().name()?;
        let warn = own(object.py(), &WARN, "manyhands._cargo", "warn_of_repeats")?;
        warn.call1((kind, len, times))?;
    }
    Ok(())
}
