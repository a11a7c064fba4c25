//! Items that are plain numbers, or vectors of them, as their bytes.
//!
//! serde asks a format to write a vector of bytes one by one, and a number as a number of any size. For what is
//! mapped by the million, and for buffers of megabytes, the bytes themselves are much less work. Both sides know
//! the type, so nothing has to say which way was taken. Types are told apart at compile time; the casts between a
//! type parameter and the type that it is are those of `Any`.

use std::any::{Any, TypeId};

/// Whether the two are one type.
#[inline]
fn same<A: 'static, B: 'static>() -> bool {
    TypeId::of::<A>() == TypeId::of::<B>()
}

macro_rules! numbers {
    ($($number:ty),*) => {
        /// Hands the bytes of a plain value to `sink`; whether it is one.
        #[inline]
        pub(crate) fn encode<T: 'static>(value: &T, mut sink: impl FnMut(&[u8])) -> bool {
            let value: &dyn Any = value;
            $(
                if same::<T, $number>() && let Some(number) = value.downcast_ref::<$number>() {
                    sink(&number.to_le_bytes());
                    return true;
                }
                if same::<T, Vec<$number>>() && let Some(all) = value.downcast_ref::<Vec<$number>>() {
                    sink(&(all.len() as u64).to_le_bytes());
                    for some in all.chunks(CHUNK) {
                        let mut bytes = [0; CHUNK * size_of::<$number>()];
                        let places = bytes.as_chunks_mut::<{ size_of::<$number>() }>().0;
                        for (place, number) in places.iter_mut().zip(some) {
                            *place = number.to_le_bytes();
                        }
                        sink(&bytes[..size_of_val(some)]);
                    }
                    return true;
                }
            )*
            false
        }

        /// How many bytes a plain value takes; `None` if it is none.
        #[inline]
        pub(crate) fn len<T: 'static>(value: &T) -> Option<usize> {
            let value: &dyn Any = value;
            $(
                if same::<T, $number>() {
                    return Some(size_of::<$number>());
                }
                if same::<T, Vec<$number>>() && let Some(all) = value.downcast_ref::<Vec<$number>>() {
                    return Some(COUNT + size_of_val(&all[..]));
                }
            )*
            None
        }

        /// Takes a plain value from the front of some bytes. `None` if the type is none; an inner `None` if there
        /// are too few bytes.
        #[inline]
        pub(crate) fn decode<T: 'static>(bytes: &mut &[u8]) -> Option<Option<T>> {
            let mut slot: Option<T> = None;
            let place: &mut dyn Any = &mut slot;
            $(
                if same::<T, $number>() {
                    let place = place.downcast_mut::<Option<$number>>()?;
                    if let Some((head, rest)) = bytes.split_first_chunk() {
                        *place = Some(<$number>::from_le_bytes(*head));
                        *bytes = rest;
                    }
                    return Some(slot);
                }
                if same::<T, Vec<$number>>() {
                    let place = place.downcast_mut::<Option<Vec<$number>>>()?;
                    if let Some((all, rest)) = counted(bytes, size_of::<$number>()) {
                        let numbers = all.as_chunks::<{ size_of::<$number>() }>().0.iter();
                        *place = Some(numbers.map(|bytes| <$number>::from_le_bytes(*bytes)).collect());
                        *bytes = rest;
                    }
                    return Some(slot);
                }
            )*
            None
        }
    };
}

/// Numbers that are turned into bytes together.
const CHUNK: usize = 256;
/// Bytes of the count before a vector.
const COUNT: usize = size_of::<u64>();

numbers!(u8, i8, u16, i16, u32, i32, u64, i64, u128, i128, f32, f64);

/// The bytes of so many numbers of `size` bytes as the count before them says, and what follows.
fn counted(bytes: &[u8], size: usize) -> Option<(&[u8], &[u8])> {
    let (count, rest) = bytes.split_first_chunk::<COUNT>()?;
    let count = usize::try_from(u64::from_le_bytes(*count)).ok()?;
    rest.split_at_checked(count.checked_mul(size)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn comes_back<T: PartialEq + std::fmt::Debug + 'static>(value: T) {
        let mut bytes = Vec::new();
        assert!(encode(&value, |some| bytes.extend_from_slice(some)));
        assert_eq!(len(&value), Some(bytes.len()));
        for end in 0..bytes.len() {
            assert_eq!(decode::<T>(&mut &bytes[..end]), Some(None), "{end} bytes of {value:?}");
        }
        bytes.push(7);
        let mut rest = &bytes[..];
        assert_eq!(decode::<T>(&mut rest), Some(Some(value)));
        assert_eq!(rest, [7]);
    }

    #[test]
    fn numbers_and_vectors_come_back() {
        comes_back(200_u8);
        comes_back(-3_i64);
        comes_back(u64::MAX);
        comes_back(2.5_f64);
        comes_back(1_u128 << 100);
        comes_back(Vec::<u16>::new());
        comes_back((0..1000_u32).collect::<Vec<_>>());
        comes_back(vec![1.5_f32; 257]);
    }

    #[test]
    fn other_types_are_left_alone() {
        assert!(!encode(&"text".to_owned(), |_| ()));
        assert_eq!(len(&(1_u8, 2_u8)), None);
        assert_eq!(decode::<(u8, u8)>(&mut &[1_u8, 2][..]), None);
        assert!(!encode(&vec![vec![1_u8]], |_| ()));
    }

    #[test]
    fn a_count_that_lies_takes_no_memory() {
        let lie = u64::MAX.to_le_bytes();
        assert_eq!(decode::<Vec<u64>>(&mut &lie[..]), Some(None));
    }
}
