//! The bytes of one direction, and the records in them.
//!
//! ```text
//! record   8 bytes: bits 63..56 label, 55..48 kind, 47..0 length; then the content, filled up to 8 bytes
//! WHOLE    a message
//! FIRST    a large message begins: the length is that of the whole message, no content
//! MORE     the next piece of it
//! MARKED   a bit of WHOLE and FIRST: the message begins a run of its own (`bell.rs`)
//! ```
//!
//! A large message is one FIRST and pieces that fill it exactly. A FIRST or WHOLE where a MORE was due says
//! that its sender gave up or died: the message never was. A MORE without its FIRST says that a receiver
//! did: the rest is skipped.
//!
//! Bytes are copied through raw pointers: no reference to memory that the other side may write ever
//! exists. What a header says is checked against what has been published before anything is touched.
#![expect(unsafe_code, reason = "copies bytes into and out of shared memory")]

use core::mem::MaybeUninit;

use super::bell::Marks;

/// Bytes of a header, and what records are aligned to.
pub(super) const HEADER: u64 = 8;
const LENGTH: u64 = (1 << 48) - 1;
const MARKED: u8 = 0x80;

/// The longest message that can be described.
pub(super) const LONGEST: u64 = LENGTH;

/// What a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Whole,
    First,
    More,
}

/// The first eight bytes of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) kind: Kind,
    pub(super) marked: bool,
    pub(super) label: u8,
    pub(super) len: u64,
}

impl Header {
    /// Bytes of the record in the ring.
    pub(super) const fn size(self) -> u64 {
        match self.kind {
            Kind::First => HEADER,
            Kind::Whole | Kind::More => HEADER + self.len.next_multiple_of(HEADER),
        }
    }

    fn to_word(self) -> u64 {
        let kind = match self.kind {
            Kind::Whole => 1,
            Kind::First => 2,
            Kind::More => 3,
        };
        let kind = if self.marked { kind | MARKED } else { kind };
        u64::from(self.label) << 56 | u64::from(kind) << 48 | self.len & LENGTH
    }

    fn from_word(word: u64) -> Option<Self> {
        let [.., kind, label] = word.to_le_bytes();
        let (marked, kind) = (kind & MARKED != 0, kind & !MARKED);
        let kind = match kind {
            1 => Kind::Whole,
            2 => Kind::First,
            3 => Kind::More,
            _ => return None,
        };
        Some(Self { kind, marked, label, len: word & LENGTH })
    }
}

/// One direction's bytes, mapped in this process.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ring {
    base: *mut u8,
    capacity: u64,
}

// SAFETY: it is an address of memory that belongs to no thread; who may touch which bytes is said by the
// locks of the direction, which belong to no thread either.
unsafe impl Send for Ring {}
// SAFETY: as above: nothing in a ring is changed through `&Ring` but bytes that the locks protect.
unsafe impl Sync for Ring {}

impl Ring {
    /// A ring of `capacity` bytes, a power of two.
    ///
    /// # Safety
    ///
    /// `base` is aligned to 8 and valid for reads and writes of `capacity` bytes as long as the ring
    /// and its copies are used; nobody makes references to these bytes.
    pub(super) const unsafe fn new(base: *mut u8, capacity: u64) -> Self {
        assert!(capacity.is_power_of_two(), "positions are cut by a mask");
        Self { base, capacity }
    }

    pub(super) const fn capacity(&self) -> u64 {
        self.capacity
    }

    #[expect(clippy::cast_possible_truncation, reason = "an offset in mapped memory is a usize")]
    const fn offset(&self, at: u64) -> usize {
        (at & (self.capacity - 1)) as usize
    }

    /// Sender: writes a header at a free position.
    pub(super) fn put_header(&self, at: u64, header: Header) {
        debug_assert!(at.is_multiple_of(HEADER), "records are aligned");
        let place = self.base.wrapping_add(self.offset(at)).cast::<[u8; 8]>();
        // SAFETY: eight bytes at an aligned offset below the capacity, so inside the ring; they are free, so
        // only the holder of `sending` touches them until they are published.
        unsafe { place.write(header.to_word().to_le_bytes()) };
    }

    /// Receiver: the header at `head`, if what it says fits what has been published up to `tail`.
    pub(super) fn header(&self, head: u64, tail: u64) -> Option<Header> {
        let there = tail.wrapping_sub(head);
        if there < HEADER || there > self.capacity || !head.is_multiple_of(HEADER) {
            return None;
        }
        let header = Header::from_word(self.word(head))?;
        (header.size() <= there).then_some(header)
    }

    fn word(&self, at: u64) -> u64 {
        let place = self.base.wrapping_add(self.offset(at)).cast::<[u8; 8]>();
        // SAFETY: eight bytes at an aligned offset below the capacity (the callers check the position), so
        // inside the ring; they have been published, so only the holder of `receiving` changes them.
        u64::from_le_bytes(unsafe { place.read() })
    }

