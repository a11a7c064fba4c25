//! `Placed`: a block that holds the words of an object and a value of a Rust type.
//!
//! ```text
//! block of the kind of the words   Label   the type's fingerprint, how many values
//!                                  W       the words
//!                                  T       the value, or the values of a slice
//! ```
//!
//! The fingerprint is made of the compiler's identity of the type, which is the same in all processes that
//! run one program. A block with another one, or of another kind, is refused: so a reference to the value
//! is only made where such a value was written.
//!
//! It gives the value's address, and a shared reference where nobody writes; who may write when is the
//! business of the locks.
#![expect(unsafe_code, reason = "values of Rust types in blocks")]

use core::any::TypeId;
use core::fmt;
use core::hash::{Hash, Hasher};
use core::marker::PhantomData;
use core::ptr::NonNull;
use std::sync::Arc;

use super::shareable::Shareable;
use crate::atomic::{AtomicU64, Ordering};
use crate::sync::{Gone, Owner};
use crate::world::{self, Block, Fill, Hooks, NoMemory, Plain, World};

/// Where a block begins is a multiple of this.
const ALIGN: usize = 64;

/// What lies before the words.
#[derive(Debug)]
#[repr(C)]
struct Label {
    fingerprint: AtomicU64,
    count: AtomicU64,
}

/// Label and words, as they lie in the block.
#[repr(C)]
struct Header<W> {
    label: Label,
    words: W,
}

// SAFETY: `repr(C)`, two atomics and a structure that is `Plain` itself.
unsafe impl<W: Plain> Plain for Header<W> {}

/// The words of a kind of object that has a value.
pub trait Words: Plain + Send + Sync + 'static {
    /// The kind of its blocks.
    const KIND: u32;
    /// Clears every word that names an owner that is gone.
    fn bury(&self, gone: Owner);
}

/// An object without words: the value is shared as it is.
impl Words for Nothing {
    const KIND: u32 = 32;

    fn bury(&self, _gone: Owner) {}
}

/// The words of what has none.
#[derive(Debug)]
#[repr(C)]
pub struct Nothing([AtomicU64; 0]);

// SAFETY: no bytes.
unsafe impl Plain for Nothing {}

/// A value without a lock.
pub type Held<T> = Placed<Nothing, T>;

/// Tells the worlds of this process how objects with these words are recovered: before it uses one.
pub fn register<W: Words>() {
    world::register(W::KIND, Hooks { recover: Some(recover::<W>), destroy: None });
}

fn recover<W: Words>(block: &Block, owner: Owner, _how: Gone) {
    block.get::<Header<W>>().words.bury(owner);
}

/// A value, or a slice of values, that may live in shared memory.
pub trait Shape: Send + Sync + 'static {
    /// One of the values.
    type One: Shareable;
    /// How many there are in a block that says this; none if it cannot say so.
    fn count(said: u64) -> Option<usize>;
    /// The value, or the slice, at an address.
    fn at(first: NonNull<Self::One>, count: usize) -> NonNull<Self>;
}

impl<T: Shareable> Shape for T {
    type One = T;

    fn count(said: u64) -> Option<usize> {
        (said == ONE).then_some(1)
    }

    fn at(first: NonNull<T>, _count: usize) -> NonNull<T> {
        first
    }
}

impl<T: Shareable> Shape for [T] {
    type One = T;

    fn count(said: u64) -> Option<usize> {
        (said != ONE).then(|| usize::try_from(said).ok()).flatten()
    }

    fn at(first: NonNull<T>, count: usize) -> NonNull<[T]> {
        NonNull::slice_from_raw_parts(first, count)
    }
}

/// The count of what is no slice.
const ONE: u64 = u64::MAX;

/// An object with words and a value, as one process holds it.
pub struct Placed<W, T: Shape + ?Sized> {
    block: Block,
    value: NonNull<T>,
    words: PhantomData<(W, Arc<T>)>,
}

// SAFETY: the address is of a block that is held as long as this lives, the same for every thread; what
// may be done with the value is up to `T`, which is `Send` and `Sync`, and to the words.
unsafe impl<W: Words, T: Shape + ?Sized> Send for Placed<W, T> {}
// SAFETY: as above.
unsafe impl<W: Words, T: Shape + ?Sized> Sync for Placed<W, T> {}

impl<W, T: Shape + ?Sized> Clone for Placed<W, T> {
    fn clone(&self) -> Self {
        Self { block: self.block.clone(), value: self.value, words: PhantomData }
    }
}

