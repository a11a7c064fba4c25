//! One message on its way out of the ring.
//!
//! ```text
//! `receiving` <- ours
//! arrive   wait until the ring is not empty; skip pieces of a message whose begin is gone
//! read     copy; head <- behind it. A large one piece by piece, as they come
//! `receiving` <- free (`Words::leave`: the socket tells the truth)
//! ```
//!
//! It can be stopped at each wait and go on later, and let others receive meanwhile ([`Receiving::step_aside`])
//! unless it is in the middle of a message. Who gives up in the middle of a large message
//! ([`Receiving::suspend`]) may come back to it: as long as nobody else has read on, it goes on where it was.
//! A receiver that is killed before it moved `head` has read nothing; in the middle of a large message it
//! takes that message with it.

use core::convert::Infallible;
use core::mem::{self, MaybeUninit};
use core::time::Duration;
use std::time::Instant;

use super::bell::Arrived;
use super::ring::{HEADER, Header, Kind};
use super::watch::SOON;
use super::way::Way;
use crate::sync::{Deadline, Wait, spin_until};

/// What has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    /// Bytes of content.
    pub len: usize,
    /// What its sender called it.
    pub label: u8,
}

/// How an attempt to receive ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Read<T> {
    /// With a message.
    Done(T),
    /// The time was up.
    TimedOut,
    /// A signal arrived.
    Interrupted,
    /// Nobody is left who could send one, and nothing is left to read.
    End,
    /// The rest of a large message does not come: its sender gave up or died. Something else is there.
    Lost,
    /// What lies in the ring is no message.
    Damaged,
    /// The socket cannot be polled.
    Broken,
}

/// A message that is being received.
#[derive(Debug)]
#[must_use]
pub struct Receiving<'a> {
    way: Way<'a>,
    locked: bool,
    large: bool,
    arrival: Option<Arrival>,
    filled: usize,
}

/// Where somebody stopped in the middle of a large message.
#[derive(Debug)]
pub struct Suspended {
    head: u64,
    arrival: Arrival,
    filled: usize,
}

impl<'a> Receiving<'a> {
    pub(super) const fn new(way: Way<'a>) -> Self {
        Self { way, locked: false, large: false, arrival: None, filled: 0 }
    }

    /// Goes on with a message if nobody has read on since; waits for the lock at most for `limit`.
    pub(super) fn resume(mut self, at: &Suspended, limit: Option<Duration>) -> Wait<Option<Self>> {
        self.lock(limit).map(|()| {
            self.arrival = Some(at.arrival);
            self.filled = at.filled;
            self.large = true;
            (self.way.words.head() == at.head).then_some(self)
        })
    }

    /// Waits for a message, at most for `limit` (`None`: without end; zero: it is there or not).
    pub fn arrive(&mut self, limit: Option<Duration>) -> Read<Arrival> {
        if let Some(arrival) = self.arrival {
            return Read::Done(arrival);
        }
        let deadline = Deadline::after(limit);
        match if self.locked { Wait::Ready(()) } else { self.lock(limit) } {
            Wait::Ready(()) => {}
            Wait::TimedOut => return Read::TimedOut,
            Wait::Interrupted => return Read::Interrupted,
        }
        loop {
            let header = match self.next(deadline) {
                Ok(header) => header,
                Err(ended) => return ended.map(|never| match never {}),
            };
            match (header.kind, usize::try_from(header.len)) {
                (Kind::More, _) => self.pass(self.way.words.head(), header),
                (Kind::Whole | Kind::First, Ok(len)) => {
                    let arrival = Arrival { len, label: header.label };
                    (self.arrival, self.filled, self.large) = (Some(arrival), 0, false);
                    return Read::Done(arrival);
                }
                (_, Err(_)) => return Read::Damaged,
            }
        }
    }

    /// Copies the message that has arrived into `out`, which has its length; waits for pieces at most for
    /// `limit`. After `TimedOut` and `Interrupted` it can be called again with the same `out`.
    ///
    /// After `Lost`, [`Receiving::arrive`] finds what is there instead.
    pub fn read(&mut self, out: &mut [MaybeUninit<u8>], limit: Option<Duration>) -> Read<()> {
        let deadline = Deadline::after(limit);
        if self.filled == 0 && !self.large {
            let (head, tail) = (self.way.words.head(), self.way.words.tail());
            let Some(header) = self.way.ring.header(head, tail) else { return Read::Damaged };
            if header.kind == Kind::Whole {
                return self.read_whole(head, header, out);
            }
            self.large = true;
            self.pass(head, header);
        }
        self.read_pieces(out, deadline)
    }

    fn read_whole(&mut self, head: u64, header: Header, out: &mut [MaybeUninit<u8>]) -> Read<()> {
        if header.len != out.len() as u64 {
            return Read::Damaged;
        }
        self.way.ring.get(head.wrapping_add(HEADER), out);
        self.pass(head, header);
        self.arrival = None;
        Read::Done(())
    }

