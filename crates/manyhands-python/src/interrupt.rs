//! Exceptions that are meant for the program, and no failure of the value that was pickled or rebuilt at that moment:
//! Ctrl-C, and what a handler of a signal raises (`manyhands._interrupts`).

use pyo3::exceptions::PyKeyboardInterrupt;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

use crate::codec::own;

/// Whether an exception has to come out of the call as it is.
#[cold]
pub(crate) fn is_interrupt(py: Python<'_>, error: &PyErr) -> bool {
    static BY_HANDLER: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    if error.is_instance_of::<PyKeyboardInterrupt>(py) {
        return true;
    }
    // Without one, nothing that is written in Python was at work.
    let Some(traceback) = error.traceback(py) else { return false };
    let by_handler = own(py, &BY_HANDLER, "manyhands._interrupts", "by_handler");
    by_handler.and_then(|by_handler| by_handler.call1((traceback,))?.extract()).unwrap_or(false)
}
