//! Messages between two processes that can carry open descriptors.
//!
//! A pair of sequenced-packet sockets: a message arrives whole or not at all, in order, and the
//! descriptors that were sent with it arrive with it, closed on exec. Neither side ever blocks
//! here: a full or an empty socket is [`io::ErrorKind::WouldBlock`], and waiting is
//! [`poll`](crate::poll::poll)'s work.
//!
//! A message is at most some 200 KiB (the kernel's `wmem_default`) and carries at most
//! [`MAX_FDS`] descriptors; larger content travels as a descriptor of
//! [a blob](crate::memory::create_blob).

use rustix::io::{Errno, IoSlice, IoSliceMut, retry_on_intr};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags,
    SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg,
    sendmsg, socketpair,
};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// How many descriptors one message can carry (`SCM_MAX_FD`).
pub const MAX_FDS: usize = 253;

/// Two ends of one connection; both close on exec.
///
/// # Errors
///
/// `EMFILE` and `ENFILE` without descriptors, `ENOMEM`.
pub fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    let flags = SocketFlags::CLOEXEC;
    Ok(socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?)
}

/// Sends one message, whole, with second names of `fds`.
///
/// # Errors
///
/// `WouldBlock` when the socket is full, `EPIPE` or `ECONNRESET` when the other side is gone (no
/// SIGPIPE is raised), `EMSGSIZE` when the message is larger than a socket holds, `EINVAL` for an
/// empty message (it would read as the end) or more than [`MAX_FDS`] descriptors,
/// `ETOOMANYREFS` when this user has too many descriptors under way.
pub fn send(socket: impl AsFd, bytes: &[u8], fds: &[BorrowedFd<'_>]) -> io::Result<()> {
    if bytes.is_empty() || fds.len() > MAX_FDS {
        return Err(Errno::INVAL.into());
    }
    let rights = SendAncillaryMessage::ScmRights(fds);
    let mut space = vec![MaybeUninit::uninit(); rights.size()];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !fds.is_empty() && !control.push(rights) {
        return Err(Errno::NOBUFS.into());
    }
    let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
    let sent = retry_on_intr(|| sendmsg(&socket, &[IoSlice::new(bytes)], &mut control, flags))?;
    debug_assert_eq!(sent, bytes.len(), "a packet is sent whole");
    Ok(())
}

/// Receives one message into `buffer` with at most `max_fds` descriptors; returns how many bytes
/// it had. Zero bytes are the end: the other side is gone, and all that it sent has been read.
///
/// Instead of the descriptors there is `None` when some were lost: they were more than expected, or met
/// this process's limit of open ones. The others are closed; the bytes are all there.
///
/// # Errors
///
/// `WouldBlock` when there is no message, and `InvalidData` when the message was larger than `buffer`:
/// such a message is lost, and its descriptors are closed.
pub fn recv(
    socket: impl AsFd,
    buffer: &mut [u8],
    max_fds: usize,
) -> io::Result<(usize, Option<Vec<OwnedFd>>)> {
    let mut space = vec![MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(max_fds))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC;
    let message = loop {
        match recvmsg(&socket, &mut [IoSliceMut::new(buffer)], &mut control, flags) {
            // Told once, and before the messages that are still there: the other side went away
            // with messages of ours unread. It says nothing about what it had sent.
            Err(Errno::INTR | Errno::CONNRESET) => {}
            outcome => break outcome?,
        }
    };
    let fds: Vec<_> = control.drain().flat_map(descriptors).collect();
    if message.flags.contains(ReturnFlags::TRUNC) {
        let text = "a message was larger than expected";
        return Err(io::Error::new(io::ErrorKind::InvalidData, text));
    }
    let complete = !message.flags.contains(ReturnFlags::CTRUNC) && fds.len() <= max_fds;
    Ok((message.bytes, complete.then_some(fds)))
}

fn descriptors(message: RecvAncillaryMessage<'_>) -> Vec<OwnedFd> {
    match message {
        RecvAncillaryMessage::ScmRights(fds) => fds.collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::EventFd;
    use rustix::io::FdFlags;

    fn kind<T: std::fmt::Debug>(outcome: io::Result<T>) -> io::ErrorKind {
        outcome.unwrap_err().kind()
    }

    #[test]
    fn messages_keep_their_bounds_and_order() {
        let (ours, theirs) = pair().unwrap();
        send(&ours, b"one", &[]).unwrap();
        send(&ours, b"three", &[]).unwrap();
        let mut buffer = [0; 16];
        assert_eq!(recv(&theirs, &mut buffer, 0).unwrap().0, 3);
        assert_eq!(recv(&theirs, &mut buffer, 0).unwrap().0, 5);
        assert_eq!(&buffer[..5], b"three");
        assert_eq!(kind(recv(&theirs, &mut buffer, 0)), io::ErrorKind::WouldBlock);
    }

    #[test]
    fn descriptors_arrive_with_their_message_and_close_on_exec() {
        let (ours, theirs) = pair().unwrap();
        let event = EventFd::new().unwrap();
        send(&ours, b"x", &[event.as_fd(), event.as_fd()]).unwrap();
        let mut fds = recv(&theirs, &mut [0; 4], 2).unwrap().1.unwrap();
        assert_eq!(fds.len(), 2);
        assert_eq!(rustix::io::fcntl_getfd(&fds[0]), Ok(FdFlags::CLOEXEC));
        EventFd::from_fd(fds.remove(0)).notify();
        assert!(event.drain());
    }

    #[test]
    fn of_more_descriptors_than_expected_only_the_bytes_arrive() {
        let (ours, theirs) = pair().unwrap();
        let event = EventFd::new().unwrap();
        let fds = [event.as_fd(); 9];
        for max_fds in [0, 1, 2, 3, 8] {
            send(&ours, b"x", &fds).unwrap();
            let (length, fds) = recv(&theirs, &mut [0; 4], max_fds).unwrap();
            assert_eq!((length, fds.is_some()), (1, false));
        }
        send(&ours, b"x", &fds).unwrap();
        assert_eq!(recv(&theirs, &mut [0; 4], 9).unwrap().1.unwrap().len(), 9);
    }

    #[test]
    fn a_message_larger_than_the_buffer_is_an_error() {
        let (ours, theirs) = pair().unwrap();
        send(&ours, b"12345", &[]).unwrap();
        assert_eq!(kind(recv(&theirs, &mut [0; 4], 0)), io::ErrorKind::InvalidData);
    }

    #[test]
    fn messages_that_cannot_be_sent_are_refused() {
        let (ours, _theirs) = pair().unwrap();
        assert_eq!(kind(send(&ours, b"", &[])), io::ErrorKind::InvalidInput);
        let many = vec![ours.as_fd(); MAX_FDS + 1];
        assert_eq!(kind(send(&ours, b"x", &many)), io::ErrorKind::InvalidInput);
        let error = send(&ours, &vec![0; 64 << 20], &[]).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EMSGSIZE));
    }

    #[test]
    fn a_full_socket_does_not_block() {
        let (ours, _theirs) = pair().unwrap();
        let refused = std::iter::repeat_with(|| send(&ours, &[0; 4096], &[])).find(Result::is_err);
        assert_eq!(kind(refused.unwrap()), io::ErrorKind::WouldBlock);
    }

    #[test]
    fn what_was_sent_is_there_after_the_sender_went_away_with_our_messages_unread() {
        let (ours, theirs) = pair().unwrap();
        send(&ours, b"unread", &[]).unwrap();
        send(&theirs, b"one", &[]).unwrap();
        send(&theirs, b"three", &[]).unwrap();
        drop(theirs);
        let mut buffer = [0; 16];
        let lengths = [(); 4].map(|()| recv(&ours, &mut buffer, 0).unwrap().0);
        assert_eq!(lengths, [3, 5, 0, 0]);
    }

    #[test]
    fn the_end_is_zero_bytes_for_the_reader_and_an_error_for_the_writer() {
        let (ours, theirs) = pair().unwrap();
        drop(theirs);
        assert_eq!(recv(&ours, &mut [0; 4], 0).unwrap().0, 0);
        assert_eq!(kind(send(&ours, b"x", &[])), io::ErrorKind::BrokenPipe);
    }
}
