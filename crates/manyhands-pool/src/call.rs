//! A call: one `map`, one iterator or one submitted task, and the state of all of its items.
//!
//! ```text
//! fed      items given to the engine (indexes 0..fed)
//! settled  items that have ended: answered, or failed by the engine
//! taken    items whose result the user has
//! taken <= settled <= fed;  complete = sealed and settled == fed
//! ```
//!
//! Results are kept as *runs*: consecutive items whose replies lie in one buffer, so that a million tiny
//! results cost no bookkeeping each. It never looks into a reply but for its first byte.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use manyhands_os::process::ExitStatus;
use manyhands_shm::atomic::{AtomicU32, Ordering};

use crate::luggage::{self, Luggage};
use crate::retry::{Retries, Retry};
use crate::span::Span;

/// Names a call of a pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CallId(pub(crate) u64);

impl CallId {
    /// The number of the call, unique in its pool.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0
    }
}

/// In which order results are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// By index.
    Index,
    /// As they arrive.
    Arrival,
}

/// What is fixed when a call is opened.
#[derive(Debug, Clone, Copy)]
pub struct CallSpec {
    /// Id of the callable's code.
    pub function: u64,
    /// Kind of its items (below [`crate::wire::CONTROL`]).
    pub kind: u32,
    /// The order in which results are taken.
    pub order: Order,
    /// The first failure cancels everything that has not started.
    pub stop_on_failure: bool,
    /// What is pushed together runs in one worker, in sequence, and is never split.
    pub whole: bool,
    /// The call appears among [`crate::Need::Completions`] when it is complete.
    pub notify: bool,
    /// How long each item may run; counted from when a worker begins it.
    pub limit: Option<Duration>,
    /// Which items that failed run again.
    pub retry: Retry,
}

/// How a worker ended, and which seat it sat on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Death {
    /// The seat: stable over replacements, counted from 0.
    pub seat: usize,
    /// Its process id, if it ever had one.
    pub pid: Option<i32>,
    /// How it ended, if that could be learned.
    pub status: Option<ExitStatus>,
    /// More words, where the status does not tell the reason.
    pub reason: Option<String>,
    /// Whether the kernel ended it because memory was short; none if that cannot be known.
    pub out_of_memory: Option<bool>,
    /// The most memory that it had, in bytes: its resident set.
    pub peak: Option<u64>,
    /// What its fault handler wrote when it crashed: the stacks of its threads.
    pub stacks: Vec<u8>,
    /// The memory that it had for itself, and what it may have had at most, where it was ended for that.
    pub exceeded: Option<(u64, u64)>,
}

/// An item, or the start of a worker, that took longer than it may.
#[derive(Debug, Clone)]
pub struct Overrun {
    /// The seat of its worker.
    pub seat: usize,
    /// The worker's process id.
    pub pid: Option<i32>,
    /// How long it was allowed to run.
    pub limit: Duration,
    /// How long it ran, until it gave up or its worker was ended.
    pub ran: Duration,
    /// Whether its worker had to be ended: it had not given up when it was interrupted.
    pub killed: bool,
    /// What the worker's fault handler wrote when the time was up: the stacks of its threads.
    pub stacks: Vec<u8>,
    /// The record of its reply, if it raised something when it was interrupted.
    pub reply: Option<Vec<u8>>,
}

/// Why the engine ended an item without a reply.
#[derive(Debug, Clone)]
pub enum Failure {
    /// Its worker died while it ran.
    Died(Arc<Death>),
    /// Its time was up.
    TimedOut(Arc<Overrun>),
    /// It was cancelled before it started, or while it ran.
    Cancelled,
    /// It could not be encoded; whoever fed it knows why.
    Unsent,
    /// The pool was terminated.
    Terminated,
    /// No worker can be started: the initializer failed. Its reply, or its death.
    Initializer(Arc<Fault>),
    /// The item does not fit in memory; the message says how much was asked for.
    Memory(Arc<str>),
}

