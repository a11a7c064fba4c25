//! What the workers of a pool do at this moment: for people, who want to know why nothing moves.
//!
//! It looks at words that workers write, and asks nothing of them.

use manyhands_os::clock::monotonic_ns;
use manyhands_os::signals;
use manyhands_shm::lane::State as Doing;

use crate::call::CallId;
use crate::pool::Pool;
use crate::worker_seat::{What, Worker};

/// What one worker does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Report {
    /// Its seat.
    pub seat: usize,
    /// Its process, once it is launched.
    pub pid: Option<i32>,
    /// What it says of itself.
    pub doing: Doing,
    /// What it runs.
    pub running: Option<Running>,
    /// For how long, in nanoseconds: since its clock was read last, at the latest.
    pub since_ns: u64,
    /// Items that it was sent and has not begun.
    pub waiting: u64,
}

/// What a worker runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Running {
    /// An item of a call.
    Item {
        /// The call.
        call: CallId,
        /// The id of the function's code.
        function: u64,
        /// The item's index.
        index: u64,
    },
    /// The initializer.
    Initializer,
    /// It loads code.
    Code,
}

impl Pool {
    /// Process ids of the live workers, by seat (`None`: not launched yet).
    #[must_use]
    pub fn pids(&self) -> Vec<(usize, Option<i32>)> {
        let state = self.0.lock();
        let staying = state.seats.iter().filter(|seat| !seat.leaving);
        staying
            .map(|seat| (seat.id, seat.worker.process.as_ref().map(|process| process.pid)))
            .collect()
    }

    /// Which modules the template has not imported for the workers, and why: one starts a thread, or opens a GPU.
    #[must_use]
    pub fn not_early(&self) -> Vec<String> {
        self.0.lock().not_early.clone()
    }

    /// What each worker does.
    #[must_use]
    pub fn report(&self) -> Vec<Report> {
        let mut state = self.0.lock();
        self.0.refresh(&mut state);
        let now = monotonic_ns();
        let seats = state.seats.iter();
        let reports = seats.map(|seat| {
            let worker = &seat.worker;
            let running = worker.running().map(|what| match what {
                What::Items { call, first } => Running::Item {
                    call,
                    function: state.calls.get(&call.0).map_or(0, |call| call.spec.function),
                    index: first,
                },
                What::Initializer => Running::Initializer,
                What::Code(_) | What::Stop | What::Forget(_) => Running::Code,
            });
            let since = worker.lane.since_ns();
            Report {
                seat: seat.id,
                pid: worker.process.as_ref().map(|process| process.pid),
                doing: worker.lane.state(),
                running,
                since_ns: if since == 0 { 0 } else { now.saturating_sub(since) },
                waiting: worker.unbegun(),
            }
        });
        reports.collect()
    }
}

impl Pool {
    /// Asks all workers to write the stacks of their threads, which [`Pool::stacks`] gives a little later.
    pub fn ask_stacks(&self) {
        let state = self.0.lock();
        state.seats.iter().for_each(|seat| seat.worker.ask_stacks());
    }

    /// What each worker has written since then, by seat.
    #[must_use]
    pub fn stacks(&self) -> Vec<(usize, Vec<u8>)> {
        let state = self.0.lock();
        state.seats.iter().map(|seat| (seat.id, seat.worker.lane.stacks())).collect()
    }
}

impl Worker {
    /// Asks it to write what its threads do.
    pub(crate) fn ask_stacks(&self) {
        let Some(process) = self.process.as_ref().filter(|_| self.has_started()) else { return };
        // One that has not started has no handler yet, and its task may have taken it away: the signal would end it.
        let handled = signals::is_handled_by(process.pid, signals::stacks());
        if handled && self.lane.ask_stacks().is_ok() {
            let _gone = process.pidfd.signal(signals::stacks());
        }
    }

    /// What it has begun and not answered; of a frame of items, the item.
    pub(crate) fn running(&self) -> Option<What> {
        self.lane.running().and_then(|(number, _)| self.request(number))
    }

    /// What it was sent under that number, if that is not answered; of a frame of items, the item.
    pub(crate) fn request(&self, number: u64) -> Option<What> {
        let mut ahead = number.checked_sub(self.feeder.answered())?;
        for frame in &self.frames {
            if ahead < u64::from(frame.count) {
                return Some(match frame.what {
                    What::Items { call, first } => What::Items { call, first: first + ahead },
                    other => other,
                });
            }
            ahead -= u64::from(frame.count);
        }
        None
    }

    /// Requests that it was sent and has not begun.
    fn unbegun(&self) -> u64 {
        let begun = self.lane.begun().saturating_sub(self.feeder.answered());
        let sent: u64 = self.frames.iter().map(|frame| u64::from(frame.count)).sum();
        sent.saturating_sub(begun)
    }
}
