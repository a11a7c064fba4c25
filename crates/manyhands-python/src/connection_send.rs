//! `send` and `send_bytes`: values into a pipe.
//!
//! What cannot be pickled is the caller's error, and nothing has been sent then. What only `__main__` has travels
//! inside of the message: see `manyhands._by_item`. Large buffers, pickles and texts lie in blocks (`cargo`); large
//! `bytes` go through the ring, where the two sides copy at the same time.

use std::sync::Arc;
use std::time::Duration;

use manyhands_pool::luggage;
use manyhands_shm::pipe::{End, Parcel, Sending, Sent};
use manyhands_shm::world::Block;
use pyo3::exceptions::{PyBrokenPipeError, PyMemoryError, PyOSError, PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyBytes;

use crate::cargo;
use crate::codec::{Encoded, own};
use crate::connection_content::{BYTES, PICKLE, PINNED, RAW, TEXT, VALUE};
use crate::connection_state::{Going, NOW, SMALL, State, damaged};
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
        obj.py().check_signals()?;
        let end = self.end()?;
        self.check_writable()?;
        let py = obj.py();
        let parcel = |label, bytes| Parcel { label, parts: [bytes, &[]] };
        match Encoded::simple(obj) {
            None => self.send_pickled(&end, obj, None),
            Some(text @ Encoded::Text(_)) if text.is_large() => {
                self.send_pickled(&end, obj, Some(&text))
            }
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
        buf.py().check_signals()?;
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
    /// Sends what is pickled, or lies in a block as a whole. If there is no memory for it, waits until what was
    /// sent before has been received, and tries once more.
    fn send_pickled<'py>(
        &self,
        end: &Arc<End>,
        obj: &Bound<'py, PyAny>,
        large: Option<&Encoded<'py>>,
    ) -> PyResult<()> {
        let py = obj.py();
        let (encoded, met) = match encode(end, obj, large) {
            Err(error) if error.is_instance_of::<PyMemoryError>(py) => {
                if !self.drain(py, end)? {
                    return Err(error);
                }
                encode(end, obj, large)?
            }
            outcome => outcome?,
        };
        // A pickle begins with another byte than the tags of what is stowed.
        let bytes = match &encoded {
            Encoded::Pickle(pickle) => pickle.as_bytes(),
            Encoded::Small(stowed) => stowed,
            Encoded::Text(text) => {
                let parcel = Parcel { label: TEXT, parts: [text.to_str()?.as_bytes(), &[]] };
                return self.transmit(py, end, parcel);
            }
            _ => &[],
        };
        if met.is_empty() {
            return self.transmit(py, end, Parcel { label: PICKLE, parts: [bytes, &[]] });
        }
        let head = head(end, &met)?;
        let parcel = Parcel { label: PINNED, parts: [&head, bytes] };
        let sending = sending(end, parcel)?.weighing(luggage::bytes_of(&met) as u64);
        self.deliver_pinned(py, sending, (end, &met))
    }

    /// The blocks are pinned as late as can be: what a killed process has pinned and not sent is never freed.
    fn deliver_pinned(
        &self,
        py: Python<'_>,
        mut sending: Sending<'_>,
        (end, met): (&End, &[Block]),
    ) -> PyResult<()> {
        self.wait(py, &mut sending, Sending::admit)?;
        let pins = Pins::new(end, met);
        let outcome = self.wait(py, &mut sending, Sending::advance);
        // What is in the ring, even in part, is unpinned by whoever clears the ring.
        if sending.is_begun() {
            pins.leave();
        }
        outcome
    }

    /// Waits until everything that was sent has been received; `false`: it had been before.
    #[cold]
    fn drain(&self, py: Python<'_>, end: &Arc<End>) -> PyResult<bool> {
        let mut sending = sending(end, Parcel { label: RAW, parts: [&[], &[]] })?;
        if sending.drain(NOW) == Sent::Done {
            return Ok(false);
        }
        self.wait(py, &mut sending, Sending::drain)?;
        Ok(true)
    }

    fn transmit(&self, py: Python<'_>, end: &Arc<End>, parcel: Parcel<'_>) -> PyResult<()> {
        self.wait(py, &mut sending(end, parcel)?, Sending::advance)
    }

    /// Goes on with a message until the step is done.
    fn wait<'a>(&self, py: Python<'_>, sending: &mut Sending<'a>, step: Step<'a>) -> PyResult<()> {
        if sending.is_short(SMALL) {
            match step(sending, NOW) {
                Sent::Done => return Ok(()),
                Sent::TimedOut | Sent::Interrupted => {}
                failed => return Err(failure(failed)),
            }
        }
        self.wait_slowly(py, sending, step)
    }

    #[cold]
    fn wait_slowly<'a>(
        &self,
        py: Python<'_>,
        sending: &mut Sending<'a>,
        step: Step<'a>,
    ) -> PyResult<()> {
        self.refuse_amid(Going::Out)?;
        let mut pieces = Pieces::new();
        loop {
            let limit = pieces.limit(None);
            match pieces.run(py, || step(sending, limit)) {
                Sent::Done => return Ok(()),
                Sent::TimedOut | Sent::Interrupted if sending.step_aside() => self.pause(py)?,
                Sent::TimedOut | Sent::Interrupted => self.pause_amid(py, Going::Out)?,
                failed => return Err(failure(failed)),
            }
        }
    }
}

