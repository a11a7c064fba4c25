//! Blocks, as one process holds them.

use std::sync::Arc;

use super::home::World;
use super::inside::Heat;
use super::names::{Handle, Life};
use super::tables::{Entry, TABLE_KIND};
use super::words::{Plain, Word};

/// One hold of a block by this process. Its clones are counted privately: the world is only told of
/// the first and of the last one. When no process holds the block any more, and nobody has pinned it,
/// it is freed.
///
/// The bytes are shared with whoever else holds it: use them by atomics ([`Block::get`]), or by raw
/// pointers under a protocol that says who may touch what when.
#[derive(Debug, Clone)]
pub struct Block(pub(super) Arc<Hold>);

/// An entry in the table of this process. Its end is in `release.rs`.
#[derive(Debug)]
pub(super) struct Hold {
    pub(super) world: Arc<World>,
    pub(super) handle: Handle,
    pub(super) entry: Entry,
    pub(super) offset: u64,
    pub(super) len: usize,
    /// Set when it is the last hold, and what precedes the end has been done: the heat of its pages.
    pub(super) ending: Option<Heat>,
}

impl Hold {
    /// The same hold, which is about to end.
    pub(super) fn to_end(&self, heat: Heat) -> Block {
        let world = Arc::clone(&self.world);
        Block(Arc::new(Self { world, ending: Some(heat), ..*self }))
    }
}

impl Block {
    pub(super) fn new(world: &Arc<World>, handle: Handle, entry: Entry) -> Self {
        let name = world.ground.name(handle.index());
        Self(Arc::new(Hold {
            world: Arc::clone(world),
            handle,
            entry,
            offset: name.spot().offset(),
            len: name.length(),
            ending: None,
        }))
    }

    /// Its name, for other processes.
    #[must_use]
    pub fn handle(&self) -> Handle {
        self.0.handle
    }

    /// How many bytes were asked for.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len
    }

    /// Whether no bytes were asked for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.len == 0
    }

    /// Where it begins in this process; valid for [`Block::len`] bytes as long as a clone of this
    /// block lives. A multiple of 64.
    #[must_use]
    pub fn as_ptr(&self) -> *mut u8 {
        self.world().ground.address(self.0.offset)
    }

    /// The world in which it is.
    #[must_use]
    pub fn world(&self) -> &Arc<World> {
        &self.0.world
    }

    /// Its first bytes as a structure.
    ///
    /// # Panics
    ///
    /// If the block is shorter, or the structure wants a larger alignment than 64.
    #[inline]
    #[must_use]
    pub fn get<T: Plain>(&self) -> &T {
        assert!(size_of::<T>() <= self.0.len && align_of::<T>() <= 64, "a block of another size");
        self.world().ground.data(self.0.offset)
    }

    /// What it is, for those who recover it after a death ([`super::register`]); 0 at first.
    #[must_use]
    pub fn kind(&self) -> u32 {
        self.world().ground.name(self.0.handle.index()).kind.get()
    }

    /// Says what it is: before its handle is given to anyone.
    ///
    /// # Panics
    ///
    /// For the number that the world keeps for itself.
    pub fn set_kind(&self, kind: u32) {
        assert_ne!(kind, TABLE_KIND, "the world's own kind");
        self.world().ground.name(self.0.handle.index()).kind.commit(kind);
    }
}

impl World {
    /// A hold of a block that another process (or this one) has named; `None` if it is gone, or if the
    /// kernel has no memory to list one hold more.
    #[must_use]
    pub fn adopt(self: &Arc<Self>, handle: Handle) -> Option<Block> {
        self.adopt_if(handle, |life| life == Life::Used)
    }

    /// As above, for a burial: also a block whose last holder died while it was about to destroy it.
    pub(super) fn adopt_remains(self: &Arc<Self>, handle: Handle) -> Option<Block> {
        self.adopt_if(handle, |_| true)
    }

    fn adopt_if(self: &Arc<Self>, handle: Handle, wanted: fn(Life) -> bool) -> Option<Block> {
        let mut local = self.local.enter();
        if local.outside.is_some() {
            return None;
        }
        let inside = self.enter();
        let name = inside.ground.find_name(handle)?;
        let life = name.life();
        if !wanted(life) || name.kind.get() == TABLE_KIND {
            return None;
        }
        inside.make_room(self.me(), &mut local.table).ok()?;
        let entry = inside.hold(&mut local.table, handle);
        drop(inside);
        drop(local);
        let block = Block::new(self, handle, entry);
        Some(if life == Life::Dying { block.into_ending(Heat::Cold) } else { block })
    }
}

impl Block {
    /// The only hold in this process, and the last one, of a dying block: its end frees the block,
    /// whose pages are then that warm.
    pub(super) fn into_ending(mut self, heat: Heat) -> Self {
        if let Some(hold) = Arc::get_mut(&mut self.0) {
            hold.ending = Some(heat);
        }
        self
    }
}
