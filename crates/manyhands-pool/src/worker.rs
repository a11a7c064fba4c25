//! The other side: the loop of a worker process.
//!
//! ```text
//! take an item -> run it -> write the reply -> publish -> wake whoever asked to be woken at this count
//! nothing to take: a short busy wait where a core is to spare, then sleep on the lane's bell
//! ```
//!
//! It measures what an item costs, as a moving average that the parent reads to size batches: the clock is
//! read after each item that takes long, and after every 16th that does not.
//!
//! It runs one item at a time, in the thread that calls it, and knows nothing of other workers.

use std::sync::Arc;
use std::time::Duration;

use manyhands_os::clock::monotonic_ns;
use manyhands_os::process::own_pid;
use manyhands_shm::lane::{Heading, Item, Lane, NoRoom, Runner, State};
use manyhands_shm::park::Unparked;

use crate::launch::WorkerEnd;
use crate::memory::{MemoryLimits, Watch};
use crate::wire;

/// How long an idle worker watches its bell before it sleeps, where a core is to spare.
const SPIN: Duration = Duration::from_micros(50);
/// The same after it has woken the parent, which takes so long.
const SPIN_AFTER_WAKING: Duration = Duration::from_micros(200);
/// How long a worker without items waits before it calls for some: whoever feeds it is mostly about to.
const PATIENCE: Duration = Duration::from_micros(100);
/// Items that cost more than this are timed one by one.
const CLOCK_NS: u64 = 2_000;
const CLOCK_EVERY: u32 = 16;

/// What the rung above does with requests.
pub trait Tasks {
    /// Runs one request and writes exactly one reply to `out`.
    fn run(&mut self, heading: Heading, payload: &[u8], out: &mut Replier) -> Ran;

    /// Calls `sleep`, which blocks, with whatever other threads of the process need released.
    fn release(&mut self, sleep: &mut (dyn FnMut() + Send));

    /// A signal ended the sleep: runs its handlers.
    fn interrupted(&mut self);
}

/// How a request went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Ran {
    /// It gave a value.
    Well,
    /// It failed: whoever waits wants to know at once.
    Badly,
    /// It was the initializer, and it failed: nothing may run here.
    Hopelessly,
}

/// Writes replies.
#[derive(Debug)]
pub struct Replier {
    runner: Runner,
    end: WorkerEnd,
    /// The `feed_at` mark for which the supervisor was called last.
    called_at: u64,
    /// The alarm for which it was called last.
    alarm: u64,
    /// The item that was answered last is sentenced.
    held: bool,
    /// The parent had to be woken from its sleep since this worker was idle the last time.
    woke: bool,
}

impl Replier {
    /// Writes one record of `len` bytes, filled in by `fill`.
    ///
    /// # Errors
    /// [`NoRoom::Full`]: call [`Replier::wait_for_room`] and try again. [`NoRoom::Memory`]: it never fits.
    #[inline]
    pub fn record(&mut self, len: usize, fill: impl FnOnce(&mut [u8])) -> Result<(), NoRoom> {
        self.runner.reply(len, fill)
    }

    /// Sleeps until a record of `len` bytes may fit.
    pub fn wait_for_room(&mut self, len: usize) {
        let lane = Arc::clone(self.runner.lane());
        self.publish(0);
        lane.set_state(State::Blocked);
        while !self.runner.may_reply(len) {
            self.end.event.notify();
            let _again = lane.bell().park(|| self.runner.may_reply(len), Duration::ZERO, None);
        }
        lane.set_state(State::Busy);
    }

    /// Lets the parent see what was written; `answered` records of it are replies.
    #[inline]
    pub fn publish(&mut self, answered: u64) {
        let replied = self.runner.publish(answered);
        let due = self.runner.lane().due(replied);
        self.held = due.held;
        if due.leader {
            self.woke |= self.end.hub.leader().wake();
        }
        if due.feeder {
            let feed_at = self.runner.lane().feed_at();
            if feed_at != self.called_at {
                self.called_at = feed_at;
                self.end.event.notify();
            }
        }
    }
}

impl Replier {
    /// One to stand in the place of this one while it is lent to others: nothing may be written to it.
    #[must_use]
    pub fn stand_in(&self) -> Self {
        Self::new(self.end.clone())
    }

    /// Nobody wants the item that runs any more: its call has been cancelled, or has failed.
    #[inline]
    #[must_use]
    pub fn is_unwanted(&self) -> bool {
        let lane = self.runner.lane();
        lane.running().is_some_and(|(item, _)| item < lane.skip_until())
    }

    fn new(end: WorkerEnd) -> Self {
        let runner = Runner::new(Arc::clone(&end.lane));
        Self { runner, end, called_at: u64::MAX, alarm: 0, held: false, woke: false }
    }

    /// Takes the next item; of one with a deadline it says when it began, and calls if an alarm is set.
    #[inline]
    fn take(&mut self) -> Option<Item> {
        let timed = |heading: Heading| heading.kind & wire::TIMED != 0;
        let item = self.runner.take_after(|lane, heading| {
            if timed(heading) {
                lane.set_started(monotonic_ns());
            }
        })?;
        if timed(item.heading) {
            let alarm = self.runner.lane().alarm();
            if alarm != self.alarm {
                self.alarm = alarm;
                self.end.event.notify();
            }
        }
        Some(item)
    }
}

/// Serves the lane until the parent asks for the end.
pub fn serve(end: WorkerEnd, tasks: &mut dyn Tasks) {
    serve_within(end, MemoryLimits::default(), tasks);
}

