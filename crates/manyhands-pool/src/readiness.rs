//! How long a worker may take to be ready: from when its process is there until its initializer has returned.
//!
//! The clock of a worker that was forked ahead begins when it takes its seat, at which it gets its initializer. One
//! that takes too long is asked for its stacks and has a moment to write them; if it is not ready then, the pool
//! fails, as with an initializer that raises: another worker would wait for the same.
//!
//! A pool without a limit is never looked at. Refuses to interrupt an initializer: its pool ends, and with it all
//! workers.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::call::{InitFailure, Overrun};
use crate::state::{Phase, State};
use crate::watch::Readiness;
use crate::worker_seat::{What, Worker};

/// How long a worker may take to write its stacks.
const WRITING: Duration = Duration::from_millis(100);
/// As good as no limit, and a moment that can be told.
const FAR: Duration = Duration::from_secs(1 << 30);

impl Worker {
    /// Whether it is there, and its initializer has not returned.
    fn is_starting(&self) -> bool {
        self.is_uninitialized() && self.process.is_some() && self.notice.is_none()
    }

    fn is_uninitialized(&self) -> bool {
        self.frames.iter().any(|frame| frame.what == What::Initializer)
    }

    /// Whether it had no time left, dead or alive.
    fn is_starting_late(&self) -> bool {
        self.is_uninitialized() && matches!(self.readiness, Some(Readiness::Late(_)))
    }

    /// When it has to be looked at.
    fn ready_at(&self) -> Option<Instant> {
        match self.readiness {
            Some(Readiness::By(at) | Readiness::Late(at)) => Some(at),
            None => None,
        }
    }
}

impl State {
    /// The limit of starts, while one counts.
    fn start_limit(&self) -> Option<Duration> {
        let works = self.fault.is_none() && self.phase != Phase::Terminated;
        self.config.initializer_limit.filter(|_| works)
    }

    /// When a worker may have taken too long to be ready; at once for one that was not seen before.
    pub(crate) fn start_deadline(&self) -> Option<Instant> {
        self.start_limit()?;
        let starting = self.seats.iter().map(|seat| &seat.worker).filter(|own| own.is_starting());
        starting.map(|worker| worker.ready_at().unwrap_or_else(Instant::now)).min()
    }

    /// Looks at the workers that are starting, once what they have answered is read.
    pub(crate) fn watch_starts(&mut self, now: Instant) {
        let Some(limit) = self.start_limit() else { return };
        for at in 0..self.seats.len() {
            let worker = &mut self.seats[at].worker;
            if !worker.is_starting() {
                continue;
            }
            match worker.readiness {
                None => worker.readiness = Some(Readiness::By(now + limit.min(FAR))),
                Some(Readiness::By(by)) if by <= now => {
                    worker.ask_stacks();
                    worker.readiness = Some(Readiness::Late(now + WRITING));
                }
                Some(Readiness::Late(until)) if until <= now => {
                    return self.condemn_late_start(at);
                }
                Some(_) => {}
            }
        }
    }

    /// Fails the pool if the worker of that seat took too long: it may have ended by the signal for its stacks.
    pub(crate) fn condemn_late_start(&mut self, at: usize) {
        let Some(limit) = self.start_limit() else { return };
        let worker = &self.seats[at].worker;
        if !worker.is_starting_late() {
            return;
        }
        let overrun = Overrun {
            seat: worker.seat,
            pid: worker.process.as_ref().map(|process| process.pid),
            limit,
            ran: limit + WRITING,
            killed: true,
            stacks: worker.lane.stacks(),
            reply: None,
        };
        self.fail_pool(InitFailure::TimedOut(Arc::new(overrun)));
    }
}
