//! A descriptor that knows which file it was made for.
//!
//! A program may close whatever is open (`os.closerange`, as daemons do) and open files of its own,
//! which get the numbers that were ours. So who writes, reads or sends a signal through such a
//! descriptor asks first ([`Own::own`]), and one whose number has become another's is not closed.
//!
//! It compares device and inode. Event descriptors share theirs with all that have no file (before
//! Linux 6.9 pidfds do, too): among those the number alone decides. It refuses to open anything.

use rustix::fs::fstat;
use rustix::io::Errno;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

/// What owns a descriptor, and what that meant when it was made.
#[derive(Debug)]
pub struct Own<T: AsFd> {
    /// None only while it is dropped or given away.
    held: Option<T>,
    file: Option<(u64, u64)>,
}

impl<T: AsFd> Own<T> {
    /// Notes what it means now.
    #[must_use]
    pub fn new(held: T) -> Self {
        Self { file: file(&held), held: Some(held) }
    }

    /// Whether the number still means the file that it meant.
    #[must_use]
    pub fn is_own(&self) -> bool {
        self.held.as_ref().is_some_and(|held| file(held) == self.file)
    }

    /// What owns the descriptor, to be written to or read from.
    ///
    /// # Errors
    ///
    /// `EBADF` when somebody has closed it behind our back.
    pub fn own(&self) -> io::Result<&T> {
        if self.is_own() { Ok(self.held()) } else { Err(Errno::BADF.into()) }
    }

    /// It is given away.
    #[must_use]
    pub fn into_inner(mut self) -> T {
        self.held.take().expect("it is there as long as it can be asked")
    }

    fn held(&self) -> &T {
        self.held.as_ref().expect("it is there as long as it can be asked")
    }
}

fn file(fd: impl AsFd) -> Option<(u64, u64)> {
    fstat(fd).ok().map(|found| (found.st_dev, found.st_ino))
}

impl<T: AsFd> AsFd for Own<T> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.held().as_fd()
    }
}

impl<T: AsFd> Drop for Own<T> {
    fn drop(&mut self) {
        if !self.is_own() {
            // Its number is somebody else's to close.
            std::mem::forget(self.held.take());
        }
    }
}

#[cfg(test)]
#[expect(unsafe_code, reason = "the tests close a descriptor behind its owner's back")]
mod tests {
    use super::*;
    use std::fs::File;
    use std::io::Read;
    use std::os::fd::AsRawFd;

    #[test]
    fn another_file_under_the_number_is_neither_used_nor_closed() {
        let (reader, _writer) = io::pipe().unwrap();
        let own = Own::new(reader);
        assert!(own.is_own() && own.own().is_ok());
        let mut another = File::open("/proc/self/stat").unwrap();
        // SAFETY: both numbers are open; the first one comes to mean the second one's file, and
        // whoever owns it is what is tried here.
        let moved = unsafe { libc::dup2(another.as_raw_fd(), own.as_fd().as_raw_fd()) };
        assert_eq!(moved, own.as_fd().as_raw_fd());
        assert!(!own.is_own());
        assert_eq!(own.own().unwrap_err().raw_os_error(), Some(libc::EBADF));
        drop(own);
        // SAFETY: the number is still open, since nobody has closed it, and nobody else's.
        assert_eq!(unsafe { libc::close(moved) }, 0);
        assert!(another.read(&mut [0]).is_ok());
    }
}
