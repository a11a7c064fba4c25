//! Values as bytes: `postcard`, appended to a buffer, with the blocks that the value names.
//!
//! The format is compact and does not describe itself: both sides know the type, for they are one program. Items and
//! results lie in rows; there each is plain (`plain`), or has its length before it.

use manyhands_pool::Luggage;
use postcard::ser_flavors::Flavor;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::plain::{self, Taken};
use crate::travel::Collecting;
use crate::trouble::Trouble;

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
    written.map_err(Trouble::of)
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
fn write<T: Serialize + ?Sized>(value: &T, room: &mut [u8]) -> Result<usize, Trouble> {
    postcard::serialize_with_flavor(value, Write { room, at: 0 }).map_err(Trouble::of)
}

/// Bytes of the length before an item that is not plain: so what cannot be read ends where it ends.
const FRAME: usize = size_of::<u32>();

/// Appends an item or a result: plain ones as they are, others in a frame. On an error the buffer is as it was.
#[inline]
pub(crate) fn append_item<T: Serialize + 'static>(
    value: &T,
    out: &mut Vec<u8>,
) -> Result<(), Trouble> {
    if let Some(len) = plain::len(value) {
        out.reserve(len);
        return plain::encode(value, |bytes| out.extend_from_slice(bytes));
    }
    let before = out.len();
    out.extend_from_slice(&[0; FRAME]);
    let framed = append(value, out).and_then(|()| length(out.len() - before - FRAME));
    match framed {
        Ok(len) => out[before..before + FRAME].copy_from_slice(&len),
        Err(_) => out.truncate(before),
    }
    framed.map(drop)
}

/// Appends a frame around bytes that [`append`] has written.
pub(crate) fn append_framed(value: &[u8], out: &mut Vec<u8>) -> Result<(), Trouble> {
    out.extend_from_slice(&length(value.len())?);
    out.extend_from_slice(value);
    Ok(())
}

#[inline]
fn length(len: usize) -> Result<[u8; FRAME], Trouble> {
    let too_long = |_| Trouble::Said("a value of 4 GiB or more: send it in a `Buffer`".into());
    u32::try_from(len).map(u32::to_le_bytes).map_err(too_long)
}

/// Writes an item or a result to the front of some room, as [`append_item`] does; how many bytes it took.
#[inline]
pub(crate) fn write_item<T: Serialize + 'static>(
    value: &T,
    room: &mut [u8],
) -> Result<usize, Trouble> {
    if let Some(len) = plain::len(value) {
        let mut rest = room.get_mut(..len).ok_or_else(Trouble::full)?;
        plain::encode(value, |bytes| {
            let (place, left) = std::mem::take(&mut rest).split_at_mut(bytes.len());
            place.copy_from_slice(bytes);
            rest = left;
        })?;
        return Ok(len);
    }
    let (frame, room) = room.split_first_chunk_mut::<FRAME>().ok_or_else(Trouble::full)?;
    let len = write(value, room)?;
    *frame = length(len)?;
    Ok(FRAME + len)
}

/// Takes what [`append_item`] or [`write_item`] wrote. Whatever comes of it, the bytes are then those behind the
/// item; none if they are no item at all.
#[inline]
pub(crate) fn take_item<T: DeserializeOwned + 'static>(bytes: &mut &[u8]) -> Result<T, Trouble> {
    match plain::decode(bytes) {
        Taken::Value(value) => Ok(value),
        Taken::Foreign => {
            let own = frame(bytes).ok_or_else(Trouble::short)?;
            take_whole(own)
        }
        Taken::Short => {
            *bytes = &[];
            Err(Trouble::short())
        }
        Taken::Lost => Err(Trouble::of(postcard::Error::SerdeDeCustom)),
    }
}

/// Steps over what [`append_item`] or [`write_item`] wrote; whether it was there.
#[inline]
pub(crate) fn skip_item<T: 'static>(bytes: &mut &[u8]) -> bool {
    plain::skip::<T>(bytes).unwrap_or_else(|| frame(bytes).is_some())
}

/// Takes a frame from the front.
#[inline]
fn frame<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let whole = std::mem::take(bytes);
    let (len, rest) = whole.split_first_chunk::<FRAME>()?;
    let (own, rest) = rest.split_at_checked(u32::from_le_bytes(*len) as usize)?;
    *bytes = rest;
    Some(own)
}

/// A value as bytes, and holds on the blocks that it names.
pub(crate) fn pack<T: Serialize + ?Sized>(value: &T) -> Result<(Vec<u8>, Luggage), Trouble> {
    let collecting = Collecting::begin();
    let mut out = Vec::new();
    append(value, &mut out)?;
    Ok((out, collecting.finish()))
}

/// The same for what [`take_item`] takes.
pub(crate) fn pack_item<T: Serialize + 'static>(value: &T) -> Result<(Vec<u8>, Luggage), Trouble> {
    let collecting = Collecting::begin();
    let mut out = Vec::new();
    append_item(value, &mut out)?;
    Ok((out, collecting.finish()))
}

/// Takes the value that some bytes are.
#[inline]
pub(crate) fn take_whole<T: DeserializeOwned>(mut bytes: &[u8]) -> Result<T, Trouble> {
    let value = take(&mut bytes)?;
    if bytes.is_empty() { Ok(value) } else { Err(Trouble::left()) }
}

/// Takes a value from the front of some bytes.
#[inline]
pub(crate) fn take<T: DeserializeOwned>(bytes: &mut &[u8]) -> Result<T, Trouble> {
    let (value, rest) = postcard::take_from_bytes(bytes).map_err(Trouble::of)?;
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
    fn items_follow_each_other_also_behind_one_that_cannot_be_read() {
        let mut row = Vec::new();
        for text in ["one", "two"] {
            append_item(&text.to_owned(), &mut row).unwrap();
        }
        append_item(&7_u16, &mut row).unwrap();
        let mut rest = &row[..];
        assert!(take_item::<(u64, char, u64)>(&mut rest).is_err());
        assert_eq!(take_item::<String>(&mut rest).unwrap(), "two");
        assert_eq!(take_item::<u16>(&mut rest).unwrap(), 7);
        assert!(rest.is_empty());
        let mut rest = &row[..];
        assert!(skip_item::<String>(&mut rest) && skip_item::<(u64, char)>(&mut rest));
        assert!(skip_item::<u16>(&mut rest) && !skip_item::<u16>(&mut rest));
        let mut room = [0; 64];
        let len = write_item(&"one".to_owned(), &mut room).unwrap();
        assert!(row.starts_with(&room[..len]));
    }

    #[test]
    fn what_is_no_row_is_an_error_and_takes_everything() {
        for bytes in [&[1_u8, 2, 3][..], &[9, 0, 0, 0, 1], &[255; 12]] {
            let mut rest = bytes;
            assert!(take_item::<String>(&mut rest).is_err());
            assert!(rest.is_empty());
            assert!(!skip_item::<String>(&mut &bytes[..]));
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
