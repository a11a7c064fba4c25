//! `Buffer`: plain values that travel between processes without being copied on the way.
//!
//! ```text
//! private   a vector of this process; sent by one copy into a block of shared memory, or with its item if it is short
//! stowed    values in a block: sent by the block's name, read where they lie
//! ```
//!
//! A stowed buffer is written as long as no other process was told of its block (`manyhands_shm::typed::Array`); a
//! change after that makes a copy first. It refuses to be serialized to a file: its block would be gone tomorrow.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;
use std::slice;
use std::sync::Arc;

use manyhands_shm::typed::{Array, Shareable};
use manyhands_shm::world::{self, Block, World};
use serde::de::Visitor;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::memory::{self, NoMemory};
use crate::plain::{self, BLOCK, Taken};
use crate::travel::{self, Name, homeless};

/// Plain values for other processes: an array of numbers, an image, a chunk of a file.
///
/// As an argument, a result, or a part of one, or in a channel, a buffer goes by the name of a block of shared memory,
/// and whoever gets it reads the values where they lie. So megabytes cost one copy, into the block, and none if the
/// buffer was made by [`Buffer::copy_of`], [`Buffer::from_fn`] or [`Buffer::filled`]. The block is free again when the
/// last process has dropped it, or has died.
///
/// It reads like a slice. [`Buffer::make_mut`] changes it: in place if no other process was told of it, else in a copy.
/// Buffers of numbers of less than 16 KiB travel within their items, so there need not be many.
///
/// `Vec<f64>`, and vectors of other numbers, may be items and results as well: they go the same way, and cost one more
/// copy on the other side, because a vector owns its memory.
///
/// ```
/// use manyhands::{Buffer, Pool};
///
/// fn invert(mut image: Buffer<u8>) -> Buffer<u8> {
///     for pixel in image.make_mut() {
///         *pixel = 255 - *pixel;
///     }
///     image
/// }
///
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     manyhands::init();
///     let pool = Pool::new()?;
///     let images = (0..4_u8).map(|shade| Buffer::filled(1 << 20, shade));
///     for (shade, image) in (0..).zip(pool.imap(invert, images)) {
///         assert_eq!(image?[1000], 255 - shade);
///     }
///     Ok(())
/// }
/// ```
pub struct Buffer<T: Shareable + Copy>(Store<T>);

enum Store<T: Shareable + Copy> {
    Private(Vec<T>),
    Stowed(Array<T>),
}

use Store::{Private, Stowed};

impl<T: Shareable + Copy> Buffer<T> {
    /// A copy of some values, in shared memory unless they are short.
    ///
    /// Where shared memory is at its limit the copy is in that of this process, and sending it may fail.
    ///
    /// ```
    /// let numbers = manyhands::Buffer::copy_of(&[1.5, 2.5]);
    /// assert_eq!(numbers.iter().sum::<f64>(), 4.0);
    /// ```
    #[must_use]
    pub fn copy_of(values: &[T]) -> Self {
        let stowed = stow(values.len(), |world| Array::copy_of(world, values));
        Self(stowed.unwrap_or_else(|| Private(values.to_vec())))
    }

    /// So many values, each made from its index; where they are is as with [`Buffer::copy_of`].
    ///
    /// ```
    /// let squares = manyhands::Buffer::from_fn(100, |index| (index * index) as u32);
    /// assert_eq!(squares[9], 81);
    /// ```
    #[must_use]
    pub fn from_fn(len: usize, mut value: impl FnMut(usize) -> T) -> Self {
        let stowed = stow(len, |world| Array::from_fn(world, len, &mut value));
        Self(stowed.unwrap_or_else(|| Private((0..len).map(value).collect())))
    }

    /// So many values, all alike: room for results that are written by [`Buffer::make_mut`].
    ///
    /// ```
    /// let mut sums = manyhands::Buffer::filled(4, 0_u64);
    /// sums.make_mut()[2] = 7;
    /// assert_eq!(*sums, [0, 0, 7, 0]);
    /// ```
    #[must_use]
    pub fn filled(len: usize, value: T) -> Self {
        Self::from_fn(len, |_| value)
    }

    /// The values, to be changed. They are copied first if another process was told of them, or a clone was made.
    ///
    /// ```
    /// let mut buffer = manyhands::Buffer::copy_of(&[1, 2, 3]);
    /// buffer.make_mut().reverse();
    /// assert_eq!(*buffer, [3, 2, 1]);
    /// ```
    pub fn make_mut(&mut self) -> &mut [T] {
        if let Stowed(array) = &mut self.0
            && array.get_mut().is_none()
        {
            *self = Self::copy_of(self);
        }
        match &mut self.0 {
            Private(values) => values,
            // Nobody knows a copy.
            Stowed(array) => array.get_mut().unwrap_or_default(),
        }
    }

    /// The values as a vector: copied, unless the buffer is a vector that was not sent.
    ///
    /// ```
    /// let buffer = manyhands::Buffer::from(vec![1, 2, 3]);
    /// assert_eq!(buffer.into_vec(), [1, 2, 3]);
    /// ```
    #[must_use]
    pub fn into_vec(self) -> Vec<T> {
        match self.0 {
            Private(values) => values,
            Stowed(array) => array.to_vec(),
        }
    }
}

