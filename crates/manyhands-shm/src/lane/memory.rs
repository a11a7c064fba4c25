//! The layout of a lane's segment, and the only casts of its memory.
//!
//! ```text
//! 0                    header: Table | the worker's words | the parent's words | the worker's parking word
//! HEADER               request region, `limit` bytes of address space, reserved in steps by the parent
//! HEADER + limit       reply region, the same, reserved in steps by the worker
//! HEADER + 2 * limit   STACKS bytes to the end: where the worker's fault handler writes its stacks
//! ```
//!
//! The stacks are written with `write`, at the position of the open file, which both sides share: it is
//! set to the start of their area, and the parent reads how far it has come. What is too long meets the
//! sealed end of the file.
//!
//! The file is sealed, so it never shrinks under anybody; a region is only touched where `fallocate` has
//! reserved it, so a touch never raises SIGBUS. Bytes of the regions are copied through raw pointers: no
//! reference to memory that the other side may write ever exists, except to the typed atomics.
#![expect(unsafe_code, reason = "maps shared memory onto typed atomics and copies its bytes")]

use core::ops::Range;
use std::fs::File;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt;

use manyhands_os::memory::Segment;
use manyhands_os::room;

use super::table::{Heading, Table};
use super::words::{ParentWords, WorkerWords};
use crate::atomic::{AtomicU64, Ordering};
use crate::park::Parker;
use crate::record::{self, Next};

/// Bytes reserved in each region at first.
pub(super) const FIRST_STEP: u64 = 256 << 10;
/// Up to this a region grows for throughput; beyond it only for a record that needs it.
pub(super) const SOFT_LIMIT: u64 = 1 << 20;
/// A region that has grown beyond this is given back to the kernel when it is empty.
pub(super) const KEEP: u64 = 16 << 20;

/// A multiple of every page size that Linux uses here, so that a segment's size is never rounded up.
const HEADER: usize = size_of::<Header>().next_multiple_of(64 << 10);
/// What is reserved of it, in pages.
const HEADER_RESERVED: u64 = size_of::<Header>().next_multiple_of(4096) as u64;
/// The most bytes of stacks.
const STACKS: usize = 64 << 10;
/// The unit in which a file's memory is counted.
const BLOCK: u64 = 512;
/// Address space of each region, a power of two: at most so much,
const MOST: u64 = 64 << 30;
/// and at least so much.
const LEAST: u64 = 1 << 20;

#[derive(Debug)]
#[repr(C)]
struct Header {
    table: Table,
    worker: WorkerWords,
    parent: ParentWords,
    bell: Bell,
}

#[derive(Debug)]
#[repr(C, align(128))]
struct Bell(Parker);

/// A region of the lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Region {
    Requests,
    Replies,
}

/// An item to run: its number in the lane, its batch's heading, and where its bytes lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Item {
    /// Counted from 0 since the lane was made.
    pub number: u64,
    /// The heading of its batch.
    pub heading: Heading,
    pub(super) offset: u64,
    pub(super) len: usize,
}

/// The memory of one lane, mapped in this process.
#[derive(Debug)]
pub struct Lane {
    segment: Segment,
    limit: usize,
    /// Bytes of the request region that this process has reserved.
    requests: AtomicU64,
    /// The same for the stacks.
    stacks: AtomicU64,
}

impl Lane {
    /// Makes an empty lane, the only one of its pool.
    ///
    /// # Errors
    /// Those of [`Lane::create_one_of`].
    pub fn create() -> io::Result<Self> {
        Self::create_one_of(1)
    }

    /// Makes an empty lane of a pool that will have so many: all of them together take at most a quarter
    /// of the address space that this process has left, so that a lane is smaller where that is limited,
    /// or where there are thousands, or where files may not be so long.
    ///
    /// # Errors
    /// Whatever the kernel says when no memory file can be made, mapped or filled; where the address
    /// space is too small for that, or a file may not be so long, the text names the limit (`RLIMIT_AS`,
    /// `RLIMIT_FSIZE`). It never takes the last of the address space.
    pub fn create_one_of(lanes: usize) -> io::Result<Self> {
        let share = room::address_space_left() / 8 / (lanes.max(1) as u64);
        let share = share.min(room::file_size().saturating_sub((HEADER + STACKS) as u64) / 2);
        let mut limit = (1 << share.max(1).ilog2()).clamp(LEAST, MOST);
        loop {
            match Self::with_limit(to_usize(limit)) {
                Err(error) if error.kind() == io::ErrorKind::OutOfMemory => {
                    if limit == LEAST {
                        return Err(room::name_limit(error));
                    }
                    limit /= 2;
                }
                outcome => return outcome,
            }
        }
    }

