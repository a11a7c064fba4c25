//! `Lock` and `RLock`.
//!
//! `acquire`, `release` and `with` are called by way of `ffi::install_quick`: if the lock is free, or to be
//! given back, that is one compare-and-swap with the interpreter attached. All else is here.
#![expect(clippy::used_underscore_binding, reason = "a private keyword of Python")]

use std::ffi::CStr;
use std::time::Duration;

use manyhands_shm::sync::{self, Holder, LOCK, Locked, RLOCK, Taker, Wait};
use manyhands_shm::world::{Block, World};
use pyo3::exceptions::{PyAssertionError, PyValueError};
use pyo3::prelude::*;

use crate::ffi::Quick;
use crate::sync_death::OnDeath;
use crate::sync_wait::{block_of, describe, reduce, wait};
use crate::waiting::seconds;
use crate::world;

/// What both kinds of lock can do.
pub(crate) trait Mutual: Sync {
    fn block(&self) -> &Block;
    fn on_death(&self) -> OnDeath;
    fn try_words(&self, me: Taker) -> Option<Locked>;
    fn wait_words(&self, world: &World, me: Taker, limit: Option<Duration>) -> Wait<Locked>;
    fn abandon_words(&self);
    fn is_mine(&self, me: Taker) -> bool;

    /// The calling thread.
    #[inline]
    fn me(&self) -> Taker {
        Taker::here(self.block().world().me())
    }

    /// Takes the lock, whatever it takes; how, or `None` if the time is up.
    fn take(&self, py: Python<'_>, timeout: Option<Duration>) -> PyResult<Option<Locked>> {
        let me = self.me();
        if let Some(locked) = self.try_words(me) {
            return Ok(Some(locked));
        }
        let world = self.block().world();
        wait(py, timeout, |limit| self.wait_words(world, me, limit))
    }

    /// `acquire` of Python.
    fn acquire_told(
        &self,
        py: Python<'_>,
        timeout: Option<Duration>,
        on_death: OnDeath,
    ) -> PyResult<bool> {
        match self.take(py, timeout)? {
            None => Ok(false),
            Some(Locked::Clean) => Ok(true),
            Some(Locked::Recovered) => {
                // Who cannot have the lock leaves it as it was found.
                on_death.tell(py).inspect_err(|_| self.abandon_words())?;
                Ok(true)
            }
        }
    }
}

/// The limit of `acquire(block, timeout)`.
pub(crate) fn limit_of(block: bool, timeout: Option<f64>) -> Option<Duration> {
    if block { seconds(timeout) } else { Some(Duration::ZERO) }
}

fn holder(holder: Holder) -> &'static str {
    match holder {
        Holder::Nobody => "nobody",
        Holder::Me => "me",
        Holder::OtherThread => "other thread",
        Holder::OtherProcess => "other process",
    }
}

/// A lock between processes, that any of them may release. It survives its owner.
///
/// `on_death` says what whoever takes the lock next is told when its owner has died: "warn" gives it and warns with
/// `OwnerDiedWarning`, "raise" raises `OwnerDied` and leaves the lock free, "ignore" says nothing.
///
/// >>> lock = Lock()
/// >>> with lock:
/// ...     lock.locked()
/// True
#[pyclass(frozen, subclass, weakref, module = "manyhands.synchronize")]
#[derive(Debug)]
pub(crate) struct Lock {
    block: Block,
    on_death: OnDeath,
}

impl Lock {
    #[inline]
    pub(crate) fn words(&self) -> &sync::Lock {
        self.block.get()
    }
}

impl Mutual for Lock {
    #[inline]
    fn block(&self) -> &Block {
        &self.block
    }

    fn on_death(&self) -> OnDeath {
        self.on_death
    }

    #[inline]
    fn try_words(&self, me: Taker) -> Option<Locked> {
        self.words().try_acquire(me)
    }

    fn wait_words(&self, world: &World, me: Taker, limit: Option<Duration>) -> Wait<Locked> {
        self.words().acquire(world, me, limit)
    }

    fn abandon_words(&self) {
        self.words().abandon();
    }

    fn is_mine(&self, me: Taker) -> bool {
        self.words().is_mine(me)
    }
}

impl Quick for Lock {
    const TEXTS: [&'static CStr; 2] = [
        c"acquire($self, /, block=True, timeout=None, *, on_death=None)\n--\n\n\
          Take the lock; whether it came in time.\n\n\
          block: False takes it only if that needs no wait. timeout: seconds to wait; None waits for ever.\n\
          on_death: \"warn\", \"raise\" or \"ignore\", what to be told this time if the last owner has died.\n\
          Raises manyhands.OwnerDied if it has, and that was asked for.",
        c"release($self, /)\n--\n\nGive the lock back, whoever took it. ValueError: nobody holds it.",
    ];

    #[inline]
    fn acquire_quickly(&self) -> bool {
        match self.try_words(self.me()) {
            Some(Locked::Clean) => true,
            Some(Locked::Recovered) => {
                self.words().abandon();
                false
            }
            None => false,
        }
    }

    #[inline]
    fn release_quickly(&self) -> bool {
        self.words().release()
    }
}

#[pymethods]
impl Lock {
    #[new]
    #[pyo3(signature = (*, ctx=None, on_death="warn", _block=None))]
    fn new(
        py: Python<'_>,
        ctx: Option<Py<PyAny>>,
        on_death: &str,
        _block: Option<(u64, u64)>,
    ) -> PyResult<Self> {
        drop(ctx);
        let on_death = OnDeath::named(on_death)?;
        Ok(Self { block: block_of::<sync::Lock>(py, _block, LOCK, "Lock")?, on_death })
    }

