//! Anonymous shared memory: sealed memfd segments that are mapped once and reserved in steps.
//!
//! A [`Segment`] is created sparse: it has a size but no pages. [`Segment::reserve`] makes the
//! kernel allocate pages for a range, or says that it cannot; after that, touching the range can
//! no longer end in SIGBUS; [`Segment::reserve_long`] does so with huge pages where the kernel
//! grants them. [`Segment::release`] gives pages back. The size is sealed when the
//! segment is made, so that no process that holds the descriptor can cut off what others have
//! mapped; [`Segment::attach`] refuses a descriptor without those seals.
//!
//! A segment has no name in any file system: it is gone when the last process that holds it is.
//! A program may close descriptors that it did not open, as daemons do, and give their numbers to files
//! of its own: a segment asks before each use whether its number still means it ([`Segment::is_own`]).
//! Core dumps leave it out. What lies in it, and who may touch which byte when, is the business of
//! the rung above: this module hands out an address, never a reference.
#![expect(unsafe_code, reason = "mapping and unmapping memory")]

use rustix::fs::{
    FallocateFlags, MemfdFlags, OFlags, SealFlags, SeekFrom, Stat, fallocate, fcntl_add_seals,
    fcntl_get_seals, fcntl_setfl, fstat, ftruncate, memfd_create, seek, tell,
};
use rustix::io::{Errno, pread, retry_on_intr, write};
use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap, mmap_anonymous, munmap};
use rustix::param::page_size;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, IntoRawFd, OwnedFd};
use std::ptr::{self, NonNull};

use crate::huge::{self, HUGE};
use crate::room;

/// Nobody may change the size, and nobody may lift that.
const SIZE_SEALS: SealFlags = SealFlags::SHRINK.union(SealFlags::GROW).union(SealFlags::SEAL);
/// As above, and nobody may write.
const BLOB_SEALS: SealFlags = SIZE_SEALS.union(SealFlags::WRITE);

/// Shared memory of a fixed size, mapped readable and writable in this process.
#[derive(Debug)]
pub struct Segment {
    /// Gone once it was taken away; the mapping stays.
    fd: Option<OwnedFd>,
    /// Device and number of the file: what the descriptor meant when it was ours.
    file: (u64, u64),
    base: NonNull<u8>,
    len: usize,
}

// SAFETY: a segment owns its mapping, which belongs to the process and to no thread, and hands out
// only its address; the descriptor is a plain number. Nothing in it is bound to a thread.
unsafe impl Send for Segment {}
// SAFETY: `&Segment` gives the address, the length, and system calls that the kernel serialises.
// Access through the address is the caller's own unsafe code, with its own rules.
unsafe impl Sync for Segment {}

