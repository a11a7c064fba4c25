//! Values as bytes: a tag and a payload for the simple types, a pickle for all others.
//!
//! ```text
//! 0 None   1 False   2 True   3 int (i64)   4 float   5 str   6 bytes   7 container (`small`)   8 pickle
//! 9 a pickle with buffers beside it   10 one of these in a block of the world (`cargo`)
//! ```
//!
//! Only exact types are encoded here: a subclass is pickled, so that it comes back as itself. The reading
//! side never trusts a length, and what cannot be decoded is an error of the one who asked for it.

use manyhands_shm::record;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBool, PyBytes, PyDict, PyFloat, PyInt, PyString, PyTuple};

use crate::ffi;
use crate::small;
pub(crate) use crate::small::damaged;
use crate::window::LARGE;

const NONE: u8 = 0;
const FALSE: u8 = 1;
const TRUE: u8 = 2;
const INT: u8 = 3;
const FLOAT: u8 = 4;
const STR: u8 = 5;
pub(crate) const BYTES: u8 = 6;
const SMALL: u8 = 7;
pub(crate) const PICKLE: u8 = 8;

/// What a value will be on the wire.
pub(crate) enum Encoded<'py> {
    Tag(u8),
    Word(u8, [u8; 8]),
    Text(Bound<'py, PyString>),
    Bytes(Bound<'py, PyBytes>),
    /// All of it, tag and all: a small container, or what lies in blocks.
    Small(Vec<u8>),
    /// A whole reply that says that an exception was raised.
    Raised(Vec<u8>),
    Pickle(Bound<'py, PyBytes>),
}

impl<'py> Encoded<'py> {
    /// The encoding of a value of a simple type, if it is one.
    #[inline]
    pub(crate) fn simple(value: &Bound<'py, PyAny>) -> Option<Self> {
        if value.is_exact_instance_of::<PyInt>() {
            return ffi::exact_int(value).map(|number| Self::Word(INT, number.to_le_bytes()));
        }
        if let Ok(float) = value.cast_exact::<PyFloat>() {
            return Some(Self::Word(FLOAT, float.value().to_le_bytes()));
        }
        if value.is_none() {
            return Some(Self::Tag(NONE));
        }
        if let Ok(text) = value.cast_exact::<PyString>() {
            return text.to_str().is_ok().then(|| Self::Text(text.clone()));
        }
        if let Ok(flag) = value.cast_exact::<PyBool>() {
            return Some(Self::Tag(if flag.is_true() { TRUE } else { FALSE }));
        }
        if let Ok(bytes) = value.cast_exact::<PyBytes>() {
            return Some(Self::Bytes(bytes.clone()));
        }
        small::encode(SMALL, value).map(Self::Small)
    }

    /// Whether its payload had better lie in a block of the world.
    #[inline]
    pub(crate) fn is_large(&self) -> bool {
        match self {
            Self::Bytes(bytes) => bytes.as_bytes().len() >= LARGE,
            Self::Text(text) => text.to_str().map_or(0, str::len) >= LARGE,
            _ => false,
        }
    }

    pub(crate) fn is_raised(&self) -> bool {
        matches!(self, Self::Raised(_))
    }

    /// Bytes on the wire, without the length prefix.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Tag(_) => 1,
            Self::Word(..) => 9,
            Self::Text(text) => 1 + text.to_str().map_or(0, str::len),
            Self::Bytes(bytes) | Self::Pickle(bytes) => 1 + bytes.as_bytes().len(),
            Self::Small(bytes) | Self::Raised(bytes) => bytes.len(),
        }
    }

    /// Fills `room`, which has the length of the encoding.
    #[inline]
    pub(crate) fn write(&self, room: &mut [u8]) {
        let mut tagged = |tag: u8, payload: &[u8]| {
            room[0] = tag;
            room[1..].copy_from_slice(payload);
        };
        match self {
            Self::Tag(tag) => tagged(*tag, &[]),
            Self::Word(tag, word) => tagged(*tag, word),
            Self::Text(text) => tagged(STR, text.to_str().unwrap_or_default().as_bytes()),
            Self::Bytes(bytes) => tagged(BYTES, bytes.as_bytes()),
            Self::Pickle(bytes) => tagged(PICKLE, bytes.as_bytes()),
            Self::Small(bytes) | Self::Raised(bytes) => room.copy_from_slice(bytes),
        }
    }

    /// Its bytes on the wire.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut out = vec![0; self.len()];
        self.write(&mut out);
        out
    }

    /// The tag and the bytes behind it, where these lie together already.
    #[inline]
    pub(crate) fn tagged(&self) -> Option<(u8, &[u8])> {
        match self {
            Self::Text(text) => Some((STR, text.to_str().unwrap_or_default().as_bytes())),
            Self::Bytes(bytes) => Some((BYTES, bytes.as_bytes())),
            Self::Pickle(bytes) => Some((PICKLE, bytes.as_bytes())),
            _ => None,
        }
    }

    /// The encoding as a record of its own.
    #[inline]
    pub(crate) fn to_record(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.len() + size_of::<u32>());
        self.append_to(&mut out);
        out
    }

    /// Appends the encoding as a record.
    #[inline]
    pub(crate) fn append_to(&self, out: &mut Vec<u8>) {
        self.append_behind(&[], out);
    }

    /// The same, with some bytes before it in the record.
    #[inline]
    pub(crate) fn append_behind(&self, prefix: &[u8], out: &mut Vec<u8>) {
        let len = self.len();
        record::begin(out, prefix.len() + len);
        out.extend_from_slice(prefix);
        let at = out.len();
        out.resize(at + len, 0);
        self.write(&mut out[at..]);
    }
}

