//! `send` and `send_bytes`: values into a pipe.
//!
//! What cannot be pickled is the caller's error, and nothing has been sent then. What only `__main__` has travels
//! inside of the message: see `manyhands._by_item`.

use std::sync::Arc;

use manyhands_shm::pipe::{End, Parcel, Sending, Sent};
use manyhands_shm::world::Block;
use pyo3::exceptions::{PyBrokenPipeError, PyOSError, PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyBytes;

use crate::codec::{Encoded, own};
use crate::connection_content::{BYTES, PICKLE, PINNED, RAW, TEXT, VALUE};
use crate::connection_state::{NOW, SMALL, State, damaged};
use crate::ffi;
use crate::pickling::pickle;
use crate::travel::Collecting;
use crate::waiting::Pieces;
use crate::world;

/// A value whose encoding is not longer is made on the stack.
const SHORT: usize = 64;

impl State {
    /// Sends a picklable object.
    pub(crate) fn put_value(&self, obj: &Bound<'_, PyAny>) -> PyResult<()> {
        let end = self.end()?;
        self.check_writable()?;
        let py = obj.py();
        let parcel = |label, bytes| Parcel { label, parts: [bytes, &[]] };
        match Encoded::simple(obj) {
            None => self.send_pickled(&end, obj),
            Some(Encoded::Bytes(bytes)) => self.transmit(py, &end, parcel(BYTES, bytes.as_bytes())),
            Some(Encoded::Text(text)) => {
                self.transmit(py, &end, parcel(TEXT, text.to_str()?.as_bytes()))
            }
            Some(Encoded::Small(bytes)) => self.transmit(py, &end, parcel(VALUE, &bytes)),
            Some(small) => {
                let mut room = [0; SHORT];
                let len = small.len();
                small.write(&mut room[..len]);
                self.transmit(py, &end, parcel(VALUE, &room[..len]))
            }
        }
    }

    /// Sends the bytes of a bytes-like object.
    pub(crate) fn put_bytes(
        &self,
        buf: &Bound<'_, PyAny>,
        offset: isize,
        size: Option<isize>,
    ) -> PyResult<()> {
        let end = self.end()?;
        self.check_writable()?;
        let send = |bytes: &[u8]| {
            let part = cut(bytes, offset, size)?;
            self.transmit(buf.py(), &end, Parcel { label: RAW, parts: [part, &[]] })
        };
        if let Ok(bytes) = buf.cast_exact::<PyBytes>() {
            return send(bytes.as_bytes());
        }
        let view = ffi::View::of(buf)?;
        send(view.bytes())
    }
}

/// The part of a buffer that is meant.
fn cut(bytes: &[u8], offset: isize, size: Option<isize>) -> PyResult<&[u8]> {
    let wrong = |text| Err(PyValueError::new_err(text));
    let Ok(offset) = usize::try_from(offset) else { return wrong("offset is negative") };
    let Some(rest) = bytes.get(offset..) else { return wrong("buffer length < offset") };
    let Some(size) = size else { return Ok(rest) };
    let Ok(size) = usize::try_from(size) else { return wrong("size is negative") };
    rest.get(..size).map_or_else(|| wrong("buffer length < offset + size"), Ok)
}

impl State {
    fn send_pickled(&self, end: &Arc<End>, obj: &Bound<'_, PyAny>) -> PyResult<()> {
        static DUMPS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        let py = obj.py();
        let collecting = if world::is_home(end.block().world().id()) {
            Collecting::with_cargo()
        } else {
            Collecting::begin()
        };
        let slow = || own(py, &DUMPS, "manyhands._by_item", "dumps")?.call1((obj, "message"));
        let encoded = pickle(obj, slow, false)?;
        let met = collecting.finish();
        // A pickle begins with another byte than the tags of what is stowed.
        let bytes = match &encoded {
            Encoded::Pickle(pickle) => pickle.as_bytes(),
            Encoded::Small(stowed) => stowed,
            _ => &[],
        };
        if met.is_empty() {
            return self.transmit(py, end, Parcel { label: PICKLE, parts: [bytes, &[]] });
        }
        let pins = Pins::new(end, &met)?;
        let head = pins.head();
        let parcel = Parcel { label: PINNED, parts: [&head, bytes] };
        let outcome = self.deliver(py, end, parcel);
        // What is in the ring, even in part, is unpinned by whoever clears the ring.
        if outcome.as_ref().map_or_else(|failed| failed.begun, |()| true) {
            pins.leave();
        }
        Ok(outcome?)
    }

    fn transmit(&self, py: Python<'_>, end: &Arc<End>, parcel: Parcel<'_>) -> PyResult<()> {
        Ok(self.deliver(py, end, parcel)?)
    }

    fn deliver(&self, py: Python<'_>, end: &Arc<End>, parcel: Parcel<'_>) -> Result<(), Failed> {
        let Some(mut sending) = end.send(parcel) else {
            return Err(Failed {
                error: PyOSError::new_err("connection is read-only"),
                begun: false,
            });
        };
        if parcel.len() <= SMALL {
            match sending.advance(NOW) {
                Sent::Done => return Ok(()),
                Sent::TimedOut | Sent::Interrupted => {}
                failed => return Err(failure(failed, &sending)),
            }
        }
        self.deliver_slowly(py, sending)
    }

    #[cold]
    fn deliver_slowly(&self, py: Python<'_>, mut sending: Sending<'_>) -> Result<(), Failed> {
        let mut pieces = Pieces::new();
        loop {
            let limit = pieces.limit(None);
            match pieces.run(py, || sending.advance(limit)) {
                Sent::Done => return Ok(()),
                Sent::TimedOut | Sent::Interrupted => {
                    let begun = sending.is_begun();
                    self.pause(py).map_err(|error| Failed { error, begun })?;
                }
                failed => return Err(failure(failed, &sending)),
            }
        }
    }
}

/// A message that was not sent, and whether some of it is in the ring.
struct Failed {
    error: PyErr,
    begun: bool,
}

impl From<Failed> for PyErr {
    fn from(failed: Failed) -> Self {
        failed.error
    }
}

#[cold]
fn failure(sent: Sent, sending: &Sending<'_>) -> Failed {
    let error = match sent {
        Sent::TooLong => PyValueError::new_err("the message is longer than 256 TiB"),
        Sent::Damaged => damaged(),
        _ => PyBrokenPipeError::new_err((32, "Broken pipe")),
    };
    Failed { error, begun: sending.is_begun() }
}

/// Blocks that a message keeps alive until it has been received.
struct Pins<'a> {
    end: &'a End,
    met: &'a [Block],
    pinned: usize,
}

impl<'a> Pins<'a> {
    fn new(end: &'a End, met: &'a [Block]) -> PyResult<Self> {
        let world = end.block().world();
        if met.iter().any(|block| block.world().id() != world.id()) {
            return Err(PyRuntimeError::new_err(
                "the message holds an object of another family of processes than the pipe's: \
                 whoever receives it could not have it",
            ));
        }
        let mut pins = Self { end, met, pinned: 0 };
        for block in met {
            world.pin(block.handle());
            pins.pinned += 1;
        }
        Ok(pins)
    }

    fn head(&self) -> Vec<u8> {
        let count = u32::try_from(self.met.len()).unwrap_or(u32::MAX);
        let handles = self.met.iter().flat_map(|block| block.handle().0.to_le_bytes());
        count.to_le_bytes().into_iter().chain(handles).collect()
    }

    /// They are the message's now.
    fn leave(mut self) {
        self.pinned = 0;
    }
}

impl Drop for Pins<'_> {
    fn drop(&mut self) {
        for block in &self.met[..self.pinned] {
            self.end.block().world().unpin(block.handle());
        }
    }
}
