//! Results of runs as Python values and exceptions.

use std::collections::HashMap;
use std::sync::Arc;

use manyhands_os::process::ExitStatus;
use manyhands_pool::call::{Fault, InitFailure};
use manyhands_pool::luggage::reply_of;
use manyhands_pool::{Body, Death, Failure, Overrun, Run, wire};
use manyhands_shm::record::{self, Next};
use pyo3::exceptions::{PyException, PyMemoryError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyDict};

use crate::cargo::decode;
use crate::codec::own;
use crate::interrupt::is_interrupt;

/// A value, or the exception of one item.
pub(crate) type Outcome<'py> = Result<Bound<'py, PyAny>, PyErr>;

/// What a call's failures are described with.
#[derive(Debug)]
pub(crate) struct Described {
    /// The function's name, for messages.
    pub(crate) function: Arc<str>,
    /// The call has one item, whose index says nothing.
    pub(crate) single: bool,
}

/// Walks over the items of a run.
#[derive(Debug)]
pub(crate) struct Cursor {
    run: Run,
    at: usize,
    index: u64,
    left: u32,
    /// The last item's value was being made when the program was interrupted: that is the outcome, and no item's.
    pub(crate) interrupted: bool,
    /// The item at which that happened; it is tried again once.
    rewound: Option<u64>,
}

impl Cursor {
    pub(crate) fn new(run: Run) -> Self {
        let (index, left) = (run.first, run.count);
        Self { run, at: 0, index, left, interrupted: false, rewound: None }
    }

    /// The next item's outcome; none at the end of the run.
    #[inline]
    pub(crate) fn next<'py>(
        &mut self,
        py: Python<'py>,
        described: &Described,
        unsent: &HashMap<u64, PyErr>,
    ) -> Option<Outcome<'py>> {
        if self.left == 0 {
            return None;
        }
        self.left -= 1;
        let (index, at) = (self.index, self.at);
        self.index += 1;
        let outcome = match &self.run.body {
            Body::Replies(bytes) => match record::next(&bytes[self.at..]) {
                Next::Record { start, end } => {
                    let payload = &bytes[self.at + start..self.at + end];
                    self.at += end;
                    value_or_exception(py, payload, index, described)
                }
                Next::Wrap | Next::Broken => decode(py, &[]),
            },
            Body::Failed(failure) => Err(match failure {
                Failure::Unsent => {
                    unsent.get(&index).map_or_else(|| cancelled(py), |error| error.clone_ref(py))
                }
                other => failed(py, other, index, described),
            }),
        };
        if let Err(error) = &outcome {
            self.interrupted = is_interrupt(py, error);
            if self.interrupted && self.rewound.replace(index) != Some(index) {
                (self.index, self.at) = (index, at);
                self.left += 1;
            }
        }
        if self.left == 0 {
            // What was decoded holds what it needs.
            self.run.luggage.clear();
        }
        Some(outcome)
    }
}

#[inline]
fn value_or_exception<'py>(
    py: Python<'py>,
    payload: &[u8],
    index: u64,
    described: &Described,
) -> Outcome<'py> {
    let payload = reply_of(payload);
    match payload.split_first() {
        Some((&tag, rest)) if wire::is_raised(tag) => Err(raised(py, rest, index, described)),
        _ => decode(py, payload).inspect_err(|error| {
            if error.is_instance_of::<PyException>(py) {
                note(error, py, "the result of", index, described);
            }
        }),
    }
}

/// Adds to an exception which item it is about.
fn note(error: &PyErr, py: Python<'_>, what: &str, index: u64, described: &Described) {
    let item = if described.single { String::new() } else { format!("item {index} of ") };
    let note = format!("({what} {item}{})", described.function);
    // A note is a comfort: an exception that refuses it is passed on without.
    let _refused = error.value(py).call_method1("add_note", (note,));
}

/// The exception that a task has raised.
fn raised(py: Python<'_>, bytes: &[u8], index: u64, described: &Described) -> PyErr {
    static LOADS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let loaded = own(py, &LOADS, "manyhands._remote", "loads_exception")
        .and_then(|loads| loads.call1((PyBytes::new(py, bytes),)));
    let exception = match loaded {
        Ok(exception) => PyErr::from_value(exception),
        Err(error) => error,
    };
    note(&exception, py, "raised in a worker of manyhands by", index, described);
    exception
}