    pub(super) fn with_limit(limit: usize) -> io::Result<Self> {
        let len = HEADER + 2 * limit + STACKS;
        room::check_room(len as u64)?;
        let lane = Self::of_segment(Segment::create("manyhands-lane", len)?)?;
        lane.segment.reserve(0, size_of::<Header>())?;
        lane.reserve(Region::Requests, 0, FIRST_STEP)?;
        lane.reserve(Region::Replies, 0, FIRST_STEP)?;
        lane.parent().reset();
        lane.segment.set_position(lane.stacks_at())?;
        Ok(lane)
    }

    /// Maps a lane that another process made.
    ///
    /// # Errors
    /// If the file is not a sealed memory file of a lane's size.
    pub fn attach(fd: OwnedFd) -> io::Result<Self> {
        Self::of_segment(Segment::attach(fd)?)
    }

    fn of_segment(segment: Segment) -> io::Result<Self> {
        let limit = segment.len().checked_sub(HEADER + STACKS).map(|regions| regions / 2);
        match limit {
            Some(limit) if limit.is_power_of_two() && limit >= to_usize(LEAST) => {
                let (requests, stacks) = (AtomicU64::new(0), AtomicU64::new(0));
                Ok(Self { segment, limit, requests, stacks })
            }
            _ => Err(io::Error::new(io::ErrorKind::InvalidData, "this memory file is not a lane")),
        }
    }

