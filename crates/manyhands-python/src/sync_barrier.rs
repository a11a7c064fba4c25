//! `Barrier`: what `manyhands.synchronize.Barrier` is made of.
#![expect(clippy::used_underscore_binding, reason = "a private keyword of Python")]

use manyhands_shm::sync::{self, Outcome, Visit};
use manyhands_shm::world::{Block, Internal};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::sync_wait::{block_of, wait};
use crate::waiting::seconds;
use crate::world;

/// A meeting of so many parties.
#[pyclass(frozen, subclass, weakref, module = "manyhands._native")]
#[derive(Debug)]
pub(crate) struct Barrier {
    block: Block,
    action: Option<Py<PyAny>>,
    timeout: Option<f64>,
}

impl Barrier {
    fn words(&self) -> &sync::Barrier {
        self.block.get()
    }

    fn world(&self) -> Internal<'_> {
        self.block.world().internal()
    }

    /// Runs the action, for all; then lets them go.
    fn act(&self, py: Python<'_>, visit: &mut Visit) -> PyResult<Outcome> {
        let acted = self.action.as_ref().map_or(Ok(()), |action| action.call0(py).map(|_| ()));
        let outcome = self.words().end_action(visit, &self.world(), acted.is_ok());
        acted.map(|()| outcome)
    }
}

#[pymethods]
impl Barrier {
    #[new]
    #[pyo3(signature = (parties, action=None, timeout=None, _block=None))]
    fn new(
        py: Python<'_>,
        parties: i64,
        action: Option<Py<PyAny>>,
        timeout: Option<f64>,
        _block: Option<(u64, u64)>,
    ) -> PyResult<Self> {
        if parties < 1 {
            return Err(PyValueError::new_err("parties must be > 0"));
        }
        let most = sync::Barrier::MOST;
        let Some(parties) = u32::try_from(parties).ok().filter(|parties| *parties <= most) else {
            return Err(PyValueError::new_err(format!("a barrier has at most {most} parties")));
        };
        let block = block_of::<sync::Barrier>(py, _block, sync::BARRIER, "Barrier")?;
        if _block.is_none() {
            block.get::<sync::Barrier>().set(parties);
        }
        Ok(Self { block, action, timeout })
    }

    /// Waits for the others; this party's number.
    #[pyo3(signature = (timeout=None))]
    fn wait(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<u32> {
        let (words, world, acts) = (self.words(), self.world(), self.action.is_some());
        let mut limit = seconds(timeout.or(self.timeout));
        let mut visit = Visit::default();
        let outcome = loop {
            match wait(py, limit, |slice| words.wait(&mut visit, &world, slice, acts)) {
                Ok(Some(Outcome::Act)) => break self.act(py, &mut visit)?,
                Ok(Some(outcome)) => break outcome,
                Ok(None) => match words.give_up(&mut visit, &world) {
                    Some(outcome) => break outcome,
                    None => limit = None,
                },
                Err(error) => {
                    words.leave(&mut visit, &world);
                    return Err(error);
                }
            }
        };
        if let Outcome::Passed(number) = outcome {
            return Ok(number);
        }
        let broken = py.import("threading")?.getattr("BrokenBarrierError")?;
        Err(PyErr::from_value(broken.call0()?))
    }

    /// Makes the barrier as new.
    fn reset(&self, py: Python<'_>) {
        py.detach(|| self.words().reset(&self.world()));
    }

    /// Breaks the barrier.
    fn abort(&self, py: Python<'_>) {
        py.detach(|| self.words().abort(&self.world()));
    }

    /// How many parties have to come.
    #[getter]
    fn parties(&self) -> u32 {
        self.words().parties()
    }

    /// How many wait at this moment.
    #[getter]
    fn n_waiting(&self) -> u32 {
        self.words().waiting()
    }

    /// Whether the barrier is broken.
    #[getter]
    fn broken(&self) -> bool {
        self.words().is_broken()
    }

    #[getter]
    fn _action(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.action.as_ref().map(|action| action.clone_ref(py))
    }

    #[getter]
    fn _timeout(&self) -> Option<f64> {
        self.timeout
    }

    fn _handle(&self) -> (u64, u64) {
        world::name(&self.block)
    }
}
