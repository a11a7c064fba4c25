//! The parent's receiving side of a lane: drains what the worker has published.
//!
//! It copies first and looks afterwards: the worker may be broken or hostile and may change bytes while
//! they are read, so only the private copy is parsed, and every position and length is checked. No
//! position is followed beyond the memory that the worker has reserved, so that a lie costs
//! neither memory nor time. A lane whose worker lies is `Corrupt` for good; what was drained
//! before stays good.

use std::sync::Arc;

use super::memory::{FIRST_STEP, Lane, Region};
use crate::record::{self, Next};
use crate::space::Position;

const PREFIX: u64 = size_of::<u32>() as u64;

/// The worker wrote something that cannot be a reply, or more than this process has memory for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Corrupt;

/// The parent's receiving side.
#[derive(Debug)]
pub struct Replies {
    lane: Arc<Lane>,
    head: Position,
    /// Bytes of the region beyond which nothing is believed without asking the kernel.
    reserved: u64,
    corrupt: bool,
}

impl Replies {
    /// The receiving side of a fresh lane.
    #[must_use]
    pub fn new(lane: Arc<Lane>) -> Self {
        Self { lane, head: Position::default(), reserved: FIRST_STEP, corrupt: false }
    }

    /// Whether something is published that was not drained; never again once the lane is corrupt.
    #[inline]
    #[must_use]
    pub fn has_news(&self) -> bool {
        self.lane.worker().published() != self.head && !self.corrupt
    }

    /// Appends all published records, with their length prefixes, to `out`, frees their memory and
    /// wakes a worker that waits for room.
    ///
    /// # Errors
    /// [`Corrupt`] if the worker's positions or lengths cannot be right, now and at every later call.
    /// Whole records before the wrong one have been appended, once.
    pub fn drain(&mut self, out: &mut Vec<u8>) -> Result<(), Corrupt> {
        if self.corrupt {
            return Err(Corrupt);
        }
        let tail = self.lane.worker().published();
        if tail == self.head {
            return Ok(());
        }
        let outcome = self.drain_to(tail, out);
        self.corrupt = outcome.is_err();
        outcome?;
        self.lane.parent().set_consumed(self.head);
        let _slept = self.lane.bell().wake();
        Ok(())
    }

    fn drain_to(&mut self, tail: Position, out: &mut Vec<u8>) -> Result<(), Corrupt> {
        if !self.is_reserved(tail.offset) {
            return Err(Corrupt);
        }
        if tail.lap != self.head.lap {
            if tail.lap != self.head.wrapped().lap || tail.offset > self.head.offset {
                return Err(Corrupt);
            }
            let mark = self.find_mark()?;
            self.copy(mark, out)?;
            self.head = self.head.wrapped();
        }
        self.copy(tail.offset, out)
    }

    /// Whether the region has memory up to `end`, as far as the kernel can tell.
    fn is_reserved(&mut self, end: u64) -> bool {
        if end > self.reserved {
            self.reserved = self.lane.reserved_for_replies();
        }
        end <= self.reserved
    }

    /// Copies everything up to `end`, and checks that it is a row of whole records.
    fn copy(&mut self, end: u64, out: &mut Vec<u8>) -> Result<(), Corrupt> {
        let len = end.checked_sub(self.head.offset).ok_or(Corrupt)?;
        let len = usize::try_from(len).map_err(|_| Corrupt)?;
        let mut at = out.len();
        if !self.lane.read(Region::Replies, self.head.offset, len, out) {
            return Err(Corrupt);
        }
        while at < out.len() {
            match record::next(&out[at..]) {
                Next::Record { end, .. } => at += end,
                Next::Wrap | Next::Broken => {
                    out.truncate(at);
                    return Err(Corrupt);
                }
            }
        }
        self.head.offset = end;
        Ok(())
    }

    /// Where the mark stands that ends this lap.
    fn find_mark(&mut self) -> Result<u64, Corrupt> {
        let mut at = self.head.offset;
        while at.checked_add(PREFIX).is_some_and(|end| self.is_reserved(end)) {
            match self.lane.prefix(Region::Replies, at) {
                Next::Wrap => return Ok(at),
                Next::Record { end, .. } => at = at.checked_add(end as u64).ok_or(Corrupt)?,
                Next::Broken => return Err(Corrupt),
            }
        }
        Err(Corrupt)
    }
}
