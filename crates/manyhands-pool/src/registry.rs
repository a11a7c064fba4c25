//! The pools of this process, and the one supervisor thread that serves them.
//!
//! A fork copies memory but no threads: a child has a registry of its own, found by the number of forks
//! since the first process. So a child never touches a lock that a thread of its parent may have held, and a
//! pool that it inherited is recognised as foreign by its generation. [`forked`] must run in the child
//! before anything else of this crate does.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use manyhands_os::event::EventFd;
use manyhands_shm::atomic::{AtomicU32, Ordering};

use crate::shared::Shared;

static GENERATION: AtomicU32 = AtomicU32::new(0);
static FIRST: Node = Node::new();

/// The registry of one generation of processes.
#[derive(Debug)]
struct Node {
    registry: Mutex<Registry>,
    next: OnceLock<Box<Node>>,
}

/// The pools that the supervisor serves.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    pub(crate) pools: Vec<Arc<Shared>>,
    /// Wakes the supervisor, while it runs.
    pub(crate) supervisor: Option<Arc<EventFd>>,
    /// Its identity when it was made.
    pub(crate) known_as: Option<u64>,
}

impl Node {
    const fn new() -> Self {
        let registry = Registry { pools: Vec::new(), supervisor: None, known_as: None };
        Self { registry: Mutex::new(registry), next: OnceLock::new() }
    }
}

/// How many forks lie between the first process and this one.
#[must_use]
pub fn generation() -> u32 {
    GENERATION.load(Ordering::Relaxed)
}

/// Tells the crate that this process is a fresh fork: every pool that exists is its parent's.
pub fn forked() {
    GENERATION.fetch_add(1, Ordering::Relaxed);
}

/// The registry of this process.
pub(crate) fn registry() -> MutexGuard<'static, Registry> {
    let mut node = &FIRST;
    for _ in 0..generation() {
        node = node.next.get_or_init(|| Box::new(Node::new()));
    }
    node.registry.lock().unwrap_or_else(PoisonError::into_inner)
}