impl<W, T: Shape + ?Sized> fmt::Debug for Placed<W, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Placed").field("block", &self.block.handle()).finish_non_exhaustive()
    }
}

impl<W: Words, T: Shareable> Placed<W, T> {
    /// Puts a value into shared memory. Its words are all zero.
    ///
    /// # Errors
    /// Without memory.
    pub fn create(world: &Arc<World>, value: T) -> Result<Self, NoMemory> {
        let mut value = Some(value);
        Self::make(world, ONE, 1, |_| value.take().expect("one value is asked for once"))
    }
}

impl<W: Words, T: Shareable> Placed<W, [T]> {
    /// Puts so many values into shared memory. The words are all zero.
    ///
    /// # Errors
    /// Without memory.
    pub fn create_slice(
        world: &Arc<World>,
        len: usize,
        value: impl FnMut(usize) -> T,
    ) -> Result<Self, NoMemory> {
        Self::make(world, len as u64, len, value)
    }
}

impl<W: Words, T: Shareable + Copy> Placed<W, [T]> {
    /// Puts a copy of some values into shared memory. The words are all zero.
    ///
    /// # Errors
    /// Without memory.
    pub fn copy_slice(world: &Arc<World>, values: &[T]) -> Result<Self, NoMemory> {
        let own = Self::copy_unnamed(world, values)?;
        own.block.set_kind(W::KIND);
        Ok(own)
    }

    /// The same; its block does not say yet what it is, so that nothing makes one of these of it.
    pub(super) fn copy_unnamed(world: &Arc<World>, values: &[T]) -> Result<Self, NoMemory> {
        let block = Self::room(world, values.len())?;
        let first = first_of::<W, [T]>(&block);
        // SAFETY: the block was made with room for so many values behind its header, aligned for them; it
        // is new, so it overlaps nothing, and nobody else knows it yet. `T` is `Copy`.
        unsafe { first.copy_from_nonoverlapping(NonNull::from(values).cast(), values.len()) };
        Ok(Self::of_filled(block, values.len() as u64, values.len()))
    }
}

impl<W: Words, T: Shape + ?Sized> Placed<W, T> {
    fn make(
        world: &Arc<World>,
        said: u64,
        count: usize,
        value: impl FnMut(usize) -> T::One,
    ) -> Result<Self, NoMemory> {
        let own = Self::make_unnamed(world, said, count, value)?;
        own.block.set_kind(W::KIND);
        Ok(own)
    }

    /// As `make`; its block does not say yet what it is.
    pub(super) fn make_unnamed(
        world: &Arc<World>,
        said: u64,
        count: usize,
        mut value: impl FnMut(usize) -> T::One,
    ) -> Result<Self, NoMemory> {
        let block = Self::room(world, count)?;
        let first = first_of::<W, T>(&block);
        for index in 0..count {
            // SAFETY: the block has room for so many values behind the header, as computed in `room`.
            let place = unsafe { first.add(index) };
            // SAFETY: aligned, inside of the block, and nobody else knows it yet.
            unsafe { place.write(value(index)) };
        }
        Ok(Self::of_filled(block, said, count))
    }

    /// A new block with a header of zeros and room for so many values, which are not there yet.
    fn room(world: &Arc<World>, count: usize) -> Result<Block, NoMemory> {
        const {
            assert!(!core::mem::needs_drop::<T::One>(), "what is shared has nothing to drop");
            assert!(align_of::<T::One>() <= ALIGN, "blocks begin at multiples of 64");
        }
        register::<W>();
        let len = size_of::<T::One>()
            .checked_mul(count)
            .and_then(|len| len.checked_add(offset::<W, T>()));
        let too_large = NoMemory { asked: u64::MAX, limit: None, source: None };
        let block = world.alloc(len.ok_or(too_large)?, Fill::Dirty)?;
        // SAFETY: the block is longer than the header, and nobody else knows it yet.
        unsafe { block.as_ptr().write_bytes(0, offset::<W, T>()) };
        Ok(block)
    }

    /// The object in a block of `room` in which all values were written.
    fn of_filled(block: Block, said: u64, count: usize) -> Self {
        let label = &block.get::<Header<W>>().label;
        label.count.store(said, Ordering::Relaxed);
        label.fingerprint.store(fingerprint::<T::One>(), Ordering::Release);
        Self { value: T::at(first_of::<W, T>(&block), count), block, words: PhantomData }
    }

