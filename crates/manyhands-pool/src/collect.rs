//! Replies become results of their call.
//!
//! The k-th reply of a lane answers the k-th request of its ledger, so replies carry no names. A drained
//! buffer is walked once: it looks at the first byte of each record, and cuts the buffer into runs of
//! consecutive items of one frame. Blocks that a laden reply names are taken over here, before anybody asks
//! for the reply (see [`crate::luggage`]). A lane whose worker wrote something impossible is reported, and what
//! came before stays good.

use manyhands_shm::lane::Corrupt;
use manyhands_shm::record::{self, Next};
use manyhands_shm::world::World;
use std::sync::Arc;

use crate::call::{Body, CallId, Failure, InitFailure, Run};
use crate::luggage::{self, Luggage};
use crate::state::State;
use crate::wire;
use crate::worker_seat::{What, Worker};

/// What a walk over drained records found, in order.
enum Found {
    /// Consecutive answers of one call.
    Answers {
        call: CallId,
        first: u64,
        count: u32,
        from: usize,
        to: usize,
        freed: usize,
        luggage: Luggage,
    },
    /// The first of some answers that raised, in a run that is found as well.
    Raised {
        call: CallId,
        index: u64,
        from: usize,
        to: usize,
        luggage: Luggage,
    },
    /// The answer of an item that raised something that is tried again.
    Again {
        call: CallId,
        index: u64,
        from: usize,
        to: usize,
        freed: usize,
        luggage: Luggage,
    },
    /// An item of a cancelled chunk that was not run.
    Skipped {
        call: CallId,
        index: u64,
        freed: usize,
    },
    /// The answer of an item that was sentenced: it ends as it was decided.
    Judged {
        call: CallId,
        index: u64,
        failure: Failure,
        freed: usize,
        luggage: Luggage,
    },
    /// An initializer has failed.
    Initializer {
        from: usize,
        to: usize,
    },
    Event {
        from: usize,
        to: usize,
    },
    /// Code was loaded, or could not be.
    Code(u64),
}

/// From so many bytes on, a buffer is handed over rather than copied.
const WORTH_HANDING: usize = 16 << 10;

/// What was read from a lane.
struct Drained {
    bytes: Vec<u8>,
    /// One finding is about all of it.
    single: bool,
}

impl Drained {
    /// The answers at this place, which are not asked for again: the buffer itself, if it holds little else.
    fn take(&mut self, from: usize, to: usize) -> Vec<u8> {
        let whole = self.single && from == 0 && to == self.bytes.len();
        if whole && to >= WORTH_HANDING && self.bytes.capacity() <= 2 * to {
            return std::mem::take(&mut self.bytes);
        }
        self.bytes[from..to].to_vec()
    }
}

impl State {
    /// Reads all lanes that have news.
    pub(crate) fn collect_all(&mut self) {
        let mut at = 0;
        // What is read may be the failure of the initializer, at which seats go.
        while let Some(seat) = self.seats.get(at) {
            if seat.worker.replies.has_news() {
                self.collect(at);
            }
            at += 1;
        }
    }

    /// Reads one lane; a worker that lied is ended by the supervisor, once it sees the notice.
    pub(crate) fn collect(&mut self, at: usize) {
        let mut buffer = std::mem::take(&mut self.scratch);
        buffer.clear();
        let seat = &mut self.seats[at];
        let (id, worker) = (seat.id, &mut seat.worker);
        let mut outcome = worker.replies.drain(&mut buffer);
        let mut found = Vec::new();
        outcome = outcome.and(walk(worker, (&buffer, self.config.world.as_ref()), &mut found));
        worker.full = false;
        worker.tell();
        if outcome.is_err() && !worker.lied {
            worker.kill_at = Some(std::time::Instant::now());
            worker.lied = true;
        }
        let mut drained = Drained { bytes: buffer, single: found.len() == 1 };
        for finding in found {
            self.apply(id, finding, &mut drained);
        }
        self.scratch = drained.bytes;
    }