/// Why no worker of a pool can work.
#[derive(Debug)]
pub struct Fault {
    /// The initializer's name, if the pool has one.
    pub initializer: Option<String>,
    /// What happened.
    pub failure: InitFailure,
    /// 1 once the user has been told.
    told: AtomicU32,
}

impl Fault {
    pub(crate) fn new(initializer: Option<String>, failure: InitFailure) -> Self {
        Self { initializer, failure, told: AtomicU32::new(0) }
    }

    /// Notes that the user is told of it; whether that is the first time.
    pub fn tell(&self) -> bool {
        self.told.swap(1, Ordering::Relaxed) == 0
    }
}

/// How an initializer failed.
#[derive(Debug, Clone)]
pub enum InitFailure {
    /// It raised: the reply's bytes.
    Raised(Vec<u8>),
    /// It took its worker with it.
    Died(Arc<Death>),
    /// A worker took longer than it may until it was ready.
    TimedOut(Arc<Overrun>),
    /// Workers could not be launched at all.
    Launch(String),
}

/// Results of consecutive items.
#[derive(Debug)]
pub struct Run {
    /// Index of the first item.
    pub first: u64,
    /// How many items.
    pub count: u32,
    /// Their results.
    pub body: Body,
    /// The blocks that these name.
    pub luggage: Luggage,
}

/// What a run holds.
#[derive(Debug)]
pub enum Body {
    /// One record per item, one after the other.
    Replies(Vec<u8>),
    /// All of them failed alike.
    Failed(Failure),
}

impl Run {
    /// A run without luggage.
    pub(crate) const fn new(first: u64, count: u32, body: Body) -> Self {
        Self { first, count, body, luggage: Vec::new() }
    }

    fn bytes(&self) -> usize {
        let stowed = luggage::bytes_of(&self.luggage);
        match &self.body {
            Body::Replies(bytes) => bytes.len() + stowed,
            Body::Failed(_) => stowed,
        }
    }
}

/// A call's figures at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status {
    /// Items fed.
    pub fed: u64,
    /// Items that have ended.
    pub settled: u64,
    /// Items whose result was taken.
    pub taken: u64,
    /// Nothing more will be fed.
    pub sealed: bool,
    /// An item has failed and the call stops on failure.
    pub failed: bool,
    /// Bytes of requests that have not been answered.
    pub bytes_in_flight: usize,
    /// Bytes of results that wait to be taken.
    pub bytes_waiting: usize,
}

impl Status {
    /// Whether every item has ended and none will come.
    #[must_use]
    pub const fn complete(&self) -> bool {
        self.sealed && self.settled == self.fed
    }
}

/// The state of a call.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "facts that hold independently of each other")]
pub(crate) struct Call {
    pub(crate) spec: CallSpec,
    /// Code that a worker must have before it gets the function's, in order.
    pub(crate) codes: Vec<u64>,
    /// The seats to which its items belong, one each; empty where any worker will do.
    pub(crate) seats: Vec<usize>,
    pub(crate) fed: u64,
    pub(crate) settled: u64,
    pub(crate) sealed: bool,
    pub(crate) bytes_in_flight: usize,
    /// The user has let go of it: results are dropped.
    pub(crate) abandoned: bool,
    /// Nothing of it may start any more.
    pub(crate) cancelled: bool,
    /// Why items of it cannot run at all, if so.
    pub(crate) refusal: Option<Failure>,
    /// Its completion was handed on to those who asked for it.
    pub(crate) announced: bool,
    /// Where in the pool's queue its items can be.
    pub(crate) span: Span,
    /// The items that may run again.
    pub(crate) retries: Retries,
    first_failure: Option<Run>,
    failed: bool,
    taken: u64,
    waiting: Waiting,
    bytes_waiting: usize,
    /// The blocks that items name which have not ended, by index.
    luggage: BTreeMap<u64, Luggage>,
    /// Bytes of these items that lie in those blocks.
    stowed: usize,
}

