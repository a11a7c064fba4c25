//! What a direction of a pipe needs of its socket: rings, and the end of the other side.
//!
//! A trait, so that the models check the protocol of `bell.rs` over a socket of their own. The real one
//! is `manyhands_os::doorbell`; both count bytes and keep their order.

use core::time::Duration;

/// What became of a ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Rung {
    /// The byte is on its way.
    Done,
    /// There is no room for one more byte; so there are bytes.
    Full,
    /// All copies of the other side are closed.
    Gone,
}

/// What lies first in the socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum First {
    /// A ring.
    Bell,
    /// A byte that somebody else sent: it goes with an open file, most likely.
    Other,
    /// No byte.
    Nothing,
}

/// How a sleep on the socket ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Heard {
    /// There is a byte.
    Byte,
    /// All copies of the other side are closed.
    HangUp,
    /// The time was up.
    TimedOut,
    /// A signal handler ran in this thread.
    Interrupted,
    /// The descriptor cannot be polled: somebody closed it behind our back.
    Broken,
}

/// One end's socket.
pub trait Wire {
    /// Sends one byte to the other side.
    fn ring(&self) -> Rung;
    /// Takes the first byte out.
    fn take(&self) -> First;
    /// What [`Wire::take`] would take.
    fn peek(&self) -> First;
    /// Whether a copy of the other side is open.
    fn is_open(&self) -> bool;
    /// Sleeps until there is a byte or the other side is gone, at most for `limit`.
    fn wait(&self, limit: Option<Duration>) -> Heard;
    /// Sleeps until the other side is gone, whatever bytes there are.
    fn wait_end(&self, limit: Option<Duration>) -> Heard;
}
