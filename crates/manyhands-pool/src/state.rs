//! Everything behind the one lock of a pool.
//!
//! Whoever holds the lock may read lanes and settle items; nobody calls user code, decodes a payload or
//! sleeps under it. The algorithms live in their own files, as further `impl State` blocks.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use manyhands_shm::hub::Hub;
use manyhands_shm::lane::Refused;
use manyhands_shm::world::World;
use rustc_hash::FxHashMap;

use crate::airing::Airing;
use crate::call::{Call, CallId, CallSpec, Failure, Fault};
use crate::launch::LaunchQueue;
use crate::luggage::{self, Luggage};
use crate::memory::MemoryLimits;
use crate::oom_kills::OomKills;
use crate::queue::Queue;
use crate::wire;
use crate::worker_seat::{Parcel, REPORT_WAIT, Seat, What, Worker};

/// What is fixed when a pool is made.
#[derive(Debug, Clone)]
pub struct Config {
    /// Workers at the start.
    pub workers: usize,
    /// Items after which a worker is replaced.
    pub max_tasks: Option<u64>,
    /// How much memory a worker may have for itself.
    pub memory: MemoryLimits,
    /// How long a worker may take, from when its process is there until its initializer has returned.
    pub initializer_limit: Option<Duration>,
    /// Threads that can run at once on this machine.
    pub cores: usize,
    /// The world whose blocks requests and replies may name; workers get it.
    pub world: Option<Arc<World>>,
}

#[cfg(test)]
impl Config {
    /// Workers without limits, for tests.
    pub(crate) fn plain(workers: usize) -> Self {
        let memory = MemoryLimits::default();
        let (max_tasks, initializer_limit, world) = (None, None, None);
        Self { workers, max_tasks, memory, initializer_limit, cores: 1, world }
    }
}

/// How far a pool's life has come; it only moves forwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    Open,
    /// No new calls; what was submitted runs.
    Closed,
    /// Nothing runs any more.
    Terminated,
}

/// What every worker does first.
#[derive(Debug)]
pub(crate) struct Initializer {
    pub(crate) name: String,
    /// Blobs to load; the last one's value is called.
    pub(crate) codes: Vec<u64>,
    payload: Vec<u8>,
    /// Keeps the blocks that the payload names.
    _luggage: Luggage,
}

fn no_room(refused: Refused) -> io::Error {
    match refused {
        Refused::Full => io::ErrorKind::OutOfMemory.into(),
        Refused::Memory(error) => error,
    }
}

/// A blob of code, kept for workers that have not got it yet.
#[derive(Debug)]
pub(crate) struct Code {
    pub(crate) bytes: Arc<[u8]>,
    /// Calls that need it.
    pub(crate) users: usize,
    /// Keeps the blocks that it names.
    luggage: Luggage,
    /// It ends with its last user, and is not kept for a next one.
    brief: bool,
    /// Workers in a row that ended while they loaded it.
    pub(crate) deaths: u32,
    /// Why the last of them ended, where it did not end alone.
    pub(crate) common: Option<String>,
}

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) config: Arc<Config>,
    pub(crate) hub: Arc<Hub>,
    pub(crate) phase: Phase,
    /// Why no worker can work: every item fails with it.
    pub(crate) fault: Option<Arc<Fault>>,
    pub(crate) initializer: Option<Initializer>,
    pub(crate) seats: Vec<Seat>,
    /// Spares whose seat has gone: they are dying.
    pub(crate) orphans: Vec<Worker>,
    /// Apart from the table: with a hundred thousand calls open it would outgrow every cache.
    pub(crate) calls: FxHashMap<u64, Box<Call>>,
    next_call: u64,
    next_key: u64,
    /// Items that no lane has room for, oldest first.
    pub(crate) queue: Queue,
    /// Items that wait for their seat, by its id.
    pub(crate) pinned: Vec<(usize, Parcel)>,
    pub(crate) codes: FxHashMap<u64, Code>,
    code_ids: HashMap<Arc<[u8]>, u64>,
    next_code: u64,
    /// Codes without a user, oldest first: kept for the next call, up to a limit.
    idle_codes: VecDeque<u64>,
    pub(crate) launches: LaunchQueue,
    /// Modules that the template has not imported, with the reason: sentences.
    pub(crate) not_early: Vec<String>,
    /// Numbers of the template's processes, none of which has been reaped.
    pub(crate) templates: Vec<i32>,
    pub(crate) failed_starts: u32,
    pub(crate) events: VecDeque<(usize, Vec<u8>)>,
    pub(crate) completions: Vec<CallId>,
    /// Somebody waits on the hub.
    pub(crate) led: bool,
    pub(crate) followers: usize,
    pub(crate) attention: bool,
    /// When a backlog that seemed too short to move, or a share that ends, is looked at again.
    pub(crate) look_again: Option<Instant>,
    /// The supervisor was called for that.
    pub(crate) nudged: bool,
    pub(crate) scratch: Vec<u8>,
    /// Holds that have ended: the supervisor drops them, outside of the lock.
    pub(crate) dropped: Luggage,
    pub(crate) oom_kills: OomKills,
    pub(crate) airing: Airing,
}

