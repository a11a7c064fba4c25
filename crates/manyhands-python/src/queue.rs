//! `QueueBase` and `SimpleQueueBase`: what the package's queues inherit.
//!
//! The work is done in `queue_put` and `queue_get`. Here is what a queue is for one process: a channel,
//! and whether this process has closed it, or put into it (`multiprocessing` knows both by process; a
//! forked child begins anew). `__new__` takes anything, so that subclasses may have constructors of
//! their own; `_create` and `_take` bring the channel.

use std::sync::OnceLock;

use manyhands_shm::atomic::{AtomicU32, Ordering};
use manyhands_shm::channel::{Channel, Limits, TooManyDone, register};
use pyo3::exceptions::{PyOSError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyTuple, PyType};

use crate::queue_get;
use crate::queue_put;
use crate::queue_wait::{Patience, broken, is_shut_down, wait};
use crate::typing::of_types;
use crate::waiting::Pieces;
use crate::world;

/// A hold on a channel: what travels when a queue does.
#[pyclass(frozen, module = "manyhands._native")]
#[derive(Debug)]
pub(crate) struct QueueHold(Channel);

#[pymethods]
impl QueueHold {
    /// The id of the world and the name of the block.
    fn _handle(&self) -> (u64, u64) {
        world::name(self.0.block())
    }
}

/// Takes a hold on the channel of that name.
#[pyfunction]
pub(crate) fn adopt_queue(world: u64, handle: u64) -> PyResult<QueueHold> {
    register();
    let block = world::adopt(world, handle, "queue")?;
    let channel = Channel::of_block(block);
    channel.map(QueueHold).ok_or_else(|| PyValueError::new_err("this block is no queue"))
}

/// One process's end of a queue.
#[derive(Debug, Default)]
struct End {
    channel: OnceLock<Channel>,
    /// The process that has closed it, as an owner's number; 0: none.
    closed: AtomicU32,
    /// The process that has put something into it.
    used: AtomicU32,
}

impl End {
    fn create(&self, py: Python<'_>, limits: Limits) -> PyResult<()> {
        let home = world::open_home(py)?;
        let made = py.detach(|| Channel::create(&home, limits));
        self.take(made.map_err(|error| world::no_memory(&error))?)
    }

    fn take(&self, channel: Channel) -> PyResult<()> {
        let taken = self.channel.set(channel);
        taken.map_err(|_| PyTypeError::new_err("this queue was made already: __init__ runs once"))
    }

    #[inline]
    fn channel(&self) -> PyResult<&Channel> {
        self.channel.get().ok_or_else(unmade)
    }

    fn hold(&self) -> PyResult<QueueHold> {
        Ok(QueueHold(self.channel()?.clone()))
    }

    fn me(channel: &Channel) -> u32 {
        channel.block().world().me().get()
    }

    fn close(&self) -> PyResult<()> {
        let channel = self.channel()?;
        self.closed.store(Self::me(channel), Ordering::Relaxed);
        Ok(())
    }

    #[inline]
    fn is_closed(&self, channel: &Channel) -> bool {
        let closed = self.closed.load(Ordering::Relaxed);
        closed != 0 && closed == Self::me(channel)
    }

    #[inline]
    fn note_use(&self, channel: &Channel) {
        let me = Self::me(channel);
        if self.used.load(Ordering::Relaxed) != me {
            self.used.store(me, Ordering::Relaxed);
        }
    }

    fn was_used(&self, channel: &Channel) -> bool {
        self.used.load(Ordering::Relaxed) == Self::me(channel)
    }
}

#[cold]
fn unmade() -> PyErr {
    PyValueError::new_err("this queue was not made: its __init__ has not been called")
}

#[cold]
fn closed(queue: &Bound<'_, PyAny>) -> PyErr {
    match queue.repr() {
        Ok(repr) => PyValueError::new_err(format!("Queue {repr} is closed")),
        Err(error) => error,
    }
}

/// The channel of a queue that is open here.
#[inline]
fn open<'a>(end: &'a End, queue: &Bound<'_, PyAny>) -> PyResult<&'a Channel> {
    let channel = end.channel()?;
    if end.is_closed(channel) { Err(closed(queue)) } else { Ok(channel) }
}

/// What `Queue` and `JoinableQueue` inherit.
#[pyclass(frozen, subclass, module = "manyhands._native")]
#[derive(Debug, Default)]
pub(crate) struct QueueBase(End);