/// The value of a tag, and of what follows it. What lies in blocks is none of it: `cargo` decodes that.
#[inline]
pub(crate) fn decode_tagged<'py>(
    py: Python<'py>,
    tag: u8,
    rest: &[u8],
) -> PyResult<Bound<'py, PyAny>> {
    match tag {
        NONE => Ok(py.None().into_bound(py)),
        FALSE => Ok(PyBool::new(py, false).to_owned().into_any()),
        TRUE => Ok(PyBool::new(py, true).to_owned().into_any()),
        INT => match rest.first_chunk::<8>() {
            Some(word) => Ok(PyInt::new(py, i64::from_le_bytes(*word)).into_any()),
            None => Err(damaged(py)),
        },
        FLOAT => match rest.first_chunk::<8>() {
            Some(word) => Ok(PyFloat::new(py, f64::from_le_bytes(*word)).into_any()),
            None => Err(damaged(py)),
        },
        STR => match std::str::from_utf8(rest) {
            Ok(text) => Ok(PyString::new(py, text).into_any()),
            Err(_) => Err(damaged(py)),
        },
        BYTES => Ok(PyBytes::new(py, rest).into_any()),
        SMALL => small::decode(py, rest),
        PICKLE => unpickle(&PyBytes::new(py, rest)),
        _ => Err(damaged(py)),
    }
}

/// Whether what follows a tag is better read into a `bytes` object, for [`decode_payload`].
#[inline]
pub(crate) fn has_payload(tag: u8) -> bool {
    matches!(tag, BYTES | PICKLE)
}

/// The value of what follows a tag.
#[inline]
pub(crate) fn decode_payload(tag: u8, payload: Bound<'_, PyBytes>) -> PyResult<Bound<'_, PyAny>> {
    match tag {
        BYTES => Ok(payload.into_any()),
        PICKLE => unpickle(&payload),
        _ => Err(damaged(payload.py())),
    }
}

/// A name in one of the package's own modules, imported on first use.
pub(crate) fn own<'py>(
    py: Python<'py>,
    cell: &'static PyOnceLock<Py<PyAny>>,
    module: &str,
    name: &str,
) -> PyResult<Bound<'py, PyAny>> {
    let found =
        cell.get_or_try_init(py, || Ok::<_, PyErr>(py.import(module)?.getattr(name)?.unbind()))?;
    Ok(found.bind(py).clone())
}

fn unpickle<'py>(bytes: &Bound<'py, PyBytes>) -> PyResult<Bound<'py, PyAny>> {
    static LOADS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let loads = own(bytes.py(), &LOADS, "manyhands._pickling", "loads")?;
    ffi::call(&loads, &[bytes.as_any()])
}

/// `callable(**words)` or `callable(*words)` for one item of `starmap`.
pub(crate) fn call_unpacked<'py>(
    callable: &Bound<'py, PyAny>,
    words: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    if let Ok(args) = words.cast_exact::<PyTuple>() {
        return callable.call1(args);
    }
    if let Ok(kwargs) = words.cast::<PyDict>() {
        return callable.call((), Some(kwargs));
    }
    let Ok(iterator) = words.try_iter() else {
        let item = words.repr()?;
        let text = format!(
            "an item of a starmap holds the arguments of one call, such as ({item},), not {item}"
        );
        return Err(PyTypeError::new_err(text));
    };
    let args: Vec<Bound<'py, PyAny>> = iterator.collect::<PyResult<_>>()?;
    callable.call1(PyTuple::new(words.py(), args)?)
}
