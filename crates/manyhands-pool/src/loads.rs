//! Workers that load code for nobody: the call that needs it was cancelled, and its import may never end.
//!
//! Whoever is still at it when a grace is over is killed, and its seat gets another worker; what waited behind is run by
//! others. No item has begun, so none is lost, and the code is not blamed (`death`). It is not interrupted first: an
//! import that was broken off may leave modules of which no worker could make use.
//!
//! It refuses to look at code that another call needs, and at what nobody cancelled: code may load for long.

use std::time::{Duration, Instant};

use crate::call::CallId;
use crate::death::STOP_GRACE;
use crate::state::State;
use crate::worker_seat::{What, Worker};

/// How long code of a cancelled call may go on loading.
const GRACE: Duration = Duration::from_secs(1);

impl Worker {
    /// The number of the request at which it loads what nobody needs.
    fn unneeded_load(&self) -> Option<u64> {
        let (number, _) = self.lane.running()?;
        let loads = matches!(self.request(number)?, What::Code(id) if self.unneeded.contains(&id));
        loads.then_some(number)
    }

    /// Whether it loads that, or will: it was sent and cannot be taken back.
    fn has_unneeded(&self) -> bool {
        let mut frames = self.frames.iter();
        frames.any(|frame| matches!(frame.what, What::Code(id) if self.unneeded.contains(&id)))
    }

    /// Whether its grace was for loading; it is killed if it still does.
    pub(crate) fn ends_load(&mut self) -> bool {
        if self.unneeded.is_empty() || self.sentence.is_some() || self.lied {
            return false;
        }
        // From the sentence on it begins nothing more: no item is lost, should it be done at this very moment.
        if self.unneeded_load().is_some_and(|number| self.lane.sentence(number)) {
            self.kill();
        } else if self.has_unneeded() {
            self.kill_at = Some(Instant::now() + GRACE);
        } else {
            self.end_grace();
        }
        true
    }

    fn end_grace(&mut self) {
        self.unneeded.clear();
        if self.sentence.is_none() {
            self.kill_at = self.stopping.then(|| Instant::now() + STOP_GRACE);
        }
    }

    /// Whether it was killed for that.
    pub(crate) fn died_loading(&self) -> bool {
        self.killed_by_us && self.unneeded_load().is_some()
    }
}

impl State {
    /// Takes back code that only this cancelled call needs, and counts the grace of workers that load it.
    pub(crate) fn end_loads(&mut self, id: CallId) {
        let Some(call) = self.calls.get(&id.0) else { return };
        let codes: Vec<u64> = call.all_codes().collect();
        for at in 0..self.seats.len() {
            let worker = &self.seats[at].worker;
            // It is ended for another reason.
            if worker.kill_at.is_some() && worker.unneeded.is_empty() || worker.sentence.is_some() {
                continue;
            }
            let sent = worker.frames.iter().filter_map(|frame| match frame.what {
                What::Code(sent) => codes.iter().copied().find(|own| *own == sent),
                _ => None,
            });
            let unneeded: Vec<u64> = sent.filter(|code| !self.is_needed(*code)).collect();
            if !unneeded.is_empty() {
                let worker = &mut self.seats[at].worker;
                worker.unneeded.extend(unneeded);
                worker.kill_at.get_or_insert_with(|| Instant::now() + GRACE);
                let parcels = worker.recall(u32::MAX);
                self.requeue(parcels);
            }
        }
    }

    /// What is loaded has become of use again in the meantime.
    pub(crate) fn spare_needed_loads(&mut self) {
        for at in 0..self.seats.len() {
            let worker = &mut self.seats[at].worker;
            let mut unneeded = std::mem::take(&mut worker.unneeded);
            if !unneeded.is_empty() && !worker.killed_by_us {
                unneeded.retain(|code| !self.is_needed(*code));
                let worker = &mut self.seats[at].worker;
                if unneeded.is_empty() {
                    worker.end_grace();
                }
            }
            self.seats[at].worker.unneeded = unneeded;
        }
    }

    /// Whether the start of workers or a call that goes on needs this code.
    fn is_needed(&self, code: u64) -> bool {
        let starts = self.initializer.as_ref().is_some_and(|start| start.codes.contains(&code));
        let mut going = self.calls.values().filter(|call| !call.cancelled && !call.complete());
        starts || going.any(|call| call.all_codes().any(|own| own == code))
    }

    /// Whether the grace of a worker is counted for that.
    pub(crate) fn is_ending_loads(&self) -> bool {
        self.seats.iter().any(|seat| !seat.worker.unneeded.is_empty())
    }
}
