//! The world's segment, and the only casts of its memory.
//!
//! ```text
//! 0         header: what it is, its lock, and the allocator's lists
//! 64 KiB    roster: one slot for each process
//! names     one for each block: where it is, how long, who holds it
//! map       one entry for each page of the data
//! data      the blocks; in a world of 64 MiB or more it begins on a huge page
//! ```
//!
//! Names, map and data are sparse: a part is touched only below its mark, up to which it was
//! reserved. Which words are the truth and which are only caches of it is said where they are declared.
#![expect(unsafe_code, reason = "maps shared memory onto typed atomics")]

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};

use manyhands_os::life::Acquaintances;
use manyhands_os::memory::Segment;

use super::local::Local;
use super::words::{HUGE, Header, MAGIC, Name, PAGE, Page, Plain, Slot, VERSION, Word};
use crate::sync::Owner;

/// A multiple of every page size that Linux uses here.
const GRAIN: usize = 64 << 10;
/// Where the data of a world of that size begins: at a huge page.
const HUGE_GRAIN: usize = HUGE as usize * PAGE;
const LARGE: usize = 64 << 20;
/// Address space of the header.
const HEADER: usize = size_of::<Header>().next_multiple_of(GRAIN);
/// Address space of the roster.
const ROSTER: usize = Owner::SLOTS as usize * size_of::<Slot>();
/// How long a child is expected after it was to be forked: it has to run a few instructions, and a
/// machine may stand still for a while.
const PATIENCE_MS: u64 = 30_000;
/// So many names for each page of data: more blocks than that are refused.
const NAMES_PER_PAGE: usize = 8;
/// And no more names than that.
const MOST_NAMES: usize = 1 << 26;
/// No more pages than that: 16 TiB.
const MOST_PAGES: usize = u32::MAX as usize >> 1;

/// Where the parts of a world with so many pages begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Plan {
    pages: usize,
    names: usize,
    names_at: usize,
    map_at: usize,
    data_at: usize,
    len: usize,
}

impl Plan {
    fn of_pages(pages: usize) -> Option<Self> {
        if pages == 0 || pages > MOST_PAGES {
            return None;
        }
        let names = (pages * NAMES_PER_PAGE).min(MOST_NAMES);
        let names_at = HEADER + ROSTER;
        let map_at = (names_at + names * size_of::<Name>()).next_multiple_of(GRAIN);
        let grain = if pages * PAGE < LARGE { GRAIN } else { HUGE_GRAIN };
        let data_at = (map_at + pages * size_of::<Page>()).next_multiple_of(grain);
        let len = (data_at + pages * PAGE).next_multiple_of(GRAIN);
        Some(Self { pages, names, names_at, map_at, data_at, len })
    }

    /// The largest one that fits into so many bytes.
    fn within(bytes: usize) -> Option<Self> {
        let each = PAGE + size_of::<Page>() + NAMES_PER_PAGE * size_of::<Name>();
        let lost = if bytes < LARGE { 0 } else { HUGE_GRAIN };
        let pages = bytes.checked_sub(HEADER + ROSTER + 4 * GRAIN + lost)? / each;
        Self::of_pages(pages.min(MOST_PAGES))
    }
}

/// The parts of a world that grow by being reserved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Names,
    Map,
}

/// The segment, mapped in this process.
#[derive(Debug)]
pub(super) struct Ground {
    segment: Segment,
    plan: Plan,
    /// The processes that this one has last found alive. Its lock is the innermost of all.
    pub(super) known: Local<Acquaintances>,
}

impl Ground {
    /// Bytes that are always reserved.
    pub(super) const FIXED: u64 = (HEADER + ROSTER) as u64;

    /// Makes an empty world of at most so many bytes of address space.
    pub(super) fn create(bytes: usize, budget: u64) -> io::Result<Self> {
        let plan = Plan::within(bytes).ok_or(io::ErrorKind::OutOfMemory)?;
        let segment = Segment::create("manyhands-world", plan.len)?;
        let ground = Self { segment, plan, known: Local::new(Acquaintances::default()) };
        ground.segment.reserve(0, HEADER + ROSTER)?;
        let header = ground.header();
        header.pages.put(plan.pages as u64);
        header.budget.put(budget);
        header.patience.put(PATIENCE_MS);
        header.reserved.put(Self::FIXED);
        header.version.put(VERSION);
        header.id.put(manyhands_os::room::random_number().max(1));
        header.magic.commit(MAGIC);
        Ok(ground)
    }

    /// Maps a world that another process made.
    pub(super) fn attach(fd: OwnedFd) -> io::Result<Self> {
        let segment = Segment::attach(fd)?;
        let unknown = |text| io::Error::new(io::ErrorKind::InvalidData, text);
        // The least that a world can have; only then its header may be looked at.
        let least = Plan::of_pages(1).map_or(HEADER, |plan| plan.len);
        if segment.len() < least {
            return Err(unknown("this memory file is not a world"));
        }
        let known = Local::new(Acquaintances::default());
        let mut ground = Self { segment, plan: Plan::default(), known };
        if ground.header().magic.get() != MAGIC {
            return Err(unknown("this memory file is not a world"));
        }
        if ground.header().version.get() != VERSION {
            return Err(unknown("this world was made by another version of manyhands"));
        }
        let pages = usize::try_from(ground.header().pages.get()).unwrap_or(usize::MAX);
        match Plan::of_pages(pages) {
            Some(plan) if plan.len == ground.segment.len() => ground.plan = plan,
            _ => return Err(unknown("this world has another size than it says")),
        }
        Ok(ground)
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.segment.fd()
    }

