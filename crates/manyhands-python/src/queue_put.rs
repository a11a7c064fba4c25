//! Putting into a queue.
//!
//! The usual case runs with the interpreter held: nobody else puts at this moment, and the item is small
//! and fits. Everything else is detached from it: waiting for a lock or for room, and the copy of a
//! large item, which is made before the lock is asked for.
//!
//! `put_many` puts several items under one lock where they are there at once: those of a list, a tuple or a
//! range, unless pickling them is slow. What any other iterable yields is put before it is asked for
//! more, since that may take for ever, or wait for the item.

use std::time::{Duration, Instant};

use manyhands_shm::channel::{Channel, Item, LARGE, Prepared, Refused};
use manyhands_shm::sync::Wait;
use manyhands_shm::world::{Block, NoMemory};
use pyo3::exceptions::PyMemoryError;
use pyo3::prelude::*;

use crate::codec::Encoded;
use crate::feed::is_ready_made;
use crate::queue_item::Outgoing;
use crate::queue_wait::{Patience, broken, full, no_room, shut_down, too_large, wait, with_count};
use crate::world::no_memory;

type Outcome = Result<(), Refused<NoMemory>>;

/// Items of one call that are put under one lock.
const PIECE_ITEMS: usize = 256;
const PIECE_BYTES: usize = 32 << 10;
/// Items are held back for others of their piece no longer than this, while those are pickled.
const SLOW: Duration = Duration::from_millis(1);
/// Items between two looks for signals: an iterable in C lets no handler run.
const LOOK_EVERY: usize = 128;

/// Puts one value.
#[inline]
pub(crate) fn put(channel: &Channel, value: &Bound<'_, PyAny>, patience: Patience) -> PyResult<()> {
    // In a loop of C code nobody else looks while there is always room.
    value.py().check_signals()?;
    let outgoing = loop {
        match Outgoing::new(channel, value) {
            Ok(outgoing) => break outgoing,
            Err(error) => wait_for_memory(value.py(), channel, (patience, error))?,
        }
    };
    let mut room = [0; 9];
    let item = Item { parts: outgoing.parts(&mut room), pins: &outgoing.pins };
    put_item(value.py(), channel, &item, patience)
}

/// After an item could not be encoded: if that was for want of memory, and getters of a bounded queue will give
/// some back, waits for one of them.
#[cold]
fn wait_for_memory(
    py: Python<'_>,
    channel: &Channel,
    (patience, error): (Patience, PyErr),
) -> PyResult<()> {
    let words = channel.words();
    let hopeless = words.limits().items.is_none() || words.is_empty() || patience.is_over();
    if hopeless || !error.is_instance_of::<PyMemoryError>(py) {
        return Err(error);
    }
    wait(py, patience, |limit| words.wait_for_get(limit))?.ok_or_else(|| full(py))
}

#[inline]
fn put_item(
    py: Python<'_>,
    channel: &Channel,
    item: &Item<'_>,
    patience: Patience,
) -> PyResult<()> {
    if item.len() < LARGE {
        let outcome = channel.try_tail().map(|mut tail| tail.put(item));
        match outcome {
            Some(Ok(())) => return Ok(()),
            Some(Err(refused)) => return put_slowly(py, channel, item, (patience, Some(refused))),
            None => {}
        }
    }
    put_slowly(py, channel, item, (patience, None))
}

#[cold]
fn put_slowly(
    py: Python<'_>,
    channel: &Channel,
    item: &Item<'_>,
    (patience, mut refused): (Patience, Option<Refused<NoMemory>>),
) -> PyResult<()> {
    let mut prepared = None;
    loop {
        let refused = match refused.take() {
            Some(refused) => refused,
            None => match attempt(py, channel, item, (patience, &mut prepared))? {
                Ok(()) => return Ok(()),
                Err(refused) => refused,
            },
        };
        wait_for_room(py, channel, item.weight(), (patience, refused))?;
    }
}

/// Tries to put it, once the lock is there.
fn attempt(
    py: Python<'_>,
    channel: &Channel,
    item: &Item<'_>,
    (patience, prepared): (Patience, &mut Option<Prepared<Block>>),
) -> PyResult<Outcome> {
    if item.len() >= LARGE && prepared.is_none() {
        if !channel.words().has_room(item.weight()) {
            return Ok(Err(Refused::Full));
        }
        match py.detach(|| channel.prepare(item)) {
            Ok(made) => *prepared = Some(made),
            Err(refused) => return Ok(Err(refused)),
        }
    }
    let outcome = wait(py, patience.for_lock(), |limit| {
        channel.tail(limit).map(|mut tail| match prepared {
            Some(prepared) => tail.put_prepared(prepared),
            None => tail.put(item),
        })
    });
    Ok(outcome?.unwrap_or(Err(Refused::Full)))
}

