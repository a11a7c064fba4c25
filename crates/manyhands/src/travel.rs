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

use std::cell::{Cell, RefCell};
use std::fmt;

use manyhands_pool::Luggage;
use manyhands_shm::world::Block;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::world;

thread_local! {
    /// What each collector of this thread has met, the innermost last.
    static MET: RefCell<Vec<Luggage>> = const { RefCell::new(Vec::new()) };
    /// Why an object has refused, for the format drops what is said in errors.
    static REASON: Cell<Option<String>> = const { Cell::new(None) };
}

/// Says why an object refuses; the words for serde's error.
pub(crate) fn refuse(reason: impl fmt::Display) -> String {
    let reason = reason.to_string();
    REASON.set(Some(reason.clone()));
    reason
}

/// What an object of this thread has said last, once.
pub(crate) fn reason() -> Option<String> {
    REASON.take()
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

    /// Forgets what was met so far.
    #[expect(clippy::unused_self, reason = "only a collector may ask")]
    pub(crate) fn clear(&mut self) {
        let met = MET.with_borrow_mut(|met| met.last_mut().map(std::mem::take));
        drop(met);
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

/// The error where nobody collects.
pub(crate) fn homeless<E: serde::ser::Error>() -> E {
    E::custom(HOMELESS)
}

/// Why an object has no name where nobody collects.
pub(crate) const HOMELESS: &str = "an object of manyhands can only be sent to a process of the same program: as \
                                   an argument or a result of a task, to Process::spawn, or through a channel";

/// Whether somebody collects in this thread.
pub(crate) fn is_collecting() -> bool {
    MET.with_borrow(|met| !met.is_empty())
}

/// Notes a block with the collector of this thread; whether there is one.
pub(crate) fn note(block: &Block) -> bool {
    MET.with_borrow_mut(|met| {
        met.last_mut().map(|innermost| innermost.push(block.clone())).is_some()
    })
}

/// Writes the name of a block, and notes the block with the collector of this thread.
pub(crate) fn serialize<S: Serializer>(block: &Block, serializer: S) -> Result<S::Ok, S::Error> {
    if !note(block) {
        return Err(homeless());
    }
    (block.world().id(), block.handle().0).serialize(serializer)
}

/// Reads the name of a block and takes a hold of it.
pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
    deserializer: D,
    what: &str,
) -> Result<Block, D::Error> {
    let (world, handle) = <(u64, u64)>::deserialize(deserializer)?;
    world::adopt(world, handle).ok_or_else(|| serde::de::Error::custom(refuse(gone(what))))
}

/// Why there is no block of that name.
pub(crate) fn gone(what: &str) -> String {
    format!(
        "the {what} that this refers to is gone, or belongs to processes that are no relatives of this one"
    )
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
    E::custom(refuse(format_args!("this refers to something else than a {what} of that type")))
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
