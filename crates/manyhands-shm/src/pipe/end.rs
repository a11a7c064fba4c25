//! One end of a pipe: a socket, and its part of a block of the world.
//!
//! ```text
//! block   0          Header: the words of both directions
//!         4096       the ring from the first end to the second, 256 KiB
//!         + 256 KiB  the ring from the second end to the first, if the pipe goes both ways
//! ```
//!
//! The second end of a pipe of one direction only reads. An end can be held by many processes: each has a
//! copy of the descriptor and a hold of the block.
#![expect(unsafe_code, reason = "finds the rings in the block")]

use core::time::Duration;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use manyhands_os::doorbell;

use super::bell::Arrived;
use super::receiving::{Read, Receiving, Suspended};
use super::ring::Ring;
use super::sending::{Parcel, Sending};
use super::socket::Socket;
use super::watch::Watch;
use super::way::{Live, Way};
use super::words::Words;
use crate::sync::Wait;
use crate::world::{Block, Fill, NoMemory, Plain, World};

/// Bytes of one direction's ring: more than a socket or a kernel's pipe holds.
const RING: usize = 256 << 10;
/// Where the rings begin.
const RINGS: usize = 4096;

#[derive(Debug, Default)]
#[repr(C)]
struct Header([Words; 2]);

const _: () = assert!(size_of::<Header>() <= RINGS, "the rings begin behind the words");

// SAFETY: repr(C), only atomics and words made of them, for which any bytes are valid; no pointers, and
// nothing in it depends on the process that looks.
unsafe impl Plain for Header {}

/// Which of the two ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Half {
    /// It sends on the first ring and receives on the second.
    First,
    /// The other way round.
    Second,
}

impl Half {
    /// The direction on which it sends.
    const fn outgoing(self) -> usize {
        match self {
            Self::First => 0,
            Self::Second => 1,
        }
    }

    /// The direction on which it receives.
    const fn incoming(self) -> usize {
        1 - self.outgoing()
    }
}

/// One end.
#[derive(Debug)]
pub struct End {
    /// Gone only in `drop`.
    socket: Option<Socket>,
    block: Block,
    live: Live,
    half: Half,
    watch: Watch,
}

/// Why there is no pipe.
#[derive(Debug)]
pub enum NoPipe {
    /// No shared memory.
    Memory(NoMemory),
    /// No descriptors.
    Socket(io::Error),
}

impl End {
    /// A new pipe: its first and its second end.
    ///
    /// # Errors
    /// When there is no memory or no descriptor left.
    pub fn pair(world: &Arc<World>, duplex: bool) -> Result<(Self, Self), NoPipe> {
        let len = RINGS + if duplex { 2 * RING } else { RING };
        let block = world.alloc(len, Fill::Zero).map_err(NoPipe::Memory)?;
        let (first, second) = doorbell::pair().map_err(NoPipe::Socket)?;
        let make = |socket, half| Self::new(block.clone(), socket, half);
        Ok((make(first, Half::First), make(second, Half::Second)))
    }

    /// An end whose descriptor and block came from another process. `None`: the block is no pipe's.
    #[must_use]
    pub fn adopt(block: Block, socket: OwnedFd, half: Half) -> Option<Self> {
        let is_pipe = [RINGS + RING, RINGS + 2 * RING].contains(&block.len());
        is_pipe.then(|| Self::new(block, socket, half))
    }

    fn new(block: Block, socket: OwnedFd, half: Half) -> Self {
        let live = Live(Arc::clone(block.world()));
        Self { socket: Some(Socket(socket)), block, live, half, watch: Watch::new() }
    }

    /// The block, to be adopted elsewhere.
    #[must_use]
    pub const fn block(&self) -> &Block {
        &self.block
    }

    /// Which end it is.
    #[must_use]
    pub const fn half(&self) -> Half {
        self.half
    }

    /// The descriptor. Who gives it to others calls [`End::share_socket`] first.
    #[must_use]
    pub fn socket(&self) -> BorrowedFd<'_> {
        self.wire().as_fd()
    }

    fn wire(&self) -> &Socket {
        self.socket.as_ref().expect("it is there until the end is dropped")
    }

    /// From now on the descriptor is readable exactly while there is a message, and what is sent over it keeps
    /// its place among the messages. May wait for a moment, until a sender has rung.
    pub fn share_socket(&self) {
        if let Some(way) = self.outgoing() {
            way.words.set_barrier();
        }
        if let Some(way) = self.incoming() {
            way.words.set_exact(&way.ear(), &way.ring);
        }
    }

    /// Whether [`End::share_socket`] would have to wait.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        self.incoming().is_none_or(|way| way.words.is_exact())
    }

    /// A message to be sent; `None` if this end only receives.
    pub fn send<'a>(&'a self, parcel: Parcel<'a>) -> Option<Sending<'a>> {
        Some(Sending::new(self.outgoing()?, parcel))
    }

    /// A message to be received; `None` if this end only sends.
    pub fn receive(&self) -> Option<Receiving<'_>> {
        Some(Receiving::new(self.incoming()?))
    }

    /// Goes on with a message that [`Receiving::suspend`] left; `None` if somebody else has read on.
    pub fn resume(&self, at: &Suspended, limit: Option<Duration>) -> Wait<Option<Receiving<'_>>> {
        self.receive().map_or(Wait::Ready(None), |receiving| receiving.resume(at, limit))
    }

    /// Whether there is a message, without a system call.
    #[inline]
    #[must_use]
    pub fn has_message(&self) -> bool {
        self.incoming().is_some_and(|way| !way.words.is_empty())
    }

    /// Waits at most for `limit` until there is a message, the end, or something else in the socket: all of
    /// them are `Done`.
    pub fn poll(&self, limit: Option<Duration>) -> Read<()> {
        let Some(receiving) = self.receive() else { return Read::End };
        match receiving.look(limit) {
            Arrived::Message | Arrived::End | Arrived::Foreign => Read::Done(()),
            Arrived::TimedOut => Read::TimedOut,
            Arrived::Interrupted => Read::Interrupted,
            Arrived::Broken => Read::Broken,
        }
    }

    fn outgoing(&self) -> Option<Way<'_>> {
        self.way(self.half.outgoing())
    }

    fn incoming(&self) -> Option<Way<'_>> {
        self.way(self.half.incoming())
    }

    #[inline]
    fn way(&self, index: usize) -> Option<Way<'_>> {
        let at = RINGS + index * RING;
        if at + RING > self.block.len() {
            return None;
        }
        let base = self.block.as_ptr().wrapping_add(at);
        // SAFETY: the ring lies inside the block (checked above), which is mapped as long as `self` lives and
        // aligned to 64 bytes; nobody makes references to its bytes.
        let ring = unsafe { Ring::new(base, RING as u64) };
        let words = &self.block.get::<Header>().0[index];
        let (socket, live, watch) = (self.wire(), &self.live, &self.watch);
        Some(Way { words, ring, socket, live, watch })
    }
}

impl Drop for End {
    fn drop(&mut self) {
        drop(self.socket.take());
        // Only now: whoever wakes asks whether we are gone.
        self.block.get::<Header>().0[self.half.incoming()].rouse_sender();
    }
}
