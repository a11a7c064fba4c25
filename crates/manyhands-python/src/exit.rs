//! The end of the interpreter: threads that wait detached from it must not come back.
//!
//! Until Python 3.13 a thread that asks for the interpreter while that is going down is ended by unwinding,
//! which Rust frames do not survive: the process would abort. So, once the package's exit handler has run, a
//! thread whose wait is over stays outside for ever, as Python 3.14 does it.

use std::sync::OnceLock;
use std::thread::ThreadId;

static LEAVING: OnceLock<ThreadId> = OnceLock::new();

/// Says that the interpreter is going down, by the thread that takes it down.
pub(crate) fn leave() {
    LEAVING.get_or_init(|| std::thread::current().id());
}

/// Does not return once the interpreter is going down, except to the thread that takes it down.
pub(crate) fn stay_out() {
    if let Some(last) = LEAVING.get()
        && *last != std::thread::current().id()
    {
        loop {
            std::thread::park();
        }
    }
}