    fn read_pieces(&mut self, out: &mut [MaybeUninit<u8>], deadline: Deadline) -> Read<()> {
        while self.filled < out.len() {
            let header = match self.next(deadline) {
                Ok(header) => header,
                Err(Read::End) => {
                    self.arrival = None;
                    return Read::End;
                }
                Err(ended) => return ended.map(|never| match never {}),
            };
            let rest = &mut out[self.filled..];
            let fits =
                usize::try_from(header.len).ok().filter(|len| (1..=rest.len()).contains(len));
            let (Kind::More, Some(len)) = (header.kind, fits) else {
                self.arrival = None;
                return Read::Lost;
            };
            let head = self.way.words.head();
            self.way.ring.get(head.wrapping_add(HEADER), &mut rest[..len]);
            self.pass(head, header);
            self.filled += len;
        }
        self.arrival = None;
        Read::Done(())
    }

    /// The record at `head` is done with.
    #[inline]
    fn pass(&self, head: u64, header: Header) {
        self.way.words.free(head.wrapping_add(header.size()));
    }

    /// Waits for a record and looks at it.
    fn next(&mut self, deadline: Deadline) -> Result<Header, Read<Infallible>> {
        let words = self.way.words;
        while words.is_empty() {
            match self.wait(deadline) {
                Arrived::Message => {}
                Arrived::TimedOut => return Err(Read::TimedOut),
                Arrived::Interrupted => return Err(Read::Interrupted),
                Arrived::End => return Err(Read::End),
                Arrived::Broken => return Err(Read::Broken),
                Arrived::Foreign => {
                    let deaf = words.wait_deaf(self.way.socket, deadline.left());
                    if deaf == Arrived::TimedOut && deadline.is_over() {
                        return Err(Read::TimedOut);
                    }
                }
            }
        }
        words.enter(self.way.socket, &self.way.ring);
        self.way.ring.header(words.head(), words.tail()).ok_or(Read::Damaged)
    }

    /// Watches the ring for a while, then sleeps.
    #[cold]
    fn wait(&self, deadline: Deadline) -> Arrived {
        let (words, watch, begin) = (self.way.words, self.way.watch, Instant::now());
        let left = deadline.left();
        let length = watch.length();
        if spin_until(|| !words.is_empty(), length.min(left.unwrap_or(length))) {
            watch.learn(true);
            return Arrived::Message;
        }
        let arrived = words.wait_message(&self.way.ear(), left);
        watch.learn(arrived == Arrived::Message && begin.elapsed() < SOON);
        arrived
    }

    /// Waits until there is a message or anything else, and takes nothing.
    pub(super) fn look(mut self, limit: Option<Duration>) -> Arrived {
        let deadline = Deadline::after(limit);
        match self.lock(limit) {
            _ if !self.way.words.is_empty() => Arrived::Message,
            Wait::Ready(()) => self.wait(deadline),
            Wait::TimedOut => Arrived::TimedOut,
            Wait::Interrupted => Arrived::Interrupted,
        }
    }

    fn lock(&mut self, limit: Option<Duration>) -> Wait<()> {
        let locked = self.way.words.receive(self.way.live, limit);
        self.locked = locked == Wait::Ready(());
        locked
    }

    /// After `TimedOut` and `Interrupted`, if no message has arrived yet: others may receive, until it goes
    /// on as if it were new. `false` in the middle of a message: nobody else can receive.
    pub fn step_aside(&mut self) -> bool {
        let outside = self.arrival.is_none();
        if outside && mem::take(&mut self.locked) {
            self.way.words.leave(&self.way.ear(), &self.way.ring);
        }
        outside
    }

    /// Stops. If it was in the middle of a large message: where.
    #[must_use]
    pub fn suspend(self) -> Option<Suspended> {
        let arrival = self.arrival.filter(|_| self.locked && self.large)?;
        Some(Suspended { head: self.way.words.head(), arrival, filled: self.filled })
    }
}

impl Suspended {
    /// What is being read.
    #[must_use]
    pub const fn arrival(&self) -> Arrival {
        self.arrival
    }
}

impl<T> Read<T> {
    fn map<U>(self, change: impl FnOnce(T) -> U) -> Read<U> {
        match self {
            Self::Done(value) => Read::Done(change(value)),
            Self::TimedOut => Read::TimedOut,
            Self::Interrupted => Read::Interrupted,
            Self::End => Read::End,
            Self::Lost => Read::Lost,
            Self::Damaged => Read::Damaged,
            Self::Broken => Read::Broken,
        }
    }
}

impl Drop for Receiving<'_> {
    fn drop(&mut self) {
        if self.locked {
            self.way.words.leave(&self.way.ear(), &self.way.ring);
        }
    }
}
