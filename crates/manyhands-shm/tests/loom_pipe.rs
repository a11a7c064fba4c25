//! Models of a pipe's ring and doorbell: no message is left without a wake, the switch to *exact* loses
//! none, and an exact socket is readable exactly while there is a message.
//!
//! The socket is a queue of bytes under a lock. A lost wake is a receiver that sleeps for ever, which the
//! model reports as a deadlock. Messages are one word long; their marks lie beside them.
#![cfg(loom)]
#![expect(clippy::unwrap_used, reason = "helpers of tests, outside of any test function")]

use core::time::Duration;
use std::collections::VecDeque;

use loom::sync::{Arc, Condvar, Mutex};
use loom::thread;
use manyhands_shm::atomic::{AtomicU32, Ordering};
use manyhands_shm::pipe::{Announced, Arrived, Ear, First, Heard, MOST, Marks, Rung, Wire, Words};
use manyhands_shm::sync::{Liveness, Owner, Wait};

const BELL: u8 = 0xff;
const FILE: u8 = 1;
const WORD: u64 = 8;

/// The socket from the sending end to the receiving one.
#[derive(Default)]
struct Socket {
    bytes: Mutex<VecDeque<u8>>,
    came: Condvar,
}

impl Socket {
    fn put(&self, byte: u8) {
        self.bytes.lock().unwrap().push_back(byte);
        self.came.notify_all();
    }

    fn content(&self) -> Vec<u8> {
        self.bytes.lock().unwrap().iter().copied().collect()
    }

    /// What `select` and `recv_handle` do: wait until it is readable.
    fn wait_byte(&self) -> u8 {
        let mut bytes = self.bytes.lock().unwrap();
        while bytes.is_empty() {
            bytes = self.came.wait(bytes).unwrap();
        }
        bytes[0]
    }
}

fn first(byte: Option<u8>) -> First {
    match byte {
        Some(BELL) => First::Bell,
        Some(_) => First::Other,
        None => First::Nothing,
    }
}

impl Wire for Socket {
    fn ring(&self) -> Rung {
        self.put(BELL);
        Rung::Done
    }

    fn take(&self) -> First {
        first(self.bytes.lock().unwrap().pop_front())
    }

    fn peek(&self) -> First {
        first(self.bytes.lock().unwrap().front().copied())
    }

    fn is_open(&self) -> bool {
        true
    }

    fn wait(&self, limit: Option<Duration>) -> Heard {
        if limit.is_some() {
            let empty = self.bytes.lock().unwrap().is_empty();
            return if empty { Heard::TimedOut } else { Heard::Byte };
        }
        self.wait_byte();
        Heard::Byte
    }

    fn wait_end(&self, _limit: Option<Duration>) -> Heard {
        Heard::TimedOut
    }
}

/// A process: its number, and which one is dead.
struct Process(u32, Option<u32>);

impl Liveness for Process {
    fn is_alive(&self, owner: Owner) -> bool {
        Some(owner.slot()) != self.1
    }

    fn me(&self) -> Owner {
        Owner::new(self.0, 1).unwrap()
    }

    fn slice(&self) -> Option<Duration> {
        self.1.map(|_| Duration::ZERO)
    }
}

#[derive(Default)]
struct Pipe {
    words: Words,
    socket: Socket,
    marks: [AtomicU32; 4],
}

impl Marks for Pipe {
    fn unmark(&self, at: u64) -> bool {
        let mark = &self.marks[usize::try_from(at / WORD).unwrap() % 4];
        mark.load(Ordering::Relaxed) != 0 && mark.swap(0, Ordering::Relaxed) != 0
    }
}

impl Pipe {
    fn announce(&self) -> (u64, Announced) {
        let announced = self.words.announce();
        let tail = self.words.tail();
        let marked = announced == Announced::Rings { marked: true };
        self.marks[usize::try_from(tail / WORD).unwrap() % 4]
            .store(marked.into(), Ordering::Relaxed);
        (tail + WORD, announced)
    }

    fn send(&self, sender: &Process) {
        assert_eq!(self.words.send(sender, None), Wait::Ready(()));
        let (tail, announced) = self.announce();
        let _ = self.words.publish(tail, announced, &self.socket);
        self.words.done(sender);
    }