    /// The object in a block; none if the block is of something else.
    #[must_use]
    pub fn of_block(block: Block) -> Option<Self> {
        register::<W>();
        if block.kind() != W::KIND || block.len() < offset::<W, T>() {
            return None;
        }
        let label = &block.get::<Header<W>>().label;
        let count = T::count(label.count.load(Ordering::Relaxed))?;
        let fits = count.checked_mul(size_of::<T::One>())? <= block.len() - offset::<W, T>();
        let same = label.fingerprint.load(Ordering::Acquire) == fingerprint::<T::One>();
        (fits && same).then(|| Self {
            value: T::at(first_of::<W, T>(&block), count),
            block,
            words: PhantomData,
        })
    }

    /// Its words.
    #[inline]
    pub(super) fn words(&self) -> &W {
        &self.block.get::<Header<W>>().words
    }

    /// The block, to be adopted elsewhere.
    #[must_use]
    pub const fn block(&self) -> &Block {
        &self.block
    }

    /// Where the value is.
    pub(super) const fn value(&self) -> NonNull<T> {
        self.value
    }
}

impl<T: Shape + ?Sized> core::ops::Deref for Held<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: a value of this type was written there before the block was known to others, it is
        // aligned, and held as long as `self`. After that nobody writes but by its own atomics.
        unsafe { self.value.as_ref() }
    }
}

/// Where the first value lies behind the header.
const fn offset<W, T: Shape + ?Sized>() -> usize {
    size_of::<Header<W>>().next_multiple_of(align_of::<T::One>())
}

fn first_of<W, T: Shape + ?Sized>(block: &Block) -> NonNull<T::One> {
    let at = block.as_ptr().wrapping_add(offset::<W, T>());
    NonNull::new(at.cast()).expect("a block is nowhere near address 0")
}

/// The identity of a type, the same in all processes that run one program.
fn fingerprint<T: 'static>() -> u64 {
    let mut hasher = Fnv(0xcbf2_9ce4_8422_2325);
    TypeId::of::<T>().hash(&mut hasher);
    hasher.finish()
}

struct Fnv(u64);

impl Hasher for Fnv {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::Handle;

    fn world() -> Arc<World> {
        World::create(1 << 30).unwrap()
    }

    fn again(world: &Arc<World>, handle: Handle) -> Block {
        world.adopt(handle).unwrap()
    }

    #[test]
    fn a_value_is_what_was_put() {
        let world = world();
        let held = Held::create(&world, (7_u8, 1_u64 << 40, [1.5_f32; 3])).unwrap();
        let other = Held::<(u8, u64, [f32; 3])>::of_block(again(&world, held.block().handle()));
        drop(held);
        assert_eq!(*other.unwrap(), (7, 1 << 40, [1.5; 3]));
    }

    #[test]
    fn slices_know_their_length() {
        let world = world();
        for len in [0_usize, 1, 1000, 100_000] {
            let held = Held::create_slice(&world, len, |index| index).unwrap();
            let other = Held::<[usize]>::of_block(again(&world, held.block().handle())).unwrap();
            assert_eq!(other.len(), len);
            assert!(other.iter().enumerate().all(|(index, value)| index == *value));
        }
    }

    #[test]
    fn a_block_of_something_else_is_refused() {
        let world = world();
        let held = Held::create(&world, 7_u64).unwrap();
        let block = || again(&world, held.block().handle());
        assert!(Held::<u64>::of_block(block()).is_some());
        assert!(Held::<i64>::of_block(block()).is_none());
        assert!(Held::<[u64]>::of_block(block()).is_none());
        assert!(Held::<[u64; 1]>::of_block(block()).is_none());
        assert!(super::super::Mutex::<u64>::of_block(block()).is_none());
        let bare = world.alloc(4096, Fill::Zero).unwrap();
        assert!(Held::<u64>::of_block(bare).is_none());
        let slice = Held::create_slice(&world, 1, |_| 7_u64).unwrap();
        assert!(Held::<u64>::of_block(again(&world, slice.block().handle())).is_none());
    }

    #[test]
    fn values_lie_as_they_want_to() {
        #[derive(Debug, PartialEq)]
        #[repr(align(64))]
        struct Wide(u8);
        // SAFETY: one byte and padding.
        unsafe impl Shareable for Wide {}
        let held = Held::create(&world(), Wide(9)).unwrap();
        assert_eq!(*held, Wide(9));
        assert!((&raw const *held).addr().is_multiple_of(64));
    }

    #[test]
    fn more_than_can_be_is_an_error() {
        assert!(Held::create_slice(&world(), usize::MAX, |_| 0_u64).is_err());
        assert!(Held::create_slice(&world(), 1 << 40, |_| 0_u64).is_err());
    }
}
