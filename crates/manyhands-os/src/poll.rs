//! Waiting until one of several descriptors is ready.
//!
//! A thin face of `ppoll` with a deadline that survives signal handlers. "Ready" includes a
//! hang-up and an error: the caller then reads, and learns from that what happened.

use rustix::event::{PollFd, PollFlags, Timespec, poll as kernel_poll};
use rustix::io::Errno;
use std::io;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

/// What a descriptor is watched for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interest {
    /// There is something to read, or the other side is gone.
    Read,
    /// As [`Interest::Read`], and also when there is room to write.
    ReadOrWrite,
}

/// Waits until one of `fds` can be read or the other side is gone, at most for `timeout`
/// (`None`: without limit). Returns for each descriptor whether it is ready: none after a timeout.
///
/// # Errors
///
/// `EBADF` when the number of a descriptor is no longer open (someone closed it behind its
/// owner's back), `EINVAL` when there are more than the process may open, `ENOMEM`.
///
/// # Examples
///
/// ```
/// use manyhands_os::{event::EventFd, poll::poll};
/// use std::{os::fd::AsFd, time::Duration};
///
/// let event = EventFd::new()?;
/// assert_eq!(poll(&[event.as_fd()], Some(Duration::ZERO))?, [false]);
/// event.notify();
/// assert_eq!(poll(&[event.as_fd()], None)?, [true]);
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn poll(fds: &[BorrowedFd<'_>], timeout: Option<Duration>) -> io::Result<Vec<bool>> {
    let watched: Vec<_> = fds.iter().map(|fd| (*fd, Interest::Read)).collect();
    poll_for(&watched, timeout)
}

/// As [`poll`], with a choice of what each descriptor is watched for.
///
/// # Errors
///
/// Those of [`poll`].
pub fn poll_for(
    watched: &[(BorrowedFd<'_>, Interest)],
    timeout: Option<Duration>,
) -> io::Result<Vec<bool>> {
    let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
    let mut entries: Vec<_> = watched.iter().map(|(fd, interest)| entry(*fd, *interest)).collect();
    loop {
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        match kernel_poll(
            &mut entries,
            left.and_then(|left| Timespec::try_from(left).ok()).as_ref(),
        ) {
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
            Ok(_) => return entries.iter().map(readiness).collect(),
        }
    }
}

/// Whether an error says that a descriptor is no longer open.
///
/// # Examples
///
/// ```
/// use manyhands_os::poll::is_closed;
///
/// assert!(is_closed(&std::io::Error::from_raw_os_error(9)));
/// ```
#[must_use]
pub fn is_closed(error: &io::Error) -> bool {
    Errno::from_io_error(error) == Some(Errno::BADF)
}

fn entry(fd: BorrowedFd<'_>, interest: Interest) -> PollFd<'_> {
    let flags = match interest {
        Interest::Read => PollFlags::IN,
        Interest::ReadOrWrite => PollFlags::IN | PollFlags::OUT,
    };
    PollFd::from_borrowed_fd(fd, flags)
}

fn readiness(entry: &PollFd<'_>) -> io::Result<bool> {
    let events = entry.revents();
    if events.contains(PollFlags::NVAL) {
        // Reported as ready it would make every loop above spin.
        return Err(Errno::BADF.into());
    }
    Ok(!events.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{event::EventFd, socket};
    use std::os::fd::AsFd;

    #[test]
    fn tells_which_is_ready() {
        let (idle, raised) = (EventFd::new().unwrap(), EventFd::new().unwrap());
        raised.notify();
        assert_eq!(poll(&[idle.as_fd(), raised.as_fd()], None).unwrap(), [false, true]);
    }

    #[test]
    fn a_timeout_reports_none_ready() {
        let idle = EventFd::new().unwrap();
        assert_eq!(poll(&[idle.as_fd()], Some(Duration::from_millis(1))).unwrap(), [false]);
    }

    #[test]
    fn a_closed_peer_is_ready() {
        let (ours, theirs) = socket::pair().unwrap();
        drop(theirs);
        assert_eq!(poll(&[ours.as_fd()], None).unwrap(), [true]);
    }

    #[test]
    fn room_to_write_counts_only_when_asked_for() {
        let (ours, _theirs) = socket::pair().unwrap();
        let zero = Some(Duration::ZERO);
        assert_eq!(poll_for(&[(ours.as_fd(), Interest::Read)], zero).unwrap(), [false]);
        assert_eq!(poll_for(&[(ours.as_fd(), Interest::ReadOrWrite)], zero).unwrap(), [true]);
    }

    #[test]
    fn an_endless_timeout_is_taken_as_none() {
        let raised = EventFd::new().unwrap();
        raised.notify();
        assert_eq!(poll(&[raised.as_fd()], Some(Duration::MAX)).unwrap(), [true]);
    }
}
