//! A value that one thread holds at a time, and that the holder cannot wait for.
//!
//! Who holds it may run the user's code: a value that is rebuilt, a handler of signals. That code may come back
//! here, and would wait for its own thread; it gets an error instead. So does a forked child whose other half
//! was forked while a thread that it lacks held the value. Refuses: to give the value twice to one thread.

use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

use manyhands_shm::atomic::{AtomicU64, Ordering};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::sync::MutexExt;

use crate::gate::this_thread;

#[derive(Debug)]
pub(crate) struct Guarded<T> {
    value: Mutex<T>,
    /// The thread that holds it (0: none).
    holder: AtomicU64,
}

/// The value, until this is dropped.
#[derive(Debug)]
pub(crate) struct Held<'a, T> {
    value: MutexGuard<'a, T>,
    holder: &'a AtomicU64,
}

impl<T> Guarded<T> {
    pub(crate) fn new(value: T) -> Self {
        Self { value: Mutex::new(value), holder: AtomicU64::new(0) }
    }

    /// Waits for it without the GIL; an error if this thread has it, or, where it is foreign, anybody.
    pub(crate) fn lock(
        &self,
        py: Python<'_>,
        foreign: impl FnOnce() -> bool,
    ) -> PyResult<Held<'_, T>> {
        let value = match self.value.try_lock() {
            Ok(value) => value,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => {
                self.refuse(foreign())?;
                self.value.lock_py_attached(py).unwrap_or_else(PoisonError::into_inner)
            }
        };
        self.holder.store(this_thread(), Ordering::Relaxed);
        Ok(Held { value, holder: &self.holder })
    }

    fn refuse(&self, foreign: bool) -> PyResult<()> {
        let why = if self.is_mine() {
            "this result is just being taken, by what asks for it: it is there when that has returned"
        } else if foreign {
            "this result belongs to the parent process, which was just taking it when it forked"
        } else {
            return Ok(());
        };
        Err(PyRuntimeError::new_err(why))
    }

    /// Whether this thread has it: only the thread itself can have stored its own number.
    pub(crate) fn is_mine(&self) -> bool {
        self.holder.load(Ordering::Relaxed) == this_thread()
    }

    /// The value for who runs no Python code while it has it.
    pub(crate) fn plain(&self) -> MutexGuard<'_, T> {
        self.value.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn get_mut(&mut self) -> &mut T {
        self.value.get_mut().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Deref for Held<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> DerefMut for Held<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.value
    }
}

impl<T> Drop for Held<'_, T> {
    fn drop(&mut self) {
        self.holder.store(0, Ordering::Relaxed);
    }
}
