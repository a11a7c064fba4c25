//! Where the next record goes in a ring that grows, without ever splitting a record.
//!
//! Data lies between a head and a tail, both a [`Position`]: a lap and an offset. The producer alone
//! decides where to wrap, so it can also decide not to wrap but to take more memory:
//!
//! ```text
//! same lap:     ....[head ======= tail)........|cap      place at tail; else at 0; else grow; else wait
//! tail one lap: =====tail)......[head =====|mark         place at tail up to head; else wait
//! ```
//!
//! A byte before `cap` is always kept for the mark that says "wrapped". It holds no bytes and no
//! pointers: it is arithmetic, checked against a model by property tests.

use crate::record;

const LAP_SHIFT: u32 = 48;
const MARK: u64 = size_of::<u32>() as u64;
const _: () = assert!(record::WRAP == u32::MAX, "the mark is one short length prefix");

/// A place in a stream: how often it has wrapped (modulo 2^16) and the offset in its region.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Position {
    /// Times wrapped, modulo 2^16.
    pub lap: u16,
    /// Bytes from the start of the region, below 2^48.
    pub offset: u64,
}

impl Position {
    /// The position as one word, for an atomic.
    #[inline]
    #[must_use]
    pub const fn to_word(self) -> u64 {
        (self.lap as u64) << LAP_SHIFT | self.offset
    }

    /// The position in a word.
    #[inline]
    #[must_use]
    pub const fn from_word(word: u64) -> Self {
        Self { lap: (word >> LAP_SHIFT) as u16, offset: word & ((1 << LAP_SHIFT) - 1) }
    }

    /// The start of the next lap.
    #[must_use]
    pub const fn wrapped(self) -> Self {
        Self { lap: self.lap.wrapping_add(1), offset: 0 }
    }
}

/// The producer's answer to "where do so many bytes go?".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Place {
    /// At the tail.
    Here(u64),
    /// At the next lap's tail (ask again), after a mark has been written at this offset.
    Wrap(u64),
    /// At the tail, once the region has been reserved up to this many bytes.
    Grow(u64),
    /// Nowhere until the consumer has moved on.
    Full,
    /// Nowhere ever: more than the region's address space holds.
    TooLarge,
}

/// The producer's view of a region.
#[derive(Debug, Clone)]
pub struct Space {
    /// Where the next record would go.
    pub tail: Position,
    /// Bytes reserved so far.
    pub capacity: u64,
    /// Beyond this the region grows only for a record that would otherwise never fit.
    soft_limit: u64,
    /// Bytes of address space.
    limit: u64,
}

impl Space {
    /// An empty region with `capacity` bytes reserved.
    #[must_use]
    pub const fn new(capacity: u64, soft_limit: u64, limit: u64) -> Self {
        Self { tail: Position { lap: 0, offset: 0 }, capacity, soft_limit, limit }
    }

    /// Where a record of `len` bytes goes, given what the consumer has read. Changes nothing.
    pub fn place(&self, head: Position, len: u64) -> Place {
        if len.saturating_add(MARK) > self.limit {
            return Place::TooLarge;
        }
        let end = self.tail.offset + len;
        if head.lap != self.tail.lap {
            return if end <= head.offset { Place::Here(self.tail.offset) } else { Place::Full };
        }
        if end + MARK <= self.capacity {
            return Place::Here(self.tail.offset);
        }
        if len <= head.offset {
            return Place::Wrap(self.tail.offset);
        }
        let empty = head == self.tail;
        let may_grow = empty || end + MARK <= self.soft_limit;
        match may_grow && end + MARK <= self.limit {
            true => Place::Grow(self.grown(end + MARK)),
            // Only the rest of the address space is too small: it fits once the consumer has followed.
            false if empty => Place::Wrap(self.tail.offset),
            false => Place::Full,
        }
    }

    /// The least capacity, in whole pages, that what lies before the tail and the mark need.
    pub const fn least_capacity(&self) -> u64 {
        (self.tail.offset + MARK).next_multiple_of(4096)
    }

    /// Twice the capacity, or what is needed, whichever is more, within the limits.
    fn grown(&self, needed: u64) -> u64 {
        (self.capacity * 2).min(self.soft_limit).max(needed).next_multiple_of(4096).min(self.limit)
    }

    /// Lets the region grow so far that a record of `len` bytes fits behind the present ones.
    pub fn expect(&mut self, len: u64) {
        let needed = self.tail.offset.saturating_add(len).saturating_add(64);
        self.soft_limit = self.soft_limit.max(needed).min(self.limit);
    }

