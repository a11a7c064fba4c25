//! `ResultIterator`: what `imap` and its relatives return.
//!
//! It feeds itself: the first window during the call, then, whenever its consumer takes results, as many items
//! as keep a window on their way. The window is bounded in items that were pulled and not yet
//! yielded, and in bytes of arguments and results together. The source is advanced only by the thread
//! that calls `next` (or `join`), and closed when the iterator ends, is closed or is dropped.
//!
//! Dropped after its first `next`, it cancels what has not started. Dropped before that it was meant as
//! fire-and-forget: the pool keeps it and runs the rest of the source when it is closed and joined.

use std::sync::Arc;
use std::time::Duration;

use manyhands_pool::{CallId, Need, Pool, Status};
use manyhands_shm::atomic::{AtomicU32, Ordering};

use pyo3::exceptions::{PyRuntimeError, PyStopIteration};
use pyo3::prelude::*;
use pyo3::types::PyType;

use crate::feed::Feed;
use crate::gate::Gate;
use crate::map::{items_ahead, raise_fault};
use crate::outcome::{Cursor, Described};
use crate::progress::Progress;
use crate::task::Task;
use crate::typing::of_types;
use crate::waiting::{seconds, wait};

const WINDOW_MOST: u64 = 1 << 14;
const BYTES_AHEAD: usize = 64 << 20;
/// Yields between two looks at the window while a long run is consumed.
const LOOK_EVERY: u32 = 256;

/// The state of an iteration.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "facts that hold independently of each other")]
struct Flow {
    feed: Feed,
    cursor: Option<Cursor>,
    described: Described,
    progress: Progress,
    window: Option<u64>,
    bytes: Option<usize>,
    yielded: u64,
    since_look: u32,
    raises: bool,
    advanced: bool,
    ended: bool,
    /// The pool has closed the source before its end.
    cut: bool,
}

/// What an iterator and its pool share: the pool feeds it to its end when it is joined.
#[pyclass(frozen, module = "manyhands._native")]
#[derive(Debug)]
pub(crate) struct Stream {
    flow: Gate<Flow>,
    /// 1: another thread has ended it while one was inside; the next step sees that.
    stopped: AtomicU32,
    pool: Arc<Pool>,
    call: CallId,
}

/// Yields results; made by `imap`, `imap_unordered`, `istarmap` and `istarmap_unordered`.
///
/// It pulls its source in the thread that asks for results, a bounded number of items ahead. One that is dropped or
/// closed cancels what has not started and closes its source.
///
/// >>> with Pool(1) as pool:
/// ...     list(pool.imap(abs, [-1, 2]))
/// [1, 2]
#[pyclass(frozen, weakref, module = "manyhands._native")]
#[derive(Debug)]
pub(crate) struct ResultIterator {
    stream: Py<Stream>,
}

impl Stream {
    /// Fills the first window.
    pub(crate) fn start(
        py: Python<'_>,
        feed: Feed,
        task: &Task,
        (window, bytes): (Option<u64>, Option<usize>),
    ) -> PyResult<ResultIterator> {
        let mut flow = Flow {
            feed,
            cursor: None,
            described: task.describe(false),
            progress: Progress::new(py, task.progress.as_ref()),
            window,
            bytes,
            yielded: 0,
            since_look: 0,
            raises: task.stop,
            advanced: false,
            ended: false,
            cut: false,
        };
        flow.feed.patient = window.is_some();
        if let Err(error) = flow.refill(py) {
            flow.end(py)?;
            return Err(error);
        }
        let stream = Self {
            stopped: AtomicU32::new(0),
            pool: Arc::clone(&flow.feed.pool),
            call: flow.feed.call,
            flow: Gate::new(flow),
        };
        Ok(ResultIterator { stream: Py::new(py, stream)? })
    }

