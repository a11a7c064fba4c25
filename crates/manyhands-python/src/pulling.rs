//! Which pools this thread is pulling a source for.
//!
//! A source, or the `__reduce__` of an item, may use its own pool; but waiting there for the pool's end
//! would wait for itself, since the call that it feeds is not done.
//!
//! Refuses: to know of other threads. Who waits there for a thread that waits for it is not seen.

use std::cell::RefCell;
use std::sync::Arc;

use manyhands_pool::Pool;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

thread_local! {
    /// The innermost last.
    static PULLED_FOR: RefCell<Vec<*const Pool>> = const { RefCell::new(Vec::new()) };
}

/// As long as it lives, this thread pulls for the pool.
#[derive(Debug)]
pub(crate) struct Pulling;

impl Pulling {
    pub(crate) fn for_pool(pool: &Arc<Pool>) -> Self {
        PULLED_FOR.with_borrow_mut(|pools| pools.push(Arc::as_ptr(pool)));
        Self
    }
}

impl Drop for Pulling {
    fn drop(&mut self) {
        PULLED_FOR.with_borrow_mut(Vec::pop);
    }
}

/// Refuses to wait for the end of a pool for which this thread is pulling.
pub(crate) fn refuse_to_wait(pool: &Arc<Pool>) -> PyResult<()> {
    let own = PULLED_FOR.with_borrow(|pools| pools.contains(&Arc::as_ptr(pool)));
    if own && !pool.is_terminated() && pool.fault().is_none() {
        return Err(PyRuntimeError::new_err(
            "the source of a call cannot wait for the end of its own pool: call join() outside of it",
        ));
    }
    Ok(())
}
