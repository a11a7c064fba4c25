//! A worker is gone, or must go: who pays, who replaces it.
//!
//! ```text
//! 1. the pidfd is readable: the worker is dead; what it had started is ended, by its template or here,
//!    before anybody reaps it; what it published is read one last time
//! 2. begun (its own counter) tells what it had started: everything later is taken back and sent to others
//! 3. the one item that was begun and not answered is lost: it ends as `Failure::Died`
//! 4. the seat gets its spare, or a new worker; a pool that is closing lets the seat go
//! ```
//!
//! What is lost may be a request of our own: the initializer (the pool fails, once and for all) or a blob
//! of code (it is loaded elsewhere; the calls that need it fail when the third worker in a row has ended over
//! it). No item and no initializer is ever sent twice once it was begun.

use std::sync::Arc;
use std::time::{Duration, Instant};

use manyhands_os::ending::end_with_group;
use manyhands_os::process::ExitStatus;

use crate::call::{CallId, Death, Failure, Fault, InitFailure};
use crate::state::{Phase, State};
use crate::worker_seat::{Frame, Notice, Process, REPORT_WAIT, What, Worker};

/// Workers that may end in a row while they load the same code, before that is the code's fault.
const FAILED_LOADS: u32 = 3;
/// How long a worker that was asked to end may take.
pub(crate) const STOP_GRACE: Duration = Duration::from_secs(10);

impl Worker {
    /// Ends the process and its group now.
    pub(crate) fn kill(&mut self) {
        self.kill_at = None;
        let is_alive = |process: &Process| !process.pidfd.is_dead();
        self.killed_by_us |= self.process.as_ref().is_some_and(is_alive);
        self.end_with_group();
    }

    /// Ends what it has started and, if it lives, itself.
    pub(crate) fn end_with_group(&self) {
        if let Some(process) = &self.process {
            end_with_group(process.pid, &process.pidfd);
        }
    }
}

impl State {
    /// The dead worker's exit is known, or will never be: settles its items and fills its seat.
    pub(crate) fn bury(&mut self, key: u64) {
        let Some(at) = self.seats.iter().position(|seat| seat.worker.key == key) else {
            return self.bury_spare(key);
        };
        self.collect(at);
        let Some(at) = self.seats.iter().position(|seat| seat.worker.key == key) else {
            // Its last words were the failure of the initializer, at which seats go.
            return;
        };
        let death = Arc::new(self.cause_of_death(at));
        let mut verdict = self.verdict_on_the_dead(at);
        let seat = &mut self.seats[at];
        let had_started = seat.worker.has_started();
        let parcels = seat.worker.salvage();
        let lost: Vec<_> = seat.worker.frames.drain(..).collect();
        self.hub.set_awake(self.seats[at].id, false);
        for frame in &lost {
            self.lose(frame, verdict.take(), &death);
        }
        self.count_start(had_started, &death);
        // A pool that gives up at this start has let seats go.
        if let Some(at) = self.seats.iter().position(|seat| seat.worker.key == key) {
            self.fill(at);
        }
        self.requeue(parcels);
        self.wind_down();
        self.balance();
        self.replace_the_spent(); // whose last item was sent by that
    }

    fn bury_spare(&mut self, key: u64) {
        self.orphans.retain(|orphan| orphan.key != key);
        let owner = self
            .seats
            .iter_mut()
            .find(|seat| seat.spare.as_ref().is_some_and(|spare| spare.key == key));
        if let Some(seat) = owner {
            seat.spare = None;
        }
    }

    /// Settles what the dead worker had begun: by its verdict, if there is one.
    fn lose(&mut self, frame: &Frame, verdict: Option<Failure>, death: &Arc<Death>) {
        match frame.what {
            What::Items { call, first } => {
                let failure = match self.phase {
                    Phase::Terminated => Failure::Terminated,
                    _ => verdict.unwrap_or_else(|| Failure::Died(Arc::clone(death))),
                };
                if frame.count == 1 {
                    return self.end_item(call, first, frame.bytes, &failure);
                }
                self.fail_run(call, (first, frame.count), frame.bytes, &failure);
            }
            What::Initializer if self.phase == Phase::Terminated => {}
            What::Initializer => self.fail_pool(match verdict {
                Some(Failure::TimedOut(overrun)) => InitFailure::TimedOut(overrun),
                _ => InitFailure::Died(Arc::clone(death)),
            }),
            What::Code(id) => match verdict {
                Some(Failure::TimedOut(overrun)) => self.fail_pool(InitFailure::TimedOut(overrun)),
                Some(Failure::Cancelled) => {}
                _ => self.blame(id, death),
            },
            What::Stop | What::Forget(_) => {}
        }
    }

    /// A worker ended while it loaded this code: that may have been the code, or whoever kills workers. Those
    /// that ended together, with their template, count as one.
    fn blame(&mut self, code: u64, death: &Arc<Death>) {
        let Some(loaded) = self.codes.get_mut(&code) else { return };
        if death.reason.is_some() && loaded.common == death.reason {
            return;
        }
        loaded.common.clone_from(&death.reason);
        loaded.deaths += 1;
        if loaded.deaths < FAILED_LOADS {
            return;
        }
        self.loaded(code);
        if self.initializer.as_ref().is_some_and(|initializer| initializer.codes.contains(&code)) {
            return self.fail_pool(InitFailure::Died(Arc::clone(death)));
        }
        self.poison(code, death);
    }