/// Codes that nobody uses are kept up to this many, and this many bytes.
const IDLE_CODES: usize = 256;

impl State {
    pub(crate) fn new(config: Arc<Config>, hub: Arc<Hub>) -> Self {
        Self {
            config,
            hub,
            phase: Phase::Open,
            fault: None,
            initializer: None,
            seats: Vec::new(),
            orphans: Vec::new(),
            calls: FxHashMap::default(),
            next_call: 0,
            next_key: 0,
            queue: Queue::new(),
            pinned: Vec::new(),
            codes: FxHashMap::default(),
            code_ids: HashMap::new(),
            next_code: 1,
            idle_codes: VecDeque::new(),
            launches: LaunchQueue::default(),
            not_early: Vec::new(),
            templates: Vec::new(),
            failed_starts: 0,
            events: VecDeque::new(),
            completions: Vec::new(),
            led: false,
            followers: 0,
            attention: false,
            look_again: None,
            nudged: false,
            scratch: Vec::new(),
            dropped: Luggage::new(),
            oom_kills: OomKills::new(),
            airing: Airing::default(),
        }
    }

    /// A pool with all of its seats, none of whose workers has a process yet, for tests.
    #[cfg(test)]
    pub(crate) fn seated(config: Config) -> Self {
        let (hub, _fd) = Hub::create(1).unwrap();
        let workers = config.workers;
        let mut state = Self::new(Arc::new(config), Arc::new(hub));
        for _ in 0..workers {
            state.add_seat().unwrap();
        }
        state
    }

    /// Adds a seat with a worker whose launch is ordered.
    pub(crate) fn add_seat(&mut self) -> io::Result<()> {
        let id = (0..self.seats.len()).find(|id| self.seats.iter().all(|seat| seat.id != *id));
        let id = id.unwrap_or(self.seats.len());
        let mut worker = self.new_worker(id)?;
        self.welcome(&mut worker)?;
        self.seats.push(Seat { id, worker, spare: None, leaving: false });
        Ok(())
    }

    /// Makes a worker's lane and orders its launch.
    pub(crate) fn new_worker(&mut self, seat: usize) -> io::Result<Worker> {
        let key = self.next_key;
        let of = self.config.workers.max(self.seats.len() + 1);
        let worker = Worker::new((key, seat), of, self.config.max_tasks)?;
        self.next_key += 1;
        let lane = Arc::clone(&worker.lane);
        match self.start_pause() {
            Duration::ZERO => self.launches.order(key, seat, lane),
            pause => self.launches.retry(key, seat, lane, Instant::now() + pause),
        }
        Ok(worker)
    }

    /// Gives a worker that takes its seat the initializer as its first request.
    pub(crate) fn welcome(&self, worker: &mut Worker) -> io::Result<()> {
        let Some(initializer) = &self.initializer else { return Ok(()) };
        for id in &initializer.codes {
            let Some(code) = self.codes.get(id) else { continue };
            worker.control(What::Code(*id), wire::CODE, *id, &code.bytes).map_err(no_room)?;
            worker.codes.insert(*id);
        }
        worker.feeder.expect(initializer.payload.len());
        let function = initializer.codes.last().copied().unwrap_or_default();
        worker
            .control(What::Initializer, wire::INITIALIZE, function, &initializer.payload)
            .map_err(no_room)
    }

