//! The handle of a pool: calls are opened, fed, waited for and taken from here.
//!
//! Every method may be called from any thread; none of them runs user code. After a fork the child's copy of a
//! pool is *foreign*: it must not be used, and dropping it does nothing ([`Pool::is_foreign`]).

use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use manyhands_os::event::EventFd;
use manyhands_os::process::{ExitStatus, PidFd};
use manyhands_shm::atomic::AtomicU32;
use manyhands_shm::hub::Hub;
use thiserror::Error;

use crate::call::{CallId, CallSpec, Fault, Run, Status};
use crate::launch::{Doors, LaunchOrder, Launcher, Start, WorkerEnd};
use crate::luggage::Luggage;
use crate::need::{Need, Waited};
use crate::registry;
use crate::shared::Shared;
use crate::state::{Config, Phase, State};
use crate::supervisor;
use crate::template::Template;
use crate::wait::unload;
use crate::worker_seat::{Parcel, Process};

/// Why a call was not opened or fed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum PushError {
    /// The pool accepts nothing more.
    #[error("this pool is closed: create a new one to run more")]
    Closed,
}

/// A pool of worker processes.
#[derive(Debug)]
pub struct Pool(pub(crate) Arc<Shared>);

impl Pool {
    /// Makes a pool whose workers are being launched.
    ///
    /// # Errors
    /// Whatever the kernel says when there is no memory or no descriptor for it.
    pub fn new(config: Config, launcher: Launcher, start: Start) -> io::Result<Self> {
        let (hub, hub_fd) = Hub::create(config.cores)?;
        let hub = Arc::new(hub);
        let doors = Doors { hub: Arc::new(hub_fd), event: Arc::new(EventFd::new()?) };
        hub.set_parent_awake(true);
        let workers = config.workers;
        let mut state = State::new(Arc::new(config), Arc::clone(&hub));
        state.launches.held = true;
        let template = match launcher {
            Launcher::Template(config) => Some(Template::new(config)),
            Launcher::Host => {
                state.launches.by_host = true;
                None
            }
        };
        for _ in 0..workers {
            state.add_seat()?;
        }
        let shared = Arc::new(Shared {
            state: Mutex::new(state),
            changed: Condvar::new(),
            launching: Condvar::new(),
            hub,
            doors: Mutex::new(Some(doors)),
            start: Mutex::new(start),
            template: Mutex::new(template),
            imports: Mutex::new(Vec::new()),
            generation: registry::generation(),
            severed: AtomicU32::new(0),
        });
        supervisor::serve(&shared)?;
        Ok(Self(shared))
    }

    /// Whether this is a copy that a forked child inherited.
    #[must_use]
    pub fn is_foreign(&self) -> bool {
        self.0.generation != registry::generation()
    }

    /// Sets what every worker does first: load these blobs, and call the last one's value with the payload, whose
    /// blocks are kept as long as the pool.
    ///
    /// # Errors
    /// If there is no memory to send it; nothing was set then.
    pub fn set_initializer(
        &self,
        name: String,
        codes: Vec<u64>,
        payload: (&[u8], Luggage),
    ) -> io::Result<()> {
        self.0.lock().set_initializer(name, codes, payload)
    }

    /// Lets the launcher carry out its orders, which waits until the first call otherwise.
    pub fn release(&self) {
        self.0.lock().launches.held = false;
        self.0.call_supervisor();
    }

    /// Opens a call.
    ///
    /// # Errors
    /// [`PushError::Closed`] once the pool was closed.
    pub fn open(&self, spec: CallSpec) -> Result<CallId, PushError> {
        let mut state = self.0.lock();
        match state.phase {
            Phase::Open => Ok(state.open_call(spec)),
            Phase::Closed | Phase::Terminated => Err(PushError::Closed),
        }
    }

    /// Opens a call of one item, whose record is fed at once.
    ///
    /// # Errors
    /// [`PushError::Closed`] once the pool was closed.
    pub fn submit(
        &self,
        spec: CallSpec,
        required: &[u64],
        record: Vec<u8>,
    ) -> Result<CallId, PushError> {
        let mut state = self.0.lock();
        if state.phase != Phase::Open {
            return Err(PushError::Closed);
        }
        let call = state.open_call(spec);
        for code in required {
            state.require(call, *code);
        }
        self.feed_last(&mut state, call, 1, record);
        Ok(call)
    }

