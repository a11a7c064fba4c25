//! The home world of this process: made or attached, kept over forks, left at the end.
//!
//! ```text
//! made      by whoever first needs shared memory, or starts a child: `home`
//! attached  by what the parent gave: `attach_world`; it becomes the home, also where the process has made
//!           one of its own before (a module of `__main__` that makes a lock while it is imported again)
//! forked    before: every world prepares a slot for the child; after: each side takes its own
//! lost      the program has closed its descriptor, as daemons do: what is in it works on, and whoever starts
//!           something new gets another home: `open_home`
//! left      a normal exit is marked early (`leave`) and ends what is held last of all (`Py_AtExit`)
//! ```
//!
//! The handlers are registered with the C library, not with the interpreter: no Python runs between them, so the
//! locks that they hold can be waited for by nobody who has the GIL, and forks that C code makes count too.
//!
//! A mark rather than an act at the end, because everything still works after it: `atexit` handlers, finalizers
//! and threads that are still running use locks in an order that nobody controls. Death by a signal or by
//! `os._exit` leaves no mark, and what the process held is recovered.
//!
//! It refuses to decide what lies in the world, and never drops one: threads may wait in it to the very end.

use std::cell::RefCell;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use manyhands_os::budget;
use manyhands_os::fork::{at_fork, expect_fork, fork_failed};
use manyhands_shm::atomic::{AtomicU64, Ordering};
use manyhands_shm::world::{Block, Fill, Fork, Handle, NoMemory, World};
use pyo3::exceptions::{PyMemoryError, PyReferenceError, PyRuntimeError, PyValueError};
use pyo3::prelude::*;

use crate::ffi;
use crate::listing::{Still, hold_still};
use crate::os_errors::no_segment;

/// One part of the budget in so many.
const AHEAD_SHARE: u64 = 4;
/// Items for each worker.
const AHEAD_ITEMS: usize = 2;

/// The worlds of this process.
#[derive(Debug)]
struct Worlds {
    /// The home comes first.
    all: Vec<Arc<World>>,
    /// Whether forks and the end of this process are looked after.
    watched: bool,
}

static WORLDS: Mutex<Worlds> = Mutex::new(Worlds { all: Vec::new(), watched: false });

/// The world of the pool that this process is a worker of, which its parent has, too; zero in all others.
static JOINED: AtomicU64 = AtomicU64::new(0);

