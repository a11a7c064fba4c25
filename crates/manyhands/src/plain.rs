//! Items that are plain numbers, or vectors of them, as their bytes.
//!
//! serde asks a format to write a vector of bytes one by one, and a number as a number of any size. For what is
//! mapped by the million, and for buffers of megabytes, the bytes themselves are much less work. Both sides know
//! the type, so nothing has to say which way was taken. Types are told apart at compile time; the casts between a
//! type parameter and the type that it is are those of `Any`.
//!
//! ```text
//! number    its bytes, little-endian; a bool is one byte, () none
//! vector    how many (u64), then their bytes
//! long one  how many and LONG, then the names of a world and of the block that holds it (u64 each)
//! ```
//!
//! It refuses everything else: that is for serde.

use std::any::{Any, TypeId};

use manyhands_shm::typed::{Array, Shareable};

use crate::trouble::Trouble;
use crate::{memory, travel, world};

/// Vectors of so many bytes travel in a block of their own: one copy on each side instead of several.
pub(crate) const BLOCK: usize = 16 << 10;
/// In the count of a vector: it lies in a block.
const LONG: u64 = 1 << 63;
/// Bytes of the count before a vector, and of a name.
const COUNT: usize = size_of::<u64>();
const NAME: usize = 2 * size_of::<u64>();
/// Numbers that are turned into bytes together.
const CHUNK: usize = 256;

/// Whether the two are one type.
#[inline]
fn same<A: 'static, B: 'static>() -> bool {
    TypeId::of::<A>() == TypeId::of::<B>()
}

/// What became of a value that was to be taken from bytes.
#[derive(Debug, PartialEq)]
pub(crate) enum Taken<T> {
    /// Here it is.
    Value(T),
    /// The type is not plain.
    Foreign,
    /// There are too few bytes.
    Short,
    /// Its bytes were taken, but what they name is not there.
    Lost,
}

macro_rules! numbers {
    ($($number:ty),*) => {
        /// Whether values of this type all have the same few bytes.
        #[inline]
        pub(crate) fn is_fixed<T: 'static>() -> bool {
            same::<T, ()>() || same::<T, bool>() $(|| same::<T, $number>())*
        }

        /// How many bytes a plain value takes; `None` if it is none.
        #[inline]
        pub(crate) fn len<T: 'static>(value: &T) -> Option<usize> {
            if is_fixed::<T>() {
                return Some(size_of::<T>());
            }
            let value: &dyn Any = value;
            $(
                if same::<T, Vec<$number>>() && let Some(all) = value.downcast_ref::<Vec<$number>>() {
                    let bytes = size_of_val(&all[..]);
                    return Some(COUNT + if bytes < BLOCK { bytes } else { NAME });
                }
            )*
            None
        }

        /// Hands the bytes of a plain value to `sink`; there is nothing to hand over of any other one. To be
        /// called while somebody collects.
        ///
        /// # Errors
        /// Without memory for the block of a long vector.
        #[inline]
        pub(crate) fn encode<T: 'static>(value: &T, mut sink: impl FnMut(&[u8])) -> Result<(), Trouble> {
            let value: &dyn Any = value;
            if same::<T, bool>() && let Some(truth) = value.downcast_ref::<bool>() {
                sink(&[u8::from(*truth)]);
            }
            $(
                if same::<T, $number>() && let Some(number) = value.downcast_ref::<$number>() {
                    sink(&number.to_le_bytes());
                }
                if same::<T, Vec<$number>>() && let Some(all) = value.downcast_ref::<Vec<$number>>() {
                    if size_of_val(&all[..]) >= BLOCK {
                        return stow(all, sink);
                    }
                    sink(&(all.len() as u64).to_le_bytes());
                    for some in all.chunks(CHUNK) {
                        let mut bytes = [0; CHUNK * size_of::<$number>()];
                        let places = bytes.as_chunks_mut::<{ size_of::<$number>() }>().0;
                        for (place, number) in places.iter_mut().zip(some) {
                            *place = number.to_le_bytes();
                        }
                        sink(&bytes[..size_of_val(some)]);
                    }
                }
            )*
            Ok(())
        }

        /// Appends so many values that all have the same few bytes, as far as they are there; how many bytes
        /// they took. It does nothing for the types that it does not know.
        #[inline]
        #[expect(clippy::ptr_arg, reason = "it is cast to the vector that it is")]
        pub(crate) fn decode_all<T: 'static>(bytes: &[u8], count: usize, values: &mut Vec<T>) -> usize {
            let values: &mut dyn Any = values;
            $(
                if same::<T, $number>() && let Some(values) = values.downcast_mut::<Vec<$number>>() {
                    let all = bytes.as_chunks::<{ size_of::<$number>() }>().0;
                    let all = &all[..count.min(all.len())];
                    values.extend(all.iter().map(|bytes| <$number>::from_le_bytes(*bytes)));
                    return size_of_val(all);
                }
            )*
            0
        }

        /// Takes a plain value from the front of some bytes.
        #[inline]
        pub(crate) fn decode<T: 'static>(bytes: &mut &[u8]) -> Taken<T> {
            let mut slot: Option<T> = None;
            let place: &mut dyn Any = &mut slot;
            if same::<T, ()>() && let Some(place) = place.downcast_mut::<Option<()>>() {
                *place = Some(());
                return found(slot, true);
            }
            if same::<T, bool>() && let Some(place) = place.downcast_mut::<Option<bool>>() {
                if let Some((head, rest)) = bytes.split_first() {
                    *place = Some(*head != 0);
                    *bytes = rest;
                }
                return found(slot, true);
            }
            $(
                if same::<T, $number>() && let Some(place) = place.downcast_mut::<Option<$number>>() {
                    if let Some((head, rest)) = bytes.split_first_chunk() {
                        *place = Some(<$number>::from_le_bytes(*head));
                        *bytes = rest;
                    }
                    return found(slot, true);
                }
                if same::<T, Vec<$number>>() && let Some(place) = place.downcast_mut::<Option<Vec<$number>>>() {
                    let whole = match vector(bytes, size_of::<$number>()) {
                        Vector::Here(all) => {
                            let numbers = all.as_chunks::<{ size_of::<$number>() }>().0.iter();
                            *place = Some(numbers.map(|bytes| <$number>::from_le_bytes(*bytes)).collect());
                            true
                        }
                        Vector::Block { world, handle } => {
                            *place = fetch::<$number>(world, handle).map(|all| all.to_vec());
                            false
                        }
                        Vector::Short => true,
                    };
                    return found(slot, whole);
                }
            )*
            Taken::Foreign
        }
    };
}