    /// Says that workers need this code before the call's next items.
    pub fn require(&self, call: CallId, code: u64) {
        self.0.lock().require(call, code);
    }

    /// Keeps the blocks that an item, to be pushed next as the call's `index`-th, names until it has ended.
    pub fn keep(&self, call: CallId, index: u64, luggage: Luggage) {
        let mut state = self.0.lock();
        match state.calls.get_mut(&call.0) {
            Some(open) => open.keep(index, luggage),
            None => state.dropped.extend(luggage),
        }
        state.airing.begin();
    }

    /// Feeds `count` items, whose records follow one another in `records`.
    pub fn push(&self, call: CallId, count: u32, records: Vec<u8>) {
        if count == 0 {
            return;
        }
        let mut state = self.0.lock();
        let first = state.calls.get(&call.0).map_or(0, |call| call.fed);
        state.accept(Parcel { call, first, count, records, start: 0, spoiled: None });
        if state.take_nudge() {
            self.0.call_supervisor();
        }
    }

    /// Feeds one item. Its record comes back, for who may have to send it once more.
    #[must_use]
    pub fn push_and_keep(&self, call: CallId, record: Vec<u8>) -> Vec<u8> {
        let mut state = self.0.lock();
        let first = state.calls.get(&call.0).map_or(0, |call| call.fed);
        let parcel = Parcel { call, first, count: 1, records: record, start: 0, spoiled: None };
        let record = state.accept_and_keep(parcel);
        if state.take_nudge() {
            self.0.call_supervisor();
        }
        record
    }

    /// Feeds the last items of a call.
    pub fn push_last(&self, call: CallId, count: u32, records: Vec<u8>) {
        self.feed_last(&mut self.0.lock(), call, count, records);
    }

    fn feed_last(&self, state: &mut State, call: CallId, count: u32, records: Vec<u8>) {
        let Some(open) = state.calls.get_mut(&call.0) else { return };
        open.sealed = true;
        let first = open.fed;
        state.accept(Parcel { call, first, count, records, start: 0, spoiled: None });
        if state.take_nudge() {
            self.0.call_supervisor();
        }
    }

    /// Counts an item that could not be encoded: it ends as [`crate::Failure::Unsent`].
    pub fn push_unsent(&self, call: CallId) {
        self.0.lock().accept_unsent(call);
    }

    /// Asks that the completion of a call be announced, if it has not been.
    pub fn announce_completion(&self, call: CallId) {
        let mut state = self.0.lock();
        match state.calls.get_mut(&call.0) {
            Some(open) => {
                open.spec.notify = true;
                state.after_settling(call);
            }
            // Somebody took the result in the meantime.
            None => state.completions.push(call),
        }
        self.0.announce(&state);
    }

    /// Cancels a call if nothing of it has started; whether it did.
    #[must_use]
    pub fn cancel_unstarted(&self, call: CallId) -> bool {
        let mut state = self.0.lock();
        self.0.refresh(&mut state);
        let cancelled = state.cancel_unstarted(call);
        if state.is_ending_loads() {
            self.0.call_supervisor();
        }
        self.0.announce(&state);
        cancelled
    }

    /// Whether a worker has begun an item of a call that has not ended.
    #[must_use]
    pub fn is_running(&self, call: CallId) -> bool {
        self.0.reading(|state| state.seats.iter().any(|seat| seat.worker.runs(call)))
    }

    /// Says that a call gets no more items.
    pub fn seal(&self, call: CallId) {
        let mut state = self.0.lock();
        if let Some(open) = state.calls.get_mut(&call.0) {
            open.sealed = true;
            state.after_settling(call);
            if state.phase != Phase::Open {
                state.wind_down();
                self.0.call_supervisor();
            }
            self.0.announce(&state);
        }
    }

    /// The next results of a call, if there are any.
    #[must_use]
    pub fn take(&self, call: CallId) -> Option<Run> {
        self.0.reading(|state| state.calls.get_mut(&call.0).and_then(|call| call.take()))
    }

