//! The one file that names atomics: the standard library's, or loom's when a model is checked.
//!
//! Every other file takes them from here, so that the structures that ship are the ones that the
//! models check. It defines nothing of its own but [`spin_hint`]. The types are aliases and not
//! re-exports, because the ban on std's types follows a re-export to what it names.
#![cfg_attr(
    not(loom),
    expect(clippy::disallowed_types, reason = "the file that the ban points to")
)]

#[cfg(not(loom))]
use core::sync::atomic as source;
#[cfg(loom)]
use loom::sync::atomic as source;

#[cfg(not(loom))]
pub use core::sync::atomic::compiler_fence;
pub use source::{Ordering, fence};

/// An atomic 32-bit word.
pub type AtomicU32 = source::AtomicU32;
/// An atomic 64-bit word.
pub type AtomicU64 = source::AtomicU64;
/// What a lock of ours protects in the memory of one process.
#[cfg(not(loom))]
pub(crate) type UnsafeCell<T> = core::cell::UnsafeCell<T>;

/// Tells the processor (or the model) that this is one turn of a short busy wait.
#[inline]
pub fn spin_hint() {
    #[cfg(not(loom))]
    core::hint::spin_loop();
    #[cfg(loom)]
    loom::thread::yield_now();
}