numbers!(u8, i8, u16, i16, u32, i32, u64, i64, u128, i128, usize, isize, f32, f64);

#[inline]
fn found<T>(slot: Option<T>, inline: bool) -> Taken<T> {
    match slot {
        Some(value) => Taken::Value(value),
        None if inline => Taken::Short,
        None => Taken::Lost,
    }
}

/// Steps over a plain value at the front of some bytes. `None` if the type is not plain; whether it was there.
#[inline]
pub(crate) fn skip<T: 'static>(bytes: &mut &[u8]) -> Option<bool> {
    if !is_fixed::<T>() {
        let size = number_in_vector::<T>()?;
        return Some(!matches!(vector(bytes, size), Vector::Short));
    }
    let rest = bytes.get(size_of::<T>()..);
    *bytes = rest.unwrap_or_default();
    Some(rest.is_some())
}

/// The size of a number of which `T` is a vector.
fn number_in_vector<T: 'static>() -> Option<usize> {
    macro_rules! sizes {
        ($($number:ty),*) => {
            $(if same::<T, Vec<$number>>() { return Some(size_of::<$number>()); })*
        };
    }
    sizes!(u8, i8, u16, i16, u32, i32, u64, i64, u128, i128, usize, isize, f32, f64);
    None
}

/// What the bytes of a vector are.
enum Vector<'a> {
    Here(&'a [u8]),
    Block { world: u64, handle: u64 },
    Short,
}

/// Takes a vector of numbers of `size` bytes from the front.
fn vector<'a>(bytes: &mut &'a [u8], size: usize) -> Vector<'a> {
    let take = |bytes: &mut &'a [u8]| {
        let (count, rest) = bytes.split_first_chunk::<COUNT>()?;
        let count = u64::from_le_bytes(*count);
        if count & LONG != 0 {
            let (world, rest) = rest.split_first_chunk()?;
            let (handle, rest) = rest.split_first_chunk()?;
            *bytes = rest;
            let (world, handle) = (u64::from_le_bytes(*world), u64::from_le_bytes(*handle));
            return Some(Vector::Block { world, handle });
        }
        let (all, rest) = rest.split_at_checked(usize::try_from(count).ok()?.checked_mul(size)?)?;
        *bytes = rest;
        Some(Vector::Here(all))
    };
    take(bytes).unwrap_or(Vector::Short)
}

