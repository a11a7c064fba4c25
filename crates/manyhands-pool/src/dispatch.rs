//! Which worker gets which items: feeding, taking back, balancing, cancelling.
//!
//! Items go to the worker that will get to them first, up to a *target*: as many items as fill two
//! milliseconds by the measured cost of an item, but at least two, so that nobody waits between two
//! items. What exceeds all targets stays in the pool's queue. When a worker runs dry, half of the longest
//! backlog is taken back from its lane and given to it. So batches are sized by time, and the end of a
//! call balances itself item by item, without the caller's thread.
//!
//! It moves bytes; it never waits, and whole batches (a given chunk size) are never split.

use std::sync::Arc;
use std::time::{Duration, Instant};

use manyhands_shm::lane::{Heading, Refused, State as Doing};
use manyhands_shm::record;

use crate::call::{CallId, Failure};
use crate::state::{Phase, State};
use crate::wire;
use crate::worker_seat::{Frame, Parcel, What, Worker};

/// The work that a lane should hold, in nanoseconds.
const TARGET_NS: u64 = 2_000_000;
const TARGET_LEAST: u64 = 2;
const TARGET_MOST: u64 = 8192;
const TARGET_UNKNOWN: u64 = 64;
/// What an item is taken to cost before one was measured.
const UNKNOWN_NS: u64 = 100_000;
/// What it takes to wake a worker.
const WAKE_NS: u64 = 50_000;
/// A backlog shorter than this is done before it could be moved.
const WORTH_MOVING_NS: u64 = 20_000;
/// After this time a short backlog is moved all the same.
const LOOK_AGAIN: Duration = Duration::from_millis(1);

/// What became of an attempt to send a parcel.
enum Sent {
    /// So many items are on the lane.
    Items(u32),
    /// There is no room.
    Nothing,
    /// The next so many items cannot be sent at all.
    Impossible(u32, Failure),
}

/// How many items a worker's lane should hold.
fn target(worker: &Worker) -> u64 {
    if worker.short_at == Some(worker.feeder.answered()) {
        return TARGET_LEAST;
    }
    match worker.lane.item_ns() {
        0 => TARGET_UNKNOWN,
        ns => (TARGET_NS / ns).clamp(TARGET_LEAST, TARGET_MOST),
    }
}

/// How long a new item would wait for a worker: for what it has, or until it is awake. So a few tiny items go to
/// a worker that is awake, rather than each to another one that must be woken for it.
fn wait_ns(worker: &Worker) -> u64 {
    match worker.feeder.outstanding() {
        0 if worker.lane.state() == Doing::Idle => WAKE_NS,
        outstanding => outstanding.saturating_mul(match worker.lane.item_ns() {
            0 => UNKNOWN_NS,
            ns => ns,
        }),
    }
}

impl State {
    /// Takes items of a call into the engine; they go out at once where there is room.
    pub(crate) fn accept(&mut self, parcel: Parcel) {
        if let Ok(parcel) = self.admit(parcel) {
            self.enqueue(parcel);
            self.pump();
        }
    }

    /// The same for one item, whose record comes back: without a copy if it goes out at once.
    pub(crate) fn accept_and_keep(&mut self, parcel: Parcel) -> Vec<u8> {
        let parcel = match self.admit(parcel) {
            Ok(parcel) => parcel,
            Err(refused) => return refused.records,
        };
        let alone = self.queue.is_empty() && self.pinned.is_empty();
        let whole = self.calls.get(&parcel.call.0).is_some_and(|call| call.spec.whole);
        if let Some(seat) = alone.then(|| self.soonest(whole)).flatten()
            && matches!(self.try_send(seat, &parcel), Sent::Items(1))
        {
            self.arm();
            return parcel.records;
        }
        let records = parcel.records.clone();
        self.enqueue(parcel);
        self.pump();
        records
    }

    /// Counts items in; those that cannot start any more end, and come back.
    fn admit(&mut self, parcel: Parcel) -> Result<Parcel, Parcel> {
        let Some(call) = self.calls.get_mut(&parcel.call.0) else { return Err(parcel) };
        call.fed += u64::from(parcel.count);
        call.bytes_in_flight += parcel.bytes().len();
        if call.spec.retry.times > 0 {
            call.retries.keep(parcel.first, parcel.count, parcel.bytes());
        }
        if let Some(failure) = self.refusal(parcel.call) {
            self.fail_items(&parcel, &failure);
            return Err(parcel);
        }
        Ok(parcel)
    }