    /// The result of a call of one item, if it is there; then the call is let go of.
    #[must_use]
    pub fn take_only(&self, call: CallId) -> Option<Run> {
        let mut state = self.0.lock();
        self.0.refresh(&mut state);
        let open = state.calls.get_mut(&call.0)?;
        let run = open.take()?;
        state.abandon(call);
        unload(state);
        Some(run)
    }

    /// The first failure of a call that stops on failure; once.
    #[must_use]
    pub fn take_failure(&self, call: CallId) -> Option<Run> {
        self.0.lock().calls.get_mut(&call.0).and_then(|call| call.take_failure())
    }

    /// A call's figures, after all lanes were read.
    #[must_use]
    pub fn status(&self, call: CallId) -> Option<Status> {
        self.0.reading(|state| state.calls.get(&call.0).map(|call| call.status()))
    }

    /// The measured time of an item, in nanoseconds: the longest that a worker reports (0: unknown).
    #[must_use]
    pub fn item_ns(&self) -> u64 {
        let state = self.0.lock();
        state.seats.iter().map(|seat| seat.worker.lane.item_ns()).max().unwrap_or(0)
    }

    /// Waits; see [`Need`]. `call` is ignored where the need is not of a call.
    pub fn wait(&self, call: CallId, need: Need, timeout: Option<Duration>) -> Waited {
        self.0.wait(call, need, timeout)
    }

    /// Waits for something of the whole pool.
    pub fn wait_pool(&self, need: Need, timeout: Option<Duration>) -> Waited {
        self.0.wait(CallId(u64::MAX), need, timeout)
    }

    /// Ends all items of a call that have not started; the others run on.
    pub fn cancel(&self, call: CallId) {
        let mut state = self.0.lock();
        state.cancel(call);
        if state.phase != Phase::Open {
            state.wind_down();
            self.0.call_supervisor();
        }
        self.0.announce(&state);
    }

    /// Cancels a call and ends its running items: by SIGINT, and after a grace by SIGKILL.
    pub fn interrupt(&self, call: CallId) {
        let mut state = self.0.lock();
        state.interrupt(call);
        self.0.announce(&state);
        self.0.call_supervisor();
    }

    /// Ends all items of all calls that have not started.
    pub fn cancel_all(&self) {
        let mut state = self.0.lock();
        state.cancel_all();
        self.0.announce(&state);
    }

    /// Lets go of a call: its results are dropped, its items run unless they were cancelled.
    pub fn abandon(&self, call: CallId) {
        let mut state = self.0.lock();
        state.abandon(call);
        unload(state);
    }

    /// As [`Pool::abandon`], but its completion is still announced if that was asked for.
    pub fn abandon_completed(&self, call: CallId) {
        let mut state = self.0.lock();
        state.after_settling(call);
        drop(state);
        self.abandon(call);
    }

    /// As [`Pool::abandon`], for a call that may still be fed; in a forked child it does nothing.
    pub fn forget_results(&self, call: CallId) {
        if !self.is_foreign() {
            self.abandon(call);
        }
    }

    /// Calls with `notify` that have become complete since the last time.
    #[must_use]
    pub fn completions(&self) -> Vec<CallId> {
        std::mem::take(&mut self.0.lock().completions)
    }

    /// What workers sent besides replies: seat and bytes.
    #[must_use]
    pub fn events(&self) -> Vec<(usize, Vec<u8>)> {
        self.0.reading(|state| state.events.drain(..).collect())
    }

    /// Why no worker can work, if so.
    #[must_use]
    pub fn fault(&self) -> Option<Arc<Fault>> {
        self.0.lock().fault.clone()
    }

    /// Why items were lost whose results nobody has asked for: the fault, if there were calls, and the user has not
    /// been told; once.
    #[must_use]
    pub fn untold_fault(&self) -> Option<Arc<Fault>> {
        let state = self.0.lock();
        state.fault.clone().filter(|fault| state.has_had_calls() && fault.tell())
    }

    /// Replaces what a new worker is started with (the template's requests carry it).
    pub fn set_start(&self, start: Start) {
        *self.0.start.lock().unwrap_or_else(PoisonError::into_inner) = start;
    }

