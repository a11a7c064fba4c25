//! Notices when the same large object is an argument again and again: sharing it once would cost less.
//!
//! Of an item of which much was copied it is asked which of its parts that was: the only one that is not small, those
//! whose libraries tell their sizes, and whoever owns the largest buffer. The last few such objects are remembered:
//! weakly where they can be, so that another one at the same address is not taken for one of them; `bytes` and `str`,
//! which cannot, are held until others have been sent; lists, dicts and their like are known again by their address and
//! by samples of their pickle.
//!
//! It refuses to warn by itself: `manyhands._cargo` does, with the caller's line.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Mutex, PoisonError};

use manyhands_pool::luggage;
use manyhands_shm::world::Block;
use pyo3::exceptions::PyException;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{
    PyByteArray, PyBytes, PyDict, PyString, PyTuple, PyWeakrefMethods, PyWeakrefReference,
};

use crate::codec::{Encoded, own};
use crate::ffi;

/// Objects of so many bytes are remembered.
pub(crate) const NOTED: usize = 1 << 20;
/// A warning is due when one has been sent so often, and so many bytes of it: either of the two.
const DUE: [(u64, u64); 2] = [(16, 256 << 20), (4, 1 << 30)];
/// How many are remembered.
const KEPT: usize = 8;
/// Of how many parts of an item sizes are asked.
const PARTS: usize = 8;
/// How many bytes a sample has.
const SAMPLE: usize = 32;

/// The owner of the largest buffer of an item, and how long that is.
pub(crate) type Largest = Option<(Py<PyAny>, usize)>;

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
    Held(Py<PyAny>),
    Seen { address: usize, samples: Samples },
}

/// Of bytes at certain distances from the beginning, and from the end: what is before or behind may differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Samples {
    from_begin: u64,
    from_end: u64,
}

impl Samples {
    /// Of what the largest of these blocks holds.
    fn of(blocks: &[Block]) -> Self {
        let largest =
            blocks.iter().filter(|block| luggage::is_cargo(block)).max_by_key(|b| b.len());
        let bytes = largest.map_or(&[][..], ffi::bytes_of);
        let (mut begin, mut end) = (DefaultHasher::new(), DefaultHasher::new());
        let mut at = 4 * SAMPLE;
        while at + SAMPLE <= bytes.len() {
            bytes[at..at + SAMPLE].hash(&mut begin);
            bytes[bytes.len() - at - SAMPLE..bytes.len() - at].hash(&mut end);
            at *= 2;
        }
        Self { from_begin: begin.finish(), from_end: end.finish() }
    }

    fn may_be(self, other: Self) -> bool {
        self.from_begin == other.from_begin || self.from_end == other.from_end
    }
}

fn address_of(object: &Bound<'_, PyAny>) -> usize {
    object.as_ptr().addr()
}

impl What {
    fn of(object: &Bound<'_, PyAny>, samples: Samples) -> Self {
        if object.is_exact_instance_of::<PyBytes>() || object.is_exact_instance_of::<PyString>() {
            return Self::Held(object.clone().unbind());
        }
        PyWeakrefReference::new(object).map_or_else(
            |_| Self::Seen { address: address_of(object), samples },
            |weak| Self::Weak(weak.unbind()),
        )
    }

    fn is(&self, object: &Bound<'_, PyAny>, now: Samples) -> bool {
        match self {
            Self::Weak(weak) => {
                weak.bind(object.py()).upgrade().is_some_and(|alive| alive.is(object))
            }
            Self::Held(held) => held.is(object),
            Self::Seen { address, samples } => {
                *address == address_of(object) && samples.may_be(now)
            }
        }
    }
}

/// The one that was sent last is the last one.
static SENT: Mutex<Vec<Sent>> = Mutex::new(Vec::new());