/// What the handlers of a fork hand to each other, in the thread that forks.
type Between = (MutexGuard<'static, Worlds>, Vec<Fork>, Still);

thread_local! {
    static BETWEEN: RefCell<Option<Between>> = const { RefCell::new(None) };
}

fn worlds() -> MutexGuard<'static, Worlds> {
    WORLDS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The home world of this process, if there is one.
pub(crate) fn known_home() -> Option<Arc<World>> {
    worlds().all.first().map(Arc::clone)
}

/// The home world of this process, made if there is none.
pub(crate) fn home(py: Python<'_>) -> PyResult<Arc<World>> {
    if let Some(home) = worlds().all.first() {
        return Ok(Arc::clone(home));
    }
    watch(py)?;
    let budget = budget::budget().map_err(|error| PyValueError::new_err(error.to_string()))?;
    let mut known = worlds();
    if let Some(home) = known.all.first() {
        return Ok(Arc::clone(home));
    }
    let home = World::create(budget).map_err(no_segment)?;
    known.all.push(Arc::clone(&home));
    Ok(home)
}

/// The home world, able to grow and to be handed on: another one if the program has closed its descriptor.
pub(crate) fn open_home(py: Python<'_>) -> PyResult<Arc<World>> {
    let home = home(py)?;
    if home.is_open() {
        return Ok(home);
    }
    let mut known = worlds();
    if let Some(home) = known.all.first().filter(|home| home.is_open()) {
        return Ok(Arc::clone(home));
    }
    let fresh = World::create(home.budget()).map_err(no_segment)?;
    known.all.insert(0, Arc::clone(&fresh));
    Ok(fresh)
}

/// The world with that id, if this process has it.
pub(crate) fn named(id: u64) -> Option<Arc<World>> {
    worlds().all.iter().find(|world| world.id() == id).cloned()
}

/// Whether that is the home world, in which this process makes its blocks; false while there is none.
pub(crate) fn is_home(id: u64) -> bool {
    worlds().all.first().is_some_and(|home| home.id() == id)
}

/// How many bytes of arguments are fed ahead of their results, and of results ahead of who takes them, unless the
/// user says otherwise: so many, or as many as keep all workers busy with items of `each` bytes; and no more than a
/// small world can hold besides what lies in it.
pub(crate) fn bytes_ahead(usual: usize, each: usize, workers: usize) -> usize {
    let budget = worlds().all.first().map_or(u64::MAX, |home| home.budget());
    let most = usize::try_from(budget / AHEAD_SHARE).unwrap_or(usize::MAX);
    usual.max(each.saturating_mul(AHEAD_ITEMS * (workers + 1))).min(most)
}

/// A block of the home world.
pub(crate) fn alloc(py: Python<'_>, len: usize, fill: Fill) -> PyResult<Block> {
    let world = home(py)?;
    let made = py.detach(|| world.alloc(len, fill));
    let made = match made {
        Err(_) if !world.is_open() => {
            let world = open_home(py)?;
            py.detach(|| world.alloc(len, fill))
        }
        made => made,
    };
    made.map_err(|error| no_memory(&error))
}

/// Takes a hold of a block by its name; `what` names it in the error when it is gone.
pub(crate) fn adopt(world: u64, handle: u64, what: &str) -> PyResult<Block> {
    let Some(world) = named(world) else {
        return Err(PyRuntimeError::new_err(format!(
            "this {what} belongs to processes that are no relatives of this one: it can only be \
             handed to children of the process that made it, and to their children"
        )));
    };
    world.adopt(Handle(handle)).ok_or_else(|| {
        PyReferenceError::new_err(format!(
            "the {what} that this refers to is gone: every process that had it has dropped it \
             before it arrived here"
        ))
    })
}

/// The name of a block, for another process to adopt.
pub(crate) fn name(block: &Block) -> (u64, u64) {
    (block.world().id(), block.handle().0)
}

/// Remembers that the home world of now is the one that this worker and its parent share: the program that runs here
/// may close its descriptor, and then gets another home.
pub(crate) fn join_parent() {
    JOINED.store(known_home().map_or(0, |home| home.id()), Ordering::Relaxed);
}

/// The error for blocks that the parent of this worker cannot have, if there is one among them.
pub(crate) fn strangers(blocks: &[Block]) -> Option<PyErr> {
    let joined = JOINED.load(Ordering::Relaxed);
    if blocks.iter().all(|block| block.world().id() == joined) {
        return None;
    }
    let text = if named(joined).is_some_and(|world| world.is_open()) {
        "the result holds an object of another family of processes than the pool's: only what was made after this \
         worker joined its parent can be sent to it"
    } else {
        "a task has closed the file descriptors of this worker, as daemons do (os.closerange): results that are \
         large, or hold locks and queues, cannot be sent from it any more; leave open what the task did not open"
    };
    Some(PyRuntimeError::new_err(text))
}

/// The exception for a world that is full.
pub(crate) fn no_memory(error: &NoMemory) -> PyErr {
    let reason = match (error.limit, &error.source) {
        (Some(limit), _) => {
            let budget = budget::MEMORY;
            format!(": manyhands takes at most {limit} bytes here; set {budget} to change that")
        }
        (None, Some(source)) => format!(": {source}"),
        (None, None) => String::new(),
    };
    PyMemoryError::new_err(format!("no shared memory for {} bytes{reason}", error.asked))
}

/// Looks after forks and the end of this process, from before it has a world; once.
fn watch(py: Python<'_>) -> PyResult<()> {
    let mut known = worlds();
    if known.watched {
        return Ok(());
    }
    at_fork(before_fork, after_fork_in_parent, after_fork_in_child)?;
    known.watched = true;
    drop(known);
    ffi::at_exit(py, retire)?;
    py.import("manyhands._handles")?.getattr("watch_exit")?.call0()?;
    Ok(())
}

extern "C" fn before_fork() {
    let still = hold_still();
    let known = worlds();
    let forks = known.all.iter().map(World::prepare_fork).collect();
    BETWEEN.with_borrow_mut(|between| *between = Some((known, forks, still)));
    expect_fork();
}

extern "C" fn after_fork_in_parent() {
    let failed = fork_failed();
    let Some((known, forks, _still)) = BETWEEN.with_borrow_mut(Option::take) else { return };
    for (world, fork) in known.all.iter().zip(forks) {
        if failed {
            world.fork_failed(fork);
        } else {
            world.fork_parent(fork);
        }
    }
}

extern "C" fn after_fork_in_child() {
    let Some((known, forks, _still)) = BETWEEN.with_borrow_mut(Option::take) else { return };
    for (world, fork) in known.all.iter().zip(forks) {
        world.fork_child(fork);
    }
}

extern "C" fn retire() {
    for world in &worlds().all {
        world.retire();
    }
}

/// Takes over a world's descriptor that the parent gave, and makes it the home; its id.
#[pyfunction]
pub(crate) fn attach_world(py: Python<'_>, fd: i32) -> PyResult<u64> {
    admit(py, ffi::owned(fd))
}

/// Attaches a world and makes it the home of this process.
pub(crate) fn admit(py: Python<'_>, fd: OwnedFd) -> PyResult<u64> {
    watch(py)?;
    let world = World::attach(fd)?;
    let id = world.id();
    worlds().all.insert(0, world);
    Ok(id)
}

/// The id of the home world and its descriptor, which stays this process's own. It is made if there is none.
#[pyfunction]
pub(crate) fn home_world(py: Python<'_>) -> PyResult<(u64, i32)> {
    let home = open_home(py)?;
    Ok((home.id(), home.fd().as_raw_fd()))
}

/// Ids and descriptors of all worlds that this process has and can hand on, the home first.
#[pyfunction]
pub(crate) fn known_worlds() -> Vec<(u64, i32)> {
    let known = worlds();
    let open = known.all.iter().filter(|world| world.is_open());
    open.map(|world| (world.id(), world.fd().as_raw_fd())).collect()
}

/// What the home world holds, in bytes: reserved, of that free, the budget; and how many blocks there are.
#[pyfunction]
pub(crate) fn usage(py: Python<'_>) -> PyResult<(u64, u64, u64, u64)> {
    let usage = home(py)?.usage();
    Ok((usage.reserved, usage.warm, usage.budget, usage.blocks))
}

/// Gives back what dead processes held: call it where a death is learned.
#[pyfunction]
pub(crate) fn sweep(py: Python<'_>) {
    let known = worlds().all.clone();
    py.detach(|| known.iter().for_each(World::sweep));
}

/// Marks the end of this process, when it comes, as a normal one.
#[pyfunction]
pub(crate) fn leave() {
    for world in &worlds().all {
        world.leaving();
    }
}
