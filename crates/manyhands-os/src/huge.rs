//! Huge pages, where the kernel grants them: for shared memory, and for a long row of private memory that is about to
//! be filled.
//!
//! The kernel makes a huge page of a range when it is told to (`MADV_COLLAPSE`, Linux 6.1): it zeroes two
//! megabytes in one step, where small pages cost 512 faults, and whoever maps the memory afterwards has one entry for
//! them. That works under every setting of `transparent_hugepage/shmem_enabled` but `deny`. One small page has to be
//! there before, in each of them. Of private memory it is enough to say so beforehand (`MADV_HUGEPAGE`).
//!
//! Refuses: to fail. Where there is no huge page, small ones are as good: whoever asked allocates those that are
//! missing in any case.
#![expect(unsafe_code, reason = "advice about memory that the caller has mapped")]
#![expect(clippy::disallowed_types, reason = "one time that no model needs to see")]

use std::io;
use std::mem::MaybeUninit;
use std::ops::Range;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustix::io::retry_on_intr;
use rustix::mm::{Advice, madvise};

use crate::clock;

/// Bytes of a huge page; where the kernel's are larger there are none for us.
pub(crate) const HUGE: usize = 2 << 20;
/// As in the kernel's headers.
const MADV_COLLAPSE: libc::c_int = 25;
/// After a refusal nobody asks for so long: to look for two megabytes in a row in vain takes time.
const PAUSE: Duration = Duration::from_secs(5);

/// When the kernel may be asked again, in nanoseconds of the monotonic clock.
static NOT_BEFORE: AtomicU64 = AtomicU64::new(0);

/// The whole huge pages in a range of bytes of something that begins on one.
pub(crate) fn whole(offset: usize, len: usize) -> Option<Range<usize>> {
    let begin = offset.checked_next_multiple_of(HUGE)?;
    let end = offset.checked_add(len)? / HUGE * HUGE;
    (begin < end).then_some(begin..end)
}

/// Whether it is worth to ask the kernel now.
pub(crate) fn is_likely() -> bool {
    clock::monotonic_ns() >= NOT_BEFORE.load(Ordering::Relaxed)
}

/// Puts a range that begins and ends on huge pages onto such, where the kernel can.
///
/// # Safety
///
/// The range is mapped, and stays so meanwhile.
pub(crate) unsafe fn collapse(start: NonNull<u8>, len: usize) {
    // SAFETY: the range is mapped, as the caller vouches; its content stays as it is.
    let outcome = unsafe { libc::madvise(start.as_ptr().cast(), len, MADV_COLLAPSE) };
    if outcome != 0 && io::Error::last_os_error().raw_os_error() != Some(libc::EINTR) {
        let pause = u64::try_from(PAUSE.as_nanos()).unwrap_or(u64::MAX);
        NOT_BEFORE.store(clock::monotonic_ns().saturating_add(pause), Ordering::Relaxed);
    }
}

/// Lets the kernel use huge pages for room that will be filled soon: 512 faults less for each. For less than one of
/// them, and where the kernel has none, this does nothing.
///
/// # Examples
/// ```
/// let mut squares = Vec::with_capacity(1_000_000);
/// manyhands_os::huge::advise(squares.spare_capacity_mut());
/// squares.extend((0..1_000_000_u64).map(|x| x * x));
/// ```
pub fn advise<T>(room: &mut [MaybeUninit<T>]) {
    let before = room.as_mut_ptr().addr();
    let Some(whole) = whole(before, size_of_val(room)) else { return };
    let start = room.as_mut_ptr().wrapping_byte_add(whole.start - before);
    // SAFETY: the range lies in `room`, which is mapped and borrowed; the advice is about how its pages come to be, and
    // leaves what is in them as it is.
    let _advised = unsafe { madvise(start.cast(), whole.len(), Advice::LinuxHugepage) };
}

/// Enters a range into the tables of this process, which then has no fault for each page of it. A failure only
/// leaves the faults.
///
/// # Safety
///
/// The range is mapped, and its pages are there.
pub(crate) unsafe fn populate(start: NonNull<u8>, len: usize) {
    let advise = || {
        // SAFETY: the range is mapped, as the caller vouches; its content stays as it is.
        unsafe { madvise(start.as_ptr().cast(), len, Advice::LinuxPopulateWrite) }
    };
    let _populated = retry_on_intr(advise);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advice_changes_nothing_and_may_be_about_anything() {
        advise::<u64>(&mut []);
        for len in [1, 4096, HUGE, 5 * HUGE / 2] {
            let mut all: Vec<u8> = Vec::with_capacity(len + 3);
            all.extend([1, 2, 3]);
            advise(all.spare_capacity_mut());
            all.resize(len, 9);
            assert!(all.starts_with(&[1, 2, 3][..len.min(3)]));
            assert!(all.iter().skip(3).all(|byte| *byte == 9));
        }
    }

    #[test]
    fn only_whole_huge_pages_count() {
        assert_eq!(whole(0, HUGE), Some(0..HUGE));
        assert_eq!(whole(0, HUGE - 1), None);
        assert_eq!(whole(1, HUGE), None);
        assert_eq!(whole(4096, 3 * HUGE), Some(HUGE..3 * HUGE));
        assert_eq!(whole(usize::MAX, 1), None);
        assert_eq!(whole(0, usize::MAX), Some(0..usize::MAX / HUGE * HUGE));
    }
}
