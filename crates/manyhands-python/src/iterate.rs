//! `Stream`: an iteration over lazy results, behind its `ResultIterator`.
//!
//! It feeds itself: the first window during the call, then, whenever its consumer takes results, as many items
//! as keep a window on their way. The window is bounded in items that were pulled and not yet
//! yielded, and in bytes of arguments and results together. The source is advanced only by the thread
//! that calls `next` (or `join`), and closed when the iterator ends, is closed or is dropped.

use std::sync::Arc;
use std::time::Duration;

use manyhands_pool::{CallId, Need, Pool, Status};
use manyhands_shm::atomic::{AtomicU32, Ordering};

use pyo3::exceptions::PyRuntimeError;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;

use crate::feed::Feed;
use crate::gate::Gate;
use crate::kept::Kept;
use crate::map::{items_ahead, raise_fault};
use crate::outcome::{Cursor, Described};
use crate::progress::Progress;
use crate::task::Task;
use crate::waiting::wait;

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
    /// What of `flow` the collector of garbage must know.
    kept: Arc<Kept>,
    /// 1: another thread has ended it while one was inside; the next step sees that.
    stopped: AtomicU32,
    pool: Arc<Pool>,
    call: CallId,
}

impl Stream {
    /// Fills the first window.
    pub(crate) fn start(
        py: Python<'_>,
        feed: Feed,
        task: &Task,
        (window, bytes): (Option<u64>, Option<usize>),
    ) -> PyResult<Py<Self>> {
        let progress = Progress::new(py, task.progress.as_ref(), &feed.kept);
        let mut flow = Flow {
            feed,
            cursor: None,
            described: task.describe(false),
            progress,
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
            kept: Arc::clone(&flow.feed.kept),
            flow: Gate::new(flow),
        };
        Py::new(py, stream)
    }

    /// A step: the next result, unless another thread has ended the iteration.
    #[inline]
    pub(crate) fn step<'py>(
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
    pub(crate) fn stop(&self, py: Python<'_>, all: bool) -> PyResult<()> {
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

    /// Nobody will ask for results any more: ends an iteration that was begun; whether it was.
    pub(crate) fn end_if_begun(&self, py: Python<'_>) -> PyResult<bool> {
        self.flow.enter(py, |flow| {
            if flow.advanced {
                flow.end(py)?;
            }
            Ok(flow.advanced)
        })
    }

    pub(crate) fn forget_results(&self) {
        self.pool.forget_results(self.call);
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

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.kept.visit(&visit)
    }

    fn __clear__(&self, py: Python<'_>) {
        self.kept.clear(py);
    }
}