impl Segment {
    /// Makes a segment of `len` bytes, rounded up to whole pages, all zero and none of them
    /// allocated yet. `name` shows in `/proc/<pid>/maps` and need not be unique.
    ///
    /// # Errors
    ///
    /// `EINVAL` when `len` is zero or `name` is longer than 249 bytes or holds a NUL byte, `EMFILE`
    /// and `ENFILE` without descriptors, `ENOMEM` without address space; that of [`room::check_file_size`].
    ///
    /// # Examples
    ///
    /// ```
    /// let segment = manyhands_os::memory::Segment::create("example", 1 << 20)?;
    /// segment.reserve(0, 4096)?;
    /// assert_eq!(segment.len(), 1 << 20);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn create(name: &str, len: usize) -> io::Result<Self> {
        let len = len.checked_next_multiple_of(page_size()).ok_or(Errno::NOMEM)?;
        let size = u64::try_from(len).map_err(|_| Errno::NOMEM)?;
        room::check_file_size(size)?;
        let fd = memfd(name)?;
        ftruncate(&fd, size)?;
        fcntl_add_seals(&fd, SIZE_SEALS)?;
        Self::map(fd, len)
    }

    /// Maps a segment that another process made with [`Segment::create`].
    ///
    /// # Errors
    ///
    /// `EINVAL` when the descriptor is no memfd of a fixed size or has size zero; the errors of
    /// mapping as in [`Segment::create`].
    pub fn attach(fd: OwnedFd) -> io::Result<Self> {
        if !fcntl_get_seals(&fd)?.contains(SIZE_SEALS) {
            return Err(invalid("shared memory without a sealed size: it could be cut off in use"));
        }
        let len = usize::try_from(fstat(&fd)?.st_size).map_err(|_| Errno::INVAL)?;
        Self::map(fd, len)
    }

    fn map(fd: OwnedFd, len: usize) -> io::Result<Self> {
        let aligned = if len < HUGE { None } else { map_aligned(&fd, len) };
        let base = aligned.map_or_else(|| map_anywhere(&fd, len), Ok)?;
        let found = fstat(&fd);
        let segment = Self { fd: Some(fd), file: found.map_or((0, 0), identity), base, len };
        // SAFETY: the range is the mapping made above; keeping it out of core dumps changes no
        // content.
        unsafe { madvise(base.as_ptr().cast(), len, Advice::LinuxDontDump) }?;
        Ok(segment)
    }

    /// Allocates the pages of a range (those that are missing), so that touching it cannot fail
    /// later. Content that is there stays.
    ///
    /// # Errors
    ///
    /// `ENOSPC` and `ENOMEM` when the kernel has no room for the pages, `EINVAL` when the range is
    /// empty or reaches beyond the segment. Then the range is as it was.
    pub fn reserve(&self, offset: usize, len: usize) -> io::Result<()> {
        self.allocate(FallocateFlags::empty(), offset, len)
    }

    /// As [`Segment::reserve`], for a long range that nobody uses yet: what of it are whole huge pages
    /// becomes such where the kernel grants them, and all of it is entered into the tables of this
    /// process. (Huge pages are counted from the beginning of the segment.)
    ///
    /// # Errors
    ///
    /// As of [`Segment::reserve`]; then some pages of the range may be there: release it.
    pub fn reserve_long(&self, offset: usize, len: usize) -> io::Result<()> {
        let likely = |_: &_| self.base.addr().get().is_multiple_of(HUGE) && huge::is_likely();
        if let Some(range) = huge::whole(offset, len).filter(likely) {
            for begin in range.clone().step_by(HUGE) {
                self.reserve(begin, page_size())?;
            }
            // SAFETY: `reserve` has refused a range outside of the segment, which is mapped as long as
            // `self` lives.
            unsafe { huge::collapse(self.at(range.start), range.len()) };
        }
        self.reserve(offset, len)?;
        // SAFETY: as above; all pages of the range are there.
        unsafe { huge::populate(self.at(offset), len) };
        Ok(())
    }

    fn at(&self, offset: usize) -> NonNull<u8> {
        // SAFETY: callers have checked that the offset is inside of the mapping.
        unsafe { self.base.add(offset) }
    }

    /// Gives a range back: its whole pages are freed, and all of it reads as zero from now on.
    /// Touching it again without [`Segment::reserve`] may end in SIGBUS when memory is short.
    ///
    /// # Errors
    ///
    /// `EINVAL` when the range is empty or reaches beyond the segment.
    pub fn release(&self, offset: usize, len: usize) -> io::Result<()> {
        self.allocate(FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE, offset, len)
    }

    fn allocate(&self, flags: FallocateFlags, offset: usize, len: usize) -> io::Result<()> {
        if offset.checked_add(len).is_none_or(|end| end > self.len) {
            return Err(invalid("a range that reaches beyond the shared memory"));
        }
        // Both fit: the size of a file is an i64.
        let fd = self.own_fd()?;
        Ok(retry_on_intr(|| fallocate(fd, flags, offset as u64, len as u64))?)
    }

    fn own_fd(&self) -> io::Result<&OwnedFd> {
        let fd =
            self.fd.as_ref().ok_or_else(|| invalid("shared memory whose descriptor was taken"));
        if self.is_own() { fd } else { fd.and(Err(io::Error::other(CLOSED))) }
    }

    /// Whether the descriptor still is the one of this memory. Somebody may have closed it behind our
    /// back, and opened a file of his own under its number; then the memory stays as it is for good.
    pub fn is_own(&self) -> bool {
        self.fd.as_ref().is_some_and(|fd| fstat(fd).map(identity) == Ok(self.file))
    }

    /// Where the mapping begins in this process; it is valid for [`Segment::len`] bytes as long as
    /// the segment lives. Aligned to a page.
    pub fn as_ptr(&self) -> *mut u8 {
        self.base.as_ptr()
    }

    /// The size in bytes; never zero.
    #[expect(clippy::len_without_is_empty, reason = "a segment is never empty")]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Sets the position at which `write` writes: it belongs to the open file, so it is set for every
    /// process that got the descriptor from this one.
    ///
    /// # Errors
    ///
    /// `EINVAL` when the descriptor was taken away.
    pub fn set_position(&self, offset: usize) -> io::Result<()> {
        seek(self.own_fd()?, SeekFrom::Start(offset as u64))?;
        Ok(())
    }

    /// The position at which `write` writes, wherever it was set or has written.
    ///
    /// # Errors
    ///
    /// `EINVAL` when the descriptor was taken away.
    pub fn position(&self) -> io::Result<usize> {
        usize::try_from(tell(self.own_fd()?)?).map_err(|_| Errno::INVAL.into())
    }

    /// The descriptor, to be sent to another process.
    ///
    /// # Panics
    ///
    /// If it was taken with [`Segment::take_fd`].
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_ref().expect("whoever takes the descriptor sends it himself").as_fd()
    }

    /// Takes the descriptor away. The mapping stays; its pages are as they are for good.
    pub fn take_fd(&mut self) -> Option<OwnedFd> {
        self.fd.take()
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        if !self.is_own() {
            // Its number is somebody else's to close.
            let _foreign = self.fd.take().map(IntoRawFd::into_raw_fd);
        }
        // SAFETY: the range is exactly what `map` made and nobody else unmaps it; whoever kept the
        // address was told that it ends with the segment.
        let unmapped = unsafe { munmap(self.base.as_ptr().cast(), self.len) };
        debug_assert!(unmapped.is_ok(), "unmapping a whole mapping: {unmapped:?}");
    }
}