    /// A worker has loaded it: whatever ended others meanwhile was not this code.
    pub(crate) fn loaded(&mut self, code: u64) {
        if let Some(code) = self.codes.get_mut(&code) {
            (code.deaths, code.common) = (0, None);
        }
    }

    /// Code that cannot be loaded fails every call that needs it.
    fn poison(&mut self, code: u64, death: &Arc<Death>) {
        let users: Vec<_> = self
            .calls
            .iter()
            .filter(|(_, call)| call.all_codes().any(|needed| needed == code))
            .map(|(id, _)| CallId(*id))
            .collect();
        for id in users {
            if let Some(call) = self.calls.get_mut(&id.0) {
                call.refusal = Some(Failure::Died(Arc::clone(death)));
            }
            self.sweep(id);
        }
    }

    /// Gives the seat its next worker, or lets it go.
    fn fill(&mut self, at: usize) {
        let keeps =
            self.phase == Phase::Open || (self.phase == Phase::Closed && !self.is_drained());
        if !keeps || self.fault.is_some() || self.seats[at].leaving {
            self.release_seat(at);
            return;
        }
        let id = self.seats[at].id;
        let next = match self.seats[at].spare.take() {
            Some(spare) => Ok(spare),
            None => self.new_worker(id),
        };
        let next = next.and_then(|mut worker| self.welcome(&mut worker).map(|()| worker));
        match next {
            Ok(worker) => self.seats[at].worker = worker,
            Err(error) => {
                self.release_seat(at);
                if self.seats.is_empty() {
                    self.fail_pool(InitFailure::Launch(format!(
                        "no memory for a worker's lane: {error}"
                    )));
                }
            }
        }
    }

    fn release_seat(&mut self, at: usize) {
        let seat = self.seats.remove(at);
        let Some(mut spare) = seat.spare else { return };
        if !self.launches.cancel(spare.key) && spare.process.is_some() {
            spare.kill();
            self.orphans.push(spare);
        }
    }

    /// The pool can never work: everything fails, for this one reason.
    pub(crate) fn fail_pool(&mut self, failure: InitFailure) {
        if self.fault.is_none() {
            let initializer = self.initializer.as_ref().map(|initializer| initializer.name.clone());
            self.fault = Some(Arc::new(Fault::new(initializer, failure)));
        }
        self.end_workers();
    }

    /// Ends everything now.
    pub(crate) fn terminate(&mut self) {
        if self.phase < Phase::Terminated {
            self.collect_all();
            self.phase = Phase::Terminated;
            self.end_workers();
        }
    }

    /// Kills all workers, and ends all items that nobody has begun.
    fn end_workers(&mut self) {
        self.sweep_all();
        self.launches.clear();
        for at in (0..self.seats.len()).rev() {
            let worker = &mut self.seats[at].worker;
            worker.stopping = true;
            if worker.process.is_some() {
                worker.kill();
                continue;
            }
            let parcels = worker.salvage();
            worker.frames.clear();
            self.requeue(parcels);
            self.release_seat(at);
        }
    }

    /// Stops accepting; workers end when everything is done.
    pub(crate) fn close(&mut self) {
        if self.phase == Phase::Open {
            self.phase = Phase::Closed;
        }
        self.wind_down();
    }

    /// In a closed pool with nothing left to do: asks all workers to end.
    pub(crate) fn wind_down(&mut self) {
        if self.phase == Phase::Open || !self.is_drained() {
            return;
        }
        for at in (0..self.seats.len()).rev() {
            if self.seats[at].worker.process.is_none()
                && self.launches.cancel(self.seats[at].worker.key)
            {
                self.release_seat(at);
                continue;
            }
            self.retire(at);
        }
    }

    /// Asks one worker to end after what it has; it is killed if it takes too long over that.
    pub(crate) fn retire(&mut self, at: usize) {
        let worker = &mut self.seats[at].worker;
        if !worker.stopping {
            worker.stop();
            worker.kill_at = Some(Instant::now() + STOP_GRACE);
        }
    }

    /// What follows when replies have been read: retirements, and the end of a closing pool.
    pub(crate) fn after_collecting(&mut self) {
        if self.config.memory.soft.is_some() {
            self.spend_the_grown();
        }
        self.replace_the_spent();
        if self.phase != Phase::Open {
            self.wind_down();
        }
        if !self.queue.is_empty() || !self.pinned.is_empty() {
            self.pump();
        }
    }

    /// Workers that have grown too much are given nothing more.
    pub(crate) fn spend_the_grown(&mut self) {
        for at in 0..self.seats.len() {
            let worker = &mut self.seats[at].worker;
            if worker.budget == Some(0) || worker.stopping || !worker.lane.has_grown() {
                continue;
            }
            let parcels = worker.recall(u32::MAX);
            worker.budget = Some(0);
            self.requeue(parcels);
        }
    }