    /// A step: the next result, unless another thread has ended the iteration.
    #[inline]
    fn step<'py>(
        &self,
        py: Python<'py>,
        timeout: Option<Duration>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.flow.enter(py, |flow| {
            if self.stopped.load(Ordering::Relaxed) != 0 {
                flow.end(py)?;
            }
            flow.next(py, timeout)
        })
    }

    /// Ends the iteration, and what runs of it if `all`. A thread that is inside is not waited for: it gets
    /// what its item comes to, and closes the source at its next step.
    fn stop(&self, py: Python<'_>, all: bool) -> PyResult<()> {
        if self.flow.is_taken_by_another() {
            self.stopped.store(1, Ordering::Relaxed);
            if !self.pool.is_foreign() {
                self.pool.cancel(self.call);
                if all {
                    self.pool.interrupt(self.call);
                }
            }
            return Ok(());
        }
        self.flow.enter(py, |flow| if all { flow.stop(py) } else { flow.end(py) })
    }
}

impl Flow {
    /// Feeds what the window has room for.
    ///
    /// Signals are looked at here: where all is quick, nothing is waited for, and no Python code may run between
    /// two steps (`sum(pool.imap(..))`).
    fn refill(&mut self, py: Python<'_>) -> PyResult<()> {
        py.check_signals()?;
        self.since_look = 0;
        while !self.feed.exhausted() {
            let Some(status) = self.feed.pool.status(self.feed.call) else { return Ok(()) };
            let window =
                self.window.unwrap_or_else(|| items_ahead(&self.feed.pool).min(WINDOW_MOST));
            // A chunk goes out whole: the bounds are rounded up to one.
            let window = window.max(self.feed.chunk().into());
            let ahead = self.feed.fed - self.yielded;
            let held =
                (status.bytes_in_flight + status.bytes_waiting).max(self.feed.bytes_of(ahead));
            let bytes = self.bytes.unwrap_or_else(|| self.feed.bytes_ahead(BYTES_AHEAD));
            let full = ahead >= window || (held >= bytes && ahead > 0);
            let worthwhile = self.window.is_some() || ahead <= window / 2 || idle(&status);
            if full || !worthwhile {
                return Ok(());
            }
            // Bytes are counted as they are pulled, so one piece never goes far beyond the bound.
            let chunk = u64::from(self.feed.chunk());
            let room = (window - ahead) / chunk * chunk;
            if room == 0 {
                return Ok(());
            }
            let before = self.feed.fed;
            self.feed.feed(py, room, bytes.saturating_sub(held).max(1))?;
            if !self.feed.patient && self.feed.fed - before < room {
                // The source is slow, or at its end: results come first.
                return Ok(());
            }
        }
        Ok(())
    }