/// The exception for an item that the engine ended.
pub(crate) fn failed(
    py: Python<'_>,
    failure: &Failure,
    index: u64,
    described: &Described,
) -> PyErr {
    match failure {
        Failure::Died(death) => {
            worker_died(py, death, index, described).unwrap_or_else(|error| error)
        }
        Failure::TimedOut(overrun) => {
            task_timeout(py, overrun, index, described).unwrap_or_else(|error| error)
        }
        Failure::Cancelled | Failure::Unsent => cancelled(py),
        Failure::Terminated => {
            build(py, "terminated", &PyDict::new(py)).unwrap_or_else(|error| error)
        }
        Failure::Initializer(fault) => initializer_failed(py, fault).unwrap_or_else(|error| error),
        Failure::Memory(text) => PyMemoryError::new_err(text.to_string()),
    }
}

pub(crate) fn cancelled(py: Python<'_>) -> PyErr {
    build(py, "cancelled", &PyDict::new(py)).unwrap_or_else(|error| error)
}

/// Whether it is such an error.
pub(crate) fn is_cancellation(py: Python<'_>, error: &PyErr) -> PyResult<bool> {
    // An outcome of this class exists only if its module was imported.
    let Ok(modules) = py.import("sys")?.getattr("modules")?.get_item("concurrent.futures") else {
        return Ok(false);
    };
    error.value(py).is_instance(&modules.getattr("CancelledError")?)
}

fn worker_died(
    py: Python<'_>,
    death: &Death,
    index: u64,
    described: &Described,
) -> PyResult<PyErr> {
    let facts = death_facts(py, death)?;
    if !described.single {
        facts.set_item("index", index)?;
    }
    facts.set_item("function", &*described.function)?;
    build(py, "worker_died", &facts)
}

fn task_timeout(
    py: Python<'_>,
    overrun: &Overrun,
    index: u64,
    described: &Described,
) -> PyResult<PyErr> {
    let facts = PyDict::new(py);
    if !described.single {
        facts.set_item("index", index)?;
    }
    facts.set_item("function", &*described.function)?;
    facts.set_item("worker", overrun.seat)?;
    facts.set_item("pid", overrun.pid)?;
    facts.set_item("timeout", overrun.limit.as_secs_f64())?;
    facts.set_item("seconds", overrun.ran.as_secs_f64())?;
    facts.set_item("killed", overrun.killed)?;
    facts.set_item("stacks", PyBytes::new(py, &overrun.stacks))?;
    if let Some(Next::Record { start, end }) = overrun.reply.as_deref().map(record::next)
        && let Some(bytes) = overrun.reply.as_ref().and_then(|reply| reply.get(start + 1..end))
    {
        facts.set_item("raised", PyBytes::new(py, bytes))?;
    }
    build(py, "task_timeout", &facts)
}

/// Why no worker of a pool can work.
pub(crate) fn initializer_failed(py: Python<'_>, fault: &Fault) -> PyResult<PyErr> {
    fault.tell();
    let facts = match &fault.failure {
        InitFailure::Died(death) => death_facts(py, death)?,
        InitFailure::TimedOut(overrun) => {
            let facts = PyDict::new(py);
            facts.set_item("worker", overrun.seat)?;
            facts.set_item("pid", overrun.pid)?;
            facts.set_item("timeout", overrun.limit.as_secs_f64())?;
            facts.set_item("stacks", PyBytes::new(py, &overrun.stacks))?;
            facts
        }
        InitFailure::Raised(record) => {
            let facts = PyDict::new(py);
            let Next::Record { start, end } = record::next(record) else {
                return Ok(cancelled(py));
            };
            facts.set_item("raised", PyBytes::new(py, &record[start + 1..end]))?;
            facts
        }
        InitFailure::Launch(text) => {
            let facts = PyDict::new(py);
            facts.set_item("launch", text)?;
            facts
        }
    };
    facts.set_item("function", fault.initializer.as_deref())?;
    build(py, "initializer_failed", &facts)
}

fn death_facts<'py>(py: Python<'py>, death: &Death) -> PyResult<Bound<'py, PyDict>> {
    let facts = PyDict::new(py);
    facts.set_item("worker", death.seat)?;
    facts.set_item("pid", death.pid)?;
    facts.set_item("detail", death.reason.as_deref())?;
    facts.set_item("out_of_memory", death.out_of_memory)?;
    facts.set_item("peak_memory", death.peak)?;
    facts.set_item("exceeded", death.exceeded)?;
    facts.set_item("stacks", PyBytes::new(py, &death.stacks))?;
    match death.status {
        Some(ExitStatus::Exited(code)) => facts.set_item("exitcode", code)?,
        Some(ExitStatus::Signaled { signal, .. }) => facts.set_item("signal", signal)?,
        None => {}
    }
    Ok(facts)
}

/// An exception made by `manyhands._failures`.
fn build(py: Python<'_>, name: &str, facts: &Bound<'_, PyDict>) -> PyResult<PyErr> {
    let made = py.import("manyhands._failures")?.getattr(name)?.call((), Some(facts))?;
    Ok(PyErr::from_value(made))
}