    /// Moves the tail past a record of `len` bytes that was placed here.
    #[inline]
    pub const fn advance(&mut self, len: u64) {
        self.tail.offset += len;
        debug_assert!(self.tail.offset + MARK <= self.capacity, "a record beyond what is reserved");
    }

    /// Moves the tail to the start of the next lap, after the mark has been written.
    pub const fn wrap(&mut self) {
        self.tail = self.tail.wrapped();
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn positions_round_trip_as_words() {
        let position = Position { lap: u16::MAX, offset: (1 << 48) - 1 };
        assert_eq!(Position::from_word(position.to_word()), position);
        assert_eq!(position.wrapped(), Position { lap: 0, offset: 0 });
    }

    #[test]
    fn a_record_larger_than_everything_grows_an_empty_region() {
        let space = Space::new(64, 128, 1 << 20);
        assert_eq!(space.place(Position::default(), 1000), Place::Grow(4096));
        assert_eq!(space.place(Position::default(), 1 << 20), Place::TooLarge);
    }

    #[test]
    fn the_mark_needs_a_place_too() {
        let mut space = Space::new(8192, 8192, 8192);
        space.advance(4092);
        assert_eq!(space.least_capacity(), 4096);
        space.advance(4);
        assert_eq!(space.least_capacity(), 8192);
    }

    #[test]
    fn the_rest_of_the_address_space_is_no_limit() {
        let mut space = Space::new(64, 128, 4096);
        space.advance(56);
        assert_eq!(space.least_capacity(), 4096);
        let head = space.tail;
        assert_eq!(space.place(head, 4080), Place::Wrap(56));
        space.wrap();
        assert_eq!(space.place(head, 4080), Place::Full);
        assert_eq!(space.place(space.tail, 4080), Place::Grow(4096));
    }

    const LIMIT: u64 = 1 << 16;

    fn len() -> impl Strategy<Value = u64> {
        prop_oneof![20 => 1_u64..300, 1 => 300_u64..3000, 1 => 3000..LIMIT + 10]
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        /// Records never overlap unread ones, wherever the consumer stands, and a waiting producer
        /// can go on once everything has been read. What fits an empty region is never too large.
        #[test]
        fn records_never_overlap(steps in prop::collection::vec((len(), 0_usize..4), 1..400)) {
            let mut space = Space::new(512, 2048, LIMIT);
            let mut head = Position::default();
            let mut unread: VecDeque<(Position, u64)> = VecDeque::new();
            'records: for (len, reads) in steps {
                loop {
                    match space.place(head, len) {
                        Place::Here(at) => {
                            prop_assert_eq!(at, space.tail.offset);
                            break;
                        }
                        Place::Wrap(at) => {
                            prop_assert!(at + MARK <= space.capacity);
                            space.wrap();
                        }
                        Place::Grow(to) => {
                            prop_assert!(to > space.capacity && to <= LIMIT);
                            space.capacity = to;
                        }
                        Place::Full if unread.is_empty() => {
                            prop_assert_ne!(head, space.tail, "full, yet nothing to read");
                            head = space.tail;
                        }
                        Place::Full => {
                            let read = unread.pop_front().unwrap();
                            head = follow(read, &unread, space.tail);
                        }
                        Place::TooLarge => {
                            prop_assert!(len + MARK > LIMIT);
                            continue 'records;
                        }
                    }
                }
                let here = (space.tail, len);
                for (at, other) in &unread {
                    let apart = at.offset + other <= here.0.offset || here.0.offset + len <= at.offset;
                    prop_assert!(apart, "{:?} and {:?}", here, (at, other));
                }
                unread.push_back(here);
                space.advance(len);
                prop_assert!(space.tail.offset + MARK <= space.capacity, "no place for the mark");
                prop_assert!(space.tail.offset + MARK <= space.least_capacity());
                prop_assert!(space.least_capacity() <= space.capacity.next_multiple_of(4096));
                for _ in 0..reads {
                    if let Some(read) = unread.pop_front() {
                        head = follow(read, &unread, space.tail);
                    }
                }
            }
        }
    }

    /// Where the consumer stands after it has read a record: behind it, or at the next one's lap.
    fn follow(
        read: (Position, u64),
        unread: &VecDeque<(Position, u64)>,
        tail: Position,
    ) -> Position {
        let next = unread.front().map_or(tail, |first| first.0);
        if next.lap == read.0.lap {
            Position { offset: read.0.offset + read.1, ..read.0 }
        } else {
            next
        }
    }
}
