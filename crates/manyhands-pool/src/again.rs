//! An item that failed runs again, if its call asks for that; [`crate::retry`] says what that means.

use crate::call::{CallId, Failure};
use crate::retry::Retry;
use crate::state::{Phase, State};
use crate::worker_seat::Parcel;

/// Whether an item that failed so may run again.
fn covers(retry: Retry, failure: &Failure) -> bool {
    match failure {
        Failure::Died(death) if death.exceeded.is_some() => retry.overfull,
        Failure::Died(_) => retry.deaths,
        Failure::TimedOut(_) => retry.timeouts,
        _ => false,
    }
}

impl State {
    /// Ends an item that a worker had begun, for that reason, or lets it run again.
    pub(crate) fn end_item(&mut self, id: CallId, index: u64, freed: usize, failure: &Failure) {
        let covered = self.calls.get(&id.0).is_some_and(|call| covers(call.spec.retry, failure));
        if !covered || !self.run_again(id, index, freed) {
            self.fail_run(id, (index, 1), freed, failure);
        }
    }

    /// Lets an item that failed run again, if it may; `freed` bytes of requests have been answered.
    pub(crate) fn run_again(&mut self, id: CallId, index: u64, freed: usize) -> bool {
        if self.phase == Phase::Terminated || self.refusal(id).is_some() {
            return false;
        }
        let Some(call) = self.calls.get_mut(&id.0) else { return false };
        let times = call.spec.retry.times;
        let Some(records) = call.retries.once_more(index, times) else { return false };
        call.bytes_in_flight = call.bytes_in_flight.saturating_sub(freed) + records.len();
        let parcel = Parcel { call: id, first: index, count: 1, records, start: 0, spoiled: None };
        self.enqueue(parcel);
        self.pump();
        true
    }
}
