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