#[pymethods]
impl QueueBase {
    /// `Queue[int]`, for type checkers.
    #[classmethod]
    fn __class_getitem__<'py>(
        cls: &Bound<'py, PyType>,
        item: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        of_types(cls, item)
    }

    #[new]
    #[pyo3(signature = (*_args, **_kwargs))]
    fn new(_args: &Bound<'_, PyTuple>, _kwargs: Option<&Bound<'_, PyDict>>) -> Self {
        Self::default()
    }

    /// Makes the channel, for a new queue.
    fn _create(
        &self,
        py: Python<'_>,
        max_items: Option<u64>,
        max_bytes: Option<u64>,
    ) -> PyResult<()> {
        self.0.create(py, Limits { items: max_items, bytes: max_bytes })
    }

    /// Takes over a channel that exists.
    fn _take(&self, hold: &QueueHold) -> PyResult<()> {
        self.0.take(hold.0.clone())
    }

    fn _hold(&self) -> PyResult<QueueHold> {
        self.0.hold()
    }

    /// Puts a value.
    #[pyo3(signature = (obj, block = true, timeout = None))]
    fn put(
        slf: &Bound<'_, Self>,
        obj: &Bound<'_, PyAny>,
        block: bool,
        timeout: Option<f64>,
    ) -> PyResult<()> {
        let end = &slf.get().0;
        let channel = open(end, slf.as_any())?;
        end.note_use(channel);
        queue_put::put(channel, obj, Patience::new(block, timeout))
    }

    /// Puts a value, if there is room for it.
    fn put_nowait(slf: &Bound<'_, Self>, obj: &Bound<'_, PyAny>) -> PyResult<()> {
        Self::put(slf, obj, false, None)
    }

    /// Puts all values of an iterable.
    #[pyo3(signature = (items, block = true, timeout = None))]
    fn put_many(
        slf: &Bound<'_, Self>,
        items: &Bound<'_, PyAny>,
        block: bool,
        timeout: Option<f64>,
    ) -> PyResult<()> {
        let end = &slf.get().0;
        let channel = open(end, slf.as_any())?;
        end.note_use(channel);
        queue_put::put_many(channel, items, Patience::new(block, timeout))
    }

    /// Takes a value.
    #[pyo3(signature = (block = true, timeout = None))]
    fn get<'py>(
        slf: &Bound<'py, Self>,
        block: bool,
        timeout: Option<f64>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let channel = open(&slf.get().0, slf.as_any())?;
        queue_get::get(slf.py(), channel, Patience::new(block, timeout))
    }

    /// Takes a value, if there is one.
    fn get_nowait<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        Self::get(slf, false, None)
    }

    /// Takes as many values as there are, at least one.
    #[pyo3(signature = (max_items = None, block = true, timeout = None))]
    fn get_many<'py>(
        slf: &Bound<'py, Self>,
        max_items: Option<usize>,
        block: bool,
        timeout: Option<f64>,
    ) -> PyResult<Bound<'py, PyList>> {
        let channel = open(&slf.get().0, slf.as_any())?;
        let most = max_items.unwrap_or(usize::MAX);
        queue_get::get_many(slf.py(), channel, (most, Patience::new(block, timeout)))
    }

    /// How many items there are.
    fn qsize(&self) -> PyResult<u64> {
        Ok(self.0.channel()?.words().len())
    }

    /// Whether there is no item.
    fn empty(&self) -> PyResult<bool> {
        let channel = self.0.channel()?;
        if self.0.is_closed(channel) && self.0.was_used(channel) {
            return Err(PyOSError::new_err("this queue is closed"));
        }
        Ok(channel.words().is_empty())
    }

    /// Whether there is as much as there may be.
    fn full(&self) -> PyResult<bool> {
        Ok(self.0.channel()?.words().is_full())
    }

    /// Says that this process uses the queue no more.
    fn close(&self) -> PyResult<()> {
        self.0.close()
    }

    /// Whether this process has closed it.
    #[getter]
    fn _closed(&self) -> PyResult<bool> {
        let channel = self.0.channel()?;
        Ok(self.0.is_closed(channel))
    }

    /// The limits: items and bytes.
    #[getter]
    fn _limits(&self) -> PyResult<(Option<u64>, Option<u64>)> {
        let limits = self.0.channel()?.words().limits();
        Ok((limits.items, limits.bytes))
    }

    /// Says that nobody puts any more.
    #[pyo3(signature = (immediate = false))]
    fn shutdown(&self, py: Python<'_>, immediate: bool) -> PyResult<()> {
        let channel = self.0.channel()?;
        wait(py, Patience::Endless, |limit| channel.shut(immediate, limit))?;
        Ok(())
    }

    /// Whether nobody puts any more.
    fn is_shutdown(&self) -> PyResult<bool> {
        Ok(self.0.channel()?.words().is_shut())
    }

    /// One task is done.
    fn _task_done(&self) -> PyResult<()> {
        let done = self.0.channel()?.words().task_done();
        done.map_err(|TooManyDone| PyValueError::new_err("task_done() called too many times"))
    }

    /// Waits, in a thread that does nothing else, until there is an item or there will be none any more, and
    /// takes nothing. It uses no processor time, and may miss the ring of a producer that is killed.
    fn _wait_for_item(&self, py: Python<'_>) -> PyResult<()> {
        let words = self.0.channel()?.words();
        let _woken = Pieces::new().run(py, || words.wait_for_next_item());
        Ok(())
    }

    /// Waits until no task is left unfinished.
    fn _join(&self, py: Python<'_>) -> PyResult<()> {
        let channel = self.0.channel()?;
        let words = channel.words();
        while words.unfinished() > 0 {
            if words.is_broken() {
                return Err(broken());
            }
            if words.is_half_dropped() {
                wait(py, Patience::Endless, |limit| channel.finish_drop(limit))?;
                continue;
            }
            wait(py, Patience::Endless, |limit| words.wait_all_done(limit))?;
        }
        Ok(())
    }

    /// Values until the queue is shut down and empty.
    fn __iter__(slf: Bound<'_, Self>) -> QueueIterator {
        QueueIterator(slf.unbind())
    }
}

