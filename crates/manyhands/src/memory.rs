//! Shared memory, as objects ask for it: blocks of the home world, and why there is none.

use std::fmt;
use std::io;

use manyhands_shm::world::{self, Block, Fill, World};
use std::sync::Arc;

use crate::world::home;

/// There is no shared memory for a new object.
///
/// The text says which limit was reached, and how to change it.
///
/// ```
/// use manyhands::sync::Shared;
///
/// let error = Shared::from_fn(1 << 60, |_| 0_u8).unwrap_err();
/// assert!(error.to_string().contains("shared memory"));
/// # Ok::<(), manyhands::NoMemory>(())
/// ```
pub struct NoMemory(Reason);

enum Reason {
    /// There is not even a world.
    NoWorld(io::Error),
    /// It has no room.
    Full(world::NoMemory),
}

impl fmt::Display for NoMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Reason::NoWorld(error) => write!(f, "there is no shared memory: {error}"),
            Reason::Full(error) => error.fmt(f),
        }
    }
}

impl fmt::Debug for NoMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NoMemory({self})")
    }
}

impl std::error::Error for NoMemory {}

impl From<world::NoMemory> for NoMemory {
    fn from(error: world::NoMemory) -> Self {
        Self(Reason::Full(error))
    }
}

/// The world for a new object.
pub(crate) fn world() -> Result<Arc<World>, NoMemory> {
    home().map_err(|error| NoMemory(Reason::NoWorld(error)))
}

/// A block of zeros for a new object, of that kind.
pub(crate) fn block<T>(kind: u32) -> Result<Block, NoMemory> {
    let block = world()?.alloc(size_of::<T>(), Fill::Zero)?;
    block.set_kind(kind);
    Ok(block)
}

/// Whether a block that came from elsewhere is an object of that kind.
pub(crate) fn is<T>(block: &Block, kind: u32) -> bool {
    block.kind() == kind && block.len() >= size_of::<T>()
}