#[derive(Debug)]
enum Waiting {
    /// The run whose turn it is apart from the others: with one item, or in order, there are no others.
    Indexed(Option<Run>, BTreeMap<u64, Run>),
    Arrived(VecDeque<Run>),
}

impl Call {
    pub(crate) fn new(spec: CallSpec) -> Self {
        let waiting = match spec.order {
            Order::Index => Waiting::Indexed(None, BTreeMap::new()),
            Order::Arrival => Waiting::Arrived(VecDeque::new()),
        };
        Self {
            spec,
            codes: Vec::new(),
            seats: Vec::new(),
            fed: 0,
            settled: 0,
            sealed: false,
            bytes_in_flight: 0,
            abandoned: false,
            cancelled: false,
            refusal: None,
            announced: false,
            span: Span::NONE,
            retries: Retries::default(),
            first_failure: None,
            failed: false,
            taken: 0,
            waiting,
            bytes_waiting: 0,
            luggage: BTreeMap::new(),
            stowed: 0,
        }
    }

    pub(crate) fn status(&self) -> Status {
        Status {
            fed: self.fed,
            settled: self.settled,
            taken: self.taken,
            sealed: self.sealed,
            failed: self.failed,
            bytes_in_flight: self.bytes_in_flight + self.stowed,
            bytes_waiting: self.bytes_waiting,
        }
    }

    /// The function's code, after all that it needs.
    pub(crate) fn all_codes(&self) -> impl Iterator<Item = u64> {
        self.codes.iter().copied().chain([self.spec.function])
    }

    pub(crate) fn complete(&self) -> bool {
        self.sealed && self.settled == self.fed
    }

    /// Whether an item fails the whole call now; true once.
    pub(crate) fn note_failure(&mut self, run: Run) -> bool {
        if !self.spec.stop_on_failure || self.failed {
            return false;
        }
        self.failed = true;
        self.first_failure = Some(run);
        true
    }

    /// Keeps the blocks that an item names until it has ended.
    pub(crate) fn keep(&mut self, index: u64, luggage: Luggage) {
        self.stowed += luggage::bytes_of(&luggage);
        self.luggage.insert(index, luggage);
    }

    /// Items have ended; returns the holds that end with them.
    #[must_use]
    pub(crate) fn settle(&mut self, run: Run) -> Luggage {
        self.settled += u64::from(run.count);
        self.retries.forget(run.first, run.count);
        let mut ended = self.unload(run.first, run.count);
        if self.abandoned {
            ended.extend(run.luggage);
            return ended;
        }
        self.bytes_waiting += run.bytes();
        match &mut self.waiting {
            Waiting::Indexed(next, _) if run.first == self.taken => *next = Some(run),
            Waiting::Indexed(_, runs) => drop(runs.insert(run.first, run)),
            Waiting::Arrived(runs) => runs.push_back(run),
        }
        ended
    }

    /// What was kept for these items.
    fn unload(&mut self, first: u64, count: u32) -> Luggage {
        if self.luggage.is_empty() {
            return Luggage::new();
        }
        let mut ended = self.luggage.split_off(&first);
        let mut later = ended.split_off(&(first + u64::from(count)));
        self.luggage.append(&mut later);
        let ended: Luggage = ended.into_values().flatten().collect();
        self.stowed -= luggage::bytes_of(&ended);
        ended
    }

    /// Whether `take` would return something.
    pub(crate) fn has_run(&self) -> bool {
        match &self.waiting {
            Waiting::Indexed(next, _) => next.is_some(),
            Waiting::Arrived(runs) => !runs.is_empty(),
        }
    }

