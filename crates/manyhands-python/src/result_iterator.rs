//! `ResultIterator`: what `imap` and its relatives return.
//!
//! Dropped after its first `next`, it cancels what has not started. Dropped before that it was meant as
//! fire-and-forget: the pool keeps the stream and runs the rest of the source when it is closed and joined.

use pyo3::exceptions::PyStopIteration;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::{PyString, PyType};

use crate::iterate::Stream;
use crate::typing::of_types;
use crate::waiting::seconds;

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

impl ResultIterator {
    pub(crate) fn of(stream: Py<Stream>) -> Self {
        Self { stream }
    }

    /// Makes `__del__` known to the collector: a method of that name is none to it unless it was set on the class.
    pub(crate) fn install_finalizer(py: Python<'_>) -> PyResult<()> {
        let class = py.get_type::<Self>();
        class.setattr("__del__", class.getattr("__del__")?)
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

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.stream)
    }

    /// Called by the collector of garbage alone, before it takes anything apart that the source or the display may need.
    fn __del__(&self, py: Python<'_>) {
        quietly(py, || self.stream.get().end_if_begun(py).map(drop));
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
            quietly(py, || {
                if !self.stream.get().end_if_begun(py)? {
                    self.stream.get().forget_results();
                }
                Ok(())
            });
        });
    }
}

/// Ends an iterator that nobody has any more. Errors are only printed.
fn quietly(py: Python<'_>, end: impl FnOnce() -> PyResult<()>) {
    // A loop that ends by an exception drops its iterator while that is on its way.
    let pending = PyErr::take(py);
    if let Err(error) = end() {
        // The hook prints "Exception ignored in: " and this.
        let place = PyString::new(py, "the source of a dropped iterator of results");
        error.write_unraisable(py, Some(&place));
    }
    if let Some(pending) = pending {
        pending.restore(py);
    }
}
