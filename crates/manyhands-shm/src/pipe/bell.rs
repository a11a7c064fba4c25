//! When a direction's socket holds a byte: the protocol between ring, doorbell and sleep.
//!
//! A *run* is a row of messages that one byte in the socket stands for. The rule: **while the ring is not
//! empty its first run's byte is in the socket, or its sender is about to send it.** So the descriptor
//! is readable whenever there is something to read, from the first message on, and nobody has to ring
//! when it is asked for. What is saved is the other half: as long as nobody but us looks at the socket, the
//! byte stays when the ring has run empty, and the next message finds it there. A conversation of two
//! that spin makes no system call for its doorbells.
//!
//! ```text
//! SILENT   no byte. Whoever makes a message visible rings
//! RINGING  a sender is about to send the byte, or has just done so
//! RUNG     the byte is in the socket; it stands for whatever is in the ring
//!
//! sender, holds `sending`                        receiver, holds `receiving`, has seen the ring empty
//! 1. bell SILENT? RINGING                        a. bell RUNG -> SILENT
//! 2. write the record; tail <- behind it         b. fence(SeqCst)
//! 3. fence(SeqCst)                               c. ring not empty? SILENT -> RUNG; if that fails, take a byte
//! 4. not ringing, bell SILENT? RINGING           d. ring empty: take a byte
//! 5. ringing: send a byte; bell <- RUNG
//! ```
//!
//! The receiver goes through a to d (`withdraw`) before it sleeps, and, once it is *exact*, whenever it has
//! emptied the ring. Why no message is left without a byte: of the fences 3 and b one comes first. If 3
//! does, c sees the message and takes the withdrawal back, while its byte is still there. If b does, 4
//! sees SILENT. Every change of SILENT into RINGING brings one byte, every step d and every failed c takes
//! one: so the count is exact.
//!
//! **Exact** means: the socket is readable exactly while the ring is not empty. Somebody has asked for the
//! number of the descriptor (`fileno`, `wait`, a handle to be sent), so all copies of this end keep to it from
//! now on. Only receivers read the word: whether a message rings does not depend on it, so there is no
//! moment between the switch and a sleep in which a message could be lost. An exact receiver also waits
//! until the sender of the message it took has done its step 5: else that byte came when the ring is empty.
//!
//! **Barrier**: open files travel over the same socket (`send_handle`), and must keep their place among the
//! messages. After somebody has asked for the number on the sending side, the next message begins a run of
//! its own: RUNG -> RINGING, and its record is marked. The receiver that comes to a marked record takes one
//! byte, that of the run before. So bytes = (bell is not SILENT) + (marked records in the ring).
//!
//! | killed | left | repaired |
//! | --- | --- | --- |
//! | sender after 1 or 4, before 5 is done | RINGING, with the byte or without | the next sender: SILENT, `doubt`; or an exact receiver that finds it dead |
//! | sender between 2 and 4 | a message without a byte | the receiver looks again after its slice; the next message rings |
//! | receiver in a to d | a byte too many, perhaps | the next one is told by its lock: `doubt` |
//!
//! In `doubt` the bytes are counted anew once the ring is empty, with both locks held, so that nobody can
//! ring meanwhile. The receiver takes `sending` while it holds `receiving`, never the other way round, and
//! gives up as soon as the ring is not empty, since a sender without room holds `sending` for long.

use core::time::Duration;

use super::wire::{First, Heard, Rung, Wire};
use super::words::Words;
use crate::atomic::{Ordering, fence};
use crate::sync::{Deadline, Liveness, Locked, Slices, Wait, spin_until};

const SILENT: u32 = 0;
const RINGING: u32 = 1;
const RUNG: u32 = 2;

/// How long an exact receiver watches a sender that is about to ring.
const MOMENT: Duration = Duration::from_micros(20);
/// How long it then sleeps for its lock before it looks at the ring again.
const GLANCE: Duration = Duration::from_millis(1);
/// So often it does, a second at least, before it leaves a sender that does not go on.
const TRIES: u32 = if cfg!(loom) { u32::MAX } else { 1000 };
/// As above, while bytes of others lie in the socket, so that a ring cannot be heard.
const DEAF: Duration = Duration::from_millis(5);