    /// Sets the initializer of all workers that have been given nothing yet.
    pub(crate) fn set_initializer(
        &mut self,
        name: String,
        codes: Vec<u64>,
        (payload, luggage): (&[u8], Luggage),
    ) -> io::Result<()> {
        for code in &codes {
            self.use_code(*code);
        }
        self.initializer =
            Some(Initializer { name, codes, payload: payload.into(), _luggage: luggage });
        let mut seats = std::mem::take(&mut self.seats);
        let welcomed = seats.iter_mut().try_for_each(|seat| self.welcome(&mut seat.worker));
        self.seats = seats;
        welcomed
    }

    /// All workers: on seats, spare ones, dying ones.
    pub(crate) fn workers(&self) -> impl Iterator<Item = &Worker> {
        let seated = self
            .seats
            .iter()
            .flat_map(|seat| std::iter::once(&seat.worker).chain(seat.spare.as_ref()));
        seated.chain(&self.orphans)
    }

    /// All workers, to be changed.
    pub(crate) fn workers_mut(&mut self) -> impl Iterator<Item = &mut Worker> {
        let seated = self
            .seats
            .iter_mut()
            .flat_map(|seat| std::iter::once(&mut seat.worker).chain(seat.spare.as_mut()));
        seated.chain(&mut self.orphans)
    }

    /// The worker with that key.
    pub(crate) fn worker_mut(&mut self, key: u64) -> Option<&mut Worker> {
        self.workers_mut().find(|worker| worker.key == key)
    }

    pub(crate) fn open_call(&mut self, spec: CallSpec) -> CallId {
        let id = CallId(self.next_call);
        self.next_call += 1;
        self.use_code(spec.function);
        self.calls.insert(id.0, Box::new(Call::new(spec)));
        id
    }

    /// Whether there ever was a call.
    pub(crate) fn has_had_calls(&self) -> bool {
        self.next_call > 0
    }

    /// Adds code that a worker must have before the call's next items.
    pub(crate) fn require(&mut self, id: CallId, code: u64) {
        let Some(call) = self.calls.get_mut(&id.0) else { return };
        if code != call.spec.function && !call.codes.contains(&code) {
            call.codes.push(code);
            self.use_code(code);
        }
    }

    /// The id of a blob of code: the same for the same bytes, which name the same blocks.
    pub(crate) fn register_code(&mut self, bytes: &[u8], luggage: Luggage) -> u64 {
        if let Some(id) = self.code_ids.get(bytes).copied() {
            self.use_code(id);
            self.dropped.extend(luggage);
            return id;
        }
        let (id, bytes): (u64, Arc<[u8]>) = (self.next_code, bytes.into());
        self.next_code += 1;
        let (code, common, brief) = (Arc::clone(&bytes), None, false);
        self.codes.insert(id, Code { bytes: code, users: 0, luggage, brief, deaths: 0, common });
        self.code_ids.insert(bytes, id);
        self.use_code(id);
        id
    }

    /// As [`State::register_code`], of code that ends with its last user.
    pub(crate) fn register_brief_code(&mut self, bytes: &[u8], luggage: Luggage) -> u64 {
        let id = self.register_code(bytes, luggage);
        if let Some(code) = self.codes.get_mut(&id) {
            code.brief = true;
        }
        id
    }

    fn use_code(&mut self, id: u64) {
        if let Some(code) = self.codes.get_mut(&id) {
            code.users += 1;
            if code.users == 1 {
                self.idle_codes.retain(|idle| *idle != id);
            }
        }
    }

    pub(crate) fn unuse_code(&mut self, id: u64) {
        let Some(code) = self.codes.get_mut(&id) else { return };
        code.users -= 1;
        if code.users > 0 {
            return;
        }
        if code.brief || luggage::bytes_of(&code.luggage) > 0 {
            // Its bytes name blocks that were made for it: nobody will register the same again.
            return self.forget_code(id);
        }
        self.idle_codes.push_back(id);
        if self.idle_codes.len() > IDLE_CODES
            && let Some(oldest) = self.idle_codes.pop_front()
        {
            self.forget_code(oldest);
        }
    }