const CLOSED: &str = "this program has closed the descriptor of the shared memory, with os.closerange or the \
                      like: what was made before can neither grow nor travel any more";

fn identity(file: Stat) -> (u64, u64) {
    (file.st_dev, file.st_ino)
}

const ACCESS: ProtFlags = ProtFlags::READ.union(ProtFlags::WRITE);
const SHARED: MapFlags = MapFlags::SHARED.union(MapFlags::NORESERVE);

fn map_anywhere(fd: &OwnedFd, len: usize) -> io::Result<NonNull<u8>> {
    // SAFETY: with a null address and no MAP_FIXED the kernel chooses a range that nothing else uses, so
    // no existing memory changes; the size is sealed, so the file stays behind it.
    let base = unsafe { mmap(ptr::null_mut(), len, ACCESS, SHARED, fd, 0) }?;
    Ok(NonNull::new(base.cast::<u8>()).ok_or(Errno::NOMEM)?)
}

/// Maps a file where a huge page may begin; `None` where there is no room for that.
fn map_aligned(fd: &OwnedFd, len: usize) -> Option<NonNull<u8>> {
    let room = len.checked_add(HUGE)?;
    let flags = MapFlags::PRIVATE | MapFlags::NORESERVE;
    // SAFETY: as in `map_anywhere`; nobody can use what is mapped without any access.
    let found = unsafe { mmap_anonymous(ptr::null_mut(), room, ProtFlags::empty(), flags) }.ok()?;
    let before = found.align_offset(HUGE);
    let base = found.wrapping_byte_add(before);
    // SAFETY: what MAP_FIXED replaces is a part of the range that was mapped above for this.
    let mapped = unsafe { mmap(base, len, ACCESS, SHARED | MapFlags::FIXED, fd, 0) };
    let (from, rest) = if mapped.is_ok() { (len, HUGE - before) } else { (0, len + HUGE - before) };
    for (start, len) in [(found, before), (base.wrapping_byte_add(from), rest)] {
        // SAFETY: both are parts of the range that was mapped above and not replaced; nobody knows them.
        let unmapped = unsafe { if len > 0 { munmap(start, len) } else { Ok(()) } };
        debug_assert!(unmapped.is_ok(), "unmapping what is left over: {unmapped:?}");
    }
    NonNull::new(mapped.ok()?.cast::<u8>())
}

