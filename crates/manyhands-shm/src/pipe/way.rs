//! One direction of a pipe, as one end sees it: what sending and receiving work on.

use std::sync::Arc;

use super::bell::Ear;
use super::ring::Ring;
use super::socket::Socket;
use super::watch::Watch;
use super::wire::Wire;
use super::words::Words;
use crate::sync::{Liveness, Owner};
use crate::world::World;

/// Who lives, as the locks of a pipe ask: a process that has left gives nothing back any more.
#[derive(Debug)]
pub(super) struct Live(pub(super) Arc<World>);

impl Liveness for Live {
    fn is_alive(&self, owner: Owner) -> bool {
        self.0.internal().is_alive(owner)
    }

    #[inline]
    fn me(&self) -> Owner {
        self.0.me()
    }
}

/// One direction, as one end sees it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Way<'a> {
    pub(super) words: &'a Words,
    pub(super) ring: Ring,
    pub(super) socket: &'a Socket,
    pub(super) live: &'a Live,
    pub(super) watch: &'a Watch,
}

impl<'a> Way<'a> {
    /// Whether a copy of the other end is open.
    pub(super) fn is_open(&self) -> bool {
        self.socket.is_open()
    }

    /// What the words' receiving half needs.
    pub(super) const fn ear(&self) -> Ear<'a, Socket, Live> {
        Ear { wire: self.socket, live: self.live }
    }
}
