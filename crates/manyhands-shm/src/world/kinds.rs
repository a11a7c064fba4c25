//! What kinds of blocks there are, and how each is put right when a process that held it is gone.
//!
//! The world knows which process held which blocks, but not what lies in them: a lock's owner, permits
//! that were taken, other blocks that are pinned from within. Whoever makes such blocks gives them a
//! kind ([`Block::set_kind`]) and registers [`Hooks`] for it, once, in every process that uses a world,
//! before it uses one. The hooks run without any lock of the world, in whatever process sweeps.
//!
//! | hook | is called | must |
//! | --- | --- | --- |
//! | `recover` | once for each hold of a process that is gone, or that exits normally, before that hold ends | clear every word of the block that names that owner. It may be called again: the sweeper may die, too |
//! | `destroy` | when the last hold ends, before the memory is given back | unpin what the block has pinned. Nobody else has the block any more. It may be called again |
//!
//! Kinds are below 64; 0 has no hooks.

use std::sync::OnceLock;

use super::block::Block;
use crate::sync::{Gone, Owner};

const KINDS: usize = 64;

/// What is done for the blocks of one kind.
#[derive(Debug, Clone, Copy, Default)]
pub struct Hooks {
    /// An owner that held the block is gone.
    pub recover: Option<fn(&Block, Owner, Gone)>,
    /// The block is about to be freed.
    pub destroy: Option<fn(&Block)>,
}

static HOOKS: [OnceLock<Hooks>; KINDS] = [const { OnceLock::new() }; KINDS];

/// Registers the hooks of a kind; those that were registered first stay.
///
/// # Panics
///
/// For kind 0, and above 63.
pub fn register(kind: u32, hooks: Hooks) {
    assert_ne!(kind, 0, "the kind of blocks without hooks");
    // Whoever registers twice means the same.
    let _ = HOOKS[kind as usize].set(hooks);
}

/// The hooks of a kind.
pub(super) fn hooks(kind: u32) -> Hooks {
    let registered = HOOKS.get(kind as usize).and_then(OnceLock::get);
    registered.copied().unwrap_or_default()
}