    /// Sender: copies content to a free position; it may wrap around.
    pub(super) fn put(&self, at: u64, bytes: &[u8]) {
        assert!(bytes.len() as u64 <= self.capacity, "a piece is smaller than the ring");
        let (first, second) = bytes.split_at(self.before_end(at, bytes.len()));
        let place = self.base.wrapping_add(self.offset(at));
        // SAFETY: `first` ends at the ring's end at the latest (`before_end`); the bytes there are free, so
        // nobody else touches them; private memory never overlaps shared memory.
        unsafe { place.copy_from_nonoverlapping(first.as_ptr(), first.len()) };
        // SAFETY: what is left is not more than the capacity, from the ring's begin on; else as above.
        unsafe { self.base.copy_from_nonoverlapping(second.as_ptr(), second.len()) };
    }

    /// Receiver: copies published content from `at` on; it may wrap around.
    pub(super) fn get(&self, at: u64, out: &mut [MaybeUninit<u8>]) {
        assert!(out.len() as u64 <= self.capacity, "a piece is smaller than the ring");
        let (first, second) = out.split_at_mut(self.before_end(at, out.len()));
        let place = self.base.wrapping_add(self.offset(at)).cast_const();
        let target = first.as_mut_ptr().cast::<u8>();
        // SAFETY: `first` ends at the ring's end at the latest; the bytes there have been published, so that
        // no well-behaved sender writes them, and whatever a broken one makes of them are bytes; private
        // memory never overlaps shared memory.
        unsafe { place.copy_to_nonoverlapping(target, first.len()) };
        let target = second.as_mut_ptr().cast::<u8>();
        // SAFETY: what is left is not more than the capacity, from the ring's begin on; else as above.
        unsafe { self.base.cast_const().copy_to_nonoverlapping(target, second.len()) };
    }

    /// How many of `len` bytes from `at` on lie before the ring's end.
    fn before_end(&self, at: u64, len: usize) -> usize {
        len.min(self.offset(self.capacity - 1) + 1 - self.offset(at))
    }
}

impl Marks for Ring {
    fn unmark(&self, at: u64) -> bool {
        if !at.is_multiple_of(HEADER) {
            return false;
        }
        match Header::from_word(self.word(at)) {
            Some(header) if header.marked => {
                self.put_header(at, Header { marked: false, ..header });
                true
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_ring(check: impl FnOnce(Ring)) {
        let mut memory = vec![0_u64; 8];
        // SAFETY: 64 bytes of an aligned vector that lives until the check is over and is not touched.
        check(unsafe { Ring::new(memory.as_mut_ptr().cast(), 64) });
        drop(memory);
    }

    fn bytes(ring: &Ring, at: u64, len: usize) -> Vec<u8> {
        let mut out = vec![MaybeUninit::new(0); len];
        ring.get(at, &mut out);
        // SAFETY: `get` has filled all of it.
        out.into_iter().map(|byte| unsafe { byte.assume_init() }).collect()
    }

    #[test]
    fn content_wraps_around() {
        with_ring(|ring| {
            for at in [0, 40, 56, 64 * 9 + 48] {
                ring.put(at, b"twenty-three bytes long");
                assert_eq!(bytes(&ring, at, 23), b"twenty-three bytes long");
            }
        });
    }

    #[test]
    fn headers_come_back_and_lose_their_mark() {
        with_ring(|ring| {
            let header = Header { kind: Kind::Whole, marked: true, label: 200, len: 17 };
            ring.put_header(120, header);
            assert_eq!(ring.header(120, 120 + 8 + 24), Some(header));
            assert!(ring.unmark(120) && !ring.unmark(120));
            assert_eq!(ring.header(120, 160), Some(Header { marked: false, ..header }));
            let first = Header { kind: Kind::First, len: LONGEST, ..header };
            ring.put_header(0, first);
            assert_eq!(ring.header(0, 8), Some(first));
        });
    }

    #[test]
    fn headers_that_cannot_be_are_refused() {
        with_ring(|ring| {
            assert_eq!(ring.header(0, 64), None, "zeroes");
            ring.put_header(0, Header { kind: Kind::More, marked: false, label: 0, len: 17 });
            assert_eq!(ring.header(0, 24), None, "more than was published");
            assert_eq!(ring.header(0, 128), None, "more than there is");
            assert_eq!(ring.header(64, 0), None, "backwards");
            assert_eq!(ring.header(4, 44), None, "not aligned");
            ring.put(0, &[0xff; 8]);
            assert_eq!(ring.header(0, 64), None, "no such kind");
        });
    }
}
