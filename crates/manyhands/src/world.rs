//! The home world of this process: memory that it shares with its parent and its children.
//!
//! ```text
//! made      by whoever first needs shared memory, or starts a child: `home`
//! attached  by a child that this crate started, before anything else: `admit`
//! forked    before: the world prepares a slot for the child; after: each side takes its own
//! left      at a normal end of the process; after a death, whoever notices gives back what it held
//! ```
//!
//! It refuses to decide what lies in the world, and never drops one: threads may wait in it to the very end.

use std::cell::RefCell;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use manyhands_os::budget;
use manyhands_os::fork::{at_fork, expect_fork, fork_failed};
use manyhands_os::inherit::at_exit;
use manyhands_shm::world::{Block, Fork, Handle, World};

/// The world of this process, and whether its forks and its end are looked after.
#[derive(Debug)]
struct Home {
    world: Option<Arc<World>>,
    watched: bool,
}

static HOME: Mutex<Home> = Mutex::new(Home { world: None, watched: false });

/// What the handlers of a fork hand to each other, in the thread that forks.
type Between = (MutexGuard<'static, Home>, Option<Fork>);

thread_local! {
    static BETWEEN: RefCell<Option<Between>> = const { RefCell::new(None) };
}

fn lock() -> MutexGuard<'static, Home> {
    HOME.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The home world of this process, made if there is none.
///
/// # Errors
/// Whatever the kernel says; of kind `InvalidInput` when `MANYHANDS_MEMORY` is not a size.
pub(crate) fn home() -> io::Result<Arc<World>> {
    let mut home = lock();
    if let Some(world) = &home.world {
        return Ok(Arc::clone(world));
    }
    watch(&mut home)?;
    let invalid = |error: budget::InvalidMemory| io::Error::new(io::ErrorKind::InvalidInput, error);
    let world = World::create(budget::budget().map_err(invalid)?)?;
    home.world = Some(Arc::clone(&world));
    Ok(world)
}

/// Makes the world that the parent gave the home of this process.
pub(crate) fn admit(fd: OwnedFd) -> io::Result<()> {
    let mut home = lock();
    watch(&mut home)?;
    home.world = Some(World::attach(fd)?);
    Ok(())
}

/// A hold of the block with that name: the id of its world, and its handle. `None`: it is gone, or was
/// never known here.
pub(crate) fn adopt(world: u64, handle: u64) -> Option<Block> {
    let home = lock().world.clone()?;
    (home.id() == world).then(|| home.adopt(Handle(handle)))?
}

/// Gives back what dead processes held: to be called where a death is learned.
pub(crate) fn sweep() {
    let home = lock().world.clone();
    if let Some(home) = home {
        home.sweep();
    }
}

fn watch(home: &mut Home) -> io::Result<()> {
    if !home.watched {
        at_fork(before_fork, after_fork_in_parent, after_fork_in_child)?;
        at_exit(retire)?;
        home.watched = true;
    }
    Ok(())
}

extern "C" fn before_fork() {
    let home = lock();
    let fork = home.world.as_ref().map(World::prepare_fork);
    BETWEEN.with_borrow_mut(|between| *between = Some((home, fork)));
    expect_fork();
}

extern "C" fn after_fork_in_parent() {
    let failed = fork_failed();
    let Some((home, fork)) = BETWEEN.with_borrow_mut(Option::take) else { return };
    match home.world.as_ref().zip(fork) {
        Some((world, fork)) if failed => world.fork_failed(fork),
        Some((world, fork)) => world.fork_parent(fork),
        None => {}
    }
}

extern "C" fn after_fork_in_child() {
    manyhands_pool::forked();
    let Some((home, fork)) = BETWEEN.with_borrow_mut(Option::take) else { return };
    if let Some((world, fork)) = home.world.as_ref().zip(fork) {
        world.fork_child(fork);
    }
}

extern "C" fn retire() {
    if let Some(world) = &lock().world {
        world.retire();
    }
}