/// Values in a block, if they are long enough and there is memory.
fn stow<T: Shareable + Copy>(
    len: usize,
    make: impl FnOnce(&Arc<World>) -> Result<Array<T>, world::NoMemory>,
) -> Option<Store<T>> {
    if len.saturating_mul(size_of::<T>()) < BLOCK {
        return None;
    }
    make(&memory::world().ok()?).ok().map(Stowed)
}

impl<T: Shareable + Copy> Deref for Buffer<T> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        match &self.0 {
            Private(values) => values,
            Stowed(array) => array,
        }
    }
}

impl<T: Shareable + Copy> AsRef<[T]> for Buffer<T> {
    fn as_ref(&self) -> &[T] {
        self
    }
}

impl<T: Shareable + Copy> From<Vec<T>> for Buffer<T> {
    /// The vector itself: it is copied when it is sent.
    fn from(values: Vec<T>) -> Self {
        Self(Private(values))
    }
}

impl<T: Shareable + Copy> From<&[T]> for Buffer<T> {
    fn from(values: &[T]) -> Self {
        Self::copy_of(values)
    }
}

impl<T: Shareable + Copy> From<Buffer<T>> for Vec<T> {
    fn from(buffer: Buffer<T>) -> Self {
        buffer.into_vec()
    }
}

impl<T: Shareable + Copy> FromIterator<T> for Buffer<T> {
    fn from_iter<I: IntoIterator<Item = T>>(values: I) -> Self {
        Self(Private(values.into_iter().collect()))
    }
}

impl<'a, T: Shareable + Copy> IntoIterator for &'a Buffer<T> {
    type Item = &'a T;
    type IntoIter = slice::Iter<'a, T>;

    fn into_iter(self) -> slice::Iter<'a, T> {
        self.iter()
    }
}

impl<T: Shareable + Copy> Default for Buffer<T> {
    fn default() -> Self {
        Self(Private(Vec::new()))
    }
}

impl<T: Shareable + Copy> Clone for Buffer<T> {
    /// In shared memory the same values, otherwise a copy.
    fn clone(&self) -> Self {
        match &self.0 {
            Private(values) => Self(Private(values.clone())),
            Stowed(array) => Self(Stowed(array.clone())),
        }
    }
}

impl<T: Shareable + Copy + PartialEq> PartialEq for Buffer<T> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl<T: Shareable + Copy + Eq> Eq for Buffer<T> {}

impl<T: Shareable + Copy + fmt::Debug> fmt::Debug for Buffer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self).finish()
    }
}

/// How a buffer travels.
#[derive(Serialize, Deserialize)]
enum Form<S, B> {
    /// By its bytes.
    Short(S),
    /// By the name of its block.
    Long(B),
}

impl<T: Shareable + Copy> Serialize for Buffer<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if !travel::is_collecting() {
            return Err(homeless());
        }
        let new;
        let array = match &self.0 {
            Stowed(array) => array,
            Private(values) => {
                if let Some(bytes) = short(values) {
                    return Form::Short::<_, Name<&Block>>(Bytes(&bytes)).serialize(serializer);
                }
                new = copy(values).map_err(|error| S::Error::custom(travel::refuse(error)))?;
                &new
            }
        };
        Form::Long::<Bytes<'_>, _>(Name(array.name())).serialize(serializer)
    }
}

fn copy<T: Shareable + Copy>(values: &[T]) -> Result<Array<T>, NoMemory> {
    Ok(Array::copy_of(&memory::world()?, values)?)
}

/// The bytes of a few numbers.
fn short<T: Shareable + Copy>(values: &Vec<T>) -> Option<Vec<u8>> {
    let len = plain::len(values).filter(|_| size_of_val(&values[..]) < BLOCK)?;
    let mut bytes = Vec::with_capacity(len);
    plain::encode(values, |some| bytes.extend_from_slice(some)).ok()?;
    Some(bytes)
}

impl<'de, T: Shareable + Copy> Deserialize<'de> for Buffer<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Form::<Values<T>, Name<Block>>::deserialize(deserializer)? {
            Form::Short(Values(values)) => Ok(Self(Private(values))),
            Form::Long(Name(block)) => Array::of_block(block)
                .map(|array| Self(Stowed(array)))
                .ok_or_else(|| travel::stranger("Buffer")),
        }
    }
}

/// Bytes that serde is to take as such.
struct Bytes<'a>(&'a [u8]);

impl Serialize for Bytes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}

/// What `short` gave, as values again.
struct Values<T>(Vec<T>);

impl<'de, T: Shareable + Copy> Deserialize<'de> for Values<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_bytes(OfBytes(PhantomData))
    }
}

struct OfBytes<T>(PhantomData<T>);

impl<T: Shareable + Copy> Visitor<'_> for OfBytes<T> {
    type Value = Values<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the bytes of numbers")
    }

    fn visit_bytes<E: serde::de::Error>(self, mut bytes: &[u8]) -> Result<Values<T>, E> {
        match plain::decode::<Vec<T>>(&mut bytes) {
            Taken::Value(values) => Ok(Values(values)),
            Taken::Foreign | Taken::Short | Taken::Lost => Err(E::custom("no numbers")),
        }
    }
}

#[cfg(test)]
mod tests;
