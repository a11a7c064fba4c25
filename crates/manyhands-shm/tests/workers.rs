//! A lane between two threads, and between two processes of which one is killed: with real waiting and
//! waking, every item is answered, taken back, or lost with the worker that had begun it.
#![cfg(not(loom))]
#![expect(clippy::unwrap_used, reason = "helpers of tests, outside of any test function")]

#[path = "support/bytes.rs"]
mod bytes;

use std::collections::{BTreeSet, VecDeque};
use std::env::{current_exe, var_os};
use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use bytes::{content, contents};
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
        while let Err(refused) =
            runner.reply(len, |room| room.copy_from_slice(&content(number, len)))
        {
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

const LANE: &str = "MANYHANDS_TEST_LANE";
const HUB: &str = "MANYHANDS_TEST_HUB";

fn path_of(fd: BorrowedFd<'_>) -> String {
    format!("/proc/{}/fd/{}", std::process::id(), fd.as_raw_fd())
}

fn open(path: &OsStr) -> OwnedFd {
    File::options().read(true).write(true).open(path).unwrap().into()
}

/// A process that runs this very test, as a worker.
fn spawn_worker(lane: &Lane, hub: BorrowedFd<'_>) -> Child {
    Command::new(current_exe().unwrap())
        .args(["--exact", "a_killed_worker_loses_what_it_had_begun_and_no_more"])
        .env(LANE, path_of(lane.fd()))
        .env(HUB, path_of(hub))
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

/// In such a process: serves until it is killed.
fn serve_if_worker() -> bool {
    let (Some(lane), Some(hub)) = (var_os(LANE), var_os(HUB)) else { return false };
    let lane = Arc::new(Lane::attach(open(&lane)).unwrap());
    let hub = Hub::attach(open(&hub)).unwrap();
    serve(Runner::new(lane), &hub, Duration::from_micros(20));
    true
}

#[test]
fn a_killed_worker_loses_what_it_had_begun_and_no_more() {
    if serve_if_worker() {
        return;
    }
    let mut salvaged = 0;
    for seed in 1..=150 {
        let lane = Arc::new(Lane::create().unwrap());
        let (hub, fd) = Hub::create(2).unwrap();
        let mut parent = Parent::new(&lane, seed);
        let spin = Duration::from_micros(20 * (seed % 2));
        let mut worker = spawn_worker(&lane, fd.as_fd());
        parent.append(1, 1);
        parent.wait(&hub, spin);
        for _ in 0..parent.dice.roll(60) {
            parent.act(&hub, spin);
        }
        parent.append(1, 30);
        for _ in 0..parent.dice.roll(3000) {
            std::hint::spin_loop();
        }
        worker.kill().unwrap();
        worker.wait().unwrap();
        parent.drain();
        let begun = lane.begun();
        let lost = begun - parent.feeder.answered();
        assert!(lost <= 1, "each item is published before the next one is begun");
        let back = parent.feeder.salvage(begun);
        parent.take_back(&back);
        assert_eq!(parent.feeder.outstanding(), lost);
        parent.check(lost);
        salvaged += u64::from(!back.is_empty());
    }
    assert!(salvaged > 0, "no worker was killed with items left");
}