    /// A message that stands for so much that the next one waits until it has been received.
    fn send_heavy(&self, sender: &Process) {
        assert_eq!(self.words.send(sender, None), Wait::Ready(()));
        let head = self.words.load.awaits(MOST).min(self.words.tail());
        while self.words.head() < head {
            self.words.wait_room(head, None, Duration::ZERO);
        }
        let (tail, announced) = self.announce();
        let _ = self.words.publish(tail, announced, &self.socket);
        self.words.load.add(MOST, tail, self.words.head());
        self.words.done(sender);
    }

    fn ear<'a>(&'a self, receiver: &'a Process) -> Ear<'a, Socket, Process> {
        Ear { wire: &self.socket, live: receiver }
    }

    /// `recv`: sleeps if it has to.
    fn receive(&self, receiver: &Process) {
        let ear = self.ear(receiver);
        assert_eq!(self.words.receive(receiver, None), Wait::Ready(()));
        while self.words.is_empty() {
            assert_eq!(self.words.wait_message(&ear, None), Arrived::Message);
        }
        self.take(receiver);
    }

    /// Takes the first message, and gives the lock back.
    fn take(&self, receiver: &Process) {
        self.words.enter(&self.socket, self);
        self.words.free(self.words.head() + WORD);
        self.words.leave(&self.ear(receiver), self);
    }

    /// `recv` of one who never sleeps: whether there was a message.
    fn try_receive(&self, receiver: &Process) -> bool {
        if !self.words.try_receive(receiver) {
            return false;
        }
        let there = !self.words.is_empty();
        if there {
            self.take(receiver);
        } else {
            self.words.leave(&self.ear(receiver), self);
        }
        there
    }

    fn share(&self, receiver: &Process) {
        self.words.set_exact(&self.ear(receiver), self);
    }

    /// Nobody is at work: the bytes in the socket are those that the rule demands.
    fn check_exact(&self) {
        let expected = usize::from(!self.words.is_empty());
        assert_eq!(self.socket.content(), vec![BELL; expected]);
    }
}

const SENDER: Process = Process(1, None);
const OTHER_SENDER: Process = Process(2, None);
const RECEIVER: Process = Process(3, None);

fn model(
    sender: impl Fn(&Pipe) + Send + Sync + Copy + 'static,
    receiver: impl Fn(&Pipe) + Send + Sync + Copy + 'static,
) {
    loom::model(move || {
        let pipe = Arc::new(Pipe::default());
        let sending = {
            let pipe = Arc::clone(&pipe);
            thread::spawn(move || sender(&pipe))
        };
        receiver(&pipe);
        sending.join().unwrap();
        // Whatever came too late for a receiver is taken now; then nothing may be left.
        if pipe.words.is_exact() {
            pipe.check_exact();
            while pipe.try_receive(&RECEIVER) {}
            pipe.check_exact();
        }
    });
}

#[test]
fn a_sleeping_receiver_gets_every_message() {
    model(
        |pipe| (0..2).for_each(|_| pipe.send(&SENDER)),
        |pipe| (0..2).for_each(|_| pipe.receive(&RECEIVER)),
    );
}

#[test]
fn the_switch_loses_no_message() {
    model(
        |pipe| (0..2).for_each(|_| pipe.send(&SENDER)),
        |pipe| {
            pipe.receive(&RECEIVER);
            pipe.share(&RECEIVER);
            // `select`, then `recv`.
            pipe.socket.wait_byte();
            assert!(pipe.try_receive(&RECEIVER), "readable, and nothing there");
        },
    );
}

#[test]
fn who_asks_early_is_called_for_each() {
    model(
        |pipe| (0..2).for_each(|_| pipe.send(&SENDER)),
        |pipe| {
            pipe.share(&RECEIVER);
            for _ in 0..2 {
                pipe.socket.wait_byte();
                assert!(pipe.try_receive(&RECEIVER), "readable, and nothing there");
            }
        },
    );
}

#[test]
fn an_exact_receiver_that_does_not_wait_leaves_an_exact_socket() {
    model(
        |pipe| (0..2).for_each(|_| pipe.send(&SENDER)),
        |pipe| {
            pipe.share(&RECEIVER);
            pipe.try_receive(&RECEIVER);
            pipe.try_receive(&RECEIVER);
        },
    );
}

/// One thread receives while another one asks for the descriptor.
#[test]
fn the_switch_beside_a_receiver_is_not_missed() {
    loom::model(|| {
        let pipe = Arc::new(Pipe::default());
        pipe.send(&SENDER);
        let receiving = {
            let pipe = Arc::clone(&pipe);
            thread::spawn(move || pipe.receive(&RECEIVER))
        };
        pipe.share(&RECEIVER);
        receiving.join().unwrap();
        pipe.check_exact();
    });
}