    /// Takes an item into account that cannot run, because it has no bytes.
    pub(crate) fn accept_unsent(&mut self, id: CallId) {
        let Some(call) = self.calls.get_mut(&id.0) else { return };
        let first = call.fed;
        call.fed += 1;
        self.fail_items(
            &Parcel { call: id, first, count: 1, records: Vec::new(), start: 0, spoiled: None },
            &Failure::Unsent,
        );
    }

    /// Cancels a call if none of its items has been begun; whether that was so.
    pub(crate) fn cancel_unstarted(&mut self, id: CallId) -> bool {
        let Some(call) = self.calls.get(&id.0) else { return false };
        if call.settled > 0 {
            return false;
        }
        let fed = call.fed;
        for at in 0..self.seats.len() {
            let worker = &mut self.seats[at].worker;
            if worker.holds(id) {
                let parcels = worker.recall(u32::MAX);
                worker.short_at = Some(worker.feeder.answered());
                self.requeue(parcels);
            }
        }
        let free = self.queued_of(id) == fed;
        if free {
            self.cancel(id);
            self.end_loads(id);
        }
        self.pump();
        free
    }

    /// Why items of a call cannot start any more, if so.
    pub(crate) fn refusal(&self, call: CallId) -> Option<Failure> {
        if let Some(fault) = &self.fault {
            return Some(Failure::Initializer(Arc::clone(fault)));
        }
        if self.phase == Phase::Terminated {
            return Some(Failure::Terminated);
        }
        let Some(call) = self.calls.get(&call.0) else { return Some(Failure::Cancelled) };
        call.refusal.clone().or_else(|| call.cancelled.then_some(Failure::Cancelled))
    }

    /// Sends from the queue while some lane has room.
    pub(crate) fn pump(&mut self) {
        if !self.pinned.is_empty() {
            self.pump_pinned();
        }
        while let Some(parcel) = self.queue.front() {
            let whole = self.calls.get(&parcel.call.0).is_some_and(|call| call.spec.whole);
            let Some(seat) = self.soonest(whole) else { break };
            let Some(parcel) = self.queue.pop_front() else { break };
            if let Some(rest) = self.send(seat, parcel) {
                self.enqueue_first(rest);
            }
        }
        self.arm();
    }

    /// The seat whose worker will be the first to get to a new item, if it is below its target.
    fn soonest(&self, whole: bool) -> Option<usize> {
        let takers = self
            .seats
            .iter()
            .enumerate()
            .filter(|(_, seat)| seat.worker.takes_items() && !seat.leaving)
            .filter(|(_, seat)| !self.awaits_pinned(seat.id));
        let below = takers.filter(|(_, seat)| {
            let most = target(&seat.worker);
            seat.worker.feeder.outstanding() < if whole { most.min(2) } else { most }
        });
        below.map(|(at, seat)| (wait_ns(&seat.worker), at)).min().map(|(_, at)| at)
    }

    /// Sends as much of a parcel as a lane should get; returns what is left.
    pub(crate) fn send(&mut self, seat: usize, mut parcel: Parcel) -> Option<Parcel> {
        match self.try_send(seat, &parcel) {
            Sent::Items(count) if count == parcel.count => return None,
            Sent::Items(count) => drop(split(&mut parcel, count)),
            Sent::Nothing => {}
            Sent::Impossible(count, failure) => {
                let first = split(&mut parcel, count);
                self.fail_items(&first, &failure);
                if parcel.count == 0 {
                    return None;
                }
            }
        }
        Some(parcel)
    }

