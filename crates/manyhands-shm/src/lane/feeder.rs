//! The parent's sending side of a lane: appends batches, takes unstarted items back.
//!
//! It keeps the list of the batches that are not fully answered, oldest first, with the place of their
//! records. Memory is freed in that order, as replies are confirmed: a whole batch at once, or, when the
//! room is needed, item by item. Taking back cuts the list from its end: the bytes of the items are
//! copied out, and the room is used again.
//!
//! It never waits: where there is no room it says so. It believes nothing that the worker can write
//! over: what it counts on stands in private memory, and what it reads back is checked.

use core::ops::Range;
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use super::memory::{FIRST_STEP, KEEP, Lane, Region, SOFT_LIMIT};
use super::table::{BATCHES, Heading};
use crate::record;
use crate::space::{Place, Position, Space};

/// Items that were taken back: their heading and their records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recalled {
    /// The heading of their batch.
    pub heading: Heading,
    /// How many items.
    pub count: u32,
    /// Their records, one after the other.
    pub records: Vec<u8>,
    /// False if the worker has written over the records: their content is lost, and `records`
    /// are as many empty ones. Do not run them.
    pub intact: bool,
}

/// Why a batch was not appended.
#[derive(Debug)]
pub enum Refused {
    /// There is no room now; replies will make some.
    Full,
    /// The kernel gave no memory, or the batch exceeds the lane's address space.
    Memory(io::Error),
}

/// A batch is extended up to this many bytes, so that its items are counted and passed quickly.
const EXTENT: u64 = SOFT_LIMIT / 16;

/// A batch that is not fully answered.
#[derive(Debug)]
struct Entry {
    slot: u32,
    heading: Heading,
    start: Position,
    /// The offset behind its last record.
    end: u64,
    count: u32,
    answered: u32,
    /// So many answered items lie before `free`; their bytes may be another batch's already.
    passed: u32,
    free: u64,
}

impl Entry {
    fn head(&self) -> Position {
        Position { offset: self.free, ..self.start }
    }

    fn tail(&self) -> Position {
        Position { offset: self.end, ..self.start }
    }
}

/// The parent's sending side.
#[derive(Debug)]
pub struct Feeder {
    lane: Arc<Lane>,
    space: Space,
    head: Position,
    entries: VecDeque<Entry>,
    next_slot: u32,
    offered: u64,
    answered: u64,
    woke: bool,
}

impl Feeder {
    /// The sending side of a fresh lane.
    #[must_use]
    pub fn new(lane: Arc<Lane>) -> Self {
        let space = Space::new(FIRST_STEP, SOFT_LIMIT, lane.limit());
        let head = Position::default();
        Self {
            lane,
            space,
            head,
            entries: VecDeque::new(),
            next_slot: 0,
            offered: 0,
            answered: 0,
            woke: false,
        }
    }

    /// Items offered and not taken back, since the lane was made.
    #[must_use]
    pub fn offered(&self) -> u64 {
        self.offered
    }

    /// Items whose reply was confirmed.
    #[must_use]
    pub fn answered(&self) -> u64 {
        self.answered
    }

    /// Items offered whose reply was not confirmed yet.
    #[must_use]
    pub fn outstanding(&self) -> u64 {
        self.offered - self.answered
    }

    /// Items that the worker has not taken.
    #[must_use]
    pub fn open(&self) -> u32 {
        let most = u32::try_from(self.outstanding()).unwrap_or(u32::MAX);
        self.lane.table().claim.counts().open().min(most)
    }

    /// Appends `count` items (none: nothing happens) whose records are `head` followed by `body`, and
    /// wakes the worker.
    ///
    /// Items with the heading of the last batch join that batch, unless it is a whole one.
    ///
    /// # Errors
    /// [`Refused`]; nothing was appended then.
    pub fn append(
        &mut self,
        heading: Heading,
        count: u32,
        parts: [&[u8]; 2],
    ) -> Result<(), Refused> {
        if count == 0 {
            return Ok(());
        }
        let len = parts.iter().map(|part| part.len() as u64).sum();
        let extends = self.can_extend(heading, len);
        let counted = u32::try_from(self.outstanding() + u64::from(count)).is_ok();
        if !counted || (!extends && self.entries.len() + 1 >= BATCHES as usize) {
            return Err(Refused::Full);
        }
        let mut at = self.make_room(len)?;
        for part in parts {
            self.lane.write(Region::Requests, at, part);
            at += part.len() as u64;
        }
        if extends {
            self.extend(count, at);
        } else {
            self.describe(heading, count, at);
        }
        self.space.advance(len);
        self.offered += u64::from(count);
        self.lane.table().claim.offer(count);
        self.woke |= self.lane.bell().wake();
        Ok(())
    }

    /// Whether the worker had to be woken from its sleep since the last time that this was asked.
    pub fn take_woke(&mut self) -> bool {
        std::mem::take(&mut self.woke)
    }

    /// Makes sure that `bytes` more fit without waiting for replies, as far as there is memory.
    pub fn expect(&mut self, bytes: usize) {
        self.space.expect(bytes as u64);
    }

    /// Confirms that the next `count` items were answered: their memory is free again.
    ///
    /// More than [`Feeder::outstanding`] are never confirmed: a worker that answers what it was not
    /// asked lies, which is for the caller to notice.
    pub fn confirm(&mut self, count: u64) {
        let mut left = count.min(self.outstanding());
        self.answered += left;
        while let Some(first) = self.entries.front_mut() {
            let step = left.min(u64::from(first.count - first.answered));
            first.answered += u32::try_from(step).unwrap_or(u32::MAX);
            left -= step;
            if first.answered < first.count {
                break;
            }
            self.entries.pop_front();
        }
        match self.entries.front() {
            Some(first) => self.head = first.head(),
            None => self.start_over(),
        }
    }

