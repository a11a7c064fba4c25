//! Which item has run for how long: deadlines without polling.
//!
//! A worker says of each item with a deadline when it began it (`started`), and wakes nobody for that. The
//! supervisor looks at a worker only when something can be overdue:
//!
//! | a worker is | until | because |
//! | --- | --- | --- |
//! | `Never` watched | an item with a deadline is sent to it | |
//! | `Called` for | it calls, once, when it begins one: an *alarm* is set | nothing with a deadline runs |
//! | looked at `At` a moment | that moment | what runs is not overdue before, and what has not begun neither |
//!
//! At such a moment, if something with a deadline runs, the next look is when that is overdue. If nothing runs but
//! something has since the last look, it is one limit later: a stream of tiny items costs one look for each
//! limit, not one for each item. Otherwise an alarm is set. An alarm is also set for items with a shorter limit
//! than the one that the next look presumes.
//!
//! It ends nothing by itself: `ending` does.

use std::time::{Duration, Instant};

use manyhands_os::clock::monotonic_ns;

use crate::call::CallId;
use crate::sentence::Reason;
use crate::state::State;
use crate::watch::Next;
use crate::worker_seat::{What, Worker};

/// The item that a worker runs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Current {
    /// Counted from 0 in the lane.
    pub(crate) number: u64,
    pub(crate) call: CallId,
    /// When it began, if it has a deadline.
    started: u64,
}

/// An item that runs and has a deadline.
struct Timed {
    number: u64,
    limit: Duration,
    started: u64,
    /// How much longer it may run; nothing: it is overdue.
    left: Duration,
}

impl Worker {
    /// The item of a call that it runs.
    pub(crate) fn current(&self) -> Option<Current> {
        let (number, started) = self.lane.running()?;
        let mut ahead = number.checked_sub(self.feeder.answered())?;
        for frame in &self.frames {
            match ahead.checked_sub(u64::from(frame.count)) {
                Some(less) => ahead = less,
                None => match frame.what {
                    What::Items { call, .. } => return Some(Current { number, call, started }),
                    _ => return None,
                },
            }
        }
        None
    }

    /// Items with that limit are about to be sent to it.
    pub(crate) fn expect(&mut self, limit: Duration) {
        if limit < self.watch.presumed {
            self.watch.presumed = limit;
            self.set_alarm();
        }
        if self.watch.next == Next::Never {
            self.watch.next = Next::Called;
        }
    }

    fn set_alarm(&mut self) {
        self.watch.alarm += 1;
        self.watch.alarmed = true;
        self.lane.set_alarm(self.watch.alarm);
    }

    /// Whether an item with a deadline has begun since the last look; if so, the alarm was heard.
    fn saw_start(&mut self, timed: Option<&Timed>) -> bool {
        let started = timed.map_or_else(|| self.lane.started(), |item| item.started);
        let began = started != self.watch.seen;
        self.watch.seen = started;
        self.watch.alarmed &= !began;
        began
    }

    fn is_watched(&self) -> bool {
        self.watch.next != Next::Never && self.sentence.is_none() && self.notice.is_none()
    }

    /// When it has to be looked at.
    pub(crate) fn look_at(&self) -> Option<Instant> {
        match self.watch.next {
            Next::At(at) if self.is_watched() => Some(at),
            _ => None,
        }
    }
}

impl State {
    /// Looks at the workers whose items may be overdue.
    pub(crate) fn watch(&mut self, now: Instant) {
        for at in 0..self.seats.len() {
            let worker = &self.seats[at].worker;
            let early =
                matches!(worker.watch.next, Next::At(at) if at > now && !worker.watch.alarmed);
            if worker.is_watched() && !early {
                self.look(at, now);
            }
        }
    }

    fn look(&mut self, at: usize, now: Instant) {
        let timed = self.timed_item(&self.seats[at].worker);
        if let Some(item) = &timed
            && item.left.is_zero()
        {
            let reason = Reason::TimeUp { limit: item.limit, started: item.started };
            return self.sentence(at, item.number, reason);
        }
        let least = self.least_limit(&self.seats[at].worker);
        let worker = &mut self.seats[at].worker;
        let began = worker.saw_start(timed.as_ref());
        if let Some(item) = timed {
            worker.watch.next = now.checked_add(item.left).map_or(Next::Called, Next::At);
            worker.watch.presumed = item.limit;
            if least.is_some_and(|least| least < item.limit) && !worker.watch.alarmed {
                worker.set_alarm();
            }
            return;
        }
        let limit = least.unwrap_or(worker.watch.presumed);
        if let Some(then) = now.checked_add(limit).filter(|_| began) {
            worker.watch.presumed = limit;
            worker.watch.next = Next::At(then);
        } else if worker.watch.next != Next::Called || !worker.watch.alarmed {
            worker.watch.next = Next::Called;
            worker.watch.presumed = Duration::MAX;
            worker.set_alarm();
            // Whatever began before the alarm was set may have called nobody.
            if self.timed_item(&self.seats[at].worker).is_some() {
                self.look(at, now);
            }
        }
    }

    /// What a worker runs, if that has a deadline.
    fn timed_item(&self, worker: &Worker) -> Option<Timed> {
        let Current { number, call, started } = worker.current()?;
        let limit = self.calls.get(&call.0)?.spec.limit?;
        let ran = Duration::from_nanos(monotonic_ns().saturating_sub(started));
        Some(Timed { number, limit, started, left: limit.saturating_sub(ran) })
    }

    /// The shortest limit of what a worker was sent and has not answered.
    fn least_limit(&self, worker: &Worker) -> Option<Duration> {
        let limit = |what| match what {
            What::Items { call, .. } => self.calls.get(&call.0)?.spec.limit,
            _ => None,
        };
        worker.frames.iter().filter_map(|frame| limit(frame.what)).min()
    }
}
