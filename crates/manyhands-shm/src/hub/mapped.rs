//! A hub's page in shared memory, and the only cast of it.
#![expect(unsafe_code, reason = "maps shared memory onto typed atomics")]

use std::io;
use std::os::fd::OwnedFd;

use manyhands_os::memory::Segment;

use super::page::Page;
use crate::park::Parker;

/// A multiple of every page size that Linux uses here, so that the segment's size is never rounded up.
const LEN: usize = size_of::<Page>().next_multiple_of(64 << 10);

/// The page, mapped in this process.
#[derive(Debug)]
pub struct Hub {
    segment: Segment,
}

impl Hub {
    /// Makes the page for a machine on which `cores` threads can run at once, and the descriptor with
    /// which others map it: the page does not hold one.
    ///
    /// # Errors
    /// Whatever the kernel says when no memory file can be made, mapped or filled.
    pub fn create(cores: usize) -> io::Result<(Self, OwnedFd)> {
        let mut segment = Segment::create("manyhands-hub", LEN)?;
        segment.reserve(0, size_of::<Page>())?;
        let fd = segment.take_fd().ok_or(io::ErrorKind::NotFound)?;
        let hub = Self { segment };
        hub.page().set_cores(u32::try_from(cores).unwrap_or(u32::MAX));
        Ok((hub, fd))
    }

    /// Maps the page that the parent made.
    ///
    /// # Errors
    /// If the file is not a sealed memory file of the page's size.
    pub fn attach(fd: OwnedFd) -> io::Result<Self> {
        let mut segment = Segment::attach(fd)?;
        drop(segment.take_fd());
        if segment.len() != LEN {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "this memory file is not a hub",
            ));
        }
        Ok(Self { segment })
    }

    #[expect(clippy::cast_ptr_alignment, reason = "a segment begins on a page")]
    fn page(&self) -> &Page {
        // SAFETY: the segment has LEN >= size_of::<Page>() bytes (made or checked so), is page-aligned
        // and mapped as long as `self` lives; every field is an atomic for which any bytes are valid, and
        // no `&mut` to it exists anywhere.
        unsafe { &*self.segment.as_ptr().cast::<Page>() }
    }

    /// Where the parent's waiting thread sleeps.
    #[must_use]
    pub fn leader(&self) -> &Parker {
        &self.page().leader
    }

    /// Worker, after it has said in its lane that it is dry: whether the supervisor wants to know.
    #[must_use]
    pub fn wants_attention(&self) -> bool {
        self.page().wants_attention()
    }

    /// Parent: says whether it wants to know of lanes that run dry. Then it looks at all lanes: a worker
    /// that was dry before may tell nobody.
    pub fn set_attention(&self, wanted: bool) {
        self.page().set_attention(wanted);
    }

    /// Says whether the worker on a seat uses a core (the parent says it for one that died).
    pub fn set_awake(&self, seat: usize, awake: bool) {
        self.page().set_awake(seat, awake);
    }

    /// Parent: says whether its waiting thread uses a core.
    pub fn set_parent_awake(&self, awake: bool) {
        self.page().set_parent_awake(awake);
    }

    /// Whether everybody who is awake has a core, so that a short busy wait takes it from nobody.
    #[must_use]
    pub fn has_spare_core(&self) -> bool {
        self.page().has_spare_core()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_see_one_page() {
        let (here, fd) = Hub::create(1).unwrap();
        let there = Hub::attach(fd).unwrap();
        there.set_awake(7, true);
        assert!(here.has_spare_core());
        here.set_parent_awake(true);
        assert!(!there.has_spare_core());
        here.set_attention(true);
        assert!(there.wants_attention());
        there.leader().wake();
        assert!(!here.leader().is_parked());
    }

    #[test]
    fn another_file_is_no_hub() {
        let segment = Segment::create("other", 4096).unwrap();
        assert!(Hub::attach(segment.fd().try_clone_to_owned().unwrap()).is_err());
    }
}
