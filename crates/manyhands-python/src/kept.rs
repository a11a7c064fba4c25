//! `Kept`: the Python objects of a call, where the collector of garbage sees them.
//!
//! An iterator whose source or display refers back to it, and with it its pool, is only collected if the collector
//! knows these references. It looks more than once in a run, and what it did not see the same each time it would
//! take for garbage while it is in use. So the lock is held by threads that are attached to the interpreter, only for
//! a moment and never while Python code runs: none of them can hold it, or change anything, while the collector runs.
//!
//! Each object here is counted once, so one object may tell the collector of them: the `Stream` of the call. Refuses: to lend
//! an object. Who needs one gets a reference of its own, of which the collector does not know: the object is in use.

use std::sync::{Mutex, MutexGuard, PoisonError};

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;

/// What an object is to the call.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Part {
    /// The iterator that items come from.
    Source,
    /// What shows how far it has come.
    Display,
    /// Makes the shipper when the first value needs it.
    Shipping,
    /// `manyhands._code.Shipper`, and the list of the ids that it found to be needed.
    Shipper,
}

type Objects = [Option<Py<PyAny>>; 4];

#[derive(Debug, Default)]
pub(crate) struct Kept(Mutex<Objects>);

impl Kept {
    fn lock(&self, _attached: Python<'_>) -> MutexGuard<'_, Objects> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn get<'py>(&self, py: Python<'py>, part: Part) -> Option<Bound<'py, PyAny>> {
        self.lock(py)[part as usize].as_ref().map(|object| object.bind(py).clone())
    }

    pub(crate) fn put(&self, py: Python<'_>, part: Part, object: Py<PyAny>) {
        let before = self.lock(py)[part as usize].replace(object);
        drop(before);
    }

    pub(crate) fn take<'py>(&self, py: Python<'py>, part: Part) -> Option<Bound<'py, PyAny>> {
        let object = self.lock(py)[part as usize].take();
        object.map(|object| object.into_bound(py))
    }

    /// Lets go of everything, after the collector has found that nobody can reach it.
    pub(crate) fn clear(&self, py: Python<'_>) {
        let objects = std::mem::take(&mut *self.lock(py));
        drop(objects);
    }

    /// Tells the collector of what is here.
    pub(crate) fn visit(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        let Ok(objects) = self.0.try_lock() else { return Ok(()) };
        objects.iter().try_for_each(|object| visit.call(object))
    }
}