    #[inline]
    fn next<'py>(
        &mut self,
        py: Python<'py>,
        timeout: Option<Duration>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        if self.feed.pool.is_foreign() {
            return Err(PyRuntimeError::new_err(
                "this iterator belongs to the parent process: a forked child cannot advance it",
            ));
        }
        self.advanced = true;
        loop {
            // Before a result is taken: an error of these, an interrupt, must not lose one.
            if self.since_look >= LOOK_EVERY {
                self.refill(py)?;
                self.progress.show(py, &self.feed.pool, self.yielded)?;
            }
            if let Some(cursor) = &mut self.cursor
                && let Some(outcome) = cursor.next(py, &self.described, &self.feed.unsent)
            {
                let outcome = match outcome {
                    Err(error) if cursor.interrupted => return Err(error),
                    outcome => outcome,
                };
                self.yielded += 1;
                self.since_look += 1;
                return match outcome {
                    Ok(value) => Ok(Some(value)),
                    Err(error) if self.raises => Err(error),
                    Err(error) => {
                        raise_fault(py, &self.feed.pool)?;
                        Ok(Some(error.into_value(py).into_bound(py).into_any()))
                    }
                };
            }
            if !self.next_run(py, timeout)? {
                return Ok(None);
            }
        }
    }

    /// Gets the next run; false at the end.
    #[cold]
    fn next_run(&mut self, py: Python<'_>, timeout: Option<Duration>) -> PyResult<bool> {
        if self.ended {
            return Ok(false);
        }
        self.progress.show(py, &self.feed.pool, self.yielded)?;
        if self.comes_before_the_source(py, timeout)? {
            return Ok(true);
        }
        self.refill(py)?;
        let (pool, call) = (std::sync::Arc::clone(&self.feed.pool), self.feed.call);
        loop {
            if let Some(run) = pool.take(call) {
                self.cursor = Some(Cursor::new(run));
                return Ok(true);
            }
            let finished = pool
                .status(call)
                .is_none_or(|status| status.complete() && status.taken == status.fed);
            if finished && self.feed.exhausted() {
                let error = self.feed.error.take();
                self.end(py)?;
                return match error {
                    Some(error) => Err(error),
                    None if self.cut => Err(cut_off(py)?),
                    None => Ok(false),
                };
            }
            let slice = self.progress.slice();
            let limit = [timeout, slice].into_iter().flatten().min();
            let ready = wait(py, |slice| pool.wait(call, Need::Run, slice), limit)?;
            if !ready && limit == timeout {
                return Err(timed_out(py)?);
            }
            self.progress.show(py, &pool, self.yielded)?;
        }
    }

    /// With a source that takes long: gets what is there, or will be sooner than the source's next item.
    fn comes_before_the_source(
        &mut self,
        py: Python<'_>,
        timeout: Option<Duration>,
    ) -> PyResult<bool> {
        let Some(pull) = self.feed.slow.filter(|_| !self.feed.exhausted()) else {
            return Ok(false);
        };
        let (pool, call) = (std::sync::Arc::clone(&self.feed.pool), self.feed.call);
        let busy = pool.status(call).is_some_and(|status| !idle(&status));
        if busy && Duration::from_nanos(pool.item_ns()) < pull {
            let limit = timeout.map_or(pull, |timeout| timeout.min(pull));
            let ready = wait(py, |slice| pool.wait(call, Need::Run, slice), Some(limit))?;
            if !ready && timeout == Some(limit) {
                return Err(timed_out(py)?);
            }
        }
        self.cursor = pool.take(call).map(Cursor::new);
        Ok(self.cursor.is_some())
    }

    /// Feeds and runs everything; results wait to be taken.
    fn run_all(&mut self, py: Python<'_>) -> PyResult<()> {
        while !self.feed.exhausted() {
            py.check_signals()?;
            let (pool, call) = (std::sync::Arc::clone(&self.feed.pool), self.feed.call);
            if pool.fault().is_some() {
                // Nothing of the source would run.
                self.cut = true;
                return self.feed.finish(py);
            }
            let Some(status) = pool.status(call) else { return Ok(()) };
            let ahead = items_ahead(&pool);
            let in_flight = status.fed - status.settled;
            if in_flight <= ahead / 2 {
                let bytes = self.bytes.unwrap_or_else(|| self.feed.bytes_ahead(BYTES_AHEAD));
                self.feed.feed(py, ahead - in_flight, bytes)?;
                continue;
            }
            wait(
                py,
                |slice| {
                    pool.wait(call, Need::Settled(status.settled + (in_flight / 2).max(1)), slice)
                },
                None,
            )?;
        }
        Ok(())
    }

    /// Interrupts what runs, and ends.
    fn stop(&mut self, py: Python<'_>) -> PyResult<()> {
        if !self.ended && !self.feed.pool.is_foreign() {
            self.feed.pool.interrupt(self.feed.call);
        }
        self.end(py)
    }

    /// Cancels what has not started, closes the source.
    fn end(&mut self, py: Python<'_>) -> PyResult<()> {
        if self.ended {
            return Ok(());
        }
        self.ended = true;
        self.cursor = None;
        if !self.feed.pool.is_foreign() {
            self.feed.pool.cancel(self.feed.call);
            self.feed.pool.abandon(self.feed.call);
            self.progress.finish(py, &self.feed.pool, self.yielded)?;
        }
        self.feed.close_source(py)
    }
}

fn idle(status: &Status) -> bool {
    status.fed == status.settled
}

fn cut_off(py: Python<'_>) -> PyResult<PyErr> {
    Ok(PyErr::from_value(py.import("manyhands._failures")?.getattr("cut_off")?.call0()?))
}

