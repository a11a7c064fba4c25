//! A lane between two threads, and between two processes of which one is killed: with real waiting and
//! waking, every item is answered, taken back, or lost with the worker that had begun it.
#![cfg(not(loom))]
#![expect(clippy::unwrap_used, reason = "helpers of tests, outside of any test function")]
#![expect(unsafe_code, reason = "fork and _exit in the test's own child")]

#[path = "support/bytes.rs"]
mod bytes;

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::{content, contents};
use manyhands_os::process::{PidFd, Signal, reap};
use manyhands_shm::hub::Hub;
use manyhands_shm::lane::{Feeder, Heading, Lane, NoRoom, Recalled, Refused, Replies, Runner};
use manyhands_shm::park::Unparked;
use manyhands_shm::record;

/// Far more than any wait here takes: a wait that lasts longer has lost its wake.
const PATIENCE: Duration = Duration::from_secs(20);
const STOP: u32 = 9;

/// Numbers that look random and are the same in every run (xorshift64).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }
}

fn reply_len(number: u64) -> usize {
    let len = if number.is_multiple_of(37) { 300_000 } else { 8 + number % 90 };
    usize::try_from(len).unwrap()
}

/// The worker: answers each item with its number, until it is told to stop, or nothing comes for long.
/// After a fork nothing may be allocated, so nothing is.
fn serve(mut runner: Runner, hub: &Hub, spin: Duration) {
    let lane = Arc::clone(runner.lane());
    loop {
        let Some(item) = runner.take() else {
            if lane.bell().park(|| runner.has_work(), spin, Some(PATIENCE)) == Unparked::TimedOut {
                return;
            }
            continue;
        };
        let number =
            lane.bytes(&item).first_chunk().map_or(u64::MAX, |bytes| u64::from_le_bytes(*bytes));
        let len = reply_len(number);
        while let Err(refused) = runner.reply(len, |room| fill(room, number)) {
            assert!(matches!(refused, NoRoom::Full));
            runner.publish(0);
            hub.leader().wake();
            if lane.bell().park(|| runner.may_reply(len), spin, Some(PATIENCE))
                == Unparked::TimedOut
            {
                return;
            }
        }
        let replied = runner.publish(1);
        if lane.due(replied).leader {
            hub.leader().wake();
        }
        if item.heading.kind == STOP {
            return;
        }
    }
}

/// What `bytes::content` makes, without allocating.
fn fill(room: &mut [u8], number: u64) {
    room.fill(number.to_le_bytes()[0] ^ 0x5a);
    room[..8].copy_from_slice(&number.to_le_bytes());
}

/// The parent's side, and where each item has ended.
struct Parent {
    lane: Arc<Lane>,
    feeder: Feeder,
    replies: Replies,
    dice: Dice,
    /// Items on the lane, in its order.
    on_lane: VecDeque<u64>,
    numbers: u64,
    answered: BTreeSet<u64>,
    back: BTreeSet<u64>,
}