    /// The file, to pass it to the worker.
    #[must_use]
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.segment.fd()
    }

    #[inline]
    #[expect(clippy::cast_ptr_alignment, reason = "a segment begins on a page")]
    fn header(&self) -> &Header {
        // SAFETY: the segment is at least HEADER bytes (checked in `of_segment`), page-aligned and mapped
        // for as long as `self` lives; every field is an atomic for which any bytes are valid, and no
        // `&mut` to it exists anywhere.
        unsafe { &*self.segment.as_ptr().cast::<Header>() }
    }

    pub(super) fn limit(&self) -> u64 {
        self.limit as u64
    }

    pub(super) fn table(&self) -> &Table {
        &self.header().table
    }

    /// Where the worker sleeps; the parent wakes it after each change that it may wait for.
    #[must_use]
    pub fn bell(&self) -> &Parker {
        &self.header().bell.0
    }

    pub(super) fn worker(&self) -> &WorkerWords {
        &self.header().worker
    }

    pub(super) fn parent(&self) -> &ParentWords {
        &self.header().parent
    }

    /// Parent: what the worker's fault handler writes into the lane's file from now on is what
    /// [`Lane::stacks`] returns; so it is from the start, until this is called again.
    ///
    /// # Errors
    /// If the kernel gives no memory.
    pub fn ask_stacks(&self) -> io::Result<()> {
        self.reserve_stacks()?;
        self.segment.set_position(self.stacks_at())
    }

    /// Parent: the stacks that the worker has written since they were asked for; empty if it has not. The
    /// worker may be dead.
    #[must_use]
    pub fn stacks(&self) -> Vec<u8> {
        let (start, len) = (self.stacks_at(), self.stacks_len());
        if len == 0 || self.reserve_stacks().is_err() {
            return Vec::new();
        }
        let mut out = vec![0; len];
        // SAFETY: the area, of STACKS bytes, ends the mapping, which lives as long as `self`.
        let source = unsafe { self.segment.as_ptr().add(start) };
        // SAFETY: `source` is valid for `len` bytes, which are reserved; `out` is as long, and private.
        unsafe { core::ptr::copy_nonoverlapping(source, out.as_mut_ptr(), out.len()) }
        out
    }

    /// Parent: how many bytes of [`Lane::stacks`] there are by now.
    #[must_use]
    pub fn stacks_len(&self) -> usize {
        let start = self.stacks_at();
        // The worker can set the position as well: what it says is cut to the area.
        self.segment.position().unwrap_or(start).clamp(start, start + STACKS) - start
    }

    fn stacks_at(&self) -> usize {
        HEADER + 2 * self.limit
    }

    fn reserve_stacks(&self) -> io::Result<()> {
        self.segment.reserve(self.stacks_at(), STACKS)?;
        self.stacks.store(STACKS as u64, Ordering::Relaxed);
        Ok(())
    }

    /// Parent: bytes of memory that the worker has reserved for replies, as the kernel counts them. No
    /// honest reply lies beyond, and reading up to there takes no memory.
    ///
    /// The whole region if the kernel does not say (this process may be out of descriptors).
    pub(super) fn reserved_for_replies(&self) -> u64 {
        let file = self.fd().try_clone_to_owned().map(File::from);
        let Ok(data) = file.and_then(|file| file.metadata()) else { return self.limit() };
        let ours = HEADER_RESERVED
            + self.requests.load(Ordering::Relaxed)
            + self.stacks.load(Ordering::Relaxed);
        data.blocks().saturating_mul(BLOCK).saturating_sub(ours).min(self.limit())
    }

    /// Reserves `from..to` of a region, which is reserved up to there, so that it can be touched.
    pub(super) fn reserve(&self, region: Region, from: u64, to: u64) -> io::Result<()> {
        self.segment.reserve(self.start(region) + to_usize(from), to_usize(to - from))?;
        self.note_reserved(region, to);
        Ok(())
    }

    /// Gives `from..to` of a region, which is reserved up to there, back to the kernel.
    pub(super) fn release(&self, region: Region, from: u64, to: u64) -> io::Result<()> {
        self.segment.release(self.start(region) + to_usize(from), to_usize(to - from))?;
        self.note_reserved(region, from);
        Ok(())
    }

    fn note_reserved(&self, region: Region, bytes: u64) {
        if region == Region::Requests {
            self.requests.store(bytes, Ordering::Relaxed);
        }
    }

    fn start(&self, region: Region) -> usize {
        match region {
            Region::Requests => HEADER,
            Region::Replies => HEADER + self.limit,
        }
    }

    /// The address of `len` bytes of a region; panics where they would leave it.
    #[inline]
    fn at(&self, region: Region, offset: u64, len: usize) -> *mut u8 {
        let end = to_usize(offset).checked_add(len);
        assert!(end.is_some_and(|end| end <= self.limit), "an offset outside of its region");
        // SAFETY: start + offset + len lies within the mapping, as just checked against the region's
        // size, and the segment is one allocation of that length.
        unsafe { self.segment.as_ptr().add(self.start(region) + to_usize(offset)) }
    }

    /// Copies `bytes` into a reserved part of a region that this side owns.
    pub(super) fn write(&self, region: Region, offset: u64, bytes: &[u8]) {
        let target = self.at(region, offset, bytes.len());
        // SAFETY: `target` is valid for `bytes.len()` bytes (`at`), private memory does not overlap the
        // mapping, and by the protocol of the lane nobody reads these bytes before they are offered
        // or published.
        unsafe { core::ptr::copy_nonoverlapping(bytes.as_ptr(), target, bytes.len()) }
    }

    /// Appends `len` bytes of a region to `out`; false, and nothing is done, without memory for them.
    pub(super) fn read(&self, region: Region, offset: u64, len: usize, out: &mut Vec<u8>) -> bool {
        let source = self.at(region, offset, len);
        if out.try_reserve(len).is_err() {
            return false;
        }
        let end = out.len();
        let target = out.spare_capacity_mut().as_mut_ptr().cast::<u8>();
        // SAFETY: `source` is valid for `len` bytes (`at`); `target` has room for them after `try_reserve`,
        // and does not overlap the mapping.
        unsafe { core::ptr::copy_nonoverlapping(source, target, len) }
        // SAFETY: the capacity is there and the `len` new bytes were just written.
        unsafe { out.set_len(end + len) }
        true
    }

    /// Reads the length prefix at `offset`, and no byte beyond it; whether the content is there is for
    /// the caller to check. Panics where the prefix would leave the region.
    #[inline]
    pub(super) fn prefix(&self, region: Region, offset: u64) -> Next {
        let short: [u8; record::SHORT_HEADER] = self.bytes_at(region, offset);
        if record::is_long(short) {
            return self.long_prefix(region, offset);
        }
        record::content(&short)
    }

    #[cold]
    fn long_prefix(&self, region: Region, offset: u64) -> Next {
        record::content(&self.bytes_at::<{ record::LONG_HEADER }>(region, offset))
    }

    /// Where the first `count` records of a part of a region end, if so many are whole. The length
    /// prefixes may be anything.
    pub(super) fn skip(&self, region: Region, part: Range<u64>, count: u32) -> Option<u64> {
        let mut at = part.start;
        for _ in 0..count {
            if part.end.checked_sub(at)? < record::SHORT_HEADER as u64 {
                return None;
            }
            let Next::Record { end, .. } = self.prefix(region, at) else { return None };
            at = at.checked_add(end as u64)?;
        }
        (at <= part.end).then_some(at)
    }

    #[inline]
    fn bytes_at<const N: usize>(&self, region: Region, offset: u64) -> [u8; N] {
        let source = self.at(region, offset, N);
        // SAFETY: `source` is valid for N bytes (`at`), and an array of bytes needs no alignment; any
        // bytes are a valid value.
        unsafe { source.cast::<[u8; N]>().read_unaligned() }
    }

    /// Worker: the bytes of an item, until it is answered.
    #[must_use]
    pub fn bytes(&self, item: &Item) -> &[u8] {
        self.requests(item.offset, item.len)
    }

    /// Bytes of the requests that the parent has offered and will not change before they are answered.
    pub(super) fn requests(&self, offset: u64, len: usize) -> &[u8] {
        let source = self.at(Region::Requests, offset, len);
        // SAFETY: valid for `len` bytes (`at`); the parent wrote them before it offered the item (the
        // claim's acquire saw that) and reuses them only after the item's reply, which the caller, the
        // worker, has yet to write.
        unsafe { core::slice::from_raw_parts(source, len) }
    }

    /// Room for a reply that is not published yet.
    #[expect(clippy::mut_from_ref, reason = "the one worker side owns what it has not published")]
    pub(super) fn reply_room(&self, offset: u64, len: usize) -> &mut [u8] {
        let target = self.at(Region::Replies, offset, len);
        // SAFETY: valid for `len` bytes (`at`) and reserved by the caller; the parent reads only published
        // bytes, and the one `Runner` of the lane hands out one such slice at a time.
        unsafe { core::slice::from_raw_parts_mut(target, len) }
    }
}