/// After an item was refused: waits until it is worth while to try again, or raises what is to be
/// told.
fn wait_for_room(
    py: Python<'_>,
    channel: &Channel,
    len: u64,
    (patience, refused): (Patience, Refused<NoMemory>),
) -> PyResult<()> {
    let words = channel.words();
    let limits = words.limits();
    let waited = match refused {
        Refused::Shut => return Err(shut_down(py)),
        Refused::Broken => return Err(broken()),
        Refused::Full if limits.bytes.is_some_and(|most| len > most) => {
            return Err(too_large(len, limits.bytes));
        }
        Refused::TooLarge => return Err(too_large(len, limits.bytes)),
        Refused::Full => match (limits.items, limits.bytes) {
            (None, Some(most)) => return Err(no_room(len, most)),
            _ if patience.is_over() => None,
            _ => wait(py, patience, |limit| words.wait_for_room(len, limit))?,
        },
        Refused::Memory(error) => {
            if limits.items.is_none() || words.is_empty() {
                return Err(no_memory(&error));
            }
            wait(py, patience, |limit| words.wait_for_get(limit))?
        }
    };
    waited.ok_or_else(|| full(py))
}

/// Puts the values of an iterable, in their order.
///
/// What came before a value that cannot be put is in the queue; `count` of the exception says how many
/// these are.
pub(crate) fn put_many(
    channel: &Channel,
    values: &Bound<'_, PyAny>,
    patience: Patience,
) -> PyResult<()> {
    let mut piece = Piece::new(values.py(), channel, patience);
    let outcome = fill(&mut piece, values);
    // What was encoded before an error of the iterable is put, as if it had been put one by one.
    let flushed = piece.flush();
    outcome.and(flushed).map_err(|error| with_count(values.py(), error, piece.put))
}

fn fill(piece: &mut Piece<'_>, values: &Bound<'_, PyAny>) -> PyResult<()> {
    let ready_made = is_ready_made(values);
    for (count, value) in values.try_iter()?.enumerate() {
        piece.add(&value?, ready_made)?;
        if count.is_multiple_of(LOOK_EVERY) {
            values.py().check_signals()?;
        }
    }
    Ok(())
}

/// Items that are encoded and not yet put.
struct Piece<'a> {
    py: Python<'a>,
    channel: &'a Channel,
    patience: Patience,
    bytes: Vec<u8>,
    /// Where each item ends.
    ends: Vec<usize>,
    /// When the first of them began to be encoded, or somewhat before.
    since: Instant,
    put: usize,
}

impl<'a> Piece<'a> {
    fn new(py: Python<'a>, channel: &'a Channel, patience: Patience) -> Self {
        let (bytes, ends, since) = (Vec::new(), Vec::new(), Instant::now());
        Self { py, channel, patience, bytes, ends, since, put: 0 }
    }

    /// Takes one value; one that others may follow at once waits for them.
    fn add(&mut self, value: &Bound<'_, PyAny>, others_follow: bool) -> PyResult<()> {
        let outgoing = match Outgoing::new(self.channel, value) {
            Ok(outgoing) => outgoing,
            Err(error) if error.is_instance_of::<PyMemoryError>(self.py) => {
                self.flush()?;
                wait_for_memory(self.py, self.channel, (self.patience, error))?;
                return self.add(value, others_follow);
            }
            Err(error) => return Err(error),
        };
        let len = outgoing.encoded.len();
        if !others_follow || len as u64 >= LARGE || !outgoing.pins.is_empty() {
            self.flush()?;
            let mut room = [0; 9];
            let item = Item { parts: outgoing.parts(&mut room), pins: &outgoing.pins };
            put_item(self.py, self.channel, &item, self.patience)?;
            self.put += 1;
            return Ok(());
        }
        let at = self.bytes.len();
        self.bytes.resize(at + len, 0);
        outgoing.encoded.write(&mut self.bytes[at..]);
        self.ends.push(self.bytes.len());
        let is_late = matches!(outgoing.encoded, Encoded::Pickle(_)) && self.since.elapsed() > SLOW;
        if is_late || self.ends.len() >= PIECE_ITEMS || self.bytes.len() >= PIECE_BYTES {
            self.flush()?;
        }
        Ok(())
    }

    /// Puts what is there, and waits for room if need be.
    fn flush(&mut self) -> PyResult<()> {
        if self.ends.is_empty() {
            return Ok(());
        }
        let mut start = 0;
        let items: Vec<_> = std::mem::take(&mut self.ends)
            .into_iter()
            .map(|end| Item {
                parts: [&self.bytes[std::mem::replace(&mut start, end)..end], &[]],
                pins: &[],
            })
            .collect();
        let outcome = put_all(self.py, self.channel, &items, (self.patience, &mut self.put));
        drop(items);
        self.bytes.clear();
        self.since = Instant::now();
        outcome
    }
}

fn put_all(
    py: Python<'_>,
    channel: &Channel,
    mut items: &[Item<'_>],
    (patience, put): (Patience, &mut usize),
) -> PyResult<()> {
    while let Some(first) = items.first() {
        let outcome = match channel.try_tail() {
            Some(mut tail) => Some(tail.put_many(items)),
            None => wait(py, patience.for_lock(), |limit| {
                let tail: Wait<_> = channel.tail(limit);
                tail.map(|mut tail| tail.put_many(items))
            })?,
        };
        let (done, refused) = outcome.unwrap_or((0, Some(Refused::Full)));
        *put += done;
        items = &items[done..];
        if let Some(refused) = refused {
            let len = items.first().unwrap_or(first).weight();
            wait_for_room(py, channel, len, (patience, refused))?;
        }
    }
    Ok(())
}