    /// Whether the descriptor still is the world's.
    pub(super) fn has_fd(&self) -> bool {
        self.segment.is_own()
    }

    /// How many pages of data there can be.
    pub(super) fn pages(&self) -> usize {
        self.plan.pages
    }

    #[inline]
    pub(super) fn header(&self) -> &Header {
        self.at(0)
    }

    /// A slot, which is always reserved.
    #[inline]
    pub(super) fn slot(&self, index: u32) -> &Slot {
        debug_assert!(index < Owner::SLOTS, "a slot outside of the roster");
        self.at(HEADER + index as usize * size_of::<Slot>())
    }

    /// A name below the names' mark.
    #[inline]
    pub(super) fn name(&self, index: u32) -> &Name {
        debug_assert!(u64::from(index) < self.header().ready[Part::Names as usize].get());
        self.at(self.plan.names_at + index as usize * size_of::<Name>())
    }

    /// An entry below the map's mark.
    #[inline]
    pub(super) fn page(&self, index: u32) -> &Page {
        debug_assert!(u64::from(index) < self.header().ready[Part::Map as usize].get());
        self.at(self.plan.map_at + index as usize * size_of::<Page>())
    }

    /// A structure in the data, in a block that the caller holds.
    #[inline]
    pub(super) fn data<T: Plain>(&self, offset: u64) -> &T {
        let offset = usize::try_from(offset).unwrap_or(usize::MAX);
        self.at(self.plan.data_at.saturating_add(offset))
    }

    /// Where a byte of the data is in this process.
    #[inline]
    pub(super) fn address(&self, offset: u64) -> *mut u8 {
        let offset = usize::try_from(offset).unwrap_or(usize::MAX);
        assert!(offset <= self.plan.pages * PAGE, "a place outside of the world");
        self.segment.as_ptr().wrapping_add(self.plan.data_at + offset)
    }

    /// Whether so many bytes from there on are data.
    #[inline]
    pub(super) fn is_within(&self, offset: u64, len: usize) -> bool {
        let end = usize::try_from(offset).unwrap_or(usize::MAX).checked_add(len);
        end.is_some_and(|end| end <= self.plan.pages * PAGE)
    }

    /// Where a byte of the data is in the file.
    pub(super) fn place_in_file(&self, offset: u64) -> u64 {
        self.plan.data_at as u64 + offset
    }

    #[inline]
    fn at<T: Plain>(&self, offset: usize) -> &T {
        let fits = offset.checked_add(size_of::<T>()).is_some_and(|end| end <= self.segment.len());
        assert!(fits && offset.is_multiple_of(align_of::<T>()), "a structure outside of the world");
        let place = self.segment.as_ptr().wrapping_add(offset).cast::<T>();
        // SAFETY: the segment is mapped as long as `self` lives and begins on a page, so the place is
        // inside of it and aligned, as was just checked; `Plain` vouches that any bytes are a valid T
        // that others may change meanwhile, and no `&mut` to it exists anywhere.
        unsafe { &*place }
    }

    /// How many items of a part can be used.
    fn limit(&self, part: Part) -> (usize, usize, usize) {
        match part {
            Part::Names => (self.plan.names_at, size_of::<Name>(), self.plan.names),
            Part::Map => (self.plan.map_at, size_of::<Page>(), self.plan.pages),
        }
    }

    /// Reserves a part so far that `count` items can be touched; false where it has no place for so
    /// many. With the world's lock.
    pub(super) fn extend(&self, part: Part, count: usize) -> io::Result<bool> {
        let mark = &self.header().ready[part as usize];
        let ready = usize::try_from(mark.get()).unwrap_or(usize::MAX);
        if count <= ready {
            return Ok(true);
        }
        let (start, size, limit) = self.limit(part);
        if count > limit {
            return Ok(false);
        }
        let end = (start + count * size).next_multiple_of(GRAIN);
        let reach = ((end - start) / size).min(limit);
        let from = start + ready * size;
        self.segment.reserve(from, start + reach * size - from)?;
        let reserved = &self.header().reserved;
        reserved.put(reserved.get() + (reach - ready) as u64 * size as u64);
        mark.commit(reach as u64);
        Ok(true)
    }

    /// Reserves pages of the data, many of them as huge pages.
    pub(super) fn reserve(&self, page: u32, count: u32) -> io::Result<()> {
        let (at, len) = (self.plan.data_at + page as usize * PAGE, count as usize * PAGE);
        if count < HUGE {
            self.segment.reserve(at, len)
        } else {
            self.segment.reserve_long(at, len)
        }
    }

    /// Gives pages of the data back to the kernel. A failure leaves them as they are: reserved, at the
    /// kernel's cost and not ours.
    pub(super) fn punch(&self, page: u32, count: u32) {
        let at = self.plan.data_at + page as usize * PAGE;
        drop(self.segment.release(at, count as usize * PAGE));
    }
}