    /// Workers without budget end; their replacement is launched ahead.
    pub(crate) fn replace_the_spent(&mut self) {
        if self.config.max_tasks.is_none() && self.config.memory.soft.is_none() {
            return;
        }
        for at in 0..self.seats.len() {
            let seat = &self.seats[at];
            if seat.worker.budget != Some(0) || seat.leaving {
                continue;
            }
            if seat.spare.is_none()
                && self.phase == Phase::Open
                && self.fault.is_none()
                && !seat.worker.stopping
                && let Ok(spare) = self.new_worker(seat.id)
            {
                self.seats[at].spare = Some(spare);
                // The supervisor launches it.
                self.look_again = Some(Instant::now());
            }
            if self.seats[at].worker.feeder.outstanding() == 0 {
                self.retire(at);
            }
        }
    }

    /// Notes that a worker is dead; `status` may come later.
    pub(crate) fn note_death(
        &mut self,
        key: u64,
        status: Option<ExitStatus>,
        reason: Option<String>,
        last: bool,
    ) {
        let Some(worker) = self.worker_mut(key) else { return };
        let notice = worker.notice.get_or_insert_with(|| Notice {
            since: Instant::now(),
            status: None,
            final_word: false,
            reason: None,
            peak: None,
        });
        notice.status = notice.status.or(status);
        notice.reason = notice.reason.take().or(reason);
        notice.final_word |= last;
    }

    /// Notes all that whoever has reaped a worker knows: its status, and its peak of memory in bytes.
    pub(crate) fn note_end(&mut self, key: u64, status: Option<ExitStatus>, peak: Option<u64>) {
        self.note_death(key, status, None, true);
        if let Some(notice) = self.worker_mut(key).and_then(|worker| worker.notice.as_mut()) {
            notice.peak = peak;
        }
    }

    /// Dead workers whose story is complete, or was waited for long enough.
    pub(crate) fn ready_to_bury(&self, now: Instant) -> Vec<u64> {
        let told = |notice: &Notice| notice.final_word || now >= notice.since + REPORT_WAIT;
        let all = self.workers();
        all.filter(|worker| worker.notice.as_ref().is_some_and(told))
            .map(|worker| worker.key)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::starts::FAILED_STARTS;
    use crate::state::Config;

    /// The worker of a seat, none of which has a process yet, says that its initializer raised.
    fn fail_initializer(state: &State, at: usize) {
        let lane = Arc::clone(&state.seats[at].worker.lane);
        let mut runner = manyhands_shm::lane::Runner::new(lane);
        for reply in [&[0][..], &[crate::wire::RAISED, 7]] {
            assert!(runner.take().is_some());
            runner.reply(reply.len(), |room| room.copy_from_slice(reply)).unwrap();
            runner.publish(1);
        }
    }

    fn pool_with_initializer() -> State {
        let mut state = State::seated(Config::plain(3));
        let code = state.register_code(b"code", Vec::new());
        state.set_initializer("init".into(), vec![code], (b"x", Vec::new())).unwrap();
        state
    }

    #[test]
    fn a_failed_initializer_lets_seats_go_while_lanes_are_read() {
        let mut state = pool_with_initializer();
        fail_initializer(&state, 0);
        fail_initializer(&state, 2);
        state.collect_all();
        assert!(state.fault.is_some() && state.seats.is_empty());
    }

    #[test]
    fn a_failed_initializer_lets_seats_go_while_its_worker_is_buried() {
        let mut state = pool_with_initializer();
        fail_initializer(&state, 2);
        let key = state.seats[2].worker.key;
        state.note_death(key, None, None, true);
        state.bury(key);
        assert!(state.fault.is_some() && state.seats.is_empty());
    }

    fn died(reason: Option<&str>) -> Arc<Death> {
        Arc::new(Death { reason: reason.map(str::to_owned), ..Death::default() })
    }

    #[test]
    fn code_is_to_blame_when_three_in_a_row_have_ended_over_it() {
        let mut state = pool_with_initializer();
        for _ in 0..2 {
            state.blame(1, &died(None));
            state.blame(1, &died(None));
            assert!(state.fault.is_none());
            state.loaded(1);
        }
        for _ in 0..3 {
            state.blame(1, &died(None));
        }
        assert!(state.fault.is_some());
    }

    #[test]
    fn those_who_end_with_their_template_count_as_one() {
        let mut state = pool_with_initializer();
        for _ in 0..8 {
            state.blame(1, &died(Some("the template was killed")));
        }
        assert!(state.fault.is_none());
        for reason in ["the second one was killed", "the third one was killed"] {
            state.blame(1, &died(Some(reason)));
        }
        assert!(state.fault.is_some());
    }

    #[test]
    fn a_pool_that_gives_up_while_it_buries_lets_all_seats_go() {
        let mut state = State::seated(Config::plain(3));
        state.failed_starts = FAILED_STARTS - 1;
        let key = state.seats[2].worker.key;
        state.note_death(key, None, None, true);
        state.bury(key);
        assert!(state.fault.is_some() && state.seats.is_empty());
    }
}
