//! The worker's side of a lane: takes items one by one, writes a reply for each.
//!
//! ```text
//! 1. take an item (claim)        killed here: the item was taken but not begun: the parent takes it back
//! 2. begun += 1 (release)        killed from here on: the item is the worker's, and lost with it
//! 3. run it
//! 4. write the reply record      killed here: not published, the item is lost with the worker
//! 5. published <- tail (release) killed from here on: the item is answered
//! ```
//!
//! It decides nothing about waiting: `take` and `reply` say when there is nothing or no room.

use std::io;
use std::sync::Arc;

use super::memory::{FIRST_STEP, Item, KEEP, Lane, Region, SOFT_LIMIT};
use super::table::{Cursor, Heading};
use crate::record::{self, Next};
use crate::space::{Place, Position, Space};

/// Why there is no room for a reply.
#[derive(Debug)]
pub enum NoRoom {
    /// The parent has to read first.
    Full,
    /// The kernel gave no memory, or the reply exceeds the lane's address space.
    Memory(io::Error),
}

/// The worker's side.
#[derive(Debug)]
pub struct Runner {
    lane: Arc<Lane>,
    cursor: Cursor,
    /// Where the next request record starts.
    at: u64,
    begun: u64,
    replied: u64,
    space: Space,
    /// Up to where the parent had read when we last looked. We look before each wrap and each
    /// release, so what was free then is free now.
    head: Position,
}

impl Runner {
    /// The worker's side of a fresh lane.
    #[must_use]
    pub fn new(lane: Arc<Lane>) -> Self {
        let space = Space::new(FIRST_STEP, SOFT_LIMIT, lane.limit());
        let head = space.tail;
        Self { lane, cursor: Cursor::new(), at: 0, begun: 0, replied: 0, space, head }
    }

    /// The lane.
    #[must_use]
    pub fn lane(&self) -> &Arc<Lane> {
        &self.lane
    }

    /// Whether `take` would find an item.
    #[must_use]
    pub fn has_work(&self) -> bool {
        self.lane.table().claim.counts().open() > 0
    }

    /// Takes the next item, and says that it is begun.
    ///
    /// # Panics
    /// If the parent's record is broken, which the parent never writes.
    #[inline]
    pub fn take(&mut self) -> Option<Item> {
        self.take_after(|_, _| ())
    }

    /// As [`Runner::take`]; calls `before` with the item's heading before it is begun.
    #[inline]
    pub fn take_after(&mut self, before: impl FnOnce(&Lane, Heading)) -> Option<Item> {
        let begun = self.cursor.next(self.lane.table())?;
        if let Some(start) = begun.start {
            self.at = start;
        }
        before(&self.lane, begun.heading);
        let number = self.begun;
        self.begun += 1;
        self.lane.worker().set_begun(self.begun);
        let Next::Record { start, end } = self.lane.prefix(Region::Requests, self.at) else {
            broken_request(self.at)
        };
        let offset = self.at + start as u64;
        self.at += end as u64;
        Some(Item { number, heading: begun.heading, offset, len: end - start })
    }

    /// Writes one record with `len` bytes, filled in by `fill`. It is not published yet.
    ///
    /// # Errors
    /// [`NoRoom`]; nothing was written then.
    #[inline]
    pub fn reply(&mut self, len: usize, fill: impl FnOnce(&mut [u8])) -> Result<(), NoRoom> {
        let size = record::size(len);
        let offset = self.make_room(size as u64)?;
        let room = self.lane.reply_room(offset, size);
        let (prefix, used) = record::header(len);
        room[..used].copy_from_slice(&prefix[..used]);
        fill(&mut room[used..]);
        self.space.advance(size as u64);
        Ok(())
    }

    /// Lets the parent see all records written so far; `answered` of them answer an item.
    ///
    /// Returns how many items have been answered: hand it to [`Lane::due`].
    #[inline]
    pub fn publish(&mut self, answered: u64) -> u64 {
        self.replied += answered;
        if self.space.tail.offset > KEEP {
            self.leave_lap();
        }
        self.lane.worker().set_published(self.space.tail);
        self.lane.worker().set_replied(self.replied);
        self.replied
    }

    /// Goes back to the start of the region after a large reply, so that its memory lies
    /// beyond the tail, where `trim` can give it back.
    #[cold]
    fn leave_lap(&mut self) {
        self.look();
        if self.space.tail.lap == self.head.lap {
            self.wrap(self.space.tail.offset);
        }
    }

    /// Whether a record of `len` bytes now has room, or never will have.
    #[must_use]
    pub fn may_reply(&self, len: usize) -> bool {
        self.space.place(self.read_head(), record::size(len) as u64) != Place::Full
    }

    /// Gives memory back that one large reply needed, once the parent has read everything.
    pub fn trim(&mut self) {
        self.look();
        let beyond = self.space.least_capacity().max(FIRST_STEP);
        if self.head != self.space.tail || self.space.capacity <= KEEP.max(beyond) {
            return;
        }
        if self.lane.release(Region::Replies, beyond, self.space.capacity).is_ok() {
            self.space.capacity = beyond;
        }
    }

    fn read_head(&self) -> Position {
        self.lane.parent().consumed()
    }

    fn look(&mut self) {
        self.head = self.read_head();
    }

    #[inline]
    fn make_room(&mut self, size: u64) -> Result<u64, NoRoom> {
        match self.space.place(self.head, size) {
            Place::Here(offset) => Ok(offset),
            _ => self.find_room(size),
        }
    }

    #[cold]
    fn find_room(&mut self, size: u64) -> Result<u64, NoRoom> {
        self.look();
        loop {
            match self.space.place(self.head, size) {
                Place::Here(offset) => return Ok(offset),
                Place::Wrap(mark) => self.wrap(mark),
                Place::Grow(to) => {
                    let from = self.space.capacity;
                    self.lane.reserve(Region::Replies, from, to).map_err(NoRoom::Memory)?;
                    self.space.capacity = to;
                }
                Place::Full => return Err(self.full()),
                Place::TooLarge => return Err(NoRoom::Memory(io::ErrorKind::OutOfMemory.into())),
            }
        }
    }

    /// No room. If nothing was written in this lap yet, the parent must learn of the lap all the same:
    /// only when its head has followed can the region grow.
    fn full(&self) -> NoRoom {
        if self.space.tail.offset == 0 {
            self.lane.worker().set_published(self.space.tail);
        }
        NoRoom::Full
    }

    fn wrap(&mut self, mark: u64) {
        self.lane.write(Region::Replies, mark, &record::WRAP.to_le_bytes());
        self.space.wrap();
    }
}

#[cold]
fn broken_request(at: u64) -> ! {
    panic!("the parent wrote a broken request at byte {at} of its lane");
}