/// Whether a message rings, as decided before its record is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Announced {
    /// There is a byte that stands for it.
    Covered,
    /// It brings a byte.
    Rings {
        /// Its record is to be marked: it begins a run behind one that is still there.
        marked: bool,
    },
}

/// What became of a message that was published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Published {
    /// It is there.
    Quietly,
    /// It is there, and its byte was sent: the receiver sleeps, or is exact.
    Rang,
    /// It is there, and nobody can read it.
    Gone,
}

/// The marks of records, which lie in the ring.
pub trait Marks {
    /// Takes the mark off the record at that position; whether there was one.
    fn unmark(&self, at: u64) -> bool;
}

/// Why the wait for a message ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Arrived {
    /// The ring is not empty.
    Message,
    /// The time was up.
    TimedOut,
    /// A signal arrived.
    Interrupted,
    /// The ring is empty, and nobody can fill it any more.
    End,
    /// The ring is empty, but there is something else in the socket: an open file, most likely.
    Foreign,
    /// The socket cannot be polled.
    Broken,
}

/// A receiver's socket and who it is: what the functions below need besides the words.
#[derive(Debug)]
pub struct Ear<'a, W, L> {
    /// The socket.
    pub wire: &'a W,
    /// Who lives, and who we are.
    pub live: &'a L,
}

/// The sender's half. It holds `sending`.
impl Words {
    /// Takes the lock, at most within `limit`.
    #[inline]
    pub fn send(&self, live: &impl Liveness, limit: Option<Duration>) -> Wait<()> {
        self.sender.sending.lock(live, limit).map(|how| {
            if how == Locked::Recovered {
                self.recover_sender();
            }
        })
    }

    /// Gives the lock back.
    #[inline]
    pub fn done(&self, live: &impl Liveness) {
        self.sender.sending.unlock(live.me());
    }

    /// Before the record is written.
    #[inline]
    pub fn announce(&self) -> Announced {
        let barrier = &self.sender.barrier;
        let wanted =
            barrier.load(Ordering::Relaxed) != 0 && barrier.swap(0, Ordering::Relaxed) != 0;
        loop {
            match self.bell.0.load(Ordering::Relaxed) {
                RUNG if !wanted => return Announced::Covered,
                RUNG if self.turn(RUNG, RINGING) => return Announced::Rings { marked: true },
                SILENT if self.turn(SILENT, RINGING) => return Announced::Rings { marked: false },
                SILENT | RUNG => {}
                _ => self.recover_sender(),
            }
        }
    }

    /// The record is written: makes it visible, and rings.
    #[inline]
    pub fn publish(&self, tail: u64, announced: Announced, wire: &impl Wire) -> Published {
        self.tail.0.store(tail, Ordering::Release);
        if announced == Announced::Covered {
            fence(Ordering::SeqCst);
            if self.bell.0.load(Ordering::Relaxed) != SILENT || !self.turn(SILENT, RINGING) {
                return Published::Quietly;
            }
        }
        self.ring(wire)
    }

    /// In a model: a sender that is killed before it can ring.
    #[cfg(loom)]
    pub fn publish_and_die(&self, tail: u64) {
        self.tail.0.store(tail, Ordering::Release);
    }

    /// In a model: a sender that is killed after it has sent the byte, before it could say so.
    #[cfg(loom)]
    pub fn ring_and_die(&self, tail: u64, wire: &impl Wire) {
        self.tail.0.store(tail, Ordering::Release);
        let _ = wire.ring();
    }

    #[cold]
    fn ring(&self, wire: &impl Wire) -> Published {
        let rung = wire.ring();
        if rung == Rung::Full {
            // The bytes that are there make it readable; the count is off by one.
            self.receiver.doubt.store(1, Ordering::Relaxed);
        }
        self.bell.0.swap(RUNG, Ordering::AcqRel);
        if rung == Rung::Gone { Published::Gone } else { Published::Rang }
    }