    fn apply(&mut self, seat: usize, finding: Found, drained: &mut Drained) {
        match finding {
            Found::Answers { call: id, first, count, from, to, freed, luggage } => {
                let Some(call) = self.calls.get_mut(&id.0) else {
                    return self.dropped.extend(luggage);
                };
                let body =
                    Body::Replies(if call.abandoned { Vec::new() } else { drained.take(from, to) });
                if !luggage.is_empty() {
                    self.airing.begin();
                }
                self.dropped.extend(call.settle(Run { first, count, body, luggage }));
                call.bytes_in_flight = call.bytes_in_flight.saturating_sub(freed);
                self.after_settling(id);
            }
            Found::Raised { call: id, index, from, to, luggage } => {
                let Some(call) = self.calls.get_mut(&id.0) else { return };
                let body = Body::Replies(drained.bytes[from..to].to_vec());
                if call.note_failure(Run { first: index, count: 1, body, luggage }) {
                    self.cancel(id);
                }
            }
            Found::Again { call, index, from, to, freed, luggage } => {
                if self.run_again(call, index, freed) {
                    return self.dropped.extend(luggage);
                }
                drained.single = false;
                let (first, count, ours) = (index, 1, luggage.clone());
                let answer = Found::Answers { call, first, count, from, to, freed, luggage };
                self.apply(seat, answer, drained);
                self.apply(seat, Found::Raised { call, index, from, to, luggage: ours }, drained);
            }
            Found::Skipped { call: id, index, freed } => {
                let Some(call) = self.calls.get_mut(&id.0) else { return };
                call.bytes_in_flight = call.bytes_in_flight.saturating_sub(freed);
                let skipped = Run::new(index, 1, Body::Failed(Failure::Cancelled));
                self.dropped.extend(call.settle(skipped));
                self.after_settling(id);
            }
            Found::Judged { call, index, failure, freed, luggage } => {
                self.dropped.extend(luggage);
                self.end_item(call, index, freed, &failure);
            }
            Found::Initializer { from, to } => {
                self.fail_pool(InitFailure::Raised(drained.bytes[from..to].to_vec()));
            }
            Found::Code(id) => self.loaded(id),
            Found::Event { from, to } => {
                self.events.push_back((seat, drained.bytes[from + 1..to].to_vec()));
            }
        }
    }
}

/// Matches records with the worker's ledger, and frees the memory of what was answered.
fn walk(
    worker: &mut Worker,
    read: (&[u8], Option<&Arc<World>>),
    found: &mut Vec<Found>,
) -> Result<(), Corrupt> {
    let mut answers = 0;
    let outcome = match_records(worker, read, (found, &mut answers));
    worker.feeder.confirm(answers);
    outcome
}

fn match_records(
    worker: &mut Worker,
    (buffer, world): (&[u8], Option<&Arc<World>>),
    (found, answers): (&mut Vec<Found>, &mut u64),
) -> Result<(), Corrupt> {
    let mut at = 0;
    let answered = worker.feeder.answered();
    let sentenced =
        worker.sentence.as_ref().and_then(|sentence| sentence.number.checked_sub(answered));
    while at < buffer.len() {
        let Next::Record { start, end } = record::next(&buffer[at..]) else { return Err(Corrupt) };
        let (from, content, to) = (at, at + start, at + end);
        at = to;
        let mut tag = buffer.get(content).copied().filter(|_| content < to);
        let mut luggage = Luggage::new();
        if tag == Some(wire::LADEN) {
            (tag, luggage) = unload(&buffer[content..to], world).ok_or(Corrupt)?;
        }
        if tag == Some(wire::EVENT) {
            found.push(Found::Event { from: content, to });
            continue;
        }
        if worker.frames.is_empty() {
            return Err(Corrupt);
        }
        let judged = sentenced == Some(*answers);
        *answers += 1;
        answer(worker, Reply { tag, from, to, luggage, judged }, buffer, found);
    }
    Ok(())
}