    fn try_send(&mut self, seat: usize, parcel: &Parcel) -> Sent {
        let Some(call) = self.calls.get(&parcel.call.0) else {
            return Sent::Impossible(parcel.count, Failure::Cancelled);
        };
        let spec = call.spec;
        let seats = self.seats.len().max(1) as u64;
        let Some(worker) = self.seats.get_mut(seat).map(|seat| &mut seat.worker) else {
            return Sent::Nothing;
        };
        if !worker.takes_items() {
            // Its share ended within a move of several parcels.
            return Sent::Nothing;
        }
        for id in call.all_codes() {
            if worker.codes.contains(&id) {
                continue;
            }
            let Some(code) = self.codes.get(&id) else { continue };
            match worker.control(What::Code(id), wire::CODE, id, &code.bytes) {
                Ok(()) => drop(worker.codes.insert(id)),
                Err(refused) => return refusal_of(refused, worker, parcel),
            }
        }
        let room = target(worker).saturating_sub(worker.feeder.outstanding()).max(1);
        if let Some(limit) = spec.limit {
            worker.expect(limit);
        }
        let share = (self.queue.items() + u64::from(parcel.count)).div_ceil(seats);
        let budget = worker.budget.unwrap_or(u64::MAX);
        let most = if spec.whole { budget } else { room.min(share).min(budget) };
        let count = u32::try_from(most).unwrap_or(u32::MAX).min(parcel.count);
        let kind = spec.kind | if spec.limit.is_some() { wire::TIMED } else { 0 };
        let heading = Heading { kind, whole: spec.whole, word: spec.function };
        let outcome = send_items(worker, parcel, count, heading);
        if worker.budget == Some(0) {
            // Its replacement is to be forked while it works, by the supervisor.
            self.look_again = Some(Instant::now());
        }
        outcome
    }

    /// Moves half of the longest backlog to each worker that has nothing to do.
    ///
    /// A backlog that looks shorter than the move is left alone for a moment: its worker may be
    /// about to finish it, or be stuck in an item that is not like the others. Then it is moved.
    pub(crate) fn balance(&mut self) {
        self.pump();
        let overdue = self.look_again.is_some_and(|at| at <= Instant::now());
        if overdue {
            self.look_again = None;
            self.nudged = false;
        }
        let mut idle = self.idle_workers();
        while let Some(to) = idle.pop().filter(|_| self.queue.is_empty()) {
            let Some((open, from)) = self.longest_backlog().filter(|(open, _)| *open > 0) else {
                break;
            };
            let giver = &mut self.seats[from].worker;
            let short = u64::from(open).saturating_mul(giver.lane.item_ns()) < WORTH_MOVING_NS;
            if short && !overdue && giver.has_started() {
                self.put_off();
                break;
            }
            let parts = u32::try_from(idle.len()).unwrap_or(u32::MAX).saturating_add(2);
            let parcels = giver.recall(open.div_ceil(parts));
            self.requeue(parcels);
            self.move_queue_to(to);
        }
    }

    /// Looks at short backlogs again in a moment.
    fn put_off(&mut self) {
        if self.look_again.is_none() {
            self.look_again = Some(Instant::now() + LOOK_AGAIN);
        }
    }

    /// Sends what was just taken back to one worker, and what it has no room for to any.
    fn move_queue_to(&mut self, seat: usize) {
        while let Some(parcel) = self.queue.pop_front() {
            let count = parcel.count;
            if let Some(rest) = self.send(seat, parcel) {
                let stuck = rest.count == count;
                self.enqueue_first(rest);
                if stuck {
                    break;
                }
            }
        }
        self.pump();
    }

    /// The seats whose workers have nothing to do.
    fn idle_workers(&self) -> Vec<usize> {
        let idle = self.seats.iter().enumerate().filter(|(_, seat)| {
            !seat.leaving && seat.worker.takes_items() && seat.worker.feeder.outstanding() == 0
        });
        idle.map(|(at, _)| at).collect()
    }

    fn has_idle_worker(&self) -> bool {
        let idle = |worker: &Worker| worker.takes_items() && worker.feeder.outstanding() == 0;
        self.seats.iter().any(|seat| !seat.leaving && idle(&seat.worker))
    }

    /// The longest row of items that a worker has not taken, and its seat.
    fn longest_backlog(&self) -> Option<(u32, usize)> {
        let alive = self.seats.iter().enumerate().filter(|(_, seat)| seat.worker.notice.is_none());
        alive.map(|(at, seat)| (seat.worker.backlog(), at)).max()
    }

    /// Puts items that were taken back at the head of the queue; what may not start any more ends.
    pub(crate) fn requeue(&mut self, parcels: Vec<Parcel>) {
        for parcel in parcels.into_iter().rev() {
            let spoiled = parcel.spoiled.as_ref().map(|death| Failure::Died(Arc::clone(death)));
            if let Some(failure) = self.refusal(parcel.call).or(spoiled) {
                self.fail_items(&parcel, &failure);
            } else if let Some(parcel) = self.pin_again(parcel) {
                self.enqueue_first(parcel);
            }
        }
    }

