//! The kinds of items: how the function is called with the value, and what happens to its output.
//!
//! Without any of the bits below it is `f(value)`.

/// `f(*value)`, or `f(**value)` where the value is a dict.
pub(crate) const STAR: u32 = 1;
/// `f(*value[0], **value[1])`.
pub(crate) const APPLY: u32 = 2;
/// The bits of the two above.
pub(crate) const SHAPE: u32 = 3;
/// What the task prints goes to the parent, which shows it above its progress bar.
pub(crate) const ROUTED: u32 = 1 << 8;
/// Before the value stand the root of the call's random streams and the item's index, [`SEED`] bytes: the item
/// carries its stream wherever it goes.
pub(crate) const SEEDED: u32 = 1 << 9;

/// The root of a call's random streams.
pub(crate) type Root = [u8; 16];

/// Bytes of a root and an index.
pub(crate) const SEED: usize = size_of::<Root>() + size_of::<u64>();

/// What stands before the value of an item with a stream.
#[must_use]
pub(crate) fn seed_of(root: &Root, index: u64) -> [u8; SEED] {
    let mut seed = [0; SEED];
    seed[..size_of::<Root>()].copy_from_slice(root);
    seed[size_of::<Root>()..].copy_from_slice(&index.to_le_bytes());
    seed
}
