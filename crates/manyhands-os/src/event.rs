//! An eventfd: a flag that one thread raises and another polls for.
//!
//! [`EventFd::notify`] raises it, from any thread and any process that holds it;
//! [`EventFd::drain`] lowers it. Many notifications before one drain are one: it says *that*
//! something happened, never how often, so the waker must have published what happened before it
//! notifies, and the waiter must look for all of it after it has drained.

use rustix::event::{EventfdFlags, eventfd};
use rustix::io::{Errno, read, retry_on_intr, write};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use crate::own::Own;

/// A non-blocking eventfd; closed on exec.
#[derive(Debug)]
pub struct EventFd(Own<OwnedFd>);

impl EventFd {
    /// A new one, not raised.
    ///
    /// # Errors
    ///
    /// The kernel's: `EMFILE` and `ENFILE` when there are no descriptors left, `ENOMEM`.
    pub fn new() -> io::Result<Self> {
        Ok(Self::from_fd(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?))
    }

    /// Takes over a descriptor that another process made with [`EventFd::new`].
    pub fn from_fd(fd: OwnedFd) -> Self {
        Self(Own::new(fd))
    }

    /// The kernel's own number of it, which no other one has at the same time; `None` where `/proc` does
    /// not tell. It changes when somebody closes the descriptor behind our back.
    ///
    /// # Examples
    ///
    /// ```
    /// use manyhands_os::event::EventFd;
    ///
    /// let (one, other) = (EventFd::new()?, EventFd::new()?);
    /// assert_eq!(one.identity(), one.identity());
    /// assert!(one.identity().is_none() || one.identity() != other.identity());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn identity(&self) -> Option<u64> {
        let path = format!("/proc/thread-self/fdinfo/{}", self.as_fd().as_raw_fd());
        let told = std::fs::read_to_string(path).ok()?;
        let line = told.lines().find_map(|line| line.strip_prefix("eventfd-id:"))?;
        line.trim().parse().ok()
    }

    /// Whether nobody has closed the descriptor behind our back, as far as its number can tell.
    pub fn is_own(&self) -> bool {
        self.0.is_own()
    }

    /// Raises the flag: a poll for this descriptor returns at once until it is drained. Nothing
    /// happens, here and in [`EventFd::drain`], where its number has become another file's.
    pub fn notify(&self) {
        let Ok(own) = self.0.own() else { return };
        let outcome = retry_on_intr(|| write(own, &1_u64.to_ne_bytes()));
        // Would-block means that the counter is full: it is raised, which is all that is asked.
        debug_assert!(matches!(outcome, Ok(8) | Err(Errno::AGAIN)), "eventfd write: {outcome:?}");
    }

    /// Lowers the flag and tells whether it was raised.
    pub fn drain(&self) -> bool {
        self.0.own().is_ok_and(|own| retry_on_intr(|| read(own, &mut [0; 8])).is_ok())
    }
}

impl AsFd for EventFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::poll::poll;
    use std::time::Duration;

    #[test]
    fn many_notifications_are_one() {
        let event = EventFd::new().unwrap();
        assert!(!event.drain());
        event.notify();
        event.notify();
        assert!(event.drain());
        assert!(!event.drain());
    }

    #[test]
    fn a_notification_ends_a_poll_elsewhere() {
        let event = EventFd::new().unwrap();
        std::thread::scope(|scope| {
            let waiter = scope.spawn(|| poll(&[event.as_fd()], Some(Duration::from_secs(20))));
            event.notify();
            assert_eq!(waiter.join().unwrap().unwrap(), [true]);
        });
    }

    #[test]
    fn a_full_counter_still_counts_as_raised() {
        let event = EventFd::new().unwrap();
        write(&event, &(u64::MAX - 1).to_ne_bytes()).unwrap();
        event.notify();
        assert!(event.drain());
    }
}
