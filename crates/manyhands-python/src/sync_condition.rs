//! `Condition`: what `manyhands.synchronize.Condition` is made of.
#![expect(clippy::used_underscore_binding, reason = "a private keyword of Python")]

use manyhands_shm::sync::{self, Left};
use manyhands_shm::world::Block;
use pyo3::exceptions::{PyAssertionError, PyRuntimeError, PyTypeError};
use pyo3::prelude::*;

use crate::sync_mutex::{Lock, Mutual, RLock};
use crate::sync_wait::{block_of, wait};
use crate::waiting::seconds;
use crate::world;

/// The lock that belongs to a condition.
#[derive(Debug)]
enum Guard {
    Lock(Py<Lock>),
    RLock(Py<RLock>),
}

impl Guard {
    fn is_mine(&self) -> bool {
        match self {
            Self::Lock(lock) => lock.get().is_mine(lock.get().me()),
            Self::RLock(lock) => lock.get().is_mine(lock.get().me()),
        }
    }

    /// Gives the lock back altogether; how often it was held.
    fn release_all(&self) -> u32 {
        match self {
            Self::Lock(lock) => u32::from(lock.get().words().release()),
            Self::RLock(lock) => lock.get().words().release_all(),
        }
    }

    /// Takes the lock again, as often as before. It is held also where a death is raised: the caller's
    /// `with` is going to release it.
    fn take_again(&self, py: Python<'_>, depth: u32) -> PyResult<()> {
        let (locked, on_death) = match self {
            Self::Lock(lock) => (lock.get().take(py, None)?, lock.get().on_death()),
            Self::RLock(lock) => {
                let locked = lock.get().take(py, None)?;
                lock.get().words().set_depth(depth);
                (locked, lock.get().on_death())
            }
        };
        match locked {
            Some(sync::Locked::Recovered) => on_death.tell(py),
            _ => Ok(()),
        }
    }
}

/// Waiting for notifications.
#[pyclass(frozen, subclass, weakref, module = "manyhands._native")]
#[derive(Debug)]
pub(crate) struct Condition {
    block: Block,
    guard: Guard,
}

impl Condition {
    fn words(&self) -> &sync::Condition {
        self.block.get()
    }
}

#[pymethods]
impl Condition {
    #[new]
    #[pyo3(signature = (lock, _block=None))]
    fn new(lock: &Bound<'_, PyAny>, _block: Option<(u64, u64)>) -> PyResult<Self> {
        let guard = if let Ok(lock) = lock.cast::<RLock>() {
            Guard::RLock(lock.clone().unbind())
        } else if let Ok(lock) = lock.cast::<Lock>() {
            Guard::Lock(lock.clone().unbind())
        } else {
            let name = lock.get_type().name()?;
            let text =
                format!("a Condition of manyhands needs a Lock or RLock of manyhands, not {name}");
            return Err(PyTypeError::new_err(text));
        };
        let block = block_of::<sync::Condition>(lock.py(), _block, sync::CONDITION, "Condition")?;
        Ok(Self { block, guard })
    }

    /// Waits until notified; whether that came in time.
    #[pyo3(signature = (timeout=None))]
    fn wait(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<bool> {
        if !self.guard.is_mine() {
            return Err(PyAssertionError::new_err("must acquire() condition before using wait()"));
        }
        let (words, world) = (self.words(), &self.block.world().internal());
        let Some(place) = words.enrol(world) else {
            let most = sync::Condition::MOST;
            let text =
                format!("{most} threads wait for this condition, and it has no place for more");
            return Err(PyRuntimeError::new_err(text));
        };
        let depth = self.guard.release_all();
        let waited = wait(py, seconds(timeout), |limit| words.wait(&place, world, limit));
        let left = words.leave(place);
        if waited.is_err() && left == Left::Notified {
            words.notify(world, 1);
        }
        self.guard.take_again(py, depth)?;
        waited.map(|_| left != Left::Unnotified)
    }

    /// Wakes up to `n` of those that wait.
    #[pyo3(signature = (n=1))]
    fn notify(&self, n: i64) -> PyResult<()> {
        if !self.guard.is_mine() {
            return Err(PyAssertionError::new_err("lock is not owned"));
        }
        let count = u32::try_from(n.max(0)).unwrap_or(u32::MAX);
        self.words().notify(&self.block.world().internal(), count);
        Ok(())
    }

    /// Wakes everybody who waits.
    fn notify_all(&self) -> PyResult<()> {
        if !self.guard.is_mine() {
            return Err(PyAssertionError::new_err("lock is not owned"));
        }
        self.words().notify_all();
        Ok(())
    }

    /// How many wait.
    fn _waiters(&self) -> usize {
        self.words().waiters(&self.block.world().internal())
    }

    fn _handle(&self) -> (u64, u64) {
        world::name(&self.block)
    }
}
