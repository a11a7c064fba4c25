//! `Task`: what one call is, apart from its items.
//!
//! The package makes one for each call, or keeps one for a function whose code cannot change.

use std::sync::Arc;

use manyhands_pool::{CallId, CallSpec, Order, Pool};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::engine::Engine;
use crate::feed::Encoder;
use crate::kind;
use crate::outcome::Described;

/// A function and how to run it over items.
#[pyclass(frozen, module = "manyhands._native")]
#[derive(Debug)]
pub(crate) struct Task {
    function: u64,
    required: Vec<u64>,
    name: String,
    shape: u32,
    shipping: Py<PyAny>,
    pub(crate) chunk: Option<u32>,
    pub(crate) stop: bool,
    lazy: bool,
    ordered: bool,
    pub(crate) progress: Option<Py<PyAny>>,
    /// The engine that is told when the function's code is not needed any more.
    lease: Option<Py<Engine>>,
}

impl Drop for Task {
    fn drop(&mut self) {
        if let Some(engine) = &self.lease {
            engine.get().let_go(self.function);
        }
    }
}

#[pymethods]
impl Task {
    /// `code` is the id of the function and those of what it needs; `shipping()` makes a shipper and the list
    /// to which it appends ids that items need.
    #[new]
    #[pyo3(signature = (code, name, shipping, *, shape=0, chunk=None, stop=true, lazy=false, ordered=true, progress=None, lease=None))]
    #[expect(clippy::too_many_arguments, clippy::fn_params_excessive_bools, reason = "keywords of a Python constructor")]
    fn new(
        code: (u64, Vec<u64>),
        name: String,
        shipping: Py<PyAny>,
        shape: u32,
        chunk: Option<u32>,
        stop: bool,
        lazy: bool,
        ordered: bool,
        progress: Option<Py<PyAny>>,
        lease: Option<Py<Engine>>,
    ) -> Self {
        let (function, required) = code;
        Self { function, required, name, shape, shipping, chunk, stop, lazy, ordered, progress, lease }
    }
}

impl Task {
    /// Opens a call of this task.
    pub(crate) fn open(&self, py: Python<'_>, pool: &Arc<Pool>) -> PyResult<(CallId, Encoder)> {
        let routed = if self.progress.is_some() { kind::ROUTED } else { 0 };
        let call = pool.open(CallSpec {
            function: self.function,
            kind: self.shape | routed,
            order: if self.ordered { Order::Index } else { Order::Arrival },
            stop_on_failure: self.stop && !self.lazy,
            whole: self.chunk.is_some(),
            notify: false,
        });
        let call = call.map_err(|error| PyValueError::new_err(error.to_string()))?;
        for code in &self.required {
            pool.require(call, *code);
        }
        Ok((call, Encoder::new(self.shipping.clone_ref(py))))
    }

    /// How its failures are described.
    pub(crate) fn describe(&self, single: bool) -> Described {
        Described { function: self.name.clone(), single }
    }
}