    /// The last sender died with the lock: it may have sent a byte or not.
    #[cold]
    fn recover_sender(&self) {
        // A word that means nothing was written over: what is in the socket is not known either.
        if !matches!(self.bell.0.load(Ordering::Acquire), SILENT | RUNG) {
            self.receiver.doubt.store(1, Ordering::Relaxed);
            self.bell.0.swap(SILENT, Ordering::AcqRel);
        }
    }

    /// The sending side is about to send something over the socket by itself.
    pub fn set_barrier(&self) {
        self.sender.barrier.store(1, Ordering::Relaxed);
    }

    fn turn(&self, from: u32, to: u32) -> bool {
        self.bell.0.compare_exchange(from, to, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }
}

/// The receiver's half. It holds `receiving`, unless it says otherwise.
impl Words {
    /// Takes the lock if it is free.
    #[inline]
    pub fn try_receive(&self, live: &impl Liveness) -> bool {
        let locked = self.receiver.receiving.try_lock(live.me());
        locked.inspect(|how| self.look_back(*how)).is_some()
    }

    /// Takes the lock, at most within `limit`.
    pub fn receive(&self, live: &impl Liveness, limit: Option<Duration>) -> Wait<()> {
        self.receiver.receiving.lock(live, limit).map(|how| self.look_back(how))
    }

    fn look_back(&self, how: Locked) {
        if how == Locked::Recovered {
            self.receiver.doubt.store(1, Ordering::Relaxed);
        }
    }

    /// Whether readers of the descriptor rely on it.
    #[inline]
    pub fn is_exact(&self) -> bool {
        self.receiver.exact.load(Ordering::Relaxed) != 0
    }

    /// Somebody has asked for the number of the descriptor. Does not hold `receiving`: whoever does
    /// either sees the word when it leaves, or looks once more after it has given the lock back.
    pub fn set_exact(&self, ear: &Ear<'_, impl Wire, impl Liveness>, marks: &impl Marks) {
        if self.receiver.exact.swap(1, Ordering::Relaxed) != 0 {
            return;
        }
        fence(Ordering::SeqCst);
        if self.try_receive(ear.live) {
            self.leave(ear, marks);
        }
    }

    /// Comes to the record at `head`: if it is marked, the run before it is over.
    #[inline]
    pub fn enter(&self, wire: &impl Wire, marks: &impl Marks) {
        // The mark first: killed between the two it leaves a byte too many, never one too few.
        if marks.unmark(self.head()) {
            self.take_byte(wire);
        }
    }

    /// Gives the lock back; before that the socket is made to tell the truth, if anybody relies on it.
    #[inline]
    pub fn leave(&self, ear: &Ear<'_, impl Wire, impl Liveness>, marks: &impl Marks) {
        let exact = self.is_exact();
        if exact {
            self.tidy(ear, marks);
        }
        self.receiver.receiving.unlock(ear.live.me());
        if !exact {
            // Pairs with the one in `set_exact`: one comes first, so either it gets the lock, or we see
            // the word.
            fence(Ordering::SeqCst);
            if self.is_exact() && self.try_receive(ear.live) {
                self.tidy(ear, marks);
                self.receiver.receiving.unlock(ear.live.me());
            }
        }
    }

    /// Makes the socket readable exactly while the ring is not empty.
    ///
    /// A sender that stands still in the middle of its steps is given up after a while: the socket is in doubt
    /// then, and the next one who tidies counts anew.
    fn tidy(&self, ear: &Ear<'_, impl Wire, impl Liveness>, marks: &impl Marks) {
        for _ in 0..TRIES {
            if !self.is_empty() {
                return self.enter(ear.wire, marks);
            }
            let in_doubt = self.receiver.doubt.load(Ordering::Relaxed) != 0;
            match self.bell.0.load(Ordering::Acquire) {
                RUNG if !in_doubt => self.withdraw(ear.wire),
                SILENT if !in_doubt && self.is_settled() => return,
                _ => self.settle(ear),
            }
        }
        self.receiver.doubt.store(1, Ordering::Relaxed);
    }

    /// Whether no byte is in the socket and none is on its way: nobody holds `sending`, and what the last
    /// one did is seen.
    fn is_settled(&self) -> bool {
        let nobody = self.sender.sending.owner().is_none();
        fence(Ordering::Acquire);
        nobody && self.bell.0.load(Ordering::Acquire) == SILENT
    }