    /// Takes back up to `most` items that the worker has not taken: the last ones, oldest first.
    ///
    /// A whole batch is not split: if `most` ends within one, all of it is taken back.
    pub fn recall(&mut self, most: u32) -> Vec<Recalled> {
        let mut out = Vec::new();
        let mut left = most;
        while left > 0 {
            let Some(batch) = self.entries.back() else { break };
            let (waiting, whole) = (batch.count - batch.answered, batch.heading.whole);
            if whole && batch.answered > 0 {
                break;
            }
            let (fewest, wanted) = if whole { (waiting, waiting) } else { (1, waiting.min(left)) };
            let got = self.lane.table().claim.recall(fewest, wanted);
            if got == 0 {
                break;
            }
            out.push(self.cut(got));
            left = left.saturating_sub(got);
        }
        out.reverse();
        out
    }

    /// After the worker's death: takes back every item that it had not begun, oldest first. What is
    /// left ([`Feeder::outstanding`]) was begun and not answered.
    ///
    /// `begun` is the worker's word ([`Lane::begun`]); whatever it says, only items that are not
    /// confirmed come back.
    pub fn salvage(&mut self, begun: u64) -> Vec<Recalled> {
        let mut out = Vec::new();
        while self.offered > begun {
            let Some(last) = self.entries.back() else { break };
            let waiting = u64::from(last.count - last.answered);
            let got = waiting.min(self.offered - begun);
            out.push(self.cut(u32::try_from(got).unwrap_or(u32::MAX)));
        }
        out.reverse();
        out
    }

    fn can_extend(&self, heading: Heading, len: u64) -> bool {
        self.entries.back().is_some_and(|last| {
            debug_assert_eq!(last.tail(), self.space.tail, "the last batch ends at the tail");
            !heading.whole
                && last.heading == heading
                && last.end - last.start.offset + len <= EXTENT
                && matches!(self.space.place(self.head, len), Place::Here(_))
        })
    }

    fn extend(&mut self, count: u32, end: u64) {
        if let Some(last) = self.entries.back_mut() {
            last.count += count;
            last.end = end;
            self.lane.table().set_count(last.slot, last.count);
        }
    }

    fn describe(&mut self, heading: Heading, count: u32, end: u64) {
        let start = self.space.tail;
        self.lane.table().describe(self.next_slot, heading, start.offset, count);
        let slot = self.next_slot;
        let (free, answered, passed) = (start.offset, 0, 0);
        self.entries.push_back(Entry { slot, heading, start, end, count, answered, passed, free });
        self.next_slot = (slot + 1) % BATCHES;
    }

    /// Finds room for `len` bytes at the tail, growing or wrapping where that is needed.
    fn make_room(&mut self, len: u64) -> Result<u64, Refused> {
        if let Place::Here(offset) = self.space.place(self.head, len) {
            return Ok(offset);
        }
        self.pass_answered();
        loop {
            match self.space.place(self.head, len) {
                Place::Here(offset) => return Ok(offset),
                Place::Wrap(_) => self.space.wrap(),
                Place::Grow(to) => {
                    let from = self.space.capacity;
                    self.lane.reserve(Region::Requests, from, to).map_err(Refused::Memory)?;
                    self.space.capacity = to;
                }
                Place::Full => return Err(Refused::Full),
                Place::TooLarge => return Err(Refused::Memory(io::ErrorKind::OutOfMemory.into())),
            }
        }
    }

    /// Frees the memory of the answered items of the first batch.
    fn pass_answered(&mut self) {
        let Some(first) = self.entries.front_mut() else { return };
        let count = first.answered - first.passed;
        let passed = self.lane.skip(Region::Requests, first.free..first.end, count);
        if let Some(free) = passed {
            (first.free, first.passed) = (free, first.answered);
            self.head = first.head();
        }
    }

    /// Removes the last `count` items, which nobody has, from the last batch.
    fn cut(&mut self, count: u32) -> Recalled {
        let last = self.entries.back_mut().expect("what is cut was counted in the last batch");
        let (heading, keep) = (last.heading, last.count - count);
        let kept = self.lane.skip(Region::Requests, last.free..last.end, keep - last.passed);
        let records = kept.and_then(|from| copy_records(&self.lane, from..last.end, count));
        let intact = records.is_some();
        let records = records.unwrap_or_else(|| vec![0; record::size(0) * count as usize]);
        self.offered -= u64::from(count);
        last.count = keep;
        last.end = kept.unwrap_or(last.end);
        self.lane.table().set_count(last.slot, keep);
        if keep == 0 {
            self.next_slot = last.slot;
            self.entries.pop_back();
        }
        if let Some(last) = self.entries.back() {
            self.space.tail = last.tail();
        }
        self.confirm(0);
        Recalled { heading, count, records, intact }
    }

    /// With nothing outstanding: begins at the start of the region, and gives an oversized one back.
    fn start_over(&mut self) {
        self.space.tail = self.space.tail.wrapped();
        self.head = self.space.tail;
        if self.space.capacity > KEEP {
            let released = self.lane.release(Region::Requests, FIRST_STEP, self.space.capacity);
            if released.is_ok() {
                self.space.capacity = FIRST_STEP;
            }
        }
    }
}

/// Copies exactly `count` records, which fill a part of the request region; `None` if they do not, since
/// the worker has written over them.
fn copy_records(lane: &Lane, part: Range<u64>, count: u32) -> Option<Vec<u8>> {
    let len = usize::try_from(part.end.checked_sub(part.start)?).ok()?;
    let mut records = Vec::new();
    let whole = lane.read(Region::Requests, part.start, len, &mut records)
        && record::span(&records, count) == Some(len);
    whole.then_some(records)
}