fn to_usize(value: u64) -> usize {
    usize::try_from(value).expect("an offset of a mapped region fits the address space")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lane::State;

    #[test]
    fn both_ends_see_one_lane() {
        let here = Lane::create().unwrap();
        let there = Lane::attach(here.fd().try_clone_to_owned().unwrap()).unwrap();
        there.set_state(State::Idle);
        there.worker().set_begun(3);
        here.write(Region::Requests, 10, b"abc");
        assert_eq!(
            (here.state(), here.begun(), there.requests(10, 3)),
            (State::Idle, 3, &b"abc"[..])
        );
    }

    #[test]
    fn stacks_are_written_at_the_end_of_the_file() {
        use std::io::Write;
        let here = Lane::create().unwrap();
        assert_eq!(here.stacks(), b"");
        let mut there = File::from(here.fd().try_clone_to_owned().unwrap());
        there.write_all(b"without being asked").unwrap();
        assert_eq!(here.stacks(), b"without being asked");
        for text in ["a stack", "another, longer one", ""] {
            here.ask_stacks().unwrap();
            there.write_all(text.as_bytes()).unwrap();
            assert_eq!(here.stacks(), text.as_bytes());
        }
        here.ask_stacks().unwrap();
        assert!(there.write_all(&vec![b'x'; STACKS + 1]).is_err(), "the file's size is sealed");
        assert_eq!(here.stacks(), vec![b'x'; STACKS]);
        std::io::Seek::seek(&mut there, std::io::SeekFrom::Start(0)).unwrap();
        assert_eq!(here.stacks(), b"");
    }

    #[test]
    fn another_file_is_no_lane() {
        let segment = Segment::create("other", 8192).unwrap();
        assert!(Lane::attach(segment.fd().try_clone_to_owned().unwrap()).is_err());
    }

    #[test]
    #[should_panic(expected = "outside of its region")]
    fn offsets_are_checked() {
        let lane = Lane::create().unwrap();
        lane.write(Region::Requests, u64::MAX - 1, b"abc");
    }
}