/// Makes an empty anonymous file for text that several processes write to its end.
///
/// # Errors
///
/// `EMFILE` and `ENFILE` without descriptors, `ENOMEM`.
pub fn create_log(name: &str) -> io::Result<File> {
    let fd = memfd(name)?;
    fcntl_setfl(&fd, OFlags::APPEND)?;
    Ok(File::from(fd))
}

/// Puts bytes into an anonymous file that can no longer change, to be sent where a message is too
/// small for them.
///
/// # Errors
///
/// `ENOSPC` and `ENOMEM` without room, `EMFILE` and `ENFILE` without descriptors; that of
/// [`room::check_file_size`].
pub fn create_blob(name: &str, bytes: &[u8]) -> io::Result<OwnedFd> {
    room::check_file_size(bytes.len() as u64)?;
    let fd = memfd(name)?;
    let mut rest = bytes;
    while !rest.is_empty() {
        let written = retry_on_intr(|| write(&fd, rest))?;
        rest = &rest[written..];
    }
    fcntl_add_seals(&fd, BLOB_SEALS)?;
    Ok(fd)
}

/// Reads what [`create_blob`] put into the file.
///
/// # Errors
///
/// `EINVAL` when the descriptor is no sealed blob, `ENOMEM` without room.
pub fn read_blob(fd: BorrowedFd<'_>) -> io::Result<Vec<u8>> {
    if !fcntl_get_seals(fd)?.contains(BLOB_SEALS) {
        return Err(invalid("a blob that is not sealed: it could change while it is read"));
    }
    let len = usize::try_from(fstat(fd)?.st_size).map_err(|_| Errno::INVAL)?;
    let mut bytes = vec![0; len];
    let mut filled = 0;
    while filled < len {
        filled += match retry_on_intr(|| pread(fd, &mut bytes[filled..], filled as u64))? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            count => count,
        };
    }
    Ok(bytes)
}

/// An anonymous file that can be sealed and never executed, where the kernel knows that (6.3).
fn memfd(name: &str) -> io::Result<OwnedFd> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    match memfd_create(name, flags | MemfdFlags::NOEXEC_SEAL) {
        Err(Errno::INVAL) => Ok(memfd_create(name, flags)?),
        outcome => Ok(outcome?),
    }
}