    /// Asks the template to import a module before it forks again.
    pub fn import(&self, module: &str) {
        self.0.imports.lock().unwrap_or_else(PoisonError::into_inner).push(module.to_owned());
        self.0.call_supervisor();
    }

    /// Adds workers.
    ///
    /// # Errors
    /// Whatever the kernel says when there is no memory for their lanes.
    pub fn grow(&self, count: usize) -> io::Result<()> {
        let mut state = self.0.lock();
        for _ in 0..count {
            state.add_seat()?;
        }
        state.balance();
        self.0.announce(&state);
        self.0.call_supervisor();
        Ok(())
    }

    /// Lets `count` workers go, the last seats first, each after the item that it runs.
    pub fn shrink(&self, count: usize) {
        let mut state = self.0.lock();
        let mut seats: Vec<_> =
            (0..state.seats.len()).filter(|at| !state.seats[*at].leaving).collect();
        seats.sort_by_key(|at| std::cmp::Reverse(state.seats[*at].id));
        for at in seats.into_iter().take(count) {
            state.seats[at].leaving = true;
            let parcels = state.seats[at].worker.recall(u32::MAX);
            state.requeue(parcels);
            state.seats[at].worker.stop();
        }
        state.pump();
        self.0.announce(&state);
        self.0.call_supervisor();
    }

    /// Accepts nothing more; workers end when everything is done.
    pub fn close(&self) {
        let mut state = self.0.lock();
        state.close();
        self.0.announce(&state);
        self.0.call_supervisor();
    }

    /// Kills all workers; every item that has not ended ends as terminated.
    pub fn terminate(&self) {
        let mut state = self.0.lock();
        state.terminate();
        self.0.announce(&state);
        self.0.call_supervisor();
    }

    /// Whether nothing runs any more.
    #[must_use]
    pub fn is_terminated(&self) -> bool {
        self.0.lock().phase == Phase::Terminated
    }

    /// The launching side of a pool of [`Launcher::Host`].
    #[must_use]
    pub fn host(&self) -> Host {
        Host(Arc::clone(&self.0))
    }
}

/// The side of a pool that launches its workers in the rung above. It does not keep the pool alive.
#[derive(Debug)]
pub struct Host(Arc<Shared>);

impl Host {
    /// Waits for something to do.
    pub fn wait(&self, timeout: Option<Duration>) -> Waited {
        self.0.wait(CallId(u64::MAX), Need::Launches, timeout)
    }

    /// The next worker that the host has to launch.
    #[must_use]
    pub fn next_launch(&self) -> Option<(LaunchOrder, WorkerEnd, Arc<OwnedFd>)> {
        let mut state = self.0.lock();
        let Doors { hub: hub_fd, event } = self.0.doors()?;
        let order = state.launches.next()?;
        let (lane, hub) = (Arc::clone(&order.lane), Arc::clone(&self.0.hub));
        Some((order.clone(), WorkerEnd { lane, hub, event, seat: order.seat }, hub_fd))
    }

    /// The next dead worker whose exit status the host has to report.
    #[must_use]
    pub fn next_host_dead(&self) -> Option<u64> {
        self.0.lock().launches.host_dead.pop_front()
    }

    /// Host: an order was carried out, by this process. If the pool no longer wants it, it is ended.
    pub fn launched(&self, key: u64, pid: i32, pidfd: PidFd) {
        let mut state = self.0.lock();
        supervisor::adopt(&mut state, key, Process { pid, pidfd: Arc::new(pidfd) });
        self.0.call_supervisor();
    }

    /// Host: an order could not be carried out.
    pub fn launch_failed(&self, key: u64, message: &str) {
        let mut state = self.0.lock();
        state.launch_failed(key, message);
        self.0.announce(&state);
        self.0.call_supervisor();
    }

    /// Host: how a worker ended, and the most memory that it had in bytes (`None`: that cannot be known).
    pub fn reported(&self, key: u64, status: Option<ExitStatus>, peak: Option<u64>) {
        self.0.lock().note_end(key, status, peak);
        self.0.call_supervisor();
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        if self.is_foreign() {
            // The memory, the descriptors and the threads are the parent's.
            std::mem::forget(Arc::clone(&self.0));
        } else {
            self.terminate();
        }
    }
}
