//! One message on its way into the ring.
//!
//! ```text
//! is the other side open? no: Gone. `sending` <- ours
//! one with a weight     wait until so much may be under way (`load.rs`)
//! a small message   room for all of it; record; publish
//! a large one       FIRST and the first piece; publish; piece after piece, as there is room
//! `sending` <- free
//! ```
//!
//! A sender without room sleeps on its parking word in the block; it looks every 50 ms whether the other side
//! still exists. It can be stopped at each wait and go on later, or be dropped: then what there is of a
//! large message is thrown away by the receiver. Between two waits it can let others send
//! ([`Sending::step_aside`]), unless it is in the middle of a message.

use core::mem;
use core::time::Duration;

use super::bell::{Announced, Published};
use super::ring::{HEADER, Header, Kind, LONGEST};
use super::way::Way;
use crate::sync::{Deadline, OWNED_SLICE, Wait};

/// Up to this a message is one record.
const SMALL: u64 = 32 << 10;
/// The pieces of a large one: both sides copy at the same time.
const PIECE: u64 = 32 << 10;
/// How long a sender watches for room before it sleeps.
const SPIN: Duration = Duration::from_micros(50);

/// A message: one byte for whoever reads it, and its content in two parts.
#[derive(Debug, Clone, Copy)]
pub struct Parcel<'a> {
    /// What kind of content it is.
    pub label: u8,
    /// The content.
    pub parts: [&'a [u8]; 2],
}

impl Parcel<'_> {
    /// Bytes of content.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.parts[0].len() + self.parts[1].len()
    }

    /// Whether there is no content.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Hands out `len` bytes of content from `from` on, in one or two slices.
    fn slices(&self, from: usize, len: usize) -> [&[u8]; 2] {
        let [first, second] = self.parts;
        let split = first.len();
        let one = &first[from.min(split)..(from + len).min(split)];
        let two = &second[from.saturating_sub(split)..(from + len).saturating_sub(split)];
        [one, two]
    }
}

/// How an attempt to send ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Sent {
    /// The message is in the ring.
    Done,
    /// The time was up.
    TimedOut,
    /// A signal arrived.
    Interrupted,
    /// Nobody is left who could read it.
    Gone,
    /// Longer than a message can be.
    TooLong,
    /// The words of the ring make no sense: somebody has written over them.
    Damaged,
}

/// A message that is being sent.
#[derive(Debug)]
#[must_use]
pub struct Sending<'a> {
    way: Way<'a>,
    parcel: Parcel<'a>,
    /// Bytes of shared memory elsewhere that it keeps.
    weight: u64,
    locked: bool,
    begun: bool,
    sent: usize,
    /// How far is to be received before it is drained.
    until: Option<u64>,
}

impl<'a> Sending<'a> {
    pub(super) const fn new(way: Way<'a>, parcel: Parcel<'a>) -> Self {
        Self { way, parcel, weight: 0, locked: false, begun: false, sent: 0, until: None }
    }

    /// The same message, which stands for so many bytes of shared memory elsewhere.
    pub const fn weighing(mut self, bytes: u64) -> Self {
        self.weight = bytes;
        self
    }

    /// Goes on, at most for `limit` (`None`: without end; zero: only as far as nothing has to be waited
    /// for). After `TimedOut` and `Interrupted` it can be called again.
    pub fn advance(&mut self, limit: Option<Duration>) -> Sent {
        match self.attempt(Deadline::after(limit), limit) {
            Ok(()) => Sent::Done,
            Err(ended) => ended,
        }
    }

    fn attempt(&mut self, deadline: Deadline, limit: Option<Duration>) -> Result<(), Sent> {
        self.enter(deadline, limit)?;
        if self.parcel.len() as u64 <= SMALL {
            self.send_whole(deadline)?;
        } else {
            self.send_pieces(deadline)?;
        }
        let words = self.way.words;
        words.load.add(self.weight, words.tail(), words.head());
        Ok(())
    }

    /// Waits until nothing has to be waited for any more but the pieces of a large message: `Done` then, and
    /// [`Sending::advance`] is next. Until then nobody else sends, unless it steps aside.
    pub fn admit(&mut self, limit: Option<Duration>) -> Sent {
        let deadline = Deadline::after(limit);
        let need = HEADER + (self.parcel.len() as u64).min(SMALL).next_multiple_of(HEADER);
        let outcome = self.enter(deadline, limit);
        match outcome.and_then(|()| self.wait_room(need, need, deadline)) {
            Ok(()) => Sent::Done,
            Err(ended) => ended,
        }
    }

    /// Waits until everything that was sent before its first call (or has come in before it could look) has been
    /// received.
    pub fn drain(&mut self, limit: Option<Duration>) -> Sent {
        let deadline = Deadline::after(limit);
        let outcome = self.hold(limit);
        let words = self.way.words;
        let outcome = outcome.map(|()| *self.until.get_or_insert_with(|| words.tail()));
        match outcome.and_then(|until| self.wait_read(until, deadline)) {
            Ok(()) => Sent::Done,
            Err(ended) => ended,
        }
    }

    /// After `TimedOut` and `Interrupted`, if nothing of the message is in the ring yet: others may send, until
    /// it goes on as if it were new. `false` in the middle of a message: nobody else can send.
    pub fn step_aside(&mut self) -> bool {
        if !self.begun && mem::take(&mut self.locked) {
            self.way.words.done(self.way.live);
        }
        !self.begun
    }

    /// Takes `sending`, and waits until the message may be added to what is under way.
    fn enter(&mut self, deadline: Deadline, limit: Option<Duration>) -> Result<(), Sent> {
        self.hold(limit)?;
        if self.weight == 0 || self.begun {
            return Ok(());
        }
        let words = self.way.words;
        self.wait_read(words.load.awaits(self.weight).min(words.tail()), deadline)
    }

