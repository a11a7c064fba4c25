//! A value for one thread at a time, that may be left alone while another is busy with it.
//!
//! Who is inside may call the user's code, which may come back here: that is told from a rival, which waits
//! without the GIL.

use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

use manyhands_shm::atomic::{AtomicU64, Ordering};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::sync::MutexExt;

#[derive(Debug)]
pub(crate) struct Gate<T> {
    value: Mutex<T>,
    /// The thread that is inside (0: none).
    inside: AtomicU64,
}

impl<T> Gate<T> {
    pub(crate) fn new(value: T) -> Self {
        Self { value: Mutex::new(value), inside: AtomicU64::new(0) }
    }

    /// Does `work`, when no other thread is inside; an error if this one is.
    #[inline]
    pub(crate) fn enter<R>(
        &self,
        py: Python<'_>,
        work: impl FnOnce(&mut T) -> PyResult<R>,
    ) -> PyResult<R>
    where
        T: Send,
    {
        let value = match self.value.try_lock() {
            Ok(value) => value,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            // Only the thread itself can have stored its own number.
            Err(TryLockError::WouldBlock)
                if self.inside.load(Ordering::Relaxed) == this_thread() =>
            {
                return Err(PyRuntimeError::new_err(
                    "this iterator is already being advanced by its own source",
                ));
            }
            Err(TryLockError::WouldBlock) => {
                self.value.lock_py_attached(py).unwrap_or_else(PoisonError::into_inner)
            }
        };
        self.within(value, work)
    }

    /// Does `work`, unless a thread is inside: another one, or this one.
    pub(crate) fn enter_if_idle<R>(&self, work: impl FnOnce(&mut T) -> R) -> Option<R> {
        let value = match self.value.try_lock() {
            Ok(value) => value,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return None,
        };
        Some(self.within(value, work))
    }

    /// Whether another thread is inside at this moment.
    pub(crate) fn is_taken_by_another(&self) -> bool {
        matches!(self.value.try_lock(), Err(TryLockError::WouldBlock))
            && self.inside.load(Ordering::Relaxed) != this_thread()
    }

    #[inline]
    fn within<R>(&self, mut value: MutexGuard<'_, T>, work: impl FnOnce(&mut T) -> R) -> R {
        self.inside.store(this_thread(), Ordering::Relaxed);
        let outcome = work(&mut value);
        self.inside.store(0, Ordering::Relaxed);
        outcome
    }
}

/// A number that no other thread of this process has now; never 0.
pub(crate) fn this_thread() -> u64 {
    thread_local! { static OWN: u8 = const { 0 } }
    OWN.with(|own| std::ptr::from_ref(own).addr() as u64)
}
