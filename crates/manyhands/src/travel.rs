//! How objects that live in shared memory travel inside of values: by the names of their blocks.
//!
//! ```text
//! impl Serialize for Thing    { travel::serialize(&self.block, serializer) }
//! impl Deserialize for Thing  { travel::deserialize(deserializer, "Thing").map(Thing::of) }
//! ```
//!
//! A block lives as long as some process holds it, so somebody must hold it while only its name is on its
//! way. Whoever encodes a value *collects* meanwhile ([`Collecting`]): an object notes its block with the
//! innermost collector of its thread, and whoever collected keeps the holds until the value has arrived
//! (`manyhands_pool::luggage` says who keeps what, and `docs/design/travel.md` why). Where nobody collects,
//! the object refuses to be serialized: its name in a file would name nothing tomorrow.
//!
//! It refuses to pin: whoever sends to processes that it does not know (a channel) pins what was collected.

use std::cell::RefCell;

use manyhands_pool::Luggage;
use manyhands_shm::world::Block;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::world;

thread_local! {
    /// What each collector of this thread has met, the innermost last.
    static MET: RefCell<Vec<Luggage>> = const { RefCell::new(Vec::new()) };
}

/// Collects in this thread until it is finished or dropped. Collectors nest.
#[derive(Debug)]
#[must_use]
pub(crate) struct Collecting(());

impl Collecting {
    #[inline]
    pub(crate) fn begin() -> Self {
        MET.with_borrow_mut(|met| met.push(Luggage::new()));
        Self(())
    }

    /// Whether nothing was met yet.
    #[inline]
    #[expect(clippy::unused_self, reason = "only a collector may ask")]
    pub(crate) fn is_empty(&self) -> bool {
        MET.with_borrow(|met| met.last().is_none_or(Vec::is_empty))
    }

    /// Holds on all blocks that were met.
    #[inline]
    pub(crate) fn finish(self) -> Luggage {
        std::mem::forget(self);
        MET.with_borrow_mut(Vec::pop).unwrap_or_default()
    }
}

impl Drop for Collecting {
    fn drop(&mut self) {
        let met = MET.with_borrow_mut(Vec::pop);
        drop(met);
    }
}

/// Writes the name of a block, and notes the block with the collector of this thread.
pub(crate) fn serialize<S: Serializer>(block: &Block, serializer: S) -> Result<S::Ok, S::Error> {
    let noted = MET.with_borrow_mut(|met| {
        met.last_mut().map(|innermost| innermost.push(block.clone())).is_some()
    });
    if !noted {
        return Err(serde::ser::Error::custom(
            "an object of manyhands can only be sent to a process of the same program: as an argument or \
             a result of a task, to Process::spawn, or through a channel",
        ));
    }
    (block.world().id(), block.handle().0).serialize(serializer)
}

/// Reads the name of a block and takes a hold of it.
pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
    deserializer: D,
    what: &str,
) -> Result<Block, D::Error> {
    let (world, handle) = <(u64, u64)>::deserialize(deserializer)?;
    world::adopt(world, handle).ok_or_else(|| {
        serde::de::Error::custom(format!(
            "the {what} that this refers to is gone, or belongs to processes that are no relatives of this \
             one"
        ))
    })
}

/// Reads the name of a block, takes a hold of it, and makes an object of it; `what` names the object.
pub(crate) fn object<'de, D: Deserializer<'de>, T>(
    deserializer: D,
    what: &str,
    of_block: impl FnOnce(Block) -> Option<T>,
) -> Result<T, D::Error> {
    of_block(deserialize(deserializer, what)?).ok_or_else(|| stranger(what))
}

/// The error for blocks that are something else than what was expected.
pub(crate) fn stranger<E: serde::de::Error>(what: &str) -> E {
    E::custom(format!("this refers to something else than a {what} of that type"))
}

/// A block in a value that is made of several.
#[derive(Debug)]
pub(crate) struct Name<B>(pub(crate) B);

impl Serialize for Name<&Block> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serialize(self.0, serializer)
    }
}

impl<'de> Deserialize<'de> for Name<Block> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserialize(deserializer, "object").map(Self)
    }
}
