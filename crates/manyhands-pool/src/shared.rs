//! What all handles of a pool, its waiting threads and the supervisor share: the one lock, and what is
//! outside of it.
//!
//! It holds and hands out; it does nothing by itself.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use manyhands_shm::atomic::AtomicU32;
use manyhands_shm::hub::Hub;

use crate::launch::{Doors, Start};
use crate::state::State;
use crate::template::Template;

/// What all handles, waiting threads and the supervisor share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) state: Mutex<State>,
    pub(crate) changed: Condvar,
    /// Where the thread that launches workers waits for orders.
    pub(crate) launching: Condvar,
    pub(crate) hub: Arc<Hub>,
    /// None once the last worker has gone.
    pub(crate) doors: Mutex<Option<Doors>>,
    /// What the template needs to make a worker like the parent: replaced at every snapshot.
    pub(crate) start: Mutex<Start>,
    /// The template, which only the supervisor drives; modules to import go through `imports`.
    pub(crate) template: Mutex<Option<Template>>,
    pub(crate) imports: Mutex<Vec<String>>,
    pub(crate) generation: u32,
    /// 1 once its descriptors were found to be others'.
    pub(crate) severed: AtomicU32,
}

impl Shared {
    /// The lock; what a thread that panicked left behind is still a consistent ledger.
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The descriptors of the pool, while it has workers.
    pub(crate) fn doors(&self) -> Option<Doors> {
        self.doors.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