/// Puts a long vector into a block, which whoever collects holds, and hands its name to `sink`.
fn stow<T: Shareable + Copy>(all: &[T], mut sink: impl FnMut(&[u8])) -> Result<(), Trouble> {
    let said = |error: memory::NoMemory| Trouble::Said(error.to_string());
    let world = memory::world().map_err(said)?;
    let array = Array::copy_of(&world, all).map_err(|error| said(error.into()))?;
    let block = array.name();
    if !travel::note(block) {
        return Err(Trouble::Said(travel::HOMELESS.into()));
    }
    sink(&(all.len() as u64 | LONG).to_le_bytes());
    sink(&block.world().id().to_le_bytes());
    sink(&block.handle().0.to_le_bytes());
    Ok(())
}

/// The values in a block that came here by its name.
fn fetch<T: Shareable + Copy>(world: u64, handle: u64) -> Option<Array<T>> {
    let found = world::adopt(world, handle).and_then(Array::of_block);
    if found.is_none() {
        travel::refuse(travel::gone("vector"));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::travel::Collecting;

    fn bytes_of<T: 'static>(value: &T) -> Vec<u8> {
        let mut bytes = Vec::new();
        encode(value, |some| bytes.extend_from_slice(some)).unwrap();
        bytes
    }

    fn comes_back<T: PartialEq + std::fmt::Debug + 'static>(value: T) {
        let collecting = Collecting::begin();
        let mut bytes = bytes_of(&value);
        assert_eq!(len(&value), Some(bytes.len()));
        for end in 0..bytes.len() {
            assert_eq!(decode::<T>(&mut &bytes[..end]), Taken::Short, "{end} bytes of {value:?}");
            assert_eq!(skip::<T>(&mut &bytes[..end]), Some(false));
        }
        bytes.push(7);
        let (mut rest, mut skipped) = (&bytes[..], &bytes[..]);
        assert_eq!(decode::<T>(&mut rest), Taken::Value(value));
        assert_eq!(rest, [7]);
        assert_eq!(skip::<T>(&mut skipped), Some(true));
        assert_eq!(skipped, [7]);
        drop(collecting);
    }

    #[test]
    fn numbers_and_vectors_come_back() {
        comes_back(200_u8);
        comes_back(-3_i64);
        comes_back(u64::MAX);
        comes_back(2.5_f64);
        comes_back(1_u128 << 100);
        comes_back(usize::MAX);
        comes_back(());
        comes_back(true);
        comes_back(Vec::<u16>::new());
        comes_back((0..1000_u32).collect::<Vec<_>>());
        comes_back(vec![1.5_f32; 257]);
    }

    #[test]
    fn many_numbers_are_taken_at_once() {
        let bytes: Vec<u8> = (1..=3_u16).flat_map(u16::to_le_bytes).chain([9]).collect();
        let mut values = vec![0_u16];
        assert_eq!(decode_all(&bytes, 2, &mut values), 4);
        assert_eq!(decode_all(&bytes[4..], 5, &mut values), 2);
        assert_eq!(values, [0, 1, 2, 3]);
        assert_eq!(decode_all(&bytes, 2, &mut Vec::<String>::new()), 0);
    }

    #[test]
    fn long_vectors_come_back_from_their_blocks() {
        for len in [BLOCK - 1, BLOCK, BLOCK + 1, 1 << 20] {
            comes_back((0..=255_u8).cycle().take(len).collect::<Vec<_>>());
            comes_back((0..len / 8).collect::<Vec<usize>>());
        }
    }

    #[test]
    fn a_vector_whose_block_is_gone_is_lost_alone() {
        let collecting = Collecting::begin();
        let mut bytes = bytes_of(&vec![1.0_f64; BLOCK]);
        drop(collecting);
        bytes.push(7);
        let mut rest = &bytes[..];
        assert_eq!(decode::<Vec<f64>>(&mut rest), Taken::Lost);
        assert_eq!(rest, [7]);
        assert!(travel::reason().unwrap().contains("is gone"));
    }

    #[test]
    fn a_vector_of_another_type_is_refused() {
        let collecting = Collecting::begin();
        let bytes = bytes_of(&vec![1_u64; BLOCK]);
        assert_eq!(decode::<Vec<i64>>(&mut &bytes[..]), Taken::Lost);
        drop(collecting);
    }

    #[test]
    fn other_types_are_left_alone() {
        assert!(bytes_of(&"text".to_owned()).is_empty());
        assert_eq!(len(&(1_u8, 2_u8)), None);
        assert_eq!(decode::<(u8, u8)>(&mut &[1_u8, 2][..]), Taken::Foreign);
        assert_eq!(skip::<(u8, u8)>(&mut &[1_u8, 2][..]), None);
        assert_eq!(len(&vec![vec![1_u8]]), None);
    }

    #[test]
    fn a_count_that_lies_takes_no_memory() {
        let lie = (u64::MAX >> 1).to_le_bytes();
        assert_eq!(decode::<Vec<u64>>(&mut &lie[..]), Taken::Short);
    }
}