/// As [`serve`], in a process that may have so much memory.
pub fn serve_within(end: WorkerEnd, limits: MemoryLimits, tasks: &mut dyn Tasks) {
    let lane = Arc::clone(&end.lane);
    let mut watch = Watch::new(&lane, limits);
    let mut out = Replier::new(end);
    let mut clock = Clock::new();
    out.end.hub.set_awake(out.end.seat, true);
    lane.set_pid(own_pid().cast_unsigned());
    lane.set_state(State::Busy);
    loop {
        let Some(item) = out.take() else {
            clock.flush(&lane);
            idle(&mut out, tasks);
            clock.restart(&lane);
            continue;
        };
        let skipped = item.number < lane.skip_until() && item.heading.kind < wire::CONTROL;
        let ran = if skipped {
            skip(&mut out, tasks)
        } else {
            tasks.run(item.heading, lane.bytes(&item), &mut out)
        };
        out.publish(1);
        match ran {
            Ran::Well => {}
            Ran::Badly => out.woke |= out.end.hub.leader().wake(),
            Ran::Hopelessly => wait_for_the_end(&out, tasks),
        }
        if out.held {
            wait_for_pardon(&out, item.number, tasks);
        }
        if item.heading.kind >= wire::CONTROL || out.held {
            clock.restart(&lane);
        } else if clock.tick(&lane)
            && let Some(watch) = &mut watch
            && watch.is_beyond(clock.since)
        {
            lane.set_grown();
            out.end.event.notify();
        }
        if item.heading.kind == wire::STOP {
            out.end.event.notify();
            out.end.hub.set_awake(out.end.seat, false);
            return;
        }
    }
}

/// Answers an item that the parent does not want any more.
fn skip(out: &mut Replier, tasks: &mut dyn Tasks) -> Ran {
    while out.record(1, |room| room[0] = wire::SKIPPED).is_err() {
        tasks.release(&mut || out.wait_for_room(1));
    }
    Ran::Well
}

/// After a sentenced item: nothing is begun until the parent has read how it ended.
#[cold]
fn wait_for_pardon(out: &Replier, number: u64, tasks: &mut dyn Tasks) {
    let lane = Arc::clone(out.runner.lane());
    out.end.event.notify();
    tasks.release(&mut || {
        while lane.interrupt() <= number {
            let pardoned = || lane.interrupt() > number;
            let _again = lane.bell().park(pardoned, Duration::ZERO, None);
        }
    });
}

/// After a failed initializer: the parent is told, and ends this process.
fn wait_for_the_end(out: &Replier, tasks: &mut dyn Tasks) {
    let lane = Arc::clone(out.runner.lane());
    let _slept = out.end.hub.leader().wake();
    out.end.event.notify();
    out.end.hub.set_awake(out.end.seat, false);
    lane.set_state(State::Idle);
    loop {
        tasks.release(&mut || {
            let _again = lane.bell().park(|| false, Duration::ZERO, None);
        });
    }
}

/// Waits for work: watches the bell for a moment, sleeps; if nothing comes, calls for work and sleeps on.
fn idle(out: &mut Replier, tasks: &mut dyn Tasks) {
    let lane = Arc::clone(out.runner.lane());
    let (hub, seat) = (Arc::clone(&out.end.hub), out.end.seat);
    let runner = &mut out.runner;
    let event = &out.end.event;
    let mut signal = false;
    let mut called = false;
    let mut watched = if std::mem::take(&mut out.woke) { SPIN_AFTER_WAKING } else { SPIN };
    tasks.release(&mut || {
        while !runner.has_work() && !signal {
            let spin = if hub.has_spare_core() { watched } else { Duration::ZERO };
            watched = SPIN;
            lane.set_state(State::Spinning);
            if !spin.is_zero() && watch(&lane, runner, spin) {
                break;
            }
            runner.trim();
            lane.set_state(State::Idle);
            hub.set_awake(seat, false);
            let patience = (!called).then_some(PATIENCE);
            let outcome = lane.bell().park(|| runner.has_work(), Duration::ZERO, patience);
            hub.set_awake(seat, true);
            signal = outcome == Unparked::Interrupted;
            if outcome == Unparked::TimedOut {
                called = true;
                if hub.wants_attention() {
                    event.notify();
                }
            }
        }
    });
    lane.set_state(State::Busy);
    if signal {
        tasks.interrupted();
    }
}

/// Watches the bell for a moment; whether there is work now.
fn watch(lane: &Lane, runner: &Runner, spin: Duration) -> bool {
    let _again = lane.bell().park(|| runner.has_work(), spin, Some(Duration::ZERO));
    runner.has_work()
}

/// Measures items.
#[derive(Debug)]
struct Clock {
    since: u64,
    items: u32,
    average: u64,
}

impl Clock {
    fn new() -> Self {
        Self { since: monotonic_ns(), items: 0, average: 0 }
    }

    fn restart(&mut self, lane: &Lane) {
        self.since = monotonic_ns();
        self.items = 0;
        lane.set_since_ns(self.since);
    }

    /// One more item is done; whether the clock was read.
    #[inline]
    fn tick(&mut self, lane: &Lane) -> bool {
        self.items += 1;
        let due = self.items >= CLOCK_EVERY || self.average > CLOCK_NS || self.average == 0;
        if due {
            self.flush(lane);
        }
        due
    }

    /// Takes the items since the last look into the average.
    fn flush(&mut self, lane: &Lane) {
        if self.items == 0 {
            return;
        }
        let now = monotonic_ns();
        let each = now.saturating_sub(self.since) / u64::from(self.items);
        self.average = match self.average {
            0 => each,
            // One slow item (an import, a page fault) must not make a thousand quick ones look slow.
            slow if each < slow => (slow + 3 * each) / 4,
            quick => (3 * quick + each) / 4,
        }
        .max(1);
        lane.set_item_ns(self.average);
        lane.set_since_ns(now);
        self.since = now;
        self.items = 0;
    }
}
