//! `Task`: what one call is, apart from its items.
//!
//! The package makes one for each call, or keeps one for a function whose code cannot change.

use std::sync::Arc;
use std::time::Duration;

use manyhands_pool::{CallId, CallSpec, Order, Pool, PushError, Retry};
use pyo3::exceptions::PyValueError;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;

use crate::codec::Encoded;
use crate::feed::Encoder;
use crate::kind;
use crate::outcome::Described;

/// The id of a function's code, the ids of what it needs, and whether the code is this task's alone.
pub(crate) type Code = (u64, Vec<u64>, bool);

/// How a function is run over items, in the order in which `manyhands._plan` lists it.
#[derive(Debug, Clone, Copy, FromPyObject)]
pub(crate) struct Plan(
    /// The shape of a call (see `kind`).
    u32,
    /// Items that go out together.
    Option<u32>,
    /// The first failure is the call's.
    bool,
    /// Results are taken one by one.
    bool,
    /// Results come in the order of the items.
    bool,
    /// Seconds that an item may run.
    Option<f64>,
    /// How often an item runs again; whether after the death of its worker, when that had too much memory, and when
    /// its time was up.
    (u32, bool, bool, bool),
    /// The root of the items' random streams.
    Option<kind::Root>,
);

/// A function and how to run it over items.
#[pyclass(frozen, module = "manyhands._native")]
#[derive(Debug)]
pub(crate) struct Task {
    function: u64,
    required: Vec<u64>,
    name: Arc<str>,
    shipping: Py<PyAny>,
    shape: u32,
    pub(crate) chunk: Option<u32>,
    pub(crate) stop: bool,
    lazy: bool,
    ordered: bool,
    limit: Option<Duration>,
    retry: Retry,
    root: Option<kind::Root>,
    pub(crate) progress: Option<Py<PyAny>>,
    /// The pool that is told when the function's code is not needed any more.
    lease: Option<Arc<Pool>>,
}

impl Drop for Task {
    fn drop(&mut self) {
        if let Some(pool) = self.lease.as_ref().filter(|pool| !pool.is_foreign()) {
            pool.let_go(self.function);
        }
    }
}

impl Task {
    /// `shipping()` makes a shipper, and the list to which it appends the ids that items need.
    pub(crate) fn new(
        pool: &Arc<Pool>,
        (function, required, leased): Code,
        name: String,
        shipping: Py<PyAny>,
        (plan, progress): (Plan, Option<Py<PyAny>>),
    ) -> Self {
        let Plan(shape, chunk, stop, lazy, ordered, limit, retry, root) = plan;
        let (times, deaths, overfull, timeouts) = retry;
        // More seconds than fit are no limit.
        let limit = limit.and_then(|limit| Duration::try_from_secs_f64(limit).ok());
        let lease = leased.then(|| Arc::clone(pool));
        Self {
            function,
            required,
            name: name.into(),
            shipping,
            shape,
            chunk,
            stop,
            lazy,
            ordered,
            limit,
            retry: Retry { times, deaths, overfull, timeouts },
            root,
            progress,
            lease,
        }
    }
}

impl Task {
    fn spec(&self) -> CallSpec {
        let routed = if self.progress.is_some() { kind::ROUTED } else { 0 };
        let seeded = if self.root.is_some() { kind::SEEDED } else { 0 };
        CallSpec {
            function: self.function,
            kind: self.shape | routed | seeded,
            order: if self.ordered { Order::Index } else { Order::Arrival },
            stop_on_failure: self.stop && !self.lazy,
            whole: self.chunk.is_some(),
            notify: false,
            limit: self.limit,
            retry: self.retry,
        }
    }

    /// Opens a call of this task for one item, and feeds it.
    pub(crate) fn submit(&self, pool: &Arc<Pool>, value: &Bound<'_, PyAny>) -> PyResult<CallId> {
        if self.root.is_none()
            && let Some(simple) = Encoded::simple(value).filter(|simple| !simple.is_large())
        {
            let submitted = pool.submit(self.spec(), &self.required, simple.to_record());
            return submitted.map_err(refused);
        }
        let (call, mut encoder) = self.open(value.py(), pool)?;
        match encoder.encode(value, (pool, call), 0) {
            Ok(payload) => {
                let mut record = Vec::new();
                encoder.append(&payload, 0, &mut record);
                pool.push_last(call, 1, record);
            }
            Err(error) => {
                pool.cancel(call);
                pool.abandon(call);
                return Err(error);
            }
        }
        Ok(call)
    }

    /// Opens a call of this task.
    pub(crate) fn open(&self, py: Python<'_>, pool: &Arc<Pool>) -> PyResult<(CallId, Encoder)> {
        let call = pool.open(self.spec()).map_err(refused)?;
        for code in &self.required {
            pool.require(call, *code);
        }
        Ok((call, Encoder::new(py, self.shipping.clone_ref(py), self.root)))
    }

    /// How its failures are described.
    pub(crate) fn describe(&self, single: bool) -> Described {
        Described { function: Arc::clone(&self.name), single }
    }
}

#[pymethods]
impl Task {
    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.shipping)?;
        visit.call(&self.progress)
    }
}

fn refused(error: PushError) -> PyErr {
    PyValueError::new_err(error.to_string())
}