    fn forget_code(&mut self, id: u64) {
        if let Some(code) = self.codes.remove(&id) {
            self.code_ids.remove(&code.bytes);
            self.dropped.extend(code.luggage);
        }
        for seat in &mut self.seats {
            if seat.worker.codes.remove(&id) {
                seat.worker.forget(id);
            }
        }
    }

    /// Drops a call that nobody asks for any more and that has no item left.
    pub(crate) fn reap_call(&mut self, id: CallId) {
        if self.calls.get(&id.0).is_some_and(|call| call.abandoned && call.complete()) {
            let Some(call) = self.calls.remove(&id.0) else { return };
            let codes: Vec<u64> = call.all_codes().collect();
            self.dropped.extend(call.into_luggage());
            for code in codes {
                self.unuse_code(code);
            }
        }
    }

    /// Ends the items of a parcel, which no worker has, for one reason.
    pub(crate) fn fail_items(&mut self, parcel: &Parcel, failure: &Failure) {
        let items = (parcel.first, parcel.count);
        self.fail_run(parcel.call, items, parcel.bytes().len(), failure);
    }

    /// Ends `count` items of a call from `first` on, whose requests had so many bytes, for one reason.
    pub(crate) fn fail_run(
        &mut self,
        id: CallId,
        (first, count): (u64, u32),
        bytes: usize,
        failure: &Failure,
    ) {
        use crate::call::{Body, Run};
        let Some(call) = self.calls.get_mut(&id.0) else { return };
        call.bytes_in_flight = call.bytes_in_flight.saturating_sub(bytes);
        let body = || Body::Failed(failure.clone());
        let newly = call.note_failure(Run::new(first, 1, body()));
        self.dropped.extend(call.settle(Run::new(first, count, body())));
        self.after_settling(id);
        if newly {
            self.cancel(id);
        }
    }

    /// What follows when items of a call have ended.
    pub(crate) fn after_settling(&mut self, id: CallId) {
        let Some(call) = self.calls.get_mut(&id.0) else { return };
        if call.complete() && call.spec.notify && !call.announced {
            call.announced = true;
            self.completions.push(id);
        }
        self.reap_call(id);
    }

    /// Lets go of a call: nobody will take its results.
    pub(crate) fn abandon(&mut self, id: CallId) {
        if let Some(call) = self.calls.get_mut(&id.0) {
            let ended = call.abandon();
            self.dropped.extend(ended);
            self.reap_call(id);
        }
    }

    /// Whether every call has come to its end.
    pub(crate) fn is_drained(&self) -> bool {
        self.queue.is_empty() && self.calls.values().all(|call| call.complete())
    }

    /// Whether every worker and spare has gone.
    pub(crate) fn is_empty(&self) -> bool {
        self.seats.is_empty() && self.orphans.is_empty()
    }

    /// Keeps what a template says of an import; the next one says it again.
    pub(crate) fn note_not_early(&mut self, sentence: String) {
        if !self.not_early.contains(&sentence) {
            self.not_early.push(sentence);
        }
    }

    /// Whether the supervisor has to be called for what was put off; once for each time.
    pub(crate) fn take_nudge(&mut self) -> bool {
        let wanted = self.look_again.is_some();
        let news = self.airing.take_news();
        (wanted && !std::mem::replace(&mut self.nudged, wanted)) || news
    }

    /// The moment at which something must be done even if nothing happens.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        // One that has no process yet is killed when it has: whoever brings it calls.
        let there = self.workers().filter(|worker| worker.process.is_some());
        let kills = there.filter_map(|worker| worker.kill_at).min();
        let looks = self.seats.iter().filter_map(|seat| seat.worker.look_at()).min();
        let reports = self.workers().filter_map(|worker| worker.notice.as_ref());
        let reports = reports.map(|notice| notice.since + REPORT_WAIT).min();
        let others = [self.launches.retry_at(), self.look_again, self.airing.deadline()];
        [kills, looks, reports, self.start_deadline()].into_iter().chain(others).flatten().min()
    }
}
