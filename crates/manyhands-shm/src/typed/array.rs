//! `Array`: plain values in a block, written as long as nobody else knows the block, read from then on.
//!
//! ```text
//! made      nobody else knows the block, and it does not say what it is: `get_mut` gives the values
//! named     its name was asked for, or it was cloned: for ever after it is only read
//! arrived   made from a block that somebody has named
//! forked    there is another process with this object: the same as named, in both
//! ```
//!
//! So a reference to the values is never there while somebody writes, whichever processes hold the block.
//! It refuses types with atomics in them: `Copy` keeps them out.
#![expect(unsafe_code, reason = "values of Rust types in blocks")]

use core::fmt;
use core::ops::Deref;
use std::sync::Arc;

use super::placed::{Placed, Words};
use super::shareable::Shareable;
use crate::atomic::{AtomicU32, AtomicU64, Ordering};
use crate::sync::Owner;
use crate::world::{Block, NoMemory, Plain, World};

/// The words of an array, which are none.
#[derive(Debug)]
#[repr(C)]
pub struct Cargo([AtomicU64; 0]);

// SAFETY: no bytes.
unsafe impl Plain for Cargo {}

impl Words for Cargo {
    const KIND: u32 = 40;

    fn bury(&self, _gone: Owner) {}
}

/// The block says what it is, and others may know it.
const NAMED: u32 = 1;

/// Plain values in shared memory, as one process holds them.
pub struct Array<T: Shareable + Copy> {
    place: Placed<Cargo, [T]>,
    state: AtomicU32,
    /// Forks of its process when it was made ([`World::forks`]).
    forks: u32,
}

impl<T: Shareable + Copy> Array<T> {
    /// Puts a copy of some values into shared memory.
    ///
    /// # Errors
    /// Without memory.
    pub fn copy_of(world: &Arc<World>, values: &[T]) -> Result<Self, NoMemory> {
        Placed::copy_unnamed(world, values).map(Self::fresh)
    }

    /// Puts so many values into shared memory; each is made from its index.
    ///
    /// # Errors
    /// Without memory.
    pub fn from_fn(
        world: &Arc<World>,
        len: usize,
        value: impl FnMut(usize) -> T,
    ) -> Result<Self, NoMemory> {
        Placed::make_unnamed(world, len as u64, len, value).map(Self::fresh)
    }

    /// The values in a block that somebody has named; none if it is of something else.
    #[must_use]
    pub fn of_block(block: Block) -> Option<Self> {
        let place = Placed::of_block(block)?;
        Some(Self { place, state: AtomicU32::new(NAMED), forks: 0 })
    }

    fn fresh(place: Placed<Cargo, [T]>) -> Self {
        let forks = place.block().world().forks();
        Self { place, state: AtomicU32::new(0), forks }
    }

    /// The block, whose name others may be told from now on.
    #[must_use]
    pub fn name(&self) -> &Block {
        let block = self.place.block();
        if self.state.load(Ordering::Relaxed) != NAMED {
            block.set_kind(Cargo::KIND);
            self.state.store(NAMED, Ordering::Relaxed);
        }
        block
    }

    /// The values, to be changed; none once others may know the block.
    #[must_use]
    pub fn get_mut(&mut self) -> Option<&mut [T]> {
        if *self.state.get_mut() == NAMED || self.place.block().world().forks() != self.forks {
            return None;
        }
        let mut values = self.place.value();
        // SAFETY: values of this type were written there, aligned, and are held as long as `self`, which is
        // borrowed exclusively. No other object has them: `clone` and `name` set the state, and while it is
        // not set the block does not say that it is an array, so that `of_block` makes none of it. Nor has a fork of
        // this process, for there was none since they were made.
        Some(unsafe { values.as_mut() })
    }
}

impl<T: Shareable + Copy> Deref for Array<T> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        // SAFETY: values of this type were written there, aligned, before anybody else knew the block, and are
        // held as long as `self`. Only `get_mut` writes, with `self` borrowed exclusively and nobody else there.
        unsafe { self.place.value().as_ref() }
    }
}

impl<T: Shareable + Copy> Clone for Array<T> {
    /// The same values, which are only read from now on.
    fn clone(&self) -> Self {
        let _named = self.name();
        Self { place: self.place.clone(), state: AtomicU32::new(NAMED), forks: 0 }
    }
}

impl<T: Shareable + Copy> fmt::Debug for Array<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Array").field("place", &self.place).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::typed::Held;

    fn world() -> Arc<World> {
        World::create(1 << 30).expect("a world")
    }

    fn again(array: &Array<u64>) -> Block {
        let world = array.place.block().world();
        world.adopt(array.place.block().handle()).expect("a block that is held")
    }

    #[test]
    fn values_change_until_the_block_is_named() {
        let mut array = Array::copy_of(&world(), &[1_u64, 2, 3]).unwrap();
        array.get_mut().unwrap()[1] = 20;
        assert!(Array::<u64>::of_block(again(&array)).is_none(), "it was not named yet");
        let _named = array.name();
        let mut other = Array::<u64>::of_block(again(&array)).unwrap();
        assert_eq!(*other, [1, 20, 3]);
        assert!(array.get_mut().is_none() && other.get_mut().is_none());
    }

    #[test]
    fn a_fork_ends_the_changes_in_both_processes() {
        let world = world();
        let mut before = Array::copy_of(&world, &[1_u64]).unwrap();
        let fork = world.prepare_fork();
        world.fork_failed(fork);
        assert!(before.get_mut().is_none(), "the child has it as well, if there is one");
        assert!(Array::copy_of(&world, &[1_u64]).unwrap().get_mut().is_some());
    }

    #[test]
    fn a_clone_is_the_same_values_for_reading() {
        let mut array = Array::from_fn(&world(), 1000, |index| index as u64).unwrap();
        assert!(array.get_mut().is_some());
        let mut clone = array.clone();
        assert_eq!(clone.as_ptr(), array.as_ptr());
        assert!(array.get_mut().is_none() && clone.get_mut().is_none());
        drop(array);
        assert_eq!(clone[999], 999);
    }

    #[test]
    fn a_block_of_something_else_is_refused() {
        let world = world();
        let array = Array::copy_of(&world, &[7_u64]).unwrap();
        let _named = array.name();
        assert!(Array::<i64>::of_block(again(&array)).is_none());
        assert!(Held::<[u64]>::of_block(again(&array)).is_none());
        let held = Held::copy_slice(&world, &[7_u64]).unwrap();
        assert!(Array::<u64>::of_block(held.block().clone()).is_none());
        assert!(Array::copy_of(&world, &[(); 5]).is_ok(), "values without bytes");
    }

    #[test]
    fn nothing_stays_when_the_last_one_goes() {
        let world = world();
        let before = world.survey().len();
        let array = Array::copy_of(&world, &vec![1.5_f32; 1 << 20]).unwrap();
        let clone = array.clone();
        drop(array);
        assert_eq!(world.survey().len(), before + 1);
        drop(clone);
        assert_eq!(world.survey().len(), before);
    }
}