/// An item was encoded, and so many bytes of it lie in these blocks; warns if one of its parts has made a habit of that.
#[cold]
pub(crate) fn note(
    item: &Bound<'_, PyAny>,
    (size, blocks): (usize, &[Block]),
    largest: Largest,
) -> PyResult<()> {
    let py = item.py();
    let mut suspects = suspects(item, size)?;
    if let Some((owner, len)) = largest {
        let owner = owner.into_bound(py);
        if suspects.iter().all(|(suspect, _)| !suspect.is(&owner)) {
            suspects.push((owner, len));
        }
    }
    let samples = Samples::of(blocks);
    let mut due = None;
    for (object, len) in &suspects {
        let times = count(object, *len, samples);
        due = due.or(times.map(|times| (object, *len, times)));
    }
    if let Some((object, len, times)) = due {
        static WARN: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        let warn = own(py, &WARN, "manyhands._cargo", "warn_of_repeats")?;
        warn.call1((object.get_type().name()?, len, times))?;
    }
    Ok(())
}

/// Counts an object; how often it was sent, if it is time to say so.
fn count(object: &Bound<'_, PyAny>, len: usize, samples: Samples) -> Option<u64> {
    // What is dropped here may run Python: not with the lock.
    let (known, dropped) = {
        let mut all = SENT.lock().unwrap_or_else(PoisonError::into_inner);
        let at = all.iter().position(|sent| sent.what.is(object, samples));
        let known = at.map(|at| all.remove(at));
        let dropped = (known.is_none() && all.len() >= KEPT).then(|| all.remove(0));
        (known, dropped)
    };
    drop(dropped);
    let mut sent =
        known.unwrap_or_else(|| Sent { what: What::of(object, samples), times: 0, warned: false });
    sent.times += 1;
    let times = sent.times;
    let is_due = |(often, bytes): (u64, u64)| times >= often && times * len as u64 >= bytes;
    let due = !sent.warned && DUE.into_iter().any(is_due);
    sent.warned |= due;
    SENT.lock().unwrap_or_else(PoisonError::into_inner).push(sent);
    due.then_some(times)
}

/// The parts of an item that may be what was copied, each with its size.
fn suspects<'py>(
    item: &Bound<'py, PyAny>,
    size: usize,
) -> PyResult<Vec<(Bound<'py, PyAny>, usize)>> {
    let mut parts = parts(item);
    parts.retain(|part| Encoded::simple(part).is_none_or(|simple| simple.is_large()));
    if parts.len() == 1 {
        return Ok(parts.into_iter().map(|part| (part, size)).collect());
    }
    let mut known = Vec::new();
    for part in parts {
        match size_of(&part)? {
            Some(len) => known.push((part, len)),
            None => return Ok(Vec::new()),
        }
    }
    // More than was copied: what is shared is among them, or a file.
    if known.iter().map(|(_, len)| len).sum::<usize>() > size {
        known.clear();
    }
    known.retain(|(_, len)| *len >= NOTED);
    Ok(known)
}

/// The arguments of a call, or the item itself.
fn parts<'py>(item: &Bound<'py, PyAny>) -> Vec<Bound<'py, PyAny>> {
    let Ok(tuple) = item.cast_exact::<PyTuple>() else { return vec![item.clone()] };
    let mut parts: Vec<_> = tuple.iter().take(PARTS + 1).collect();
    // What `apply` makes of keywords.
    if let [args, kwds] = &parts[..]
        && let (Ok(args), Ok(kwds)) = (args.cast_exact::<PyTuple>(), kwds.cast_exact::<PyDict>())
    {
        let values = kwds.iter().map(|(_, value)| value);
        parts = args.iter().chain(values).take(PARTS + 1).collect();
    }
    if parts.len() > PARTS { vec![item.clone()] } else { parts }
}

/// How many bytes an object has, if it, or its library, knows.
fn size_of(object: &Bound<'_, PyAny>) -> PyResult<Option<usize>> {
    if let Ok(bytes) = object.cast_exact::<PyBytes>() {
        return Ok(Some(bytes.as_bytes().len()));
    }
    if object.is_exact_instance_of::<PyString>() || object.is_exact_instance_of::<PyByteArray>() {
        return object.len().map(Some);
    }
    let asked = object.getattr("nbytes").or_else(|_| object.call_method0("estimated_size"));
    match asked.and_then(|size| size.extract()) {
        Ok(size) => Ok(Some(size)),
        Err(error) if error.is_instance_of::<PyException>(object.py()) => Ok(None),
        Err(error) => Err(error),
    }
}
