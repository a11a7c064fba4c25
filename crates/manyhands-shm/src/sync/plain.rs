//! The structures of this folder as blocks of a world, and how two of them are recovered.
//!
//! Locks name their owner, so a sweep has to put right what a process left that is gone. All others find
//! dead owners by themselves.
#![expect(unsafe_code, reason = "says what may lie in shared memory")]

use super::{Barrier, Condition, Event, Gone, Lock, Number, Owner, RLock, Semaphore, Watchers};
use crate::world::{Block, Hooks, Plain, register};

/// The kind of a block that holds a [`Lock`].
pub const LOCK: u32 = 1;
/// The kind of a block that holds an [`RLock`].
pub const RLOCK: u32 = 2;
/// The kind of a block that holds a [`Semaphore`]; this one and those below are for reports alone.
pub const SEMAPHORE: u32 = 3;
/// A [`Condition`].
pub const CONDITION: u32 = 4;
/// An [`Event`].
pub const EVENT: u32 = 5;
/// A [`Barrier`].
pub const BARRIER: u32 = 6;

macro_rules! plain {
    ($($type:ty),* $(,)?) => {$(
        // SAFETY: a `repr(C)` or transparent structure of atomics and of such structures only, without
        // addresses; any bytes are a valid value, and all-zero ones an unused object.
        unsafe impl Plain for $type {}
    )*};
}

plain!(Lock, RLock, Semaphore, Condition, Event, Barrier, Number, Watchers);

/// Says how locks are recovered: once in each process, before it uses a world.
pub fn register_kinds() {
    register(LOCK, Hooks { recover: Some(recover_lock), ..Hooks::default() });
    register(RLOCK, Hooks { recover: Some(recover_rlock), ..Hooks::default() });
}

fn recover_lock(block: &Block, owner: Owner, how: Gone) {
    block.get::<Lock>().bury(owner, how);
}

fn recover_rlock(block: &Block, owner: Owner, _how: Gone) {
    block.get::<RLock>().bury(owner);
}