/// A reply, as it lies in the buffer.
struct Reply {
    tag: Option<u8>,
    from: usize,
    to: usize,
    luggage: Luggage,
    /// Its item was sentenced.
    judged: bool,
}

/// Matches a reply with the first request of the ledger.
#[inline]
fn answer(worker: &mut Worker, reply: Reply, buffer: &[u8], found: &mut Vec<Found>) {
    let Some(frame) = worker.frames.front_mut() else { return };
    frame.count -= 1;
    let done = frame.count == 0;
    let (what, freed) = (frame.what, if done { frame.bytes } else { 0 });
    if let What::Items { first, .. } = &mut frame.what {
        *first += 1;
    }
    if done {
        worker.frames.pop_front();
    }
    let Reply { tag, from, to, luggage, judged } = reply;
    match what {
        What::Items { call, first: index } if judged => {
            let raised = tag.is_some_and(wire::is_raised) && luggage.is_empty();
            let reply = raised.then(|| buffer[from..to].to_vec());
            if let Some(failure) = worker.pardon(reply) {
                found.push(Found::Judged { call, index, failure, freed, luggage });
            }
        }
        What::Items { call, first: index } if tag == Some(wire::AGAIN) => {
            found.push(Found::Again { call, index, from, to, freed, luggage });
        }
        What::Items { call, first: index } if tag == Some(wire::SKIPPED) => {
            found.push(Found::Skipped { call, index, freed });
        }
        What::Items { call, first: index } => {
            if tag == Some(wire::RAISED) {
                let luggage = luggage.clone();
                found.push(Found::Raised { call, index, from, to, luggage });
            }
            extend(found, (call, index), (from, to), freed, luggage);
        }
        What::Initializer if tag == Some(wire::RAISED) => {
            found.push(Found::Initializer { from, to });
        }
        What::Code(id) => found.push(Found::Code(id)),
        What::Forget(_) => worker.forgets -= 1,
        What::Initializer | What::Stop => {}
    }
}

/// The tag of the reply within a laden one, and what it brings.
fn unload(laden: &[u8], world: Option<&Arc<World>>) -> Option<(Option<u8>, Luggage)> {
    let (names, reply) = luggage::unpack(laden)?;
    Some((reply.first().copied(), luggage::claim(world?, &names)))
}

/// Adds one answer to the last run if it continues it, else begins a run.
fn extend(
    found: &mut Vec<Found>,
    (id, index): (CallId, u64),
    (from, to): (usize, usize),
    done: usize,
    brought: Luggage,
) {
    if let Some(Found::Answers { call, first, count, to: end, freed, luggage, .. }) =
        found.last_mut()
        && *call == id
        && *first + u64::from(*count) == index
        && *end == from
    {
        *count += 1;
        *end = to;
        *freed += done;
        luggage.extend(brought);
        return;
    }
    let (luggage, freed) = (brought, done);
    found.push(Found::Answers { call: id, first: index, count: 1, from, to, freed, luggage });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_is_handed_over_only_if_nothing_else_is_found_in_it() {
        let bytes = vec![7; WORTH_HANDING];
        let place = bytes.as_ptr();
        let mut drained = Drained { bytes, single: false };
        assert_eq!(drained.take(0, WORTH_HANDING), vec![7; WORTH_HANDING]);
        assert_eq!(drained.bytes.len(), WORTH_HANDING, "another finding still reads it");
        drained.single = true;
        assert_eq!(drained.take(1, WORTH_HANDING).len(), WORTH_HANDING - 1);
        let handed = drained.take(0, WORTH_HANDING);
        assert_eq!(handed.as_ptr(), place);
        assert!(drained.bytes.is_empty());
    }
}
