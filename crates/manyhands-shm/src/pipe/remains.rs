//! What is left in a pipe that nobody holds any more: pins of messages that were never received.
//!
//! A message with the label [`PINNED`] begins with a count (u32, little-endian) and so many handles (u64) of
//! blocks that it has pinned. Whoever receives it unpins them; what nobody received is unpinned when the
//! pipe's block is about to be freed. `head` moves first: the hook may be called again after a death, and a pin
//! too many costs memory, one too few somebody else's block.

use core::mem::MaybeUninit;
use std::sync::Once;

use super::ring::{HEADER, Kind, Ring};
use super::words::Words;
use crate::world::{Block, Handle, Hooks, register};

/// The label of messages that pin blocks.
pub const PINNED: u8 = 5;
/// What pipes are called in the world.
pub(super) const KIND: u32 = 24;

/// Sees to it that blocks of this kind are looked after.
pub(super) fn watch(destroy: fn(&Block)) {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| register(KIND, Hooks { recover: None, destroy: Some(destroy) }));
}

/// Unpins what the messages of one direction have pinned, the first pieces of large ones included.
pub(super) fn unpin_all(block: &Block, words: &Words, ring: &Ring) {
    let mut pinned = false;
    while let Some(header) = ring.header(words.head(), words.tail()) {
        let at = words.head();
        pinned = match header.kind {
            Kind::Whole | Kind::First => header.label == PINNED,
            Kind::More => pinned,
        };
        words.free(at.wrapping_add(header.size()));
        if pinned && header.kind != Kind::First {
            unpin(block, ring, at.wrapping_add(HEADER), header.len);
            pinned = false;
        }
    }
}

fn unpin(block: &Block, ring: &Ring, at: u64, len: u64) {
    let count = u32::from_le_bytes(bytes(ring, at));
    let most = len.saturating_sub(4) / 8;
    for index in 0..u64::from(count).min(most) {
        let handle = u64::from_le_bytes(bytes(ring, at.wrapping_add(4 + 8 * index)));
        block.world().unpin(Handle(handle));
    }
}

fn bytes<const N: usize>(ring: &Ring, at: u64) -> [u8; N] {
    let mut out = [MaybeUninit::new(0); N];
    ring.get(at, &mut out);
    Ring::filled(out)
}