    fn hold(&mut self, limit: Option<Duration>) -> Result<(), Sent> {
        if self.locked { Ok(()) } else { self.lock(limit) }
    }

    /// Whether it has no more than so many bytes of content.
    #[must_use]
    pub const fn is_short(&self, most: usize) -> bool {
        self.parcel.len() <= most
    }

    /// Whether some of it, or all, is in the ring already.
    #[must_use]
    pub const fn is_begun(&self) -> bool {
        self.begun
    }

    fn lock(&mut self, limit: Option<Duration>) -> Result<(), Sent> {
        if self.parcel.len() as u64 > LONGEST {
            return Err(Sent::TooLong);
        }
        if !self.way.is_open() {
            return Err(Sent::Gone);
        }
        match self.way.words.send(self.way.live, limit) {
            Wait::Ready(()) => {
                self.locked = true;
                Ok(())
            }
            Wait::TimedOut => Err(Sent::TimedOut),
            Wait::Interrupted => Err(Sent::Interrupted),
        }
    }

    fn send_whole(&mut self, deadline: Deadline) -> Result<(), Sent> {
        let len = self.parcel.len();
        let header =
            Header { kind: Kind::Whole, marked: false, label: self.parcel.label, len: len as u64 };
        self.wait_room(header.size(), header.size(), deadline)?;
        let announced = self.way.words.announce();
        let tail = self.way.words.tail();
        self.way.ring.put_header(tail, Header { marked: is_marked(announced), ..header });
        self.put(tail.wrapping_add(HEADER), len);
        self.begun = true;
        self.publish(tail.wrapping_add(header.size()), announced)
    }

    fn send_pieces(&mut self, deadline: Deadline) -> Result<(), Sent> {
        let len = self.parcel.len();
        let whole = Header { kind: Kind::First, marked: false, label: 0, len: len as u64 };
        while self.sent < len {
            let rest = (len - self.sent) as u64;
            let piece = rest.min(PIECE);
            let part = Header { kind: Kind::More, marked: false, label: 0, len: piece };
            let first = if self.begun { 0 } else { HEADER };
            // Who has to wait waits for half the ring, so that the two take turns less often.
            let better = (rest + 2 * HEADER).min(self.way.ring.capacity() / 2);
            self.wait_room(first + part.size(), better.max(first + part.size()), deadline)?;
            let announced = self.way.words.announce();
            let mut tail = self.way.words.tail();
            if !self.begun {
                let marked = is_marked(announced);
                let header = Header { marked, label: self.parcel.label, ..whole };
                self.way.ring.put_header(tail, header);
                tail = tail.wrapping_add(HEADER);
            }
            self.way
                .ring
                .put_header(tail, Header { marked: self.begun && is_marked(announced), ..part });
            self.begun = true;
            self.put(tail.wrapping_add(HEADER), usize::try_from(piece).unwrap_or(usize::MAX));
            self.publish(tail.wrapping_add(part.size()), announced)?;
        }
        Ok(())
    }

    /// Copies the next `len` bytes of the content into the ring.
    fn put(&mut self, mut at: u64, len: usize) {
        for slice in self.parcel.slices(self.sent, len) {
            self.way.ring.put(at, slice);
            at = at.wrapping_add(slice.len() as u64);
        }
        self.sent += len;
    }

    fn publish(&self, tail: u64, announced: Announced) -> Result<(), Sent> {
        match self.way.words.publish(tail, announced, self.way.socket) {
            Published::Quietly => Ok(()),
            Published::Rang => {
                self.way.watch.woke_peer();
                Ok(())
            }
            Published::Gone => Err(Sent::Gone),
        }
    }

    /// Waits until `need` bytes are free; if it has to wait at all, for `better`.
    #[inline]
    fn wait_room(&self, need: u64, better: u64, deadline: Deadline) -> Result<(), Sent> {
        if self.free()? >= need { Ok(()) } else { self.wait_room_slowly(better, deadline) }
    }

    #[cold]
    fn wait_room_slowly(&self, need: u64, deadline: Deadline) -> Result<(), Sent> {
        let tail = self.way.words.tail();
        let head = tail.wrapping_add(need).saturating_sub(self.way.ring.capacity());
        self.wait_read_slowly(head, deadline)
    }

    /// Waits until the receiver has read as far as `head`.
    #[inline]
    fn wait_read(&self, head: u64, deadline: Deadline) -> Result<(), Sent> {
        if self.way.words.head() >= head { Ok(()) } else { self.wait_read_slowly(head, deadline) }
    }

    #[cold]
    fn wait_read_slowly(&self, head: u64, deadline: Deadline) -> Result<(), Sent> {
        let words = self.way.words;
        loop {
            if deadline.is_over() {
                return Err(Sent::TimedOut);
            }
            let interrupted = words.wait_room(head, deadline.slice(Some(OWNED_SLICE)), SPIN);
            self.free()?;
            if words.head() >= head {
                return Ok(());
            }
            if !self.way.is_open() {
                return Err(Sent::Gone);
            }
            if interrupted {
                return Err(Sent::Interrupted);
            }
        }
    }

    fn free(&self) -> Result<u64, Sent> {
        let tail = self.way.words.tail();
        let used = tail.wrapping_sub(self.way.words.head());
        let free = self.way.ring.capacity().checked_sub(used);
        free.filter(|_| tail.is_multiple_of(HEADER)).ok_or(Sent::Damaged)
    }
}

impl Drop for Sending<'_> {
    fn drop(&mut self) {
        if self.locked {
            self.way.words.done(self.way.live);
        }
    }
}

fn is_marked(announced: Announced) -> bool {
    announced == Announced::Rings { marked: true }
}
