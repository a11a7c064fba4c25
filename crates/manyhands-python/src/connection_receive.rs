//! `recv`, `recv_bytes` and `recv_bytes_into`: values out of a pipe.
//!
//! The bytes are copied out, and the message is gone, before anything is made of them: what cannot be unpickled
//! is one error, and the next message is the next one. A large message is copied to where it stays.
//!
//! When a signal handler raises in the middle of a message, what came of it is kept (`Kept`), and the next call
//! goes on with it, unless another copy of this end has read on. When it raises as the message is complete, the
//! message is kept.

use std::sync::Arc;

use manyhands_shm::pipe::{Arrival, End, Read, Receiving};
use manyhands_shm::sync::Wait;
use manyhands_shm::world::Handle;
use pyo3::exceptions::{PyEOFError, PyException, PyOSError, PyValueError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyString};

use crate::cargo::{CARGO, STOWED, decode};
use crate::codec::own;
use crate::connection_content::{BYTES, Content, Kept, PICKLE, PINNED, Payload, RAW, TEXT, VALUE};
use crate::connection_state::{
    Going, NOW, SMALL, State, bad_descriptor, damaged, detached, locked,
};
use crate::ffi;
use crate::interrupt::is_interrupt;
use crate::waiting::Pieces;

/// A message.
struct Message<'py> {
    label: u8,
    bytes: Payload<'py>,
}

/// How a call begins.
enum Begun<'e> {
    Whole(u8, ffi::NewBytes),
    Reception(Receiving<'e>, Option<ffi::NewBytes>),
}

impl<'py> Message<'py> {
    fn new(py: Python<'py>, label: u8, content: Content) -> Self {
        Self { label, bytes: content.finish(py) }
    }
}

impl State {
    /// Receives a picklable object.
    pub(crate) fn take_value<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        // In a loop of C code (`iter(connection.recv, None)`) nobody else looks while something has always come.
        py.check_signals()?;
        let end = self.end()?;
        self.check_readable()?;
        let message = self.fetch(py, &end, None)?;
        value(py, &end, message)
    }

    /// Receives a message as bytes.
    pub(crate) fn take_bytes<'py>(
        &self,
        py: Python<'py>,
        maxlength: Option<isize>,
    ) -> PyResult<Bound<'py, PyBytes>> {
        py.check_signals()?;
        let end = self.end()?;
        self.check_readable()?;
        let most = maxlength.map(usize::try_from).transpose();
        let most = most.map_err(|_| PyValueError::new_err("negative maxlength"))?;
        let message = self.fetch(py, &end, most)?;
        let bytes = as_bytes(py, &end, message)?;
        if most.is_some_and(|most| bytes.as_bytes().len() > most) {
            return Err(self.refuse_length());
        }
        Ok(bytes)
    }

    /// Receives a message into a writable bytes-like object; returns how many bytes it had.
    pub(crate) fn take_bytes_into(&self, buf: &Bound<'_, PyAny>, offset: isize) -> PyResult<usize> {
        static TOO_SHORT: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        let py = buf.py();
        let end = self.end()?;
        self.check_readable()?;
        let mut view = ffi::View::writable(buf)?;
        let Ok(offset) = usize::try_from(offset) else {
            return Err(PyValueError::new_err("negative offset"));
        };
        if offset > view.bytes().len() {
            return Err(PyValueError::new_err("offset too large"));
        }
        let message = self.fetch(py, &end, None)?;
        let bytes = as_bytes(py, &end, message)?;
        let content = bytes.as_bytes();
        if view.put(offset, content) {
            return Ok(content.len());
        }
        let class = own(py, &TOO_SHORT, "multiprocessing", "BufferTooShort")?;
        Err(PyErr::from_value(class.call1((bytes,))?))
    }
}

