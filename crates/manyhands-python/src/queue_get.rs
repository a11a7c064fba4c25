//! Taking out of a queue.
//!
//! The usual case runs with the interpreter held: nobody else takes at this moment, and there is an item
//! that is not large. An item is first copied into memory of this process, then taken out by one
//! store, then decoded: what cannot be decoded is an error of the one who took it, and gone.
//!
//! `bytes` and pickles are copied straight into the `bytes` object that becomes the value, or that is
//! unpickled. That object is made before the lock is waited for detached: nobody waits for the
//! interpreter while it holds a lock that other processes want.

use std::cell::Cell;

use manyhands_shm::channel::{Broken, Channel, Head, InWorld, Peek};
use manyhands_shm::sync::Wait;
use manyhands_shm::world::Arrival;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};

use crate::cargo::decode;
use crate::codec;
use crate::ffi::NewBytes;
use crate::queue_wait::{Patience, broken, empty, shut_down, wait};

/// Items of more bytes are copied detached from the interpreter.
const LARGE: usize = 64 << 10;
/// Bytes that one `get_many` takes under one lock, an item more or less.
const PIECE_BYTES: usize = 64 << 10;
/// So often a large item is given up to another consumer, before it is copied twice.
const TRIES: u32 = 3;

/// An item out of the queue, not yet decoded.
enum Taken<'py> {
    Plain(Vec<u8>),
    /// A tag, and what follows it.
    Object(u8, Bound<'py, PyBytes>),
}

/// What an attempt came to.
enum Attempt<T> {
    Got(T),
    /// There is no item.
    Nothing,
    /// Somebody else holds the lock.
    Busy,
}

thread_local! {
    /// Room for small items, so that a get allocates nothing.
    static SMALL: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Takes one value.
#[inline]
pub(crate) fn get<'py>(
    py: Python<'py>,
    channel: &Channel,
    patience: Patience,
) -> PyResult<Bound<'py, PyAny>> {
    // In a loop of C code (`sum(iter(queue.get, None))`) nobody else looks while there is always an item.
    py.check_signals()?;
    loop {
        // Before the look: what is put before it is shut is found by the look.
        let shut = channel.words().is_shut();
        let attempt = match take_at_once(py, channel)? {
            Attempt::Busy => take_detached(py, channel, patience)?,
            other => other,
        };
        match attempt {
            Attempt::Got(item) => return finish(py, item),
            Attempt::Busy => return Err(empty(py)),
            Attempt::Nothing => wait_for_item(py, channel, (shut, patience))?,
        }
    }
}

/// After a look found nothing: waits until it is worth while to look again.
fn wait_for_item(
    py: Python<'_>,
    channel: &Channel,
    (shut, patience): (bool, Patience),
) -> PyResult<()> {
    let words = channel.words();
    if words.is_broken() {
        return Err(broken());
    }
    if shut {
        return Err(shut_down(py));
    }
    if patience.is_over() && !words.is_shut() {
        return Err(empty(py));
    }
    let waited = wait(py, patience, |limit| words.wait_for_item(limit))?;
    waited.ok_or_else(|| empty(py))
}

/// What was taken, and what it refers to.
type Item<'py> = (Taken<'py>, Option<Arrival>);

/// Holds what an item refers to, before it is taken; most refer to nothing.
#[inline]
fn receive(
    channel: &Channel,
    head: &Head<'_, InWorld>,
    item: &Peek,
) -> Result<Option<Arrival>, Broken> {
    if item.pins() == 0 {
        return Ok(None);
    }
    let mut pins = Vec::new();
    head.pins(item, &mut pins)?;
    Ok(Some(channel.receive(&pins)))
}

/// Takes an item that was copied out of the queue.
#[inline]
fn commit(mut head: Head<'_, InWorld>, item: &Peek, arrival: Option<&Arrival>) {
    head.pass(item);
    head.commit();
    drop(head);
    if let Some(arrival) = arrival {
        arrival.taken();
    }
}

/// Takes an item if nobody holds the lock, with the interpreter held.
#[inline]
fn take_at_once<'py>(py: Python<'py>, channel: &Channel) -> PyResult<Attempt<Item<'py>>> {
    let Some(mut head) = channel.try_head() else { return Ok(Attempt::Busy) };
    let Some(item) = head.peek().map_err(|Broken| broken())? else { return Ok(Attempt::Nothing) };
    let arrival = receive(channel, &head, &item).map_err(|Broken| broken())?;
    if !codec::has_payload(item.first) {
        let taken = take_plain(py, (head, &item), arrival.as_ref())?;
        return Ok(Attempt::Got((Taken::Plain(taken), arrival)));
    }
    let mut bytes = NewBytes::new(py, item.len() - 1)?;
    let room = bytes.room();
    let copy = || {
        head.copy(&item, 1, room)?;
        commit(head, &item, arrival.as_ref());
        Ok(())
    };
    run(py, item.len(), copy)?;
    Ok(Attempt::Got((Taken::Object(item.first, bytes.finish(py)), arrival)))
}

