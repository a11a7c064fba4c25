//! A stream socket between two processes that rings: one byte says that there is something to see.
//!
//! What is to be seen lies in shared memory; the socket wakes whoever polls it, carries what others
//! send over its descriptor (open files), and tells when all copies of the other side are closed,
//! also by death. The byte of a ring has the value [`BELL`], which `multiprocessing`'s `sendfds` never
//! sends, so that the two are told apart.
//!
//! Nothing here blocks but [`wait`], which returns when a signal handler has run. Sockets are left in
//! blocking mode: others use them by their number, as they use any connection's.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, retry_on_intr};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socketpair,
};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

/// The byte of a ring. Whoever sends open files sends how many there are, at most 253.
pub const BELL: u8 = 0xff;

/// What became of a ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Rung {
    /// The byte is on its way.
    Done,
    /// The socket holds so many bytes that there is no room for one more.
    Full,
    /// All copies of the other side are closed.
    Gone,
}

/// What lies first in a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum First {
    /// A ring.
    Bell,
    /// A byte that somebody else sent.
    Other,
    /// No byte.
    Nothing,
    /// No byte, and none can come.
    End,
}

/// Why a [`wait`] ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Heard {
    /// There is a byte, and the other side is open.
    Byte,
    /// All copies of the other side are closed; there may be bytes.
    HangUp,
    /// The time was up.
    TimedOut,
    /// A signal handler ran in this thread.
    Interrupted,
}

/// What a [`wait`] waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listen {
    /// A byte, or the end.
    Bell,
    /// The end alone.
    HangUp,
}

/// Two ends of one connection; both close on exec.
///
/// # Errors
///
/// `EMFILE` and `ENFILE` without descriptors, `ENOMEM`.
pub fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?)
}

/// Sends the byte of a ring.
pub fn ring(socket: impl AsFd) -> Rung {
    match put(socket, &[BELL]) {
        Ok(_) => Rung::Done,
        Err(Errno::AGAIN | Errno::NOBUFS | Errno::NOMEM) => Rung::Full,
        Err(_) => Rung::Gone,
    }
}

/// Whether a copy of the other side is open. It sends nothing, and costs less than a poll.
pub fn is_open(socket: impl AsFd) -> bool {
    put(socket, &[]).is_ok()
}

fn put(socket: impl AsFd, bytes: &[u8]) -> rustix::io::Result<usize> {
    retry_on_intr(|| send(&socket, bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL))
}

/// Takes one byte out of the socket.
pub fn take(socket: impl AsFd) -> First {
    first(socket, RecvFlags::DONTWAIT)
}

/// What [`take`] would take.
pub fn peek(socket: impl AsFd) -> First {
    first(socket, RecvFlags::DONTWAIT | RecvFlags::PEEK)
}

fn first(socket: impl AsFd, flags: RecvFlags) -> First {
    let mut byte = [0];
    loop {
        match recv(&socket, &mut byte, flags) {
            // Told once, before the bytes that are there: the other side closed with unread bytes.
            Err(Errno::INTR | Errno::CONNRESET) => {}
            Err(Errno::AGAIN) => return First::Nothing,
            Ok((1, _)) if byte == [BELL] => return First::Bell,
            Ok((1, _)) => return First::Other,
            Ok(_) | Err(_) => return First::End,
        }
    }
}

/// Waits for a byte or the end, at most for `limit` (`None`: without end).
///
/// # Errors
///
/// `EBADF` when the number of the descriptor is no longer open (someone closed it behind its owner's
/// back), `ENOMEM`.
pub fn wait(socket: impl AsFd, listen: Listen, limit: Option<Duration>) -> io::Result<Heard> {
    let flags = match listen {
        Listen::Bell => PollFlags::IN,
        Listen::HangUp => PollFlags::empty(),
    };
    let mut entry = [PollFd::new(&socket, flags)];
    // A limit beyond the kernel's range is none.
    let limit = limit.and_then(|limit| Timespec::try_from(limit).ok());
    match poll(&mut entry, limit.as_ref()) {
        Err(Errno::INTR) => return Ok(Heard::Interrupted),
        Err(error) => return Err(error.into()),
        Ok(_) => {}
    }
    let events = entry[0].revents();
    if events.contains(PollFlags::NVAL) {
        return Err(Errno::BADF.into());
    }
    Ok(if events.intersects(PollFlags::HUP | PollFlags::ERR) {
        Heard::HangUp
    } else if events.is_empty() {
        Heard::TimedOut
    } else {
        Heard::Byte
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::io::{FdFlags, fcntl_getfd, write};

    const NOW: Option<Duration> = Some(Duration::ZERO);

    fn hear(socket: &OwnedFd, listen: Listen) -> Heard {
        wait(socket, listen, NOW).unwrap()
    }

    #[test]
    fn a_ring_is_heard_until_it_is_taken() {
        let (ours, theirs) = pair().unwrap();
        assert_eq!((hear(&theirs, Listen::Bell), take(&theirs)), (Heard::TimedOut, First::Nothing));
        assert_eq!(ring(&ours), Rung::Done);
        assert_eq!(hear(&theirs, Listen::Bell), Heard::Byte);
        assert_eq!(hear(&theirs, Listen::HangUp), Heard::TimedOut);
        assert_eq!((peek(&theirs), take(&theirs)), (First::Bell, First::Bell));
        assert_eq!(hear(&theirs, Listen::Bell), Heard::TimedOut);
        assert_eq!(fcntl_getfd(&ours), Ok(FdFlags::CLOEXEC));
    }

    #[test]
    fn asking_whether_it_is_open_sends_nothing() {
        let (ours, theirs) = pair().unwrap();
        assert!(is_open(&ours));
        assert_eq!(take(&theirs), First::Nothing);
        drop(theirs);
        assert!(!is_open(&ours));
        assert_eq!(ring(&ours), Rung::Gone);
    }

    #[test]
    fn rings_come_before_the_end() {
        let (ours, theirs) = pair().unwrap();
        assert_eq!((ring(&theirs), ring(&ours)), (Rung::Done, Rung::Done));
        drop(ours);
        assert_eq!(hear(&theirs, Listen::HangUp), Heard::HangUp);
        assert_eq!(
            (take(&theirs), take(&theirs), take(&theirs)),
            (First::Bell, First::End, First::End)
        );
    }

    #[test]
    fn the_end_is_heard_also_when_the_other_side_closed_with_unread_bytes() {
        let (ours, theirs) = pair().unwrap();
        assert_eq!(ring(&theirs), Rung::Done);
        drop(ours);
        assert_eq!(hear(&theirs, Listen::Bell), Heard::HangUp);
        assert_eq!(take(&theirs), First::End);
        assert_eq!(hear(&theirs, Listen::HangUp), Heard::HangUp);
    }

    #[test]
    fn bytes_of_others_are_no_rings() {
        let (ours, theirs) = pair().unwrap();
        write(&ours, &[1]).unwrap();
        assert_eq!((peek(&theirs), take(&theirs)), (First::Other, First::Other));
    }

    #[test]
    fn a_full_socket_does_not_block() {
        let (ours, _theirs) = pair().unwrap();
        let last = std::iter::repeat_with(|| ring(&ours)).find(|rung| *rung != Rung::Done);
        assert_eq!(last, Some(Rung::Full));
        assert!(is_open(&ours));
    }
}