#[test]
fn two_senders_share_one_end() {
    loom::model(|| {
        let pipe = Arc::new(Pipe::default());
        let sending = [SENDER, OTHER_SENDER].map(|process| {
            let pipe = Arc::clone(&pipe);
            thread::spawn(move || pipe.send(&process))
        });
        pipe.receive(&RECEIVER);
        pipe.receive(&RECEIVER);
        for thread in sending {
            thread.join().unwrap();
        }
    });
}

/// `send`, `send_handle`, `send` on one side; `recv`, `recv_handle`, `recv` on the other.
#[test]
fn a_handle_keeps_its_place() {
    model(
        |pipe| {
            pipe.send(&SENDER);
            pipe.words.set_barrier();
            pipe.socket.put(FILE);
            pipe.send(&SENDER);
        },
        |pipe| {
            pipe.receive(&RECEIVER);
            pipe.share(&RECEIVER);
            assert_eq!(pipe.socket.wait_byte(), FILE);
            pipe.socket.take();
            pipe.receive(&RECEIVER);
        },
    );
}

/// A sender sleeps until there is room for its message.
#[test]
fn room_is_told() {
    model(
        |pipe| {
            pipe.send(&SENDER);
            assert_eq!(pipe.words.send(&SENDER, None), Wait::Ready(()));
            while pipe.words.head() < WORD {
                pipe.words.wait_room(WORD, None, Duration::ZERO);
            }
            pipe.words.done(&SENDER);
            pipe.send(&SENDER);
        },
        |pipe| (0..2).for_each(|_| pipe.receive(&RECEIVER)),
    );
}

/// A sender sleeps until its message may be added to what is under way.
#[test]
fn weight_is_told() {
    model(
        |pipe| (0..2).for_each(|_| pipe.send_heavy(&SENDER)),
        |pipe| (0..2).for_each(|_| pipe.receive(&RECEIVER)),
    );
}

/// What a dead sender has not noted, or noted without sending it, keeps nobody waiting.
#[test]
fn a_weight_that_was_noted_wrongly_keeps_nobody_waiting() {
    for sent in [0, WORD] {
        loom::model(move || {
            let pipe = Arc::new(Pipe::default());
            let dead = Process(4, None);
            assert_eq!(pipe.words.send(&dead, None), Wait::Ready(()));
            if sent > 0 {
                let (tail, _) = pipe.announce();
                pipe.words.publish_and_die(tail);
            } else {
                pipe.words.load.add(MOST, 5 * WORD, 0);
            }
            let next = {
                let pipe = Arc::clone(&pipe);
                thread::spawn(move || pipe.send_heavy(&Process(2, Some(4))))
            };
            let receiver = Process(3, Some(4));
            for _ in 0..=sent / WORD {
                pipe.receive(&receiver);
            }
            next.join().unwrap();
        });
    }
}

/// A sender is killed at a step; the next one and the receiver go on. `died` says how many messages it
/// has made visible.
fn killed_sender(step: impl Fn(&Pipe) -> u64 + Send + Sync + 'static) {
    loom::model(move || {
        let pipe = Arc::new(Pipe::default());
        assert_eq!(pipe.words.send(&SENDER, None), Wait::Ready(()));
        let died = step(&pipe);
        let next = {
            let pipe = Arc::clone(&pipe);
            thread::spawn(move || pipe.send(&Process(2, Some(1))))
        };
        let receiver = Process(3, Some(1));
        for _ in 0..=died {
            pipe.receive(&receiver);
        }
        pipe.share(&receiver);
        next.join().unwrap();
        assert!(!pipe.try_receive(&receiver));
        pipe.check_exact();
    });
}

#[test]
fn killed_after_the_announcement() {
    killed_sender(|pipe| {
        let _ = pipe.announce();
        0
    });
}

#[test]
fn killed_before_the_ring() {
    killed_sender(|pipe| {
        let (tail, _) = pipe.announce();
        pipe.words.publish_and_die(tail);
        1
    });
}

#[test]
fn killed_after_the_ring() {
    killed_sender(|pipe| {
        let (tail, _) = pipe.announce();
        pipe.words.ring_and_die(tail, &pipe.socket);
        1
    });
}
