//! Luggage: the blocks of the world that the bytes of requests and replies name.
//!
//! A pickled lock is a few bytes that name a block of shared memory. The block lives as long as some
//! process holds it, so somebody must hold it while only the bytes are on their way:
//!
//! | the bytes are | who holds the block |
//! | --- | --- |
//! | a request that was fed | its call, until the item has ended, however it ended |
//! | code, or the initializer's arguments | the pool, as long as it keeps these bytes |
//! | a reply, published and not yet read | a pin, which the worker set before it published |
//! | a reply that was read | its run, until the rung above drops it |
//!
//! A reply with luggage is *laden*: [`wire::LADEN`], how many blocks (u32), their names (u64 each), and then
//! the reply itself; numbers are little-endian. Whoever reads it takes a hold of his own before he takes the
//! pin away. So a death costs at most a pin: of a worker that is killed after it set one and before it
//! published, the block stays until the world ends.
//!
//! It refuses to look into the reply itself, and believes no count: what is no laden reply is none.

use std::sync::Arc;

use manyhands_shm::typed::{Cargo, Words};
use manyhands_shm::world::{Block, Handle, World};

use crate::wire;

/// Holds on the blocks that some bytes name.
pub type Luggage = Vec<Block>;

/// The kind of blocks that hold bytes of one item: they count as such where bytes are counted. Other luggage
/// (locks, queues, what was shared once) does not.
pub const CARGO: u32 = <Cargo as Words>::KIND;

/// How many bytes of an item lie in its luggage.
#[must_use]
pub fn bytes_of(luggage: &[Block]) -> usize {
    luggage.iter().filter(|block| is_cargo(block)).map(Block::len).sum()
}

/// Whether a block is one of an item alone.
#[must_use]
pub fn is_cargo(block: &Block) -> bool {
    block.kind() == CARGO
}

/// Before the names: the tag and the count.
const HEAD: usize = 5;
const NAME: usize = 8;

/// A reply with the names of its blocks.
#[must_use]
pub fn pack(names: &[Handle], reply: &[u8]) -> Vec<u8> {
    let count = u32::try_from(names.len()).unwrap_or(u32::MAX);
    let mut out = Vec::with_capacity(HEAD + NAME * names.len() + reply.len());
    out.push(wire::LADEN);
    out.extend_from_slice(&count.to_le_bytes());
    for name in names.iter().take(count as usize) {
        out.extend_from_slice(&name.0.to_le_bytes());
    }
    out.extend_from_slice(reply);
    out
}

/// Takes a laden reply apart: its names, and the reply itself.
#[must_use]
pub fn unpack(laden: &[u8]) -> Option<(Vec<Handle>, &[u8])> {
    let (&tag, rest) = laden.split_first()?;
    let (count, rest) = rest.split_first_chunk::<4>()?;
    let count = u32::from_le_bytes(*count) as usize;
    let (names, reply) = rest.split_at_checked(count.checked_mul(NAME)?)?;
    let name = |bytes: &[u8]| bytes.try_into().map(|bytes| Handle(u64::from_le_bytes(bytes)));
    let names = names.chunks_exact(NAME).map(name).collect::<Result<_, _>>().ok()?;
    (tag == wire::LADEN).then_some((names, reply))
}

/// The reply itself, whether it is laden or not.
#[inline]
#[must_use]
pub fn reply_of(bytes: &[u8]) -> &[u8] {
    match bytes.first() {
        Some(&wire::LADEN) => unpack(bytes).map_or(bytes, |(_, reply)| reply),
        _ => bytes,
    }
}

/// Takes over what a laden reply names: holds of this process instead of the worker's pins.
pub(crate) fn claim(world: &Arc<World>, names: &[Handle]) -> Luggage {
    let take = |name: &Handle| {
        let block = world.adopt(*name)?;
        world.unpin(*name);
        Some(block)
    };
    names.iter().filter_map(take).collect()
}

#[cfg(test)]
mod tests {
    use manyhands_shm::world::Fill;

    use super::*;

    #[test]
    fn what_is_packed_comes_back() {
        for names in [vec![], vec![Handle(1)], vec![Handle(u64::MAX), Handle(2), Handle(3)]] {
            let laden = pack(&names, b"reply");
            assert_eq!(unpack(&laden), Some((names, &b"reply"[..])));
            assert_eq!(reply_of(&laden), b"reply");
        }
        assert_eq!(reply_of(b"\x02"), b"\x02");
    }

    #[test]
    fn only_cargo_counts_as_bytes() {
        let world = World::create(8 << 20).expect("a small world");
        let block = |len| world.alloc(len, Fill::Dirty).expect("room for a few bytes");
        let luggage = vec![block(100), block(5_000), block(70)];
        assert_eq!(bytes_of(&luggage), 0);
        luggage[1].set_kind(CARGO);
        luggage[2].set_kind(CARGO);
        assert_eq!(bytes_of(&luggage), 5_070);
    }

    #[test]
    fn what_is_no_laden_reply_is_none() {
        let laden = pack(&[Handle(7), Handle(8)], b"");
        for end in 0..laden.len() {
            assert_eq!(unpack(&laden[..end]), None, "up to {end}");
        }
        let mut huge = laden.clone();
        huge[1..5].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(unpack(&huge), None);
        assert_eq!(reply_of(&huge), &huge[..]);
        assert_eq!(unpack(b"\x02\0\0\0\0"), None);
    }
}