/// A step of a message: [`Sending::advance`] and the like.
type Step<'a> = fn(&mut Sending<'a>, Option<Duration>) -> Sent;

fn sending<'a>(end: &'a End, parcel: Parcel<'a>) -> PyResult<Sending<'a>> {
    end.send(parcel).ok_or_else(|| PyOSError::new_err("connection is read-only"))
}

/// The encoding of what is not simple, and the blocks that it refers to.
fn encode<'py>(
    end: &End,
    obj: &Bound<'py, PyAny>,
    large: Option<&Encoded<'py>>,
) -> PyResult<(Encoded<'py>, Vec<Block>)> {
    static DUMPS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let py = obj.py();
    let slow = || own(py, &DUMPS, "manyhands._by_item", "dumps")?.call1((obj, "message"));
    if !world::is_home(end.block().world().id()) {
        let collecting = Collecting::begin();
        let encoded = match large {
            Some(Encoded::Text(text)) => Encoded::Text(text.clone()),
            _ => pickle(obj, slow, false)?,
        };
        return Ok((encoded, collecting.finish()));
    }
    let collecting = Collecting::with_cargo();
    let encoded = match cargo::whole(obj, large)? {
        Some(whole) => whole,
        None => pickle(obj, slow, false)?,
    };
    Ok((encoded, collecting.finish()))
}

#[cold]
fn failure(sent: Sent) -> PyErr {
    match sent {
        Sent::TooLong => PyValueError::new_err("the message is longer than 256 TiB"),
        Sent::Damaged => damaged(),
        _ => PyBrokenPipeError::new_err((32, "Broken pipe")),
    }
}

/// What stands before the value: how many blocks, and which.
fn head(end: &End, met: &[Block]) -> PyResult<Vec<u8>> {
    let world = end.block().world();
    if met.iter().any(|block| block.world().id() != world.id()) {
        return Err(PyRuntimeError::new_err(
            "the message holds an object of another family of processes than the pipe's: \
             whoever receives it could not have it",
        ));
    }
    let count = u32::try_from(met.len()).unwrap_or(u32::MAX);
    let handles = met.iter().flat_map(|block| block.handle().0.to_le_bytes());
    Ok(count.to_le_bytes().into_iter().chain(handles).collect())
}

/// Blocks that a message keeps alive until it has been received.
struct Pins<'a> {
    end: &'a End,
    met: &'a [Block],
    pinned: usize,
}

impl<'a> Pins<'a> {
    fn new(end: &'a End, met: &'a [Block]) -> Self {
        let mut pins = Self { end, met, pinned: 0 };
        for block in met {
            end.block().world().pin(block.handle());
            pins.pinned += 1;
        }
        pins
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