fn invalid(message: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::io::FdFlags;
    use std::io::Write;
    use std::os::unix::fs::FileExt;

    fn pages_in_use(segment: &Segment) -> u64 {
        fstat(segment.fd()).unwrap().st_blocks.unsigned_abs() * 512 / page_size() as u64
    }

    #[test]
    fn is_sparse_until_reserved_and_after_release() {
        let segment = Segment::create("test", 64 << 30).unwrap();
        assert_eq!(pages_in_use(&segment), 0);
        segment.reserve(page_size(), 3 * page_size()).unwrap();
        assert_eq!(pages_in_use(&segment), 3);
        segment.release(page_size(), 3 * page_size()).unwrap();
        assert_eq!(pages_in_use(&segment), 0);
    }

    #[test]
    fn two_mappings_show_the_same_bytes() {
        let ours = Segment::create("test", 1).unwrap();
        ours.reserve(0, ours.len()).unwrap();
        let theirs = Segment::attach(ours.fd().try_clone_to_owned().unwrap()).unwrap();
        assert_eq!((ours.len(), theirs.len()), (page_size(), page_size()));
        assert_ne!(ours.as_ptr(), theirs.as_ptr());
        // SAFETY: offset 7 lies inside the first page, which is mapped, reserved, and used by this
        // thread alone.
        unsafe { ours.as_ptr().wrapping_add(7).write_volatile(42) };
        // SAFETY: as above, in the other mapping.
        assert_eq!(unsafe { theirs.as_ptr().wrapping_add(7).read_volatile() }, 42);
    }

    #[test]
    fn a_long_range_is_reserved_whole_and_zero() {
        let segment = Segment::create("test", 8 * HUGE).unwrap();
        assert!(segment.as_ptr().addr().is_multiple_of(HUGE));
        let (offset, len) = (HUGE - page_size(), 3 * HUGE);
        segment.reserve_long(offset, len).unwrap();
        assert_eq!(pages_in_use(&segment), (len / page_size()) as u64);
        for at in (offset..offset + len).step_by(page_size()) {
            // SAFETY: a byte of a mapped and reserved range that this thread alone uses.
            assert_eq!(unsafe { segment.as_ptr().wrapping_add(at).read_volatile() }, 0);
        }
        segment.release(offset, len).unwrap();
        assert_eq!(pages_in_use(&segment), 0);
        assert!(segment.reserve_long(7 * HUGE, 2 * HUGE).is_err());
    }

    #[test]
    fn reserving_keeps_what_is_there() {
        let segment = Segment::create("test", 2 * page_size()).unwrap();
        segment.reserve(0, page_size()).unwrap();
        // SAFETY: the first byte of a mapped and reserved page, used by this thread alone.
        unsafe { segment.as_ptr().write_volatile(9) };
        segment.reserve(0, 2 * page_size()).unwrap();
        // SAFETY: as above.
        assert_eq!(unsafe { segment.as_ptr().read_volatile() }, 9);
    }

    #[test]
    fn the_size_cannot_change() {
        let segment = Segment::create("test", 1).unwrap();
        assert_eq!(ftruncate(segment.fd(), 0), Err(Errno::PERM));
        assert_eq!(ftruncate(segment.fd(), 1 << 20), Err(Errno::PERM));
    }

    #[test]
    fn ranges_outside_are_refused() {
        let segment = Segment::create("test", page_size()).unwrap();
        for (offset, len) in [(0, page_size() + 1), (page_size(), 1), (usize::MAX, 1), (0, 0)] {
            let error = segment.reserve(offset, len).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "({offset}, {len})");
            assert!(segment.release(offset, len).is_err(), "({offset}, {len})");
        }
    }

    #[test]
    fn nonsense_sizes_and_names_are_refused() {
        for (name, len) in [("test", 0), ("test", usize::MAX), ("a\0b", 1), (&*"x".repeat(300), 1)]
        {
            assert!(Segment::create(name, len).is_err(), "({name:?}, {len})");
        }
    }

    #[test]
    fn a_file_that_can_be_cut_off_is_refused() {
        let unsealed = memfd("test").unwrap();
        ftruncate(&unsealed, 4096).unwrap();
        assert_eq!(Segment::attach(unsealed).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }

    #[test]
    fn descriptors_close_on_exec() {
        let segment = Segment::create("test", 1).unwrap();
        assert_eq!(rustix::io::fcntl_getfd(segment.fd()), Ok(FdFlags::CLOEXEC));
    }

    #[test]
    fn a_blob_comes_back_and_cannot_change() {
        for bytes in [vec![], vec![5; 3_000_000]] {
            let fd = create_blob("test", &bytes).unwrap();
            assert_eq!(read_blob(fd.as_fd()).unwrap(), bytes);
            assert_eq!(rustix::io::pwrite(&fd, b"x", 0), Err(Errno::PERM));
        }
    }

    #[test]
    fn a_log_is_written_at_its_end_by_everyone_and_can_be_emptied() {
        let log = create_log("test").unwrap();
        let other = log.try_clone().unwrap();
        (&log).write_all(b"one ").unwrap();
        (&other).write_all(b"two ").unwrap();
        let mut bytes = [0; 16];
        assert_eq!(log.read_at(&mut bytes, 0).unwrap(), 8);
        log.set_len(0).unwrap();
        (&other).write_all(b"three").unwrap();
        assert_eq!(log.read_at(&mut bytes, 0).unwrap(), 5);
    }

    #[test]
    fn a_blob_that_could_change_is_refused() {
        let segment = Segment::create("test", 1).unwrap();
        assert_eq!(read_blob(segment.fd()).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }
}