    pub(crate) fn take(&mut self) -> Option<Run> {
        let run = match &mut self.waiting {
            Waiting::Indexed(next, runs) => {
                let run = next.take()?;
                let turn = self.taken + u64::from(run.count);
                *next = runs.remove(&turn);
                run
            }
            Waiting::Arrived(runs) => runs.pop_front()?,
        };
        self.taken += u64::from(run.count);
        self.bytes_waiting -= run.bytes();
        Some(run)
    }

    pub(crate) fn take_failure(&mut self) -> Option<Run> {
        self.first_failure.take()
    }

    /// Drops all results, and those that will come; returns the holds that end with them.
    #[must_use]
    pub(crate) fn abandon(&mut self) -> Luggage {
        self.abandoned = true;
        self.bytes_waiting = 0;
        let runs: Vec<Run> = match &mut self.waiting {
            Waiting::Indexed(next, runs) => {
                next.take().into_iter().chain(std::mem::take(runs).into_values()).collect()
            }
            Waiting::Arrived(runs) => std::mem::take(runs).into(),
        };
        runs.into_iter().flat_map(|run| run.luggage).collect()
    }

    /// The holds of a call that ends.
    pub(crate) fn into_luggage(self) -> Luggage {
        let kept = self.luggage.into_values().flatten();
        kept.chain(self.first_failure.into_iter().flat_map(|run| run.luggage)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(order: Order) -> Call {
        let spec = CallSpec {
            function: 1,
            kind: 0,
            order,
            stop_on_failure: true,
            whole: false,
            notify: false,
            limit: None,
            retry: Retry::default(),
        };
        let mut call = Call::new(spec);
        call.fed = 10;
        call
    }

    #[test]
    fn bytes_in_blocks_count_until_their_item_has_ended() {
        let world = manyhands_shm::world::World::create(8 << 20).expect("a small world");
        let stow = |len| {
            let fill = manyhands_shm::world::Fill::Dirty;
            let block = world.alloc(len, fill).expect("room for a few bytes");
            block.set_kind(luggage::CARGO);
            vec![block]
        };
        let mut call = call(Order::Index);
        call.keep(1, stow(1_000));
        call.keep(2, stow(20_000));
        assert_eq!(call.status().bytes_in_flight, 21_000);
        let mut answer = run(0, 2);
        answer.luggage = stow(300);
        assert_eq!(call.settle(answer).len(), 1);
        assert_eq!((call.status().bytes_in_flight, call.status().bytes_waiting), (20_000, 305));
        assert!(call.take().is_some());
        assert_eq!(call.status().bytes_waiting, 0);
    }

    fn run(first: u64, count: u32) -> Run {
        Run::new(first, count, Body::Replies(vec![0; 5]))
    }

    #[test]
    fn indexed_runs_wait_for_their_turn() {
        let mut call = call(Order::Index);
        drop(call.settle(run(3, 2)));
        assert!(call.take().is_none());
        drop(call.settle(run(0, 3)));
        assert_eq!((call.take().unwrap().first, call.take().unwrap().first), (0, 3));
        assert_eq!((call.status().taken, call.status().bytes_waiting), (5, 0));
    }

    #[test]
    fn arrived_runs_come_at_once() {
        let mut call = call(Order::Arrival);
        drop(call.settle(run(3, 2)));
        assert_eq!(call.take().unwrap().first, 3);
    }

    #[test]
    fn only_the_first_failure_counts() {
        let mut call = call(Order::Index);
        let failed = |index| Run::new(index, 1, Body::Failed(Failure::Cancelled));
        assert!(call.note_failure(failed(4)));
        assert!(!call.note_failure(failed(2)));
        assert_eq!(call.take_failure().unwrap().first, 4);
    }

    #[test]
    fn what_is_abandoned_keeps_nothing() {
        let mut call = call(Order::Index);
        drop(call.settle(run(0, 1)));
        drop(call.abandon());
        drop(call.settle(run(1, 9)));
        call.sealed = true;
        assert!(call.complete() && !call.has_run());
    }
}