    /// Takes the byte out, unless the ring is no longer empty.
    fn withdraw(&self, wire: &impl Wire) {
        if !self.turn(RUNG, SILENT) {
            return;
        }
        fence(Ordering::SeqCst);
        // A sender that saw SILENT meanwhile has sent a second byte, or is about to.
        if self.is_empty() || !self.turn(SILENT, RUNG) {
            self.take_byte(wire);
        }
    }

    /// Takes the byte of a run. In doubt it may not be there: what others have sent is left alone.
    fn take_byte(&self, wire: &impl Wire) {
        if self.receiver.doubt.load(Ordering::Relaxed) == 0 || wire.peek() == First::Bell {
            wire.take();
        }
    }

    /// The ring was empty, and a sender is at work, or was, or the count of bytes is in doubt: waits
    /// until it can be told, or there is a message.
    #[cold]
    fn settle(&self, ear: &Ear<'_, impl Wire, impl Liveness>) {
        let in_doubt = self.receiver.doubt.load(Ordering::Relaxed) != 0;
        let told =
            || !self.is_empty() || self.bell.0.load(Ordering::Acquire) == RUNG || self.is_settled();
        if !in_doubt && spin_until(told, MOMENT) {
            return;
        }
        if self.send(ear.live, Some(GLANCE)) != Wait::Ready(()) {
            return;
        }
        if self.is_empty() {
            while ear.wire.peek() == First::Bell {
                ear.wire.take();
            }
            self.bell.0.swap(SILENT, Ordering::AcqRel);
            self.receiver.doubt.store(0, Ordering::Relaxed);
        }
        self.done(ear.live);
    }

    /// Sleeps until the ring is not empty or the other side is gone.
    pub fn wait_message(
        &self,
        ear: &Ear<'_, impl Wire, impl Liveness>,
        limit: Option<Duration>,
    ) -> Arrived {
        let deadline = Deadline::after(limit);
        let mut slices = Slices::new();
        loop {
            if !self.hush(ear.wire) {
                return Arrived::Message;
            }
            let heard = ear.wire.wait(deadline.slice(slices.length()));
            if !self.is_empty() {
                return Arrived::Message;
            }
            match heard {
                Heard::HangUp => return Arrived::End,
                Heard::Interrupted => return Arrived::Interrupted,
                Heard::Broken => return Arrived::Broken,
                Heard::Byte if self.is_foreign(ear) => return Arrived::Foreign,
                Heard::Byte | Heard::TimedOut => {}
            }
            if deadline.is_over() {
                return Arrived::TimedOut;
            }
        }
    }

    /// As [`Words::wait_message`], after it has told of something foreign: whoever wants a message goes on
    /// waiting, in short sleeps.
    pub fn wait_deaf(&self, wire: &impl Wire, limit: Option<Duration>) -> Arrived {
        let heard = wire.wait_end(Some(limit.map_or(DEAF, |limit| limit.min(DEAF))));
        match heard {
            _ if !self.is_empty() => Arrived::Message,
            Heard::HangUp => Arrived::End,
            Heard::Interrupted => Arrived::Interrupted,
            Heard::Broken => Arrived::Broken,
            Heard::Byte | Heard::TimedOut => Arrived::TimedOut,
        }
    }

    /// Before a sleep: takes the byte out, so that the next message rings. Whether the ring is still empty.
    fn hush(&self, wire: &impl Wire) -> bool {
        loop {
            if !self.is_empty() {
                return false;
            }
            if self.bell.0.load(Ordering::Acquire) != RUNG {
                return true;
            }
            self.withdraw(wire);
        }
    }

    /// There is a byte, and yet the ring is empty: whether somebody else sent it.
    #[cold]
    fn is_foreign(&self, ear: &Ear<'_, impl Wire, impl Liveness>) -> bool {
        if self.bell.0.load(Ordering::Acquire) == RUNG {
            return false;
        }
        if ear.wire.peek() == First::Other {
            return true;
        }
        self.settle(ear);
        false
    }
}