    #[pyo3(signature = (block=true, timeout=None, *, on_death=None))]
    fn _acquire(
        &self,
        py: Python<'_>,
        block: bool,
        timeout: Option<f64>,
        on_death: Option<&str>,
    ) -> PyResult<bool> {
        let on_death = on_death.map_or(Ok(self.on_death), OnDeath::named)?;
        self.acquire_told(py, limit_of(block, timeout), on_death)
    }

    fn _release(&self) -> PyResult<()> {
        if self.words().release() {
            return Ok(());
        }
        Err(PyValueError::new_err("semaphore or lock released too many times"))
    }

    /// Whether somebody holds the lock: an owner that has died holds nothing.
    fn locked(&self, py: Python<'_>) -> bool {
        py.detach(|| self.words().is_locked(&**self.block.world()))
    }

    /// What the next one to take it is told when its owner has died: "warn", "raise" or "ignore".
    #[getter]
    fn on_death(&self) -> &'static str {
        self.on_death.name()
    }

    fn _is_mine(&self) -> bool {
        self.words().is_mine(self.me())
    }

    fn _holder(&self) -> &'static str {
        holder(self.words().holder(&**self.block.world(), self.me()))
    }

    fn _handle(&self) -> (u64, u64) {
        world::name(&self.block)
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        reduce(slf.as_any())
    }

    fn __repr__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        describe(slf.as_any())
    }
}

/// A lock between processes that its thread may take again, and that no other may release. It survives its owner,
/// as `Lock` does, with the same `on_death`.
///
/// >>> lock = RLock()
/// >>> with lock, lock:
/// ...     lock.locked()
/// True
#[pyclass(frozen, subclass, weakref, module = "manyhands.synchronize")]
#[derive(Debug)]
pub(crate) struct RLock {
    block: Block,
    on_death: OnDeath,
}

impl RLock {
    #[inline]
    pub(crate) fn words(&self) -> &sync::RLock {
        self.block.get()
    }
}

impl Mutual for RLock {
    #[inline]
    fn block(&self) -> &Block {
        &self.block
    }

    fn on_death(&self) -> OnDeath {
        self.on_death
    }

    #[inline]
    fn try_words(&self, me: Taker) -> Option<Locked> {
        self.words().try_acquire(me)
    }

    fn wait_words(&self, world: &World, me: Taker, limit: Option<Duration>) -> Wait<Locked> {
        self.words().acquire(&world.internal(), me, limit)
    }

    fn abandon_words(&self) {
        self.words().abandon();
    }

    fn is_mine(&self, me: Taker) -> bool {
        self.words().is_mine(me)
    }
}

impl Quick for RLock {
    const TEXTS: [&'static CStr; 2] = [
        c"acquire($self, /, block=True, timeout=None, *, on_death=None)\n--\n\n\
          Take the lock; whether it came in time.\n\n\
          block: False takes it only if that needs no wait. timeout: seconds to wait; None waits for ever.\n\
          on_death: \"warn\", \"raise\" or \"ignore\", what to be told this time if the last owner has died.\n\
          Raises manyhands.OwnerDied if it has, and that was asked for.",
        c"release($self, /)\n--\n\nGive the lock back, once. AssertionError: this thread does not hold it.",
    ];

    #[inline]
    fn acquire_quickly(&self) -> bool {
        match self.try_words(self.me()) {
            Some(Locked::Clean) => true,
            Some(Locked::Recovered) => {
                self.words().abandon();
                false
            }
            None => false,
        }
    }

    #[inline]
    fn release_quickly(&self) -> bool {
        self.words().release(self.me())
    }
}

#[pymethods]
impl RLock {
    #[new]
    #[pyo3(signature = (*, ctx=None, on_death="warn", _block=None))]
    fn new(
        py: Python<'_>,
        ctx: Option<Py<PyAny>>,
        on_death: &str,
        _block: Option<(u64, u64)>,
    ) -> PyResult<Self> {
        drop(ctx);
        let on_death = OnDeath::named(on_death)?;
        Ok(Self { block: block_of::<sync::RLock>(py, _block, RLOCK, "RLock")?, on_death })
    }

    #[pyo3(signature = (block=true, timeout=None, *, on_death=None))]
    fn _acquire(
        &self,
        py: Python<'_>,
        block: bool,
        timeout: Option<f64>,
        on_death: Option<&str>,
    ) -> PyResult<bool> {
        let on_death = on_death.map_or(Ok(self.on_death), OnDeath::named)?;
        self.acquire_told(py, limit_of(block, timeout), on_death)
    }

    fn _release(&self) -> PyResult<()> {
        if self.words().release(self.me()) {
            return Ok(());
        }
        let text = "attempt to release recursive lock not owned by thread";
        Err(PyAssertionError::new_err(text))
    }

    /// Whether some thread holds the lock: an owner that has died holds nothing.
    fn locked(&self, py: Python<'_>) -> bool {
        py.detach(|| self.words().is_locked(&self.block.world().internal()))
    }

    /// What the next one to take it is told when its owner has died: "warn", "raise" or "ignore".
    #[getter]
    fn on_death(&self) -> &'static str {
        self.on_death.name()
    }

    fn _is_mine(&self) -> bool {
        self.words().is_mine(self.me())
    }

    fn _count(&self) -> u32 {
        self.words().depth(self.me())
    }

    fn _holder(&self) -> &'static str {
        holder(self.words().holder(&self.block.world().internal(), self.me()))
    }

    fn _handle(&self) -> (u64, u64) {
        world::name(&self.block)
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        reduce(slf.as_any())
    }

    fn __repr__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        describe(slf.as_any())
    }
}
