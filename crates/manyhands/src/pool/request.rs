//! A request of the engine: the arguments of neighbouring items, behind what says how many they are.
//!
//! Arguments are written once, where they are sent from: the room before them is filled in when their number is known.
//! It knows no types, and decides nothing.

use manyhands_shm::{record, slate};

use crate::batch::{self, heading};

/// The room for the prefix of nearly every record.
const PREFIX: usize = 4;
/// The room before the arguments of several items, and before that of one.
const SEVERAL: usize = PREFIX + batch::HEADING;
const ONE: usize = PREFIX + batch::HEADING_OF_ONE;

/// A request that is being written.
#[derive(Debug)]
pub(super) struct Request {
    /// The arguments, behind so many bytes of room.
    bytes: Vec<u8>,
    room: usize,
}

impl Request {
    /// One for up to so many items, with about so many bytes of arguments.
    pub(super) fn with_capacity(items: u32, bytes: usize) -> Self {
        let room = if items > 1 { SEVERAL } else { ONE };
        let mut own = Self { bytes: Vec::with_capacity(room + bytes), room };
        own.bytes.resize(room, 0);
        own
    }

    /// One for so many items, whose arguments are written already.
    pub(super) fn of(items: u32, arguments: &[u8]) -> Self {
        let mut own = Self::with_capacity(items, arguments.len());
        own.bytes.extend_from_slice(arguments);
        own
    }

    /// Where arguments are appended. What is there already stays.
    pub(super) fn out(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Bytes of the arguments so far.
    pub(super) fn len(&self) -> usize {
        self.bytes.len() - self.room
    }

    /// Takes the last arguments off, all behind the first `len` bytes.
    pub(super) fn split_off(&mut self, len: usize) -> Vec<u8> {
        self.bytes.split_off(self.room + len)
    }

    /// The record of a request of so many items.
    pub(super) fn record(mut self, count: u32, batch: slate::Batch) -> Vec<u8> {
        let (heading, used) = heading(count, batch);
        let spare = self.room - PREFIX - used;
        if spare > 0 {
            self.bytes.drain(..spare);
        }
        let head = PREFIX + used;
        self.bytes[PREFIX..head].copy_from_slice(&heading[..used]);
        let (prefix, used) = record::header(self.bytes.len() - PREFIX);
        if used == PREFIX {
            self.bytes[..PREFIX].copy_from_slice(&prefix[..used]);
            return self.bytes;
        }
        [&prefix[..used], &self.bytes[PREFIX..]].concat()
    }
}

/// The arguments in a record of several items, which together have far less than 4 GiB.
pub(super) fn arguments_of(record: &[u8]) -> &[u8] {
    record.get(SEVERAL..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BATCH: slate::Batch = slate::Batch { call: 7, group: 9 };

    /// What follows the prefix of a record that is nothing else.
    fn content(record: &[u8]) -> &[u8] {
        let record::Next::Record { start, end } = record::next(record) else {
            panic!("{record:?} is no record");
        };
        assert_eq!(end, record.len());
        &record[start..end]
    }

    #[test]
    fn arguments_lie_behind_their_heading() {
        let mut request = Request::with_capacity(5, 100);
        request.out().extend_from_slice(b"abcdef");
        assert_eq!(request.split_off(4), b"ef");
        assert_eq!(request.len(), 4);
        let record = request.record(2, BATCH);
        let (heading, used) = heading(2, BATCH);
        assert_eq!(content(&record), [&heading[..used], b"abcd"].concat());
        assert_eq!(arguments_of(&record), b"abcd");
        assert_eq!(arguments_of(&[]), b"");
    }

    #[test]
    fn one_item_has_a_short_heading_however_many_there_might_have_been() {
        for items in [1, 5] {
            let record = Request::of(items, b"abcd").record(1, BATCH);
            assert_eq!(content(&record), b"\x01\0\0\0abcd");
        }
    }
}
