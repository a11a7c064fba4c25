//! Making blocks, and why there is none.
#![expect(unsafe_code, reason = "zeroing a block that nobody else knows")]

use std::error;
use std::fmt;
use std::io;
use std::sync::Arc;

use super::block::Block;
use super::home::World;
use super::inside::{Heat, Shortage};
use super::pages::Taken;
use super::slabs::{Spot, pages_of};
use super::words::{PAGE, Word};

/// What a new block holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fill {
    /// Zeros.
    Zero,
    /// Anything: for those who write before they read.
    Dirty,
}

/// There is no room for a block.
#[derive(Debug)]
pub struct NoMemory {
    /// How many bytes were asked for.
    pub asked: u64,
    /// The limit that would have been passed, if there is one of ours.
    pub limit: Option<u64>,
    /// What the kernel, or the world, says otherwise.
    pub source: Option<io::Error>,
}

impl fmt::Display for NoMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no room for {} bytes of shared memory", self.asked)?;
        if let Some(limit) = self.limit {
            write!(f, ": the limit of {limit} bytes is reached (MANYHANDS_MEMORY sets it)")?;
        }
        match &self.source {
            Some(source) => write!(f, ": {source}"),
            None => Ok(()),
        }
    }
}

impl error::Error for NoMemory {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        self.source.as_ref().map(|source| source as _)
    }
}

impl World {
    /// Makes a block of `len` bytes that this process holds. It begins at a multiple of 64.
    ///
    /// When there is no room, what dead processes held is given back first.
    ///
    /// # Errors
    /// [`NoMemory`], which names the limit that was reached, or what the kernel says.
    pub fn alloc(self: &Arc<Self>, len: usize, fill: Fill) -> Result<Block, NoMemory> {
        let made = self.try_alloc(len).or_else(|_| {
            self.sweep();
            self.enter().drop_warm(0);
            self.try_alloc(len)
        });
        let (block, state) = made.map_err(|shortage| self.explain(len, shortage))?;
        if fill == Fill::Zero && state == Taken::Dirty {
            // SAFETY: the address is valid for `len` bytes, which are reserved; nobody else knows the
            // block, so nobody reads or writes them now.
            unsafe { block.as_ptr().write_bytes(0, len) };
        }
        Ok(block)
    }

    fn try_alloc(self: &Arc<Self>, len: usize) -> Result<(Block, Taken), Shortage> {
        let mut local = self.local.enter();
        if let Some(reason) = local.outside {
            return Err(Shortage::Kernel(io::Error::other(reason)));
        }
        let inside = self.enter();
        inside.make_room(self.me(), &mut local.table)?;
        let made = inside.make(len, 0)?;
        let entry = inside.hold(&mut local.table, made.handle);
        drop(inside);
        drop(local);
        let block = Block::new(self, made.handle, entry);
        if made.state == Taken::Unreserved {
            return self.reserve(block, made.spot).map(|block| (block, made.state));
        }
        Ok((block, made.state))
    }

    /// Reserves the pages of a long block, without the lock. If there are none, the block ends.
    fn reserve(&self, block: Block, spot: Spot) -> Result<Block, Shortage> {
        let count = pages_of(block.len()).unwrap_or(0);
        match self.ground.reserve(spot.page(), count) {
            Ok(()) => Ok(block),
            Err(error) => {
                self.ground.name(block.handle().index()).set_dying();
                drop(block.into_ending(Heat::Cold));
                Err(Shortage::Kernel(error))
            }
        }
    }

    fn explain(&self, len: usize, shortage: Shortage) -> NoMemory {
        let asked = len as u64;
        let header = self.ground.header();
        match shortage {
            Shortage::Budget => NoMemory { asked, limit: Some(header.budget.get()), source: None },
            Shortage::Space => {
                let text = format!(
                    "the {} bytes of address space that this world has are in use (as many as RLIMIT_AS \
                     and RLIMIT_FSIZE allowed when it was made, or four times the machine's memory)",
                    self.ground.pages() * PAGE
                );
                NoMemory { asked, limit: None, source: Some(io::Error::other(text)) }
            }
            Shortage::Names => {
                let text = "there are as many blocks as there can be";
                NoMemory { asked, limit: None, source: Some(io::Error::other(text)) }
            }
            Shortage::Kernel(error) => NoMemory { asked, limit: None, source: Some(error) },
        }
    }
}
