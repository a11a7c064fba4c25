//! What the package needs of the kernel: cores, forks, groups, and the end of the parent.

use std::os::fd::AsFd;

use manyhands_os::process::{self, PidFd, Signal};
use manyhands_os::{cpu, jobcontrol, life, poll, signals};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::os_errors::numbered;
use crate::{exit, ffi};

/// How many threads of this process can run at once: the lowest of the affinity mask, the CPU quota of every
/// enclosing cgroup (rounded up), and `MANYHANDS_MAX_CPUS`.
#[pyfunction]
pub(crate) fn cpu_count() -> PyResult<usize> {
    cpu::available().map_err(|error| PyValueError::new_err(error.to_string()))
}

/// Forks with the interpreter's hooks and without its warning; 0 in the child.
#[pyfunction]
pub(crate) fn fork(py: Python<'_>) -> PyResult<i32> {
    ffi::fork(py).map_err(|error| numbered(&error))
}

/// Runs in every forked child (`os.register_at_fork`): the pools that exist are the parent's.
#[pyfunction]
pub(crate) fn forked() {
    manyhands_pool::forked();
    // Without the handler Ctrl-Z stops this process alone, which is right for a child.
    let _default = jobcontrol::clear_in_child();
}

/// Releases a reentrant lock once, if the calling thread owns it. Being no Python function it runs no handler of
/// signals, which could raise before it has done its work.
#[pyfunction]
pub(crate) fn release_owned(lock: &Bound<'_, PyAny>) -> PyResult<()> {
    if lock.call_method0("_is_owned")?.is_truthy()? {
        lock.call_method0("release")?;
    }
    Ok(())
}

/// Runs last at the interpreter's exit: threads that wait in the engine stay there.
#[pyfunction]
pub(crate) fn leave_interpreter() {
    exit::leave();
}

/// Makes this process the leader of a group of its own.
#[pyfunction]
pub(crate) fn lead_group() -> PyResult<()> {
    Ok(process::become_group_leader()?)
}

/// Ends this process and its group when the process with that number, its parent, has ended.
#[pyfunction]
pub(crate) fn watch_parent(pid: i32) -> PyResult<()> {
    let parent = PidFd::open(pid)?;
    let thread = std::thread::Builder::new().name("manyhands-parent".into());
    thread.spawn(move || {
        let _blocked = signals::block_all();
        let ready = poll::poll(&[parent.as_fd()], None);
        // A task may have closed the descriptor, before or while it was polled, or put a file of its own there.
        if ready.is_err() || !parent.is_open() {
            life::wait_for_parent(pid);
        }
        let _gone = process::kill_group(process::own_pid(), Signal::KILL);
    })?;
    Ok(())
}