fn timed_out(py: Python<'_>) -> PyResult<PyErr> {
    Ok(PyErr::from_value(py.import("manyhands._failures")?.getattr("timed_out")?.call0()?))
}

#[pymethods]
impl Stream {
    /// Feeds and runs the rest of the source; results wait to be taken.
    fn run_all(&self, py: Python<'_>) -> PyResult<()> {
        self.flow.enter(py, |flow| flow.run_all(py))
    }

    /// Pulls nothing more from the source; what was fed runs. Whether that leaves an iteration undone that
    /// was never advanced.
    fn stop_feeding(&self, py: Python<'_>) -> PyResult<bool> {
        self.flow.enter(py, |flow| {
            flow.cut |= !flow.feed.exhausted();
            let undone = flow.cut && !flow.advanced;
            flow.feed.finish(py)?;
            Ok(undone)
        })
    }

    /// Closes the source of a pool that was terminated, if it is open. Whoever is just pulling from it, maybe
    /// for ever, is not waited for: that thread closes it, when it sees that the pool has ended.
    fn close_source(&self, py: Python<'_>) -> PyResult<()> {
        let closed = self.flow.enter_if_idle(|flow| {
            flow.cut |= !flow.feed.exhausted();
            flow.feed.finish(py)
        });
        closed.unwrap_or(Ok(()))
    }

    /// Whether the source has been pulled to its end; false, too, while a thread is pulling from it.
    #[getter]
    fn exhausted(&self) -> bool {
        self.flow.enter_if_idle(|flow| flow.feed.exhausted()).unwrap_or(false)
    }
}

#[pymethods]
impl ResultIterator {
    /// `ResultIterator[int]`, for type checkers.
    #[classmethod]
    fn __class_getitem__<'py>(
        cls: &Bound<'py, PyType>,
        item: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        of_types(cls, item)
    }

    fn __iter__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> {
        slf
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.stream.get().step(py, None)
    }

    /// The results one by one in an asyncio program, each waited for by a thread of the loop's executor.
    fn __aiter__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        slf.py().import("manyhands._async_results")?.getattr("AsyncResults")?.call1((slf,))
    }

    /// The next result; `TimeoutError` if it does not come in time (seconds), and then it can be asked for again.
    #[pyo3(signature = (timeout=None))]
    fn next<'py>(&self, py: Python<'py>, timeout: Option<f64>) -> PyResult<Bound<'py, PyAny>> {
        let value = self.stream.get().step(py, seconds(timeout))?;
        value.ok_or_else(|| PyStopIteration::new_err(()))
    }

    /// Cancels what has not started and closes the source.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        self.stream.get().stop(py, false)
    }

    /// As `close`, and ends what runs: by an interrupt, and after a grace by the end of its worker.
    fn cancel(&self, py: Python<'_>) -> PyResult<()> {
        self.stream.get().stop(py, true)
    }

    /// What the pool keeps of it.
    #[getter(_stream)]
    fn stream(&self, py: Python<'_>) -> Py<Stream> {
        self.stream.clone_ref(py)
    }

    fn __enter__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> {
        slf
    }

    fn __exit__(
        &self,
        py: Python<'_>,
        _kind: &Bound<'_, PyAny>,
        _value: &Bound<'_, PyAny>,
        _traceback: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        self.close(py)
    }
}

impl Drop for ResultIterator {
    fn drop(&mut self) {
        Python::attach(|py| {
            // A loop that ends by an exception drops its iterator while that is on its way.
            let pending = PyErr::take(py);
            let dropped = self.stream.get().flow.enter(py, |flow| {
                if flow.advanced {
                    return flow.end(py);
                }
                flow.feed.pool.forget_results(flow.feed.call);
                Ok(())
            });
            if let Err(error) = dropped {
                // The hook prints "Exception ignored in: " and this.
                let place =
                    pyo3::types::PyString::new(py, "the source of a dropped iterator of results");
                error.write_unraisable(py, Some(&place));
            }
            if let Some(pending) = pending {
                pending.restore(py);
            }
        });
    }
}
