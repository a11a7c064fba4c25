//! Into the pool's queue and out of it, call by call.
//!
//! It sends nothing: dispatch does.

use crate::call::{CallId, Failure};
use crate::span::Span;
use crate::state::State;
use crate::worker_seat::Parcel;

impl State {
    /// Queues a parcel behind all others.
    pub(crate) fn enqueue(&mut self, parcel: Parcel) {
        if let Some(call) = self.calls.get_mut(&parcel.call.0) {
            self.queue.push_back(parcel, &mut call.span);
        }
    }

    /// Queues a parcel before all others.
    pub(crate) fn enqueue_first(&mut self, parcel: Parcel) {
        if let Some(call) = self.calls.get_mut(&parcel.call.0) {
            self.queue.push_front(parcel, &mut call.span);
        }
    }

    /// How many items of a call wait in the queue.
    pub(crate) fn queued_of(&self, id: CallId) -> u64 {
        self.calls.get(&id.0).map_or(0, |call| self.queue.count_of(id, call.span))
    }

    /// Ends the queued items of a call.
    pub(crate) fn sweep(&mut self, id: CallId) {
        let Some(call) = self.calls.get(&id.0) else { return };
        let mut gone = self.queue.take_of(id, call.span);
        gone.extend(self.unpin(|call| call == id));
        if self.queue.needs_packing() {
            self.pack_queue();
        }
        self.end_queued(&gone);
    }

    /// Ends all queued items.
    pub(crate) fn sweep_all(&mut self) {
        let mut gone = self.queue.take_all();
        gone.extend(self.unpin(|_| true));
        self.end_queued(&gone);
    }

    fn end_queued(&mut self, parcels: &[Parcel]) {
        for parcel in parcels {
            let failure = self.refusal(parcel.call).unwrap_or(Failure::Cancelled);
            self.fail_items(parcel, &failure);
        }
    }

    fn pack_queue(&mut self) {
        let parcels = self.queue.take_all();
        for parcel in &parcels {
            if let Some(call) = self.calls.get_mut(&parcel.call.0) {
                call.span = Span::NONE;
            }
        }
        for parcel in parcels {
            self.enqueue(parcel);
        }
    }
}
