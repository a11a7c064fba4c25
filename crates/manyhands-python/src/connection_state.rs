//! What an end is to its Python object: open or closed, which way it goes, and what an interrupted call left.

use std::cell::RefCell;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use manyhands_shm::atomic::{AtomicU32, Ordering};
use manyhands_shm::pipe::{End, Half};
use manyhands_shm::world::Block;
use pyo3::exceptions::{PyOSError, PyRuntimeError};
use pyo3::prelude::*;

use crate::connection_content::Kept;
use crate::{exit, world};

/// Up to this a message is copied while attached.
pub(crate) const SMALL: usize = 8 << 10;

/// Which way a message goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Going {
    Out,
    In,
}

/// One lock of a pipe: all objects of an end share it.
type Key = ((u64, u64), Half, Going);

thread_local! {
    /// The locks that this thread holds in the middle of messages while other code runs.
    static AMID: RefCell<Vec<Key>> = const { RefCell::new(Vec::new()) };
}

/// While it lives, this thread is in the middle of a message, and runs other code.
struct Amid(Key);

impl Amid {
    fn enter(key: Key) -> Self {
        AMID.with_borrow_mut(|keys| keys.push(key));
        Self(key)
    }
}

impl Drop for Amid {
    fn drop(&mut self) {
        AMID.with_borrow_mut(|keys| {
            if let Some(at) = keys.iter().rposition(|key| *key == self.0) {
                keys.remove(at);
            }
        });
    }
}

/// One end, and what its object knows of it.
#[derive(Debug)]
pub(crate) struct State {
    end: Mutex<Option<Arc<End>>>,
    /// Kept after `close`, as long as the object lives: it may be on its way to a child.
    pub(crate) block: Block,
    pub(crate) half: Half,
    readable: AtomicU32,
    pub(crate) writable: bool,
    /// What an interrupted `recv` has of a message.
    pub(crate) kept: Mutex<Option<Kept>>,
}

pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl State {
    pub(crate) fn new(end: End, readable: bool, writable: bool) -> Self {
        Self {
            block: end.block().clone(),
            half: end.half(),
            end: Mutex::new(Some(Arc::new(end))),
            readable: AtomicU32::new(readable.into()),
            writable,
            kept: Mutex::new(None),
        }
    }

    pub(crate) fn is_closed(&self) -> bool {
        locked(&self.end).is_none()
    }

    pub(crate) fn is_readable(&self) -> bool {
        self.readable.load(Ordering::Relaxed) != 0
    }

    /// Closes this copy of the end.
    pub(crate) fn close(&self) {
        let end = locked(&self.end).take();
        drop(locked(&self.kept).take());
        drop(end);
    }

    pub(crate) fn end(&self) -> PyResult<Arc<End>> {
        locked(&self.end).clone().ok_or_else(|| PyOSError::new_err("handle is closed"))
    }

    pub(crate) fn check_readable(&self) -> PyResult<()> {
        if self.is_readable() {
            return Ok(());
        }
        Err(PyOSError::new_err("connection is write-only"))
    }

    pub(crate) fn check_writable(&self) -> PyResult<()> {
        if self.writable {
            return Ok(());
        }
        Err(PyOSError::new_err("connection is read-only"))
    }

    /// Between two slices of a wait: signal handlers run, and a `close` by another thread ends it. The caller
    /// holds no lock of the pipe.
    pub(crate) fn pause(&self, py: Python<'_>) -> PyResult<()> {
        py.check_signals()?;
        self.end().map(drop)
    }

    /// The same in the middle of a message, where the caller holds the lock: handlers cannot use it.
    pub(crate) fn pause_amid(&self, py: Python<'_>, going: Going) -> PyResult<()> {
        let _amid = Amid::enter(self.key(going));
        self.pause(py)
    }

    /// Whether this thread is in the middle of a message that goes this way: what asks is code that a pause runs,
    /// and would wait for the lock of its own thread for ever.
    pub(crate) fn is_amid(&self, going: Going) -> bool {
        AMID.with_borrow(|keys| !keys.is_empty() && keys.contains(&self.key(going)))
    }

    /// Before a wait for the lock.
    pub(crate) fn refuse_amid(&self, going: Going) -> PyResult<()> {
        if !self.is_amid(going) {
            return Ok(());
        }
        let (doing, does) = match going {
            Going::Out => ("sending", "send"),
            Going::In => ("receiving", "receive"),
        };
        Err(PyRuntimeError::new_err(format!(
            "this end is in the middle of {doing} a message in this very thread: a signal handler, or whatever \
             else runs in between, cannot {does} another one"
        )))
    }

    fn key(&self, going: Going) -> Key {
        (world::name(&self.block), self.half, going)
    }

    /// As `multiprocessing` does with a message that is longer than allowed.
    pub(crate) fn refuse_length(&self) -> PyErr {
        if self.writable {
            self.readable.store(0, Ordering::Relaxed);
        } else {
            self.close();
        }
        PyOSError::new_err("bad message length")
    }
}

/// Something that may take time, without the interpreter.
pub(crate) fn detached<T: Send>(py: Python<'_>, work: impl FnOnce() -> T + Send) -> T {
    py.detach(|| {
        let outcome = work();
        exit::stay_out();
        outcome
    })
}

/// What lies in the shared memory of the pipe cannot be.
#[cold]
pub(crate) fn damaged() -> PyErr {
    PyOSError::new_err("what lies in the pipe is no message: another process has damaged it")
}

pub(crate) fn bad_descriptor() -> PyErr {
    std::io::Error::from_raw_os_error(9).into()
}

/// No wait.
pub(crate) const NOW: Option<Duration> = Some(Duration::ZERO);
