//! Which types may live in shared memory.
//!
//! Two things set shared memory apart. It has another address in each process, and outlives the one that
//! wrote: so nothing in it may point anywhere, nor stand for something that one process owns. And its
//! writer may be killed in the middle of a store of several bytes: so a value must make sense whatever
//! part of its bytes is new. A number does, and so does everything that is one byte; a `char`, a
//! `NonZeroU32` or an `Option<u32>` does not.
#![expect(unsafe_code, reason = "says what may lie in shared memory")]
#![expect(clippy::disallowed_types, reason = "std's atomics may be in users' values")]

use core::marker::PhantomData;
use core::num::{NonZeroI8, NonZeroU8, Saturating, Wrapping};
use core::sync::atomic;

/// A type whose values may live in shared memory.
///
/// Numbers, `bool`, arrays and tuples of such types, and the standard library's atomics are. Derive it
/// for structures of such fields, and for enums without fields that are `repr(u8)` or `repr(i8)`.
///
/// # Safety
///
/// - It holds no address, no descriptor and nothing else that has a meaning in one process only.
/// - Every mixture of the bytes of valid values, byte by byte, is a valid value.
/// - What can be changed through a shared reference is atomic.
/// - It has nothing to drop.
#[diagnostic::on_unimplemented(
    message = "values of `{Self}` may not live in shared memory",
    note = "numbers, bool, arrays, tuples and std's atomics may; derive `Shareable` for a structure of such fields",
    note = "no pointers, strings or vectors: use an array, a slice, or send the value through a channel"
)]
pub unsafe trait Shareable: Send + Sync + 'static {}

macro_rules! shareable {
    ($($type:ty),* $(,)?) => {$(
        // SAFETY: a number, or one byte, or an atomic one: no address, nothing to drop, and any mixture
        // of the bytes of valid values is one.
        unsafe impl Shareable for $type {}
    )*};
}

shareable!(u8, u16, u32, u64, u128, usize, i8, i16, i32, i64, i128, isize, f32, f64);
shareable!(bool, NonZeroU8, NonZeroI8, ());
shareable!(atomic::AtomicBool);
shareable!(atomic::AtomicU8, atomic::AtomicU16, atomic::AtomicU32, atomic::AtomicU64);
shareable!(atomic::AtomicI8, atomic::AtomicI16, atomic::AtomicI32, atomic::AtomicI64);
shareable!(atomic::AtomicUsize, atomic::AtomicIsize);

// SAFETY: it has no bytes.
unsafe impl<T: Shareable> Shareable for PhantomData<T> {}
// SAFETY: `repr(transparent)` around a value that may be shared.
unsafe impl<T: Shareable> Shareable for Wrapping<T> {}
// SAFETY: as above.
unsafe impl<T: Shareable> Shareable for Saturating<T> {}
// SAFETY: nothing but its elements.
unsafe impl<T: Shareable, const N: usize> Shareable for [T; N] {}

macro_rules! tuples {
    ($($name:ident)*) => {
        // SAFETY: nothing but its fields and padding.
        unsafe impl<$($name: Shareable),*> Shareable for ($($name,)*) {}
    };
}

tuples!(A);
tuples!(A B);
tuples!(A B C);
tuples!(A B C D);
tuples!(A B C D E);
tuples!(A B C D E F);
tuples!(A B C D E F G);
tuples!(A B C D E F G H);
