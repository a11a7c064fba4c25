//! The real socket behind [`Wire`].

use core::time::Duration;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use manyhands_os::doorbell::{self, Listen};

use super::wire::{First, Heard, Rung, Wire};

/// One end's socket, a stream socket of `manyhands_os::doorbell`.
#[derive(Debug)]
pub(super) struct Socket(pub(super) OwnedFd);

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Socket {
    fn hear(&self, listen: Listen, limit: Option<Duration>) -> Heard {
        match doorbell::wait(&self.0, listen, limit) {
            Ok(doorbell::Heard::Byte) => Heard::Byte,
            Ok(doorbell::Heard::HangUp) => Heard::HangUp,
            Ok(doorbell::Heard::TimedOut) => Heard::TimedOut,
            Ok(doorbell::Heard::Interrupted) => Heard::Interrupted,
            Err(_) => Heard::Broken,
        }
    }
}

fn first(found: doorbell::First) -> First {
    match found {
        doorbell::First::Bell => First::Bell,
        doorbell::First::Other => First::Other,
        doorbell::First::Nothing | doorbell::First::End => First::Nothing,
    }
}

impl Wire for Socket {
    fn ring(&self) -> Rung {
        match doorbell::ring(&self.0) {
            doorbell::Rung::Done => Rung::Done,
            doorbell::Rung::Full => Rung::Full,
            doorbell::Rung::Gone => Rung::Gone,
        }
    }

    fn take(&self) -> First {
        first(doorbell::take(&self.0))
    }

    fn peek(&self) -> First {
        first(doorbell::peek(&self.0))
    }

    fn is_open(&self) -> bool {
        doorbell::is_open(&self.0)
    }

    fn wait(&self, limit: Option<Duration>) -> Heard {
        self.hear(Listen::Bell, limit)
    }

    fn wait_end(&self, limit: Option<Duration>) -> Heard {
        self.hear(Listen::HangUp, limit)
    }
}
