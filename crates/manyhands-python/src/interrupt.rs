//! Exceptions that are meant for the program, and no failure of the value that was pickled or rebuilt at that moment:
//! Ctrl-C, and what a handler of a signal raises (`manyhands._interrupts`). And how handlers are changed for a while.

use manyhands_os::handler_stack;
use manyhands_os::signals::Action;
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

/// Sets Python's handler of a signal as `signal.signal` does, but leaves what the kernel does with it as it is: a
/// handler in C that stands before Python's (`faulthandler.register`), and flags (`siginterrupt`).
#[pyfunction]
pub(crate) fn set_handler(py: Python<'_>, number: i32, handler: &Bound<'_, PyAny>) -> PyResult<()> {
    // What has come already may change what is looked at next.
    py.check_signals()?;
    let signal = py.import("_signal")?;
    let known = signal.call_method1("getsignal", (number,))?;
    let action = Action::current(number);
    let replaced = signal.call_method1("signal", (number, handler))?;
    // Otherwise a handler that ran in between has set another one, and that is what counts.
    if let Some(action) = action.ok().filter(|_| replaced.is(&known)) {
        action.put_back();
    }
    Ok(())
}

/// After faulthandler has given this thread a stack for handlers: makes it one that handlers in handlers do not overrun.
#[pyfunction]
pub(crate) fn make_handler_stack_roomy() {
    // Without memory for it the program goes on with what it has.
    let _kept = handler_stack::make_roomy();
}