impl Parent {
    fn new(lane: &Arc<Lane>, seed: u64) -> Self {
        Self {
            lane: Arc::clone(lane),
            feeder: Feeder::new(Arc::clone(lane)),
            replies: Replies::new(Arc::clone(lane)),
            dice: Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1),
            on_lane: VecDeque::new(),
            numbers: 0,
            answered: BTreeSet::new(),
            back: BTreeSet::new(),
        }
    }

    fn append(&mut self, kind: u32, count: u64) {
        let mut bytes = Vec::new();
        let numbers: Vec<_> = (self.numbers..self.numbers + count).collect();
        for number in &numbers {
            let len = if self.dice.roll(500) == 0 { 200_000 } else { 8 + self.dice.roll(60) };
            let len = usize::try_from(len).unwrap();
            record::begin(&mut bytes, len);
            bytes.extend(content(*number, len));
        }
        let heading = Heading { kind, whole: self.dice.roll(4) == 0, word: self.dice.roll(2) };
        match self.feeder.append(heading, u32::try_from(count).unwrap(), [&bytes, &[]]) {
            Ok(()) => {
                self.numbers += count;
                self.on_lane.extend(numbers);
            }
            Err(Refused::Full) => assert!(!self.on_lane.is_empty(), "an empty lane is full"),
            Err(Refused::Memory(error)) => panic!("{error}"),
        }
    }

    fn drain(&mut self) {
        let mut out = Vec::new();
        self.replies.drain(&mut out).unwrap();
        let found = contents(&out);
        for found in &found {
            let number = self.on_lane.pop_front().unwrap();
            assert!(*found == content(number, reply_len(number)), "the reply to {number}");
            assert!(self.answered.insert(number));
        }
        self.feeder.confirm(found.len() as u64);
    }

    fn take_back(&mut self, back: &[Recalled]) {
        let all: Vec<_> = back.iter().flat_map(|batch| contents(&batch.records)).collect();
        let kept = self.on_lane.len() - all.len();
        for (found, number) in all.into_iter().zip(self.on_lane.split_off(kept)) {
            assert!(found == content(number, found.len()), "the request {number}");
            assert!(self.back.insert(number));
        }
    }

    /// Feeds, takes back, reads or waits, as the dice say.
    fn act(&mut self, hub: &Hub, spin: Duration) {
        match self.dice.roll(10) {
            0..4 => {
                let count = 1 + self.dice.roll(30);
                self.append(1, count);
            }
            4 => {
                let most = u32::try_from(self.dice.roll(50)).unwrap();
                let back = self.feeder.recall(most);
                self.take_back(&back);
            }
            5..8 => self.drain(),
            _ => self.wait(hub, spin),
        }
    }

    /// Sleeps until some of the items that are on the lane are answered.
    fn wait(&mut self, hub: &Hub, spin: Duration) {
        let outstanding = self.feeder.outstanding();
        if outstanding == 0 {
            return;
        }
        let mark = self.feeder.answered() + 1 + self.dice.roll(outstanding);
        while self.lane.replied() < mark {
            self.lane.set_wake_at(mark);
            let ready = || self.replies.has_news() || self.lane.replied() >= mark;
            let outcome = hub.leader().park(ready, spin, Some(PATIENCE));
            assert_ne!(outcome, Unparked::TimedOut, "a wake was lost");
            self.drain();
        }
        self.drain();
    }

    /// Everything has one end.
    fn check(&self, lost: u64) {
        assert!(self.answered.is_disjoint(&self.back));
        let ended = (self.answered.len() + self.back.len()) as u64;
        assert_eq!(ended + lost, self.numbers, "answered or taken back, and lost");
    }
}

#[test]
fn two_threads_lose_nothing() {
    for (seed, spin) in [(1, Duration::ZERO), (2, Duration::from_micros(20))] {
        let lane = Arc::new(Lane::create().unwrap());
        let (hub, _) = Hub::create(2).unwrap();
        let runner = Runner::new(Arc::clone(&lane));
        let mut parent = Parent::new(&lane, seed);
        std::thread::scope(|scope| {
            scope.spawn(|| serve(runner, &hub, spin));
            for _ in 0..8_000 {
                parent.act(&hub, spin);
            }
            while !parent.on_lane.is_empty() {
                parent.wait(&hub, spin);
            }
            parent.append(STOP, 1);
            parent.wait(&hub, spin);
        });
        parent.drain();
        parent.check(0);
        assert!(parent.answered.len() > 1000 && !parent.back.is_empty());
    }
}

/// A child process that serves the lane until it is killed.
fn fork_worker(runner: Runner, hub: &Hub, spin: Duration) -> PidFd {
    // SAFETY: the child only runs `serve`, which makes system calls and works on memory that was there
    // before, and leaves without running anything else.
    match unsafe { libc::fork() } {
        -1 => panic!("fork: {}", std::io::Error::last_os_error()),
        0 => {
            serve(runner, hub, spin);
            // SAFETY: ends the process at once; nothing of the test's state is touched.
            unsafe { libc::_exit(0) }
        }
        pid => PidFd::open(pid).unwrap(),
    }
}

#[test]
fn a_killed_worker_loses_what_it_had_begun_and_no_more() {
    let (mut lost_some, mut salvaged) = (0, 0);
    for seed in 1..=200 {
        let lane = Arc::new(Lane::create().unwrap());
        let (hub, _) = Hub::create(2).unwrap();
        let mut parent = Parent::new(&lane, seed);
        let spin = Duration::from_micros(20 * (seed % 2));
        let worker = fork_worker(Runner::new(Arc::clone(&lane)), &hub, spin);
        for _ in 0..parent.dice.roll(60) {
            parent.act(&hub, spin);
        }
        parent.append(1, 30);
        for _ in 0..parent.dice.roll(3000) {
            std::hint::spin_loop();
        }
        worker.signal(Signal::KILL).unwrap();
        reap(&worker).unwrap();
        parent.drain();
        let begun = lane.begun();
        let lost = begun - parent.feeder.answered();
        assert!(lost <= 1, "each item is published before the next one is begun");
        let back = parent.feeder.salvage(begun);
        parent.take_back(&back);
        assert_eq!(parent.feeder.outstanding(), lost);
        parent.check(lost);
        lost_some += lost;
        salvaged += u64::from(!back.is_empty());
    }
    assert!(salvaged > 0, "no worker was killed with items left");
    assert!(lost_some < 200, "every worker was killed in the middle of an item");
}
