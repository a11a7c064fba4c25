//! Values as bytes: `postcard`, appended to a buffer, with the blocks that the value names.
//!
//! The format is compact and does not describe itself: both sides know the type, for they are one program.

use manyhands_pool::Luggage;
use postcard::ser_flavors::Flavor;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::plain;
use crate::travel::Collecting;

/// Why a value could not be turned into bytes, or bytes into a value.
pub(crate) type Trouble = postcard::Error;

/// Appends to a vector.
struct Append<'a>(&'a mut Vec<u8>);

impl Flavor for Append<'_> {
    type Output = ();

    #[inline]
    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.0.push(byte);
        Ok(())
    }

    #[inline]
    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        if bytes.len() > SHORT {
            self.0.extend_from_slice(bytes);
            return Ok(());
        }
        let mut short = [0; SHORT + 1];
        copy(&mut short[..bytes.len()], bytes);
        let len = self.0.len();
        self.0.extend_from_slice(&short);
        self.0.truncate(len + bytes.len());
        Ok(())
    }

    #[inline]
    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}

/// Appends a value; on an error the buffer is as it was. To be called while somebody collects.
#[inline]
pub(crate) fn append<T: Serialize + ?Sized>(value: &T, out: &mut Vec<u8>) -> Result<(), Trouble> {
    let before = out.len();
    let written = postcard::serialize_with_flavor(value, Append(out));
    if written.is_err() {
        out.truncate(before);
    }
    written
}

/// Copies as many bytes. Numbers have a few, for which a call of `memcpy` costs more than all else.
#[inline]
fn copy(to: &mut [u8], from: &[u8]) {
    if from.len() > SHORT {
        return to.copy_from_slice(from);
    }
    let (to, from) = copy_some::<8>(to, from);
    let (to, from) = copy_some::<4>(to, from);
    let (to, from) = copy_some::<2>(to, from);
    copy_some::<1>(to, from);
}

/// Copies `N` bytes, if there are so many; what is left.
#[inline]
fn copy_some<'t, 'f, const N: usize>(to: &'t mut [u8], from: &'f [u8]) -> (&'t mut [u8], &'f [u8]) {
    let Some((some, rest)) = from.split_first_chunk::<N>() else { return (to, from) };
    let (place, left) = to.split_at_mut(N);
    place.copy_from_slice(some);
    (left, rest)
}

/// What is shorter is copied here.
const SHORT: usize = 15;

/// Writes into room that is there.
struct Write<'a> {
    room: &'a mut [u8],
    at: usize,
}

impl Flavor for Write<'_> {
    type Output = usize;

    #[inline]
    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        *self.room.get_mut(self.at).ok_or(postcard::Error::SerializeBufferFull)? = byte;
        self.at += 1;
        Ok(())
    }

    #[inline]
    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        let end = self.at.saturating_add(bytes.len());
        let room = self.room.get_mut(self.at..end).ok_or(postcard::Error::SerializeBufferFull)?;
        copy(room, bytes);
        self.at = end;
        Ok(())
    }

    #[inline]
    fn finalize(self) -> postcard::Result<usize> {
        Ok(self.at)
    }
}

/// Writes a value to the front of some room; how many bytes it took. To be called while somebody collects.
#[inline]
pub(crate) fn write<T: Serialize + ?Sized>(value: &T, room: &mut [u8]) -> Result<usize, Trouble> {
    postcard::serialize_with_flavor(value, Write { room, at: 0 })
}

/// Appends an item or a result: as [`append`], but for plain numbers their bytes.
#[inline]
pub(crate) fn append_item<T: Serialize + 'static>(
    value: &T,
    out: &mut Vec<u8>,
) -> Result<(), Trouble> {
    match plain::len(value) {
        Some(len) => {
            out.reserve(len);
            plain::encode(value, |bytes| out.extend_from_slice(bytes));
            Ok(())
        }
        None => append(value, out),
    }
}

/// Writes an item or a result to the front of some room: as [`write`], but for plain numbers their bytes.
#[inline]
pub(crate) fn write_item<T: Serialize + 'static>(
    value: &T,
    room: &mut [u8],
) -> Result<usize, Trouble> {
    let Some(len) = plain::len(value) else { return write(value, room) };
    let mut rest = room.get_mut(..len).ok_or(postcard::Error::SerializeBufferFull)?;
    plain::encode(value, |bytes| {
        let (place, left) = std::mem::take(&mut rest).split_at_mut(bytes.len());
        place.copy_from_slice(bytes);
        rest = left;
    });
    Ok(len)
}

/// Takes what [`append_item`] or [`write_item`] wrote.
#[inline]
pub(crate) fn take_item<T: DeserializeOwned + 'static>(bytes: &mut &[u8]) -> Result<T, Trouble> {
    match plain::decode(bytes) {
        Some(value) => value.ok_or(postcard::Error::DeserializeUnexpectedEnd),
        None => take(bytes),
    }
}

/// A value as bytes, and holds on the blocks that it names.
#[allow(dead_code, reason = "for channels and processes")]
pub(crate) fn pack<T: Serialize + ?Sized>(value: &T) -> Result<(Vec<u8>, Luggage), Trouble> {
    let collecting = Collecting::begin();
    let mut out = Vec::new();
    append(value, &mut out)?;
    Ok((out, collecting.finish()))
}

/// Takes a value from the front of some bytes.
#[inline]
pub(crate) fn take<T: DeserializeOwned>(bytes: &mut &[u8]) -> Result<T, Trouble> {
    let (value, rest) = postcard::take_from_bytes(bytes)?;
    *bytes = rest;
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_of_every_length_are_whole() {
        let bytes: Vec<u8> = (1..=40).collect();
        for len in 0..=bytes.len() {
            let mut room = vec![0; len];
            copy(&mut room, &bytes[..len]);
            assert_eq!(room, bytes[..len]);
        }
    }

    #[test]
    fn what_is_written_is_what_is_appended() {
        let value = (
            1_u8,
            300_u64,
            u64::MAX,
            "a text that is not short".to_owned(),
            vec![-1_i32; 9],
            2.5_f64,
        );
        let (packed, luggage) = pack(&value).unwrap();
        let mut room = [0; 128];
        let len = write(&value, &mut room).unwrap();
        assert_eq!(room[..len], packed[..]);
        assert!(luggage.is_empty());
        assert_eq!(take::<(u8, u64, u64, String, Vec<i32>, f64)>(&mut &packed[..]).unwrap(), value);
        for short in 0..len {
            assert!(write(&value, &mut room[..short]).is_err());
            assert!(take::<(u8, u64, u64, String, Vec<i32>, f64)>(&mut &packed[..short]).is_err());
        }
    }

    #[test]
    fn a_value_that_fails_leaves_nothing_behind() {
        struct Fails;
        impl Serialize for Fails {
            fn serialize<S: serde::Serializer>(&self, _serializer: S) -> Result<S::Ok, S::Error> {
                Err(serde::ser::Error::custom("no"))
            }
        }
        let mut out = vec![7];
        assert!(append(&(5_u64, Fails), &mut out).is_err());
        assert_eq!(out, [7]);
    }
}