impl State {
    /// The next message; longer ones than `most` are refused, and stay.
    fn fetch<'py>(
        &self,
        py: Python<'py>,
        end: &Arc<End>,
        most: Option<usize>,
    ) -> PyResult<Message<'py>> {
        loop {
            let (receiving, part) = match self.begin(py, end)? {
                Begun::Whole(label, bytes) => {
                    return Ok(Message::new(py, label, Content::Long(bytes)));
                }
                Begun::Reception(receiving, part) => (receiving, part),
            };
            if let Some(message) = self.finish(py, end, (receiving, part), most)? {
                return Ok(message);
            }
        }
    }

    /// The rest of [`State::fetch`]. `None`: while it waited, something was kept that goes first.
    fn finish<'py>(
        &self,
        py: Python<'py>,
        end: &Arc<End>,
        (mut receiving, mut part): (Receiving<'_>, Option<ffi::NewBytes>),
        most: Option<usize>,
    ) -> PyResult<Option<Message<'py>>> {
        loop {
            let Some(arrival) = self.arrive(py, end, &mut receiving)? else { return Ok(None) };
            if arrival.label == RAW && most.is_some_and(|most| arrival.len > most) {
                leave(py, end, receiving);
                return Err(self.refuse_length());
            }
            let mut content = match part.take() {
                Some(bytes) => Content::Long(bytes),
                None => Content::new(py, arrival)?,
            };
            match self.read(py, end, &mut receiving, &mut content) {
                Ok(Read::Done(())) => {
                    leave(py, end, receiving);
                    return self.complete(py, arrival, content).map(Some);
                }
                Ok(Read::Lost) => {}
                Ok(ended) => return Err(failure(&ended)),
                Err(error) => {
                    self.keep(receiving, content);
                    return Err(error);
                }
            }
        }
    }

    /// The message is complete. A signal that came while a large one was copied would raise as soon as we
    /// return, and the message would be lost: it is kept then.
    fn complete<'py>(
        &self,
        py: Python<'py>,
        arrival: Arrival,
        content: Content,
    ) -> PyResult<Message<'py>> {
        if arrival.len <= SMALL {
            return Ok(Message::new(py, arrival.label, content));
        }
        match (py.check_signals(), content) {
            (Err(error), Content::Long(bytes)) => {
                *locked(&self.kept) = Some(Kept::Whole(arrival.label, bytes));
                Err(error)
            }
            (_, content) => Ok(Message::new(py, arrival.label, content)),
        }
    }

    /// A new reception, or what an earlier call could not finish.
    fn begin<'e>(&self, py: Python<'_>, end: &'e Arc<End>) -> PyResult<Begun<'e>> {
        let mut pieces = Pieces::new();
        loop {
            let (at, bytes) = match locked(&self.kept).take() {
                None => break,
                Some(Kept::Whole(label, bytes)) => return Ok(Begun::Whole(label, bytes)),
                Some(Kept::Part(at, bytes)) => (at, bytes),
            };
            if let Err(error) = self.refuse_amid(Going::In) {
                *locked(&self.kept) = Some(Kept::Part(at, bytes));
                return Err(error);
            }
            let limit = pieces.limit(None);
            match pieces.run(py, || end.resume(&at, limit)) {
                Wait::Ready(Some(receiving)) => {
                    return Ok(Begun::Reception(receiving, Some(bytes)));
                }
                Wait::Ready(None) => break,
                Wait::TimedOut | Wait::Interrupted => {
                    *locked(&self.kept) = Some(Kept::Part(at, bytes));
                    self.pause(py)?;
                }
            }
        }
        let receiving = end.receive();
        receiving
            .map(|receiving| Begun::Reception(receiving, None))
            .ok_or_else(|| PyOSError::new_err("connection is write-only"))
    }

    /// Waits for a message. `None`: code that ran meanwhile has kept one.
    fn arrive(
        &self,
        py: Python<'_>,
        end: &Arc<End>,
        receiving: &mut Receiving<'_>,
    ) -> PyResult<Option<Arrival>> {
        if end.has_message()
            && let Read::Done(arrival) = receiving.arrive(NOW)
        {
            return Ok(Some(arrival));
        }
        self.refuse_amid(Going::In)?;
        let mut pieces = Pieces::new();
        loop {
            let limit = pieces.limit(None);
            match pieces.run(py, || receiving.arrive(limit)) {
                Read::Done(arrival) => return Ok(Some(arrival)),
                Read::TimedOut | Read::Interrupted => {
                    step_aside(py, end, receiving);
                    self.pause(py)?;
                    if locked(&self.kept).is_some() {
                        return Ok(None);
                    }
                }
                ended => return Err(failure(&ended)),
            }
        }
    }

    fn read(
        &self,
        py: Python<'_>,
        end: &Arc<End>,
        receiving: &mut Receiving<'_>,
        content: &mut Content,
    ) -> PyResult<Read<()>> {
        if content.len() <= SMALL && !end.is_exact() {
            match content.fill(|room| receiving.read(room, NOW)) {
                Read::TimedOut | Read::Interrupted => {}
                ended => return Ok(ended),
            }
        }
        let mut pieces = Pieces::new();
        loop {
            let limit = pieces.limit(None);
            match pieces.run(py, || content.fill(|room| receiving.read(room, limit))) {
                Read::TimedOut | Read::Interrupted => self.pause_amid(py, Going::In)?,
                ended => return Ok(ended),
            }
        }
    }

    fn keep(&self, receiving: Receiving<'_>, content: Content) {
        if let (Some(at), Content::Long(bytes)) = (receiving.suspend(), content) {
            *locked(&self.kept) = Some(Kept::Part(at, bytes));
        }
    }
}

