//! What the next taker of a lock is told when its owner has died.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

/// How it is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnDeath {
    Warn,
    Raise,
    Ignore,
}

impl OnDeath {
    /// From its name in Python.
    pub(crate) fn named(name: &str) -> PyResult<Self> {
        match name {
            "warn" => Ok(Self::Warn),
            "raise" => Ok(Self::Raise),
            "ignore" => Ok(Self::Ignore),
            _ => Err(PyValueError::new_err(format!(
                "on_death must be 'warn', 'raise' or 'ignore', not {name:?}"
            ))),
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Warn => "warn",
            Self::Raise => "raise",
            Self::Ignore => "ignore",
        }
    }

    /// Tells it, to the caller of the method that runs.
    #[cold]
    pub(crate) fn tell(self, py: Python<'_>) -> PyResult<()> {
        let errors = || py.import("manyhands.errors");
        match self {
            Self::Ignore => Ok(()),
            Self::Warn => {
                let text = c"the process that held this lock has died: what the lock protects may be half done";
                PyErr::warn(py, &errors()?.getattr("OwnerDiedWarning")?, text, 1)
            }
            Self::Raise => {
                let text = "the process that held this lock has died, and what the lock protects may be half done: \
                    take it with acquire(on_death=\"ignore\"), put things right, and release it";
                Err(PyErr::from_value(errors()?.getattr("OwnerDied")?.call1((text,))?))
            }
        }
    }
}