    /// Ends everything of a call that has not started.
    pub(crate) fn cancel(&mut self, id: CallId) {
        let Some(call) = self.calls.get_mut(&id.0) else { return };
        call.cancelled = true;
        call.sealed = true;
        self.sweep(id);
        for at in 0..self.seats.len() {
            if self.seats[at].worker.holds(id) {
                let parcels = self.seats[at].worker.recall(u32::MAX);
                self.seats[at].worker.skip(id);
                self.requeue(parcels);
            }
        }
        self.after_settling(id);
        self.pump();
    }

    /// Ends everything of all calls that has not started, in one pass.
    pub(crate) fn cancel_all(&mut self) {
        let open = self.calls.iter().filter(|(_, call)| !call.complete());
        let open: Vec<_> = open.map(|(id, _)| CallId(*id)).collect();
        for id in &open {
            if let Some(call) = self.calls.get_mut(&id.0) {
                call.cancelled = true;
                call.sealed = true;
            }
        }
        self.sweep_all();
        for at in 0..self.seats.len() {
            let worker = &mut self.seats[at].worker;
            let parcels = worker.recall(u32::MAX);
            if let Some(What::Items { call, .. }) = worker.frames.front().map(|frame| frame.what) {
                worker.skip(call);
            }
            self.requeue(parcels);
        }
        for id in open {
            self.after_settling(id);
        }
    }

    /// Says when workers should call the supervisor: at half of their target if something is queued, and
    /// when they run dry if others have more than they can do at once.
    fn arm(&mut self) {
        let queued = !self.queue.is_empty();
        let (mut backlog, mut passed) = (queued, false);
        for seat in &self.seats {
            let worker = &seat.worker;
            let outstanding = worker.feeder.outstanding();
            backlog |= outstanding > 1 + u64::from(worker.forgets);
            let at = if outstanding > 0 && self.awaits_pinned(seat.id) {
                worker.feeder.answered() + outstanding
            } else if queued && outstanding > 0 {
                worker.feeder.answered() + outstanding.saturating_sub(target(worker) / 2).max(1)
            } else {
                u64::MAX
            };
            if worker.lane.feed_at() != at {
                passed |= worker.lane.set_feed_at(at);
            }
        }
        if passed {
            // That worker may never call: somebody else has to look.
            self.look_again = Some(Instant::now());
        }
        if backlog && self.has_idle_worker() {
            // Tiny items wait for a worker that is awake, but not for ever.
            self.put_off();
        }
        if backlog != self.attention {
            self.attention = backlog;
            self.hub.set_attention(backlog);
            if backlog {
                // A worker that ran dry before this may have told nobody.
                self.look_again = Some(Instant::now());
            }
        }
    }
}

fn send_items(worker: &mut Worker, parcel: &Parcel, count: u32, heading: Heading) -> Sent {
    let bytes = parcel.bytes();
    let len = if count == parcel.count { Some(bytes.len()) } else { record::span(bytes, count) };
    let Some(len) = len else { return Sent::Nothing };
    match worker.feeder.append(heading, count, [&bytes[..len], &[]]) {
        Ok(()) => {
            let what = What::Items { call: parcel.call, first: parcel.first };
            worker.frames.push_back(Frame { what, count, bytes: len });
            if let Some(budget) = &mut worker.budget {
                *budget -= u64::from(count);
            }
            Sent::Items(count)
        }
        Err(Refused::Full) if count > 1 && !heading.whole => {
            send_items(worker, parcel, count / 2, heading)
        }
        Err(refused) => refusal_of(refused, worker, parcel),
    }
}

/// A full lane waits for replies; a lane without memory fails the item, unless others may free some.
fn refusal_of(refused: Refused, worker: &mut Worker, parcel: &Parcel) -> Sent {
    match refused {
        Refused::Full => {
            worker.full = true;
            Sent::Nothing
        }
        Refused::Memory(error) => {
            let size = parcel.bytes().len();
            let text = format!("no shared memory for an argument of {size} bytes: {error}");
            Sent::Impossible(1, Failure::Memory(text.into()))
        }
    }
}

/// Cuts the first `count` items off a parcel.
fn split(parcel: &mut Parcel, count: u32) -> Parcel {
    let count = count.min(parcel.count);
    let len = record::span(parcel.bytes(), count).unwrap_or(parcel.bytes().len());
    let records = parcel.bytes()[..len].to_vec();
    let first =
        Parcel { call: parcel.call, first: parcel.first, count, records, start: 0, spoiled: None };
    parcel.first += u64::from(count);
    parcel.count -= count;
    parcel.start += len;
    first
}