/// Lets others receive while it waits, among them the handlers of signals in this thread.
fn step_aside(py: Python<'_>, end: &End, receiving: &mut Receiving<'_>) {
    if end.is_exact() {
        detached(py, || receiving.step_aside());
    } else {
        receiving.step_aside();
    }
}

/// Lets others receive. An end whose descriptor others look at may have to wait a moment for a sender.
fn leave(py: Python<'_>, end: &End, receiving: Receiving<'_>) {
    if end.is_exact() {
        detached(py, || drop(receiving));
    }
}

fn value<'py>(py: Python<'py>, end: &End, message: Message<'py>) -> PyResult<Bound<'py, PyAny>> {
    match (message.label, message.bytes) {
        (BYTES, Payload::Long(bytes)) => Ok(bytes.into_any()),
        (RAW | PICKLE, bytes) => unpickle(py, bytes),
        (PINNED, bytes) => unpickle_pinned(py, end, &bytes),
        (VALUE, bytes) => decode(py, bytes.as_slice()),
        (TEXT, bytes) => match std::str::from_utf8(bytes.as_slice()) {
            Ok(text) => Ok(PyString::new(py, text).into_any()),
            Err(_) => Err(damaged()),
        },
        _ => Err(damaged()),
    }
}

/// What `recv_bytes` gives: what was sent as bytes, or the pickle of what was sent as an object.
fn as_bytes<'py>(
    py: Python<'py>,
    end: &End,
    message: Message<'py>,
) -> PyResult<Bound<'py, PyBytes>> {
    static DUMPS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    match message {
        Message { label: RAW, bytes: Payload::Long(bytes) } => Ok(bytes),
        Message { label: PICKLE, bytes } => Ok(PyBytes::new(py, bytes.as_slice())),
        other => {
            let value = value(py, end, other)?;
            let dumps = own(py, &DUMPS, "manyhands.connection", "_dumps")?;
            Ok(ffi::call(&dumps, &[&value])?.cast_into::<PyBytes>()?)
        }
    }
}

fn unpickle<'py>(py: Python<'py>, bytes: Payload<'py>) -> PyResult<Bound<'py, PyAny>> {
    static LOADS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let loads = own(py, &LOADS, "_pickle", "loads")?;
    let bytes = match bytes {
        Payload::Long(bytes) => bytes,
        Payload::Short(bytes, len) => PyBytes::new(py, &bytes[..len]),
    };
    ffi::call(&loads, &[bytes.as_any()]).map_err(|error| rebuilt_badly(&bytes, error))
}

/// What unpickling has raised comes out as it is, as in `multiprocessing`, but for what would end this
/// process instead (`SystemExit`): that becomes the error that a queue raises, too.
#[cold]
fn rebuilt_badly(bytes: &Bound<'_, PyBytes>, error: PyErr) -> PyErr {
    static EXPLAIN: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let py = bytes.py();
    if error.is_instance_of::<PyException>(py) || is_interrupt(py, &error) {
        return error;
    }
    let explain = own(py, &EXPLAIN, "manyhands._culprit", "cannot_load");
    match explain.and_then(|explain| explain.call1((bytes, error.value(py), "a message"))) {
        Ok(told) => {
            let told = PyErr::from_value(told);
            told.set_cause(py, Some(error));
            told
        }
        Err(worse) => worse,
    }
}

/// The pins of the message become holds of this process, which end when unpickling has made its own.
fn unpickle_pinned<'py>(
    py: Python<'py>,
    end: &End,
    bytes: &Payload<'py>,
) -> PyResult<Bound<'py, PyAny>> {
    let bytes = bytes.as_slice();
    let (count, rest) = bytes.split_first_chunk::<4>().ok_or_else(damaged)?;
    let len = (u32::from_le_bytes(*count) as usize).saturating_mul(8);
    let (handles, pickle) = rest.split_at_checked(len).ok_or_else(damaged)?;
    let handles = handles
        .chunks_exact(8)
        .map(|handle| Handle(handle.first_chunk().map_or(0, |word| u64::from_le_bytes(*word))));
    let arrival = end.block().world().receive(handles);
    arrival.taken();
    let outcome = match pickle.first() {
        Some(&(CARGO | STOWED)) => decode(py, pickle),
        _ => unpickle(py, Payload::Long(PyBytes::new(py, pickle))),
    };
    arrival.decoded();
    outcome
}

#[cold]
fn failure<T>(ended: &Read<T>) -> PyErr {
    match ended {
        Read::End => PyEOFError::new_err(()),
        Read::Broken => bad_descriptor(),
        _ => damaged(),
    }
}
