//! Values as bytes: `postcard`, appended to a buffer, with the blocks that the value names.
//!
//! The format is compact and does not describe itself: both sides know the type, for they are one program.

use manyhands_pool::Luggage;
use postcard::ser_flavors::Flavor;
use serde::Serialize;
use serde::de::DeserializeOwned;

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
        self.0.extend_from_slice(bytes);
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
        room.copy_from_slice(bytes);
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
