//! What `Process` needs: a template for processes started one by one, and the ends of a lifeline.
//!
//! It decides nothing about a process: what is sent, and what becomes of it, is the package's business.

use std::ffi::OsString;
use std::os::fd::{AsFd, IntoRawFd};
use std::sync::Arc;

use manyhands_os::launch::{Program, spawn_member};
use manyhands_os::lifeline;
use manyhands_os::process::{self, ExitStatus, Signal};
use manyhands_pool::template::processes::Ending;
use manyhands_pool::template::{IMPORT_LIMIT, Processes, Role, Started, TemplateConfig};
use manyhands_shm::sync::SLICE;
use pyo3::exceptions::PyOSError;
use pyo3::prelude::*;

use crate::os_errors::numbered;
use crate::waiting::{Pieces, after, left_until, seconds};
use crate::{exit, ffi};

type Environment = Vec<(OsString, OsString)>;

/// The process that forks the processes of this program.
#[pyclass(frozen, module = "manyhands._native")]
#[derive(Debug)]
pub(crate) struct ProcessTemplate {
    processes: Arc<Processes>,
}

#[pymethods]
impl ProcessTemplate {
    #[new]
    fn new(program: OsString, arguments: Vec<OsString>, environment: Environment) -> Self {
        let env = Some(environment);
        let import_limit = IMPORT_LIMIT;
        let config = TemplateConfig {
            program: program.into(),
            args: arguments,
            env,
            cwd: None,
            import_limit,
        };
        Self { processes: Arc::new(Processes::new(config)) }
    }

    /// Lets the template import a module before it forks again.
    fn preload(&self, py: Python<'_>, module: &str) {
        py.detach(|| self.processes.import(module));
    }

    /// Starts a process and waits until it is there, with calls of `attend` meanwhile, which may raise: its
    /// name here, its number and a new pidfd.
    fn start(
        &self,
        blob: &[u8],
        fds: Vec<i32>,
        bound: bool,
        attend: &Bound<'_, PyAny>,
    ) -> PyResult<(u64, i32, i32)> {
        let py = attend.py();
        let role = Role::Process { group: process::own_group(), bound };
        let fds: Vec<_> = fds.into_iter().map(ffi::borrowed).collect();
        let id =
            py.detach(|| self.processes.ask(role, blob, &fds)).map_err(|error| numbered(&error))?;
        let started = self.wait_started(attend, id).inspect_err(|_| self.processes.forget(id))?;
        let pidfd = started.pidfd.as_fd().try_clone_to_owned().inspect_err(|_| {
            // Nobody could wait for it. It may be dead already.
            let _gone = started.pidfd.signal(Signal::KILL);
            self.processes.forget(id);
        });
        let pidfd = pidfd.map_err(|error| numbered(&error))?;
        Ok((id, started.pid, pidfd.into_raw_fd()))
    }

    /// How a process ended: None while that is not known, else its exit code (negative: a signal) and
    /// None, or None and why nobody can tell. Waits `timeout` seconds at most, without end if None.
    fn ended(
        &self,
        py: Python<'_>,
        name: u64,
        timeout: Option<f64>,
    ) -> PyResult<Option<(Option<i32>, Option<String>)>> {
        let deadline = after(seconds(timeout));
        loop {
            let left = deadline.map(left_until);
            let limit = left.map_or(SLICE, |left| left.min(SLICE));
            let ended = self.detached(py, |processes| processes.ended(name, limit));
            match ended {
                Some(Ending::Told(status)) => return Ok(Some((Some(exit_code(status)), None))),
                Some(Ending::Untold(reason)) => return Ok(Some((None, Some(reason)))),
                None if left == Some(limit) => return Ok(None),
                None => py.check_signals()?,
            }
        }
    }

    /// Nobody will ask for this process again.
    fn forget(&self, name: u64) {
        self.processes.forget(name);
    }
}

impl ProcessTemplate {
    fn wait_started(&self, attend: &Bound<'_, PyAny>, id: u64) -> PyResult<Started> {
        let py = attend.py();
        loop {
            let started = self.detached(py, |processes| processes.started(id, SLICE));
            match started {
                Ok(Some(started)) => return Ok(started),
                Ok(None) => {
                    py.check_signals()?;
                    attend.call0()?;
                }
                Err(error) => return Err(PyOSError::new_err(error.to_string())),
            }
        }
    }

    fn detached<T: Send>(&self, py: Python<'_>, wait: impl FnOnce(&Processes) -> T + Send) -> T {
        py.detach(|| {
            let waited = wait(&self.processes);
            exit::stay_out();
            waited
        })
    }
}

fn exit_code(status: ExitStatus) -> i32 {
    match status {
        ExitStatus::Exited(code) => code,
        ExitStatus::Signaled { signal, .. } => -signal,
    }
}

/// Starts a program in our group, with these descriptors under their own numbers besides the three
/// standard ones: its number and a new pidfd.
#[pyfunction]
pub(crate) fn spawn_member_of_group(
    program: OsString,
    arguments: Vec<OsString>,
    environment: Environment,
    fds: Vec<i32>,
) -> PyResult<(i32, i32)> {
    let program =
        Program { path: program.into(), args: arguments, env: Some(environment), cwd: None };
    let fds: Vec<_> = fds.into_iter().map(|number| (ffi::borrowed(number), number)).collect();
    let child = spawn_member(&program, &fds).map_err(|error| numbered(&error))?;
    let pidfd: std::os::fd::OwnedFd = child.pidfd.into();
    Ok((child.pid, pidfd.into_raw_fd()))
}

/// Kills this process soon after nobody holds the other end of this pipe any more.
#[pyfunction]
pub(crate) fn end_on_hangup(fd: i32) -> PyResult<()> {
    Ok(lifeline::end_on_hangup(ffi::borrowed(fd))?)
}

/// Kills this process soon after the thread that created it, one of the process with that number, has ended.
#[pyfunction]
pub(crate) fn end_with_creator(pid: i32) -> PyResult<()> {
    Ok(lifeline::end_with_creator(pid)?)
}

/// Whether the calling thread is the one with which this process began, and so ends with it.
#[pyfunction]
pub(crate) fn is_main_thread() -> bool {
    process::is_main_thread()
}

/// Whether the process of a pidfd is dead within `timeout` seconds.
#[pyfunction]
pub(crate) fn wait_dead(py: Python<'_>, pidfd: i32, timeout: Option<f64>) -> PyResult<bool> {
    let deadline = after(seconds(timeout));
    let mut pieces = Pieces::new();
    loop {
        let left = deadline.map(left_until);
        let limit = pieces.limit(left);
        let fd = ffi::borrowed(pidfd);
        let ready = py.detach(|| {
            let ready = manyhands_os::poll::poll(&[fd], limit);
            exit::stay_out();
            ready
        })?;
        if ready == [true] {
            return Ok(true);
        }
        if left.is_some() && limit == left {
            return Ok(false);
        }
        py.check_signals()?;
    }
}
