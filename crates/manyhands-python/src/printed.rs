//! What tasks print while the parent shows a progress bar: it goes to the parent, which prints it above the bar.
//!
//! It goes line by line, as to a terminal: a line is in the lane, where it outlives this process, when the call
//! that prints it returns. What has no newline yet, or finds the lane full, is kept until the item ends. Only an item
//! that runs has the lane to offer: what is printed between items, by a thread or at the exit, is not taken. Nor is
//! what an item prints that has outlived its call: no bar is there, and nobody reads.
//!
//! It never waits in the midst of an item, and refuses to encode: `manyhands._worker` knows the streams.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::mem;
use std::sync::{Mutex, MutexGuard, PoisonError};

use manyhands_pool::worker::Replier;
use manyhands_pool::{generation, wire};
use manyhands_shm::lane::NoRoom;
use pyo3::prelude::*;

/// Bytes of a record at most: more than any line, and no large piece of the lane.
const PIECE: usize = 64 << 10;

/// Where what is printed goes while an item runs.
struct Desk {
    /// The worker's, lent while an item runs; else what stands in for it then.
    out: Option<Replier>,
    lent: bool,
    /// Of the process that has lent it: a fork of a task must not write to the lane.
    generation: u32,
    /// What has not been sent: number of the stream, text.
    kept: VecDeque<(u8, Vec<u8>)>,
}

/// It is held for moments, by threads that are attached to the interpreter: a fork finds it free.
static DESK: Mutex<Desk> =
    Mutex::new(Desk { out: None, lent: false, generation: 0, kept: VecDeque::new() });

fn desk() -> MutexGuard<'static, Desk> {
    DESK.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes text that a task printed, and sends it and all before it, if `now`; whether it was taken.
#[pyfunction]
pub(crate) fn keep_printed(py: Python<'_>, stream: u8, text: &[u8], now: bool) -> bool {
    let mut desk = desk();
    if !desk.lent || desk.generation != generation() {
        return false;
    }
    if desk.out.as_ref().is_some_and(Replier::is_unwanted) {
        let kept = mem::take(&mut desk.kept);
        drop(desk);
        write_directly(py, &kept);
        return false;
    }
    desk.keep(stream, text);
    if now {
        desk.send();
    }
    true
}

/// Takes what is printed from now on; `out` must not be used until [`end`].
#[cold]
pub(crate) fn begin(out: &mut Replier) {
    let mut desk = desk();
    if desk.generation != generation() || desk.out.is_none() {
        desk.begin_anew(out);
    }
    desk.lent = true;
    desk.exchange(out);
}

/// Takes nothing more, gives `out` back and sends what has not been sent.
#[cold]
pub(crate) fn end(py: Python<'_>, out: &mut Replier) {
    let mut desk = desk();
    desk.exchange(out);
    desk.lent = false;
    if !desk.kept.is_empty() {
        let kept = mem::take(&mut desk.kept);
        drop(desk);
        send_all(py, out, &kept);
    }
}

impl Desk {
    /// In a worker that has not lent anything, which may be a fork of one that has.
    #[cold]
    fn begin_anew(&mut self, out: &Replier) {
        self.kept.clear();
        self.generation = generation();
        self.out = Some(out.stand_in());
    }

    fn exchange(&mut self, out: &mut Replier) {
        if let Some(own) = &mut self.out {
            mem::swap(own, out);
        }
    }

    fn keep(&mut self, stream: u8, mut text: &[u8]) {
        while !text.is_empty() {
            let (piece, rest) = text.split_at(boundary(text));
            match self.kept.back_mut() {
                Some((last, kept)) if *last == stream && kept.len() + piece.len() <= PIECE => {
                    kept.extend_from_slice(piece);
                }
                _ => self.kept.push_back((stream, piece.to_vec())),
            }
            text = rest;
        }
    }

    /// Sends what there is room for.
    fn send(&mut self) {
        let Some(out) = &mut self.out else { return };
        while let Some((stream, text)) = self.kept.front() {
            if record(out, *stream, text).is_err() {
                return;
            }
            self.kept.pop_front();
        }
    }
}

/// Where the first piece of a text ends: not within a character.
fn boundary(text: &[u8]) -> usize {
    if text.len() <= PIECE {
        return text.len();
    }
    let continues = |at: &usize| text[*at] & 0xc0 == 0x80;
    (1..=PIECE).rev().find(|at| !continues(at)).unwrap_or(PIECE)
}

fn record(out: &mut Replier, stream: u8, text: &[u8]) -> Result<(), NoRoom> {
    out.record(text.len() + 2, |room| {
        room[0] = wire::EVENT;
        room[1] = stream;
        room[2..].copy_from_slice(text);
    })?;
    out.publish(0);
    Ok(())
}

/// Sends what an item has printed, if anybody waits for that item.
#[cold]
fn send_all(py: Python<'_>, out: &mut Replier, kept: &VecDeque<(u8, Vec<u8>)>) {
    if out.is_unwanted() {
        return write_directly(py, kept);
    }
    for (stream, text) in kept {
        send(py, out, *stream, text);
    }
}

/// Sends a text, waiting for room if it must.
fn send(py: Python<'_>, out: &mut Replier, stream: u8, text: &[u8]) {
    loop {
        match record(out, stream, text) {
            Ok(()) => return,
            Err(NoRoom::Full) => py.detach(|| out.wait_for_room(text.len() + 2)),
            // A torn bar is better than a lost line.
            Err(NoRoom::Memory(_)) => {
                return write_directly(py, &[(stream, text.to_vec())].into());
            }
        }
    }
}

/// Writes to the streams of this process; whoever has closed them wants none of it.
fn write_directly(py: Python<'_>, texts: &VecDeque<(u8, Vec<u8>)>) {
    if texts.is_empty() {
        return;
    }
    py.detach(|| {
        for (stream, text) in texts {
            let _written = match stream {
                1 => io::stdout().write_all(text).and_then(|()| io::stdout().flush()),
                _ => io::stderr().write_all(text),
            };
        }
    });
}