#[inline]
fn take_plain(
    py: Python<'_>,
    (head, item): (Head<'_, InWorld>, &Peek),
    arrival: Option<&Arrival>,
) -> PyResult<Vec<u8>> {
    let mut bytes = SMALL.take();
    bytes.clear();
    let copy = || {
        head.append(item, &mut bytes)?;
        commit(head, item, arrival);
        Ok(())
    };
    run(py, item.len(), copy)?;
    Ok(bytes)
}

/// Runs the copy of so many bytes, detached from the interpreter if they are many.
#[inline]
fn run(
    py: Python<'_>,
    len: usize,
    copy: impl FnOnce() -> Result<(), Broken> + Send,
) -> PyResult<()> {
    let copied = if len > LARGE { py.detach(copy) } else { copy() };
    copied.map_err(|Broken| broken())
}

/// What was found with the lock held, detached from the interpreter.
enum Found {
    Plain(Vec<u8>, Option<Arrival>),
    /// It is in the room that was made for it.
    InRoom(u8, Option<Arrival>),
    /// It is still in the queue, and wants room for so many bytes.
    Wants(usize),
    Nothing,
}

/// Waits for the lock and takes an item, detached from the interpreter.
#[cold]
fn take_detached<'py>(
    py: Python<'py>,
    channel: &Channel,
    patience: Patience,
) -> PyResult<Attempt<Item<'py>>> {
    let mut made: Option<(usize, NewBytes)> = None;
    let mut tries = 0;
    loop {
        let mut room = made.as_mut().map(|(len, bytes)| (*len, bytes.room()));
        let last = tries == TRIES;
        let found = wait(py, patience.for_lock(), |limit| {
            let head: Wait<_> = channel.head(limit);
            head.map(|mut head| {
                let item = match head.peek() {
                    Ok(Some(item)) => item,
                    Ok(None) => return Ok(Found::Nothing),
                    Err(error) => return Err(error),
                };
                let wants = item.len().saturating_sub(1);
                let in_room = codec::has_payload(item.first)
                    && room.as_ref().is_some_and(|(len, _)| *len == wants);
                if codec::has_payload(item.first) && item.len() > LARGE && !in_room && !last {
                    return Ok(Found::Wants(wants));
                }
                let arrival = receive(channel, &head, &item)?;
                let mut bytes = Vec::new();
                match &mut room {
                    Some((_, room)) if in_room => head.copy(&item, 1, room)?,
                    _ => head.append(&item, &mut bytes)?,
                }
                commit(head, &item, arrival.as_ref());
                Ok(if in_room {
                    Found::InRoom(item.first, arrival)
                } else {
                    Found::Plain(bytes, arrival)
                })
            })
        })?;
        let Some(found) = found else { return Ok(Attempt::Busy) };
        match found.map_err(|Broken| broken())? {
            Found::Nothing => return Ok(Attempt::Nothing),
            Found::Plain(bytes, arrival) => {
                return Ok(Attempt::Got((Taken::Plain(bytes), arrival)));
            }
            Found::Wants(len) => made = Some((len, NewBytes::new(py, len)?)),
            Found::InRoom(tag, arrival) => {
                let Some((_, bytes)) = made.take() else { return Err(broken()) };
                return Ok(Attempt::Got((Taken::Object(tag, bytes.finish(py)), arrival)));
            }
        }
        tries += 1;
    }
}

/// Decodes an item that is out of the queue, and lets go of what it referred to.
#[inline]
fn finish<'py>(py: Python<'py>, (taken, arrival): Item<'py>) -> PyResult<Bound<'py, PyAny>> {
    let value = match taken {
        Taken::Plain(bytes) => {
            let value = decode(py, &bytes);
            if bytes.capacity() <= LARGE {
                SMALL.set(bytes);
            }
            value
        }
        Taken::Object(tag, bytes) => codec::decode_payload(tag, bytes),
    };
    if let Some(arrival) = arrival {
        py.detach(|| arrival.decoded());
    }
    value
}

/// Takes up to `most` values, at least one.
///
/// One that cannot be decoded is gone; the exception that tells of it has the others as `items`.
pub(crate) fn get_many<'py>(
    py: Python<'py>,
    channel: &Channel,
    (most, patience): (usize, Patience),
) -> PyResult<Bound<'py, PyList>> {
    let values = PyList::empty(py);
    if most == 0 {
        return Ok(values);
    }
    let mut failed = None;
    keep(&values, get(py, channel, patience), &mut failed)?;
    while values.len() < most && failed.is_none() {
        let (bytes, ends) = take_piece(channel, most - values.len())?;
        if ends.is_empty() {
            match take_at_once(py, channel)? {
                Attempt::Got(item) => keep(&values, finish(py, item), &mut failed)?,
                Attempt::Nothing | Attempt::Busy => break,
            }
            continue;
        }
        let mut start = 0;
        for end in ends {
            keep(&values, decode(py, &bytes[start..end]), &mut failed)?;
            start = end;
        }
    }
    match failed {
        None => Ok(values),
        Some(error) => {
            // A comfort: an exception that refuses attributes is passed on without.
            let _refused = error.value(py).setattr("items", values);
            Err(error)
        }
    }
}

fn keep<'py>(
    values: &Bound<'py, PyList>,
    value: PyResult<Bound<'py, PyAny>>,
    failed: &mut Option<PyErr>,
) -> PyResult<()> {
    match value {
        Ok(value) => values.append(value),
        Err(error) if values.is_empty() => Err(error),
        Err(error) => {
            failed.get_or_insert(error);
            Ok(())
        }
    }
}

/// Takes items that are small and refer to nothing, as many as there are at the head: their bytes, and
/// where each ends.
fn take_piece(channel: &Channel, most: usize) -> PyResult<(Vec<u8>, Vec<usize>)> {
    let (mut bytes, mut ends) = (Vec::new(), Vec::new());
    let Some(mut head) = channel.try_head() else { return Ok((bytes, ends)) };
    while ends.len() < most && bytes.len() < PIECE_BYTES {
        let Some(item) = head.peek().map_err(|Broken| broken())? else { break };
        if item.len() > LARGE || item.pins() > 0 {
            break;
        }
        head.append(&item, &mut bytes).map_err(|Broken| broken())?;
        ends.push(bytes.len());
        head.pass(&item);
    }
    head.commit();
    Ok((bytes, ends))
}
