//! An item that must not run on, because its time is up or nobody wants it: a signal, some grace, the end.
//!
//! ```text
//! 1. the item is named in `interrupt`; if it was answered meanwhile, nothing has happened
//! 2. what waits behind it on its lane is taken back, for others
//! 3. its time is up: the stacks' signal, at which the worker's fault handler writes what its threads do, in
//!    whichever of them the kernel chose: the interrupt waits for it, or the task would be gone from its own stacks
//! 4. SIGINT, for which the worker raises a `KeyboardInterrupt` in this item alone
//! 5. it answers: whatever it says, it ends as the sentence says; the worker is pardoned and goes on.
//!    Or the grace is over: the worker's group is killed, and the item ends in the same way
//! ```
//!
//! From step 1 on the worker begins nothing else before it is pardoned (`words.rs` of the lane), so the kill costs
//! this item and no other. A worker whose process is not known yet gets its signals when it is.
//!
//! It does not judge: `deadline` says whose time is up, the pool's handle what nobody wants.

use std::sync::Arc;
use std::time::{Duration, Instant};

use manyhands_os::clock::monotonic_ns;
use manyhands_os::process::Signal;
use manyhands_os::signals;

use crate::call::{CallId, Failure, Overrun};
use crate::death::STOP_GRACE;
use crate::sentence::{Reason, Sentence};
use crate::state::State;
use crate::worker_seat::Worker;

/// How long an interrupted item may take to give up.
const GRACE: Duration = Duration::from_millis(300);
/// How long stacks may take to be written before the interrupt comes, and how long it is between two looks.
const WRITING: Duration = Duration::from_millis(100);
const LOOK: Duration = Duration::from_millis(4);
/// How long a reply that the worker claims to have written may take to be read.
const READING: Duration = Duration::from_millis(100);

impl Worker {
    /// Begins to carry out a sentence, if the process is known.
    pub(crate) fn press(&mut self) {
        let (Some(sentence), Some(process)) = (&mut self.sentence, &self.process) else { return };
        let stacks = matches!(sentence.reason, Reason::TimeUp { .. });
        // Whoever has died in the meantime needs no signal; without memory there are no stacks.
        if stacks && self.lane.ask_stacks().is_ok() {
            let _gone = process.pidfd.signal(signals::stacks());
            let now = Instant::now();
            sentence.writing = Some((now, 0));
            self.kill_at = Some(now + LOOK);
            return;
        }
        self.interrupt();
    }

    /// Interrupts what it runs, and counts its grace.
    fn interrupt(&mut self) {
        if let Some(process) = &self.process {
            let _gone = process.pidfd.signal(Signal::INT);
        }
        self.kill_at = Some(Instant::now() + GRACE);
    }

    /// Whether stacks were waited for, and are still, or the interrupt has just been sent.
    fn waits_for_stacks(&mut self, now: Instant) -> bool {
        let Some(sentence) = &mut self.sentence else { return false };
        let Some((since, seen)) = sentence.writing else { return false };
        let written = self.lane.stacks_len();
        if written == seen && written > 0 || now >= since + WRITING {
            sentence.writing = None;
            self.interrupt();
        } else {
            sentence.writing = Some((since, written));
            self.kill_at = Some(now + LOOK);
        }
        true
    }

    /// The sentenced item has been answered: the worker may go on. How the item ends.
    pub(crate) fn pardon(&mut self, reply: Option<Vec<u8>>) -> Option<Failure> {
        let sentence = self.sentence.take()?;
        let failure = self.verdict(&sentence, reply, false);
        self.kill_at = self.stopping.then(|| Instant::now() + STOP_GRACE);
        // What is written from now on belongs to another item; without memory nothing is.
        let _fresh = self.lane.ask_stacks();
        self.lane.pardon();
        Some(failure)
    }

    /// How the first item that the dead worker had begun ends, if it was sentenced.
    fn last_verdict(&mut self) -> Option<Failure> {
        let sentence = self.sentence.take()?;
        let ran = sentence.number == self.feeder.answered();
        ran.then(|| self.verdict(&sentence, None, true))
    }

    fn verdict(&self, sentence: &Sentence, reply: Option<Vec<u8>>, killed: bool) -> Failure {
        match sentence.reason {
            Reason::Unwanted => Failure::Cancelled,
            Reason::TimeUp { limit, started } => Failure::TimedOut(Arc::new(Overrun {
                seat: self.seat,
                pid: self.process.as_ref().map(|process| process.pid),
                limit,
                ran: Duration::from_nanos(monotonic_ns().saturating_sub(started)),
                killed,
                stacks: self.lane.stacks(),
                reply,
            })),
        }
    }
}

impl State {
    /// How what the dead worker of that seat had begun ends, where that was decided before its death.
    pub(crate) fn verdict_on_the_dead(&mut self, at: usize) -> Option<Failure> {
        if let Some(verdict) = self.seats[at].worker.last_verdict() {
            return Some(verdict);
        }
        if let Some(overrun) = self.late_start(at) {
            return Some(Failure::TimedOut(overrun));
        }
        if self.seats[at].worker.died_loading() {
            return Some(Failure::Cancelled);
        }
        // Killed because the pool had failed: its item fails as all others do.
        let fault = self.fault.clone().filter(|_| self.seats[at].worker.killed_by_us);
        fault.map(Failure::Initializer)
    }

    /// Ends the item of that number, which the worker of a seat runs; false if it is answered.
    pub(crate) fn sentence(&mut self, at: usize, number: u64, reason: Reason) -> bool {
        let worker = &mut self.seats[at].worker;
        if worker.sentence.is_some() {
            return true;
        }
        if !worker.lane.sentence(number) {
            return false;
        }
        worker.sentence = Some(Sentence { number, reason, spared: false, writing: None });
        let parcels = worker.recall(u32::MAX);
        worker.press();
        self.requeue(parcels);
        true
    }

    /// Cancels a call, and ends those of its items that run.
    pub(crate) fn interrupt(&mut self, id: CallId) {
        let goes_on = self.calls.get(&id.0).is_some_and(|call| !call.complete());
        self.cancel(id);
        if goes_on {
            self.end_loads(id);
        }
        for at in 0..self.seats.len() {
            // Each that is answered meanwhile is one less, unless somebody has written over the lane.
            for _ in 0..=self.seats[at].worker.feeder.outstanding() {
                let taken = self.seats[at].worker.taken_of(id);
                if taken.is_none_or(|number| self.sentence(at, number, Reason::Unwanted)) {
                    break;
                }
            }
        }
        self.pump();
    }

    /// Kills workers whose time is up.
    pub(crate) fn enforce(&mut self, now: Instant) {
        self.spare_needed_loads();
        for worker in self.workers_mut() {
            if worker.kill_at.is_none_or(|at| at > now) || worker.process.is_none() {
                continue;
            }
            if worker.ends_load() {
                continue;
            }
            let replied = worker.lane.replied();
            if let Some(sentence) = worker.sentence.as_mut().filter(|_| !worker.lied)
                && replied > sentence.number
                && !sentence.spared
            {
                // The reply comes first: a worker that has answered need not die.
                sentence.spared = true;
                worker.kill_at = Some(now + READING);
                continue;
            }
            if worker.lied || !worker.waits_for_stacks(now) {
                worker.kill();
            }
        }
    }
}