/// Takes values out of a queue until it is shut down and empty.
#[pyclass(frozen, module = "manyhands._native")]
#[derive(Debug)]
pub(crate) struct QueueIterator(Py<QueueBase>);

#[pymethods]
impl QueueIterator {
    fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        match QueueBase::get(self.0.bind(py), true, None) {
            Ok(value) => Ok(Some(value)),
            Err(error) if is_shut_down(py, &error) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// What `SimpleQueue` inherits.
#[pyclass(frozen, subclass, module = "manyhands._native")]
#[derive(Debug, Default)]
pub(crate) struct SimpleQueueBase(End);

#[pymethods]
impl SimpleQueueBase {
    /// `Queue[int]`, for type checkers.
    #[classmethod]
    fn __class_getitem__<'py>(
        cls: &Bound<'py, PyType>,
        item: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        of_types(cls, item)
    }

    #[new]
    #[pyo3(signature = (*_args, **_kwargs))]
    fn new(_args: &Bound<'_, PyTuple>, _kwargs: Option<&Bound<'_, PyDict>>) -> Self {
        Self::default()
    }

    fn _create(&self, py: Python<'_>) -> PyResult<()> {
        self.0.create(py, Limits::default())
    }

    fn _take(&self, hold: &QueueHold) -> PyResult<()> {
        self.0.take(hold.0.clone())
    }

    fn _hold(&self) -> PyResult<QueueHold> {
        self.0.hold()
    }

    /// Puts a value.
    fn put(slf: &Bound<'_, Self>, obj: &Bound<'_, PyAny>) -> PyResult<()> {
        let channel = slf.get().open()?;
        queue_put::put(channel, obj, Patience::Endless)
    }

    /// Takes a value, and waits for it if need be.
    fn get<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let channel = slf.get().open()?;
        queue_get::get(slf.py(), channel, Patience::Endless)
    }

    /// Whether there is no item.
    fn empty(&self) -> PyResult<bool> {
        Ok(self.open()?.words().is_empty())
    }

    /// Says that this process uses the queue no more.
    fn close(&self) -> PyResult<()> {
        self.0.close()
    }
}

impl SimpleQueueBase {
    /// The channel, while this process has not closed it.
    #[inline]
    fn open(&self) -> PyResult<&Channel> {
        let channel = self.0.channel()?;
        if self.0.is_closed(channel) {
            return Err(PyOSError::new_err("this queue is closed"));
        }
        Ok(channel)
    }
}
