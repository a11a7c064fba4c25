//! Items of which each belongs to one seat: a broadcast runs one on every worker.
//!
//! A pinned item waits until its worker has nothing else, and meanwhile that worker is given nothing new; so it
//! never stands in a row from which others could take it. If its worker dies before it has begun, it waits for
//! the next one on the seat. With a seat that goes, its item is cancelled.
//!
//! It refuses to choose a seat for anybody.

use crate::call::{CallId, CallSpec};
use crate::pool::{Pool, PushError};
use crate::state::{Phase, State};
use crate::worker_seat::Parcel;

impl Pool {
    /// Opens a call that runs the same record once on each worker; results are indexed by seats, in their order.
    ///
    /// # Errors
    /// [`PushError::Closed`] once the pool was closed.
    pub fn broadcast(&self, spec: CallSpec, record: &[u8]) -> Result<CallId, PushError> {
        let mut state = self.0.lock();
        if state.phase != Phase::Open {
            return Err(PushError::Closed);
        }
        let call = state.open_call(spec);
        state.accept_pinned(call, record);
        if state.take_nudge() {
            self.0.call_supervisor();
        }
        Ok(call)
    }
}

impl State {
    /// Takes one item for each seat.
    fn accept_pinned(&mut self, id: CallId, record: &[u8]) {
        let staying = self.seats.iter().filter(|seat| !seat.leaving);
        let mut seats: Vec<usize> = staying.map(|seat| seat.id).collect();
        seats.sort_unstable();
        let Some(call) = self.calls.get_mut(&id.0) else { return };
        call.sealed = true;
        call.fed = seats.len() as u64;
        call.bytes_in_flight = record.len() * seats.len();
        call.seats.clone_from(&seats);
        for (first, seat) in (0..).zip(seats) {
            let records = record.to_vec();
            self.pinned.push((
                seat,
                Parcel { call: id, first, count: 1, records, start: 0, spoiled: None },
            ));
        }
        if self.refusal(id).is_some() {
            self.sweep(id);
        }
        self.after_settling(id);
        self.pump();
    }

    /// Whether an item waits for this seat.
    pub(crate) fn awaits_pinned(&self, seat: usize) -> bool {
        !self.pinned.is_empty() && self.pinned.iter().any(|(own, _)| *own == seat)
    }

    /// Sends pinned items to workers that have nothing else.
    pub(crate) fn pump_pinned(&mut self) {
        let mut waiting = std::mem::take(&mut self.pinned);
        let mut gone = Vec::new();
        let mut kept = Vec::new();
        for (id, parcel) in waiting.drain(..) {
            let Some(at) = self.seats.iter().position(|seat| seat.id == id && !seat.leaving) else {
                gone.push(parcel);
                continue;
            };
            let worker = &self.seats[at].worker;
            let free = worker.takes_items() && worker.feeder.outstanding() == 0;
            let rest = if free { self.send(at, parcel) } else { Some(parcel) };
            kept.extend(rest.map(|parcel| (id, parcel)));
        }
        self.pinned.extend(kept);
        for parcel in gone {
            self.fail_items(&parcel, &crate::call::Failure::Cancelled);
        }
    }

    /// Puts a pinned item that was taken back where it waits; any other is returned.
    pub(crate) fn pin_again(&mut self, parcel: Parcel) -> Option<Parcel> {
        let seats = self.calls.get(&parcel.call.0).map(|call| &call.seats)?;
        let seat = usize::try_from(parcel.first).ok().and_then(|at| seats.get(at).copied());
        match seat {
            Some(seat) => {
                self.pinned.push((seat, parcel));
                None
            }
            None => Some(parcel),
        }
    }

    /// Takes the waiting items of the calls that `which` names.
    pub(crate) fn unpin(&mut self, which: impl Fn(CallId) -> bool) -> Vec<Parcel> {
        let gone = self.pinned.extract_if(.., |(_, parcel)| which(parcel.call));
        gone.map(|(_, parcel)| parcel).collect()
    }
}
