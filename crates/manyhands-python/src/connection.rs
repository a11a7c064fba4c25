//! `PipeEnd`: one end of a pipe as Python sees it; `manyhands.connection.Connection` is its subclass.
//!
//! Names, arguments, errors and their texts are those of `multiprocessing.connection.Connection`. What moves the
//! bytes is `manyhands_shm::pipe`; how values become bytes is in `connection_send.rs` and
//! `connection_receive.rs`.
//!
//! A small message that needs no wait is copied with the interpreter attached; everything else detaches: waits,
//! large copies, and whatever an end does whose descriptor others look at. Nobody waits for a lock of the pipe
//! while attached. A wait is cut into slices, so that signal handlers run and a `close` by another
//! thread is seen.

use std::os::fd::AsRawFd;
use std::sync::Mutex;

use manyhands_shm::pipe::{End, Half, NoPipe, Read};
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::connection_state::{Going, State, bad_descriptor, locked};
use crate::waiting::{Pieces, after, left_until, seconds};
use crate::{ffi, world};

/// A new end on its way into its Python object.
#[pyclass(frozen, module = "manyhands._native")]
#[derive(Debug)]
pub(crate) struct PipeSeed(Mutex<Option<End>>);

/// One end of a pipe.
#[pyclass(subclass, frozen, module = "manyhands._native")]
#[derive(Debug)]
pub(crate) struct PipeEnd(State);

/// A new pipe.
#[pyfunction]
pub(crate) fn new_pipe(py: Python<'_>, duplex: bool) -> PyResult<(PipeSeed, PipeSeed)> {
    let home = world::open_home(py)?;
    match py.detach(|| End::pair(&home, duplex)) {
        Ok((first, second)) => Ok((seed(first), seed(second))),
        Err(NoPipe::Memory(error)) => Err(world::no_memory(&error)),
        Err(NoPipe::Socket(error)) => Err(error.into()),
    }
}

/// An end that came from another process: the name of its block, its descriptor, and which end it is.
#[pyfunction]
pub(crate) fn adopt_pipe(world: u64, handle: u64, fd: i32, first: bool) -> PyResult<PipeSeed> {
    let socket = ffi::owned(fd);
    let block = world::adopt(world, handle, "Connection")?;
    let half = if first { Half::First } else { Half::Second };
    let end = End::adopt(block, socket, half);
    end.map(seed).ok_or_else(|| PyRuntimeError::new_err("the name of a pipe names something else"))
}

fn seed(end: End) -> PipeSeed {
    PipeSeed(Mutex::new(Some(end)))
}

#[pymethods]
impl PipeEnd {
    #[new]
    #[pyo3(signature = (seed, readable=true, writable=true))]
    fn new(seed: &PipeSeed, readable: bool, writable: bool) -> PyResult<Self> {
        let Some(end) = locked(&seed.0).take() else {
            return Err(PyValueError::new_err("this end of a pipe has its object already"));
        };
        Ok(Self(State::new(end, readable, writable)))
    }

    /// Sends a picklable object.
    fn send(&self, obj: &Bound<'_, PyAny>) -> PyResult<()> {
        self.0.put_value(obj)
    }

    /// Sends the bytes of a bytes-like object.
    #[pyo3(signature = (buf, offset=0, size=None))]
    fn send_bytes(
        &self,
        buf: &Bound<'_, PyAny>,
        offset: isize,
        size: Option<isize>,
    ) -> PyResult<()> {
        self.0.put_bytes(buf, offset, size)
    }

    /// Receives a picklable object.
    fn recv<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.0.take_value(py)
    }

    /// Receives a message as bytes.
    #[pyo3(signature = (maxlength=None))]
    fn recv_bytes<'py>(
        &self,
        py: Python<'py>,
        maxlength: Option<isize>,
    ) -> PyResult<Bound<'py, PyBytes>> {
        self.0.take_bytes(py, maxlength)
    }

    /// Receives a message into a writable bytes-like object; returns how many bytes it had.
    #[pyo3(signature = (buf, offset=0))]
    fn recv_bytes_into(&self, buf: &Bound<'_, PyAny>, offset: isize) -> PyResult<usize> {
        self.0.take_bytes_into(buf, offset)
    }

    /// True if the connection is closed.
    #[getter]
    fn closed(&self) -> bool {
        self.0.is_closed()
    }

    /// True if the connection is readable.
    #[getter]
    fn readable(&self) -> bool {
        self.0.is_readable()
    }

    /// True if the connection is writable.
    #[getter]
    fn writable(&self) -> bool {
        self.0.writable
    }

    /// The number of the descriptor, which is readable from now on while there is a message.
    fn fileno(&self, py: Python<'_>) -> PyResult<i32> {
        let end = self.0.end()?;
        if end.is_exact() {
            end.share_socket();
        } else {
            py.detach(|| end.share_socket());
        }
        Ok(end.socket().as_raw_fd())
    }

    /// Closes this copy of the end.
    fn close(&self) {
        self.0.close();
    }

    /// Whether there is something to receive, or the end, within `timeout` seconds (`None`: however long it takes).
    #[pyo3(signature = (timeout=Some(0.0)))]
    fn poll(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<bool> {
        let end = self.0.end()?;
        self.0.check_readable()?;
        if self.0.is_amid(Going::In) {
            // Nothing comes to whoever asks in the middle of a `recv`, however long he waits.
            return timeout
                .map_or_else(|| self.0.refuse_amid(Going::In), |_| Ok(()))
                .map(|()| false);
        }
        if end.has_message() || locked(&self.0.kept).is_some() {
            return Ok(true);
        }
        let deadline = after(seconds(timeout));
        let mut pieces = Pieces::new();
        loop {
            let left = deadline.map(left_until);
            let limit = pieces.limit(left);
            match pieces.run(py, || end.poll(limit)) {
                Read::TimedOut if left.is_some() && limit == left => return Ok(false),
                Read::TimedOut | Read::Interrupted => self.0.pause(py)?,
                Read::Broken => return Err(bad_descriptor()),
                _ => return Ok(true),
            }
        }
    }

    fn __enter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    #[pyo3(signature = (*_args))]
    fn __exit__(&self, _args: &Bound<'_, PyAny>) {
        self.0.close();
    }

    /// The name of its block, for other processes: id of the world, and handle.
    fn _handle(&self) -> (u64, u64) {
        world::name(&self.0.block)
    }

    /// The number of the descriptor, for whoever copies it into another process.
    fn _descriptor(&self) -> PyResult<i32> {
        Ok(self.0.end()?.socket().as_raw_fd())
    }

    /// Whether it is the first end of its pipe.
    #[getter]
    fn _first(&self) -> bool {
        self.0.half == Half::First
    }
}
