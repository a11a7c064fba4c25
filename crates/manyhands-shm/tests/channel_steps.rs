//! A channel whose users are killed at every single step, against a model: what was put is there, what
//! was taken is gone, no item comes twice, and no chunk and no pin is lost or given back twice.
#![cfg(not(loom))]
#![expect(clippy::unwrap_used, reason = "helpers of tests, outside of any test function")]

#[path = "support/heap.rs"]
mod heap;

use std::collections::VecDeque;
use std::time::Duration;

use heap::{Heap, OTHER, Process, Shared, channel, mortal};
use manyhands_shm::channel::{
    Head, Item, LARGE, Limits, Memory, Refused, Tail, Words, extra_bytes, prepare,
};
use manyhands_shm::sync::Wait;

/// Bytes are counted; there is always room.
const MOST_BYTES: u64 = 1 << 40;
const LIMITS: Limits = Limits { items: None, bytes: Some(MOST_BYTES) };

/// Something that a process does with the channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act {
    /// Puts an item of so many bytes that refers to so many blocks.
    Put(usize, usize),
    /// Puts so many items of so many bytes at once.
    PutMany(usize, usize),
    Get,
    /// Takes up to so many at once.
    GetMany(usize),
    Shut(bool),
}

/// The content of item `number` of so many bytes: what it is can be read from it.
fn content(number: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![number.to_le_bytes()[0]; len.max(8)];
    bytes[..8].copy_from_slice(&number.to_le_bytes());
    bytes
}

fn number_of(bytes: &[u8]) -> u64 {
    let number = u64::from_le_bytes(*bytes.first_chunk().unwrap());
    assert!(bytes == content(number, bytes.len()), "the bytes of item {number} are damaged");
    number
}

fn pins_of(number: u64, count: usize) -> Vec<u64> {
    let mark = (count > 0).then(|| extra_bytes(extra_of(number)));
    mark.into_iter().chain((1..=count as u64).map(|pin| OTHER + number * 32 + 2 * pin)).collect()
}

/// What an item with pins counts beyond its bytes.
fn extra_of(number: u64) -> u64 {
    number * 1000 + 1
}

fn tail<'a>(words: &'a Words, process: &'a Process) -> Tail<'a, Process> {
    match Tail::lock(words, process, Some(Duration::from_secs(10))) {
        Wait::Ready(tail) => tail,
        ended => panic!("{ended:?}"),
    }
}

fn head<'a>(words: &'a Words, process: &'a Process) -> Head<'a, Process> {
    match Head::lock(words, process, Some(Duration::from_secs(10))) {
        Wait::Ready(head) => head,
        ended => panic!("{ended:?}"),
    }
}

/// A channel, and what it should hold.
struct Trial {
    heap: Shared<Heap>,
    words: Words,
    numbers: u64,
    /// What is in it.
    model: VecDeque<u64>,
    /// What was taken.
    taken: Vec<u64>,
    shut: bool,
    processes: u32,
}

impl Trial {
    fn new(limits: Limits) -> Self {
        let heap = Heap::new();
        let words = channel(&Process::new(&heap, 0), limits);
        Self {
            heap,
            words,
            numbers: 0,
            model: VecDeque::new(),
            taken: Vec::new(),
            shut: false,
            processes: 1,
        }
    }

    fn process(&mut self) -> Process {
        let slot = self.processes;
        self.processes += 1;
        Process::new(&self.heap, slot)
    }

    /// Does it, as a process that is killed after so many steps; whether it was.
    fn act(&mut self, act: Act, steps: Option<u64>) -> bool {
        let process = self.process();
        if let Some(steps) = steps {
            process.kill_after(steps);
        }
        let before = self.numbers;
        let mut got = Vec::new();
        let killed = match act {
            Act::Put(len, pins) => mortal(|| put(&self.words, &process, (before, len, pins))),
            Act::PutMany(count, len) => {
                mortal(|| put_many(&self.words, &process, (before, count, len)))
            }
            Act::Get => mortal(|| get(&self.words, &process, 1, &mut got)),
            Act::GetMany(most) => mortal(|| get(&self.words, &process, most, &mut got)),
            Act::Shut(drop) => mortal(|| {
                assert_eq!(self.words.shut(&process, drop, None), Wait::Ready(()));
            }),
        };
        let offered = match act {
            Act::Put(..) => 1,
            Act::PutMany(count, _) => count as u64,
            _ => 0,
        };
        self.numbers += offered;
        self.settle(act, (killed, before..before + offered), &got);
        killed
    }

    /// Brings the model to what must be so now; what a killed process had not committed is decided by
    /// the channel's own count, which may say only one of the two.
    fn settle(&mut self, act: Act, (killed, put): (bool, std::ops::Range<u64>), got: &[u64]) {
        if self.words.is_shut() && matches!(act, Act::Shut(_)) {
            self.shut = true;
        }
        let len = self.words.len();
        let expected = self.model.len() as u64;
        match act {
            Act::Put(..) | Act::PutMany(..) => {
                let came = len - expected;
                assert!(came <= put.end - put.start);
                self.model.extend(put.start..put.start + came);
            }
            Act::Get | Act::GetMany(_) => {
                let gone = usize::try_from(expected - len).unwrap();
                assert!(if killed { gone <= got.len() } else { gone == got.len() });
                for number in &got[..gone] {
                    assert_eq!(self.model.pop_front(), Some(*number));
                    self.taken.push(*number);
                }
            }
            Act::Shut(drop) => {
                if drop && self.words.is_shut() && len == 0 {
                    self.model.clear();
                }
                assert_eq!(len, self.model.len() as u64);
            }
        }
    }

    /// Everything that should be there comes out; nothing is left behind.
    fn finish(mut self, leaks: u64) {
        let process = self.process();
        let mut got = Vec::new();
        get(&self.words, &process, usize::MAX, &mut got);
        assert_eq!(got, self.model.iter().copied().collect::<Vec<_>>());
        self.taken.extend(&got);
        assert!(self.taken.is_sorted_by(|one, next| one < next), "an item came twice");
        assert!(!self.words.is_broken());
        if !self.shut {
            put(&self.words, &process, (self.numbers, 8, 1));
            let left = MOST_BYTES - 8 - extra_of(self.numbers);
            assert!(self.words.has_room(left) && !self.words.has_room(left + 1), "bytes");
            self.numbers += 1;
        }
        self.words.end(&process);
        self.heap.sweep();
        assert_eq!(self.heap.chunks(), 0, "chunks are left");
        let pinned = self.heap.pinned.lock().unwrap().len() as u64;
        assert!(pinned <= leaks, "{pinned} pins are left");
    }
}

fn put(words: &Words, process: &Process, (number, len, pins): (u64, usize, usize)) {
    let (bytes, pins) = (content(number, len), pins_of(number, pins));
    let item = Item { parts: [&bytes[..1], &bytes[1..]], pins: &pins };
    let outcome = if item.len() >= LARGE {
        let mut prepared = prepare(process, &item).unwrap();
        tail(words, process).put_prepared(&mut prepared)
    } else {
        tail(words, process).put(&item)
    };
    assert!(outcome.is_ok() || words.is_shut() && outcome == Err(Refused::Shut));
}

fn put_many(words: &Words, process: &Process, (first, count, len): (u64, usize, usize)) {
    let all: Vec<_> = (first..first + count as u64).map(|number| content(number, len)).collect();
    let items: Vec<_> = all.iter().map(|bytes| Item { parts: [bytes, &[]], pins: &[] }).collect();
    let (put, refused) = tail(words, process).put_many(&items);
    assert!(put == count && refused.is_none() || words.is_shut());
}

fn get(words: &Words, process: &Process, most: usize, got: &mut Vec<u64>) {
    let mut pins = Vec::new();
    {
        let mut head = head(words, process);
        while got.len() < most {
            let Some(item) = head.peek().unwrap() else { break };
            let mut bytes = Vec::new();
            head.append(&item, &mut bytes).unwrap();
            head.pins(&item, &mut pins).unwrap();
            got.push(number_of(&bytes));
            assert!(got.last() == Some(&bytes[..8].iter().rfold(0, |n, b| n << 8 | u64::from(*b))));
            head.pass(&item);
        }
        head.commit();
    }
    for name in pins {
        process.unpin(name);
    }
}

/// What happens before, which act is killed, and what happens after it.
type Story = (&'static [Act], Act, &'static [Act]);

const STORIES: &[Story] = &[
    (&[], Act::Put(8, 0), &[Act::Get]),
    (&[], Act::Put(100, 3), &[Act::Put(8, 1), Act::Get, Act::Get]),
    (&[Act::Put(8, 2)], Act::Get, &[Act::Put(8, 0), Act::Get]),
    (&[], Act::Put(40_000, 2), &[Act::Put(9, 0), Act::Get]),
    (&[Act::Put(40_000, 2)], Act::Get, &[Act::Put(33_000, 0), Act::Get]),
    (&[Act::PutMany(30, 120)], Act::Put(1000, 0), &[Act::GetMany(7)]),
    (&[Act::PutMany(90, 120)], Act::GetMany(80), &[Act::Put(500, 0)]),
    (&[Act::PutMany(30, 100), Act::GetMany(30)], Act::PutMany(60, 100), &[Act::GetMany(9)]),
    (&[Act::PutMany(60, 100), Act::GetMany(59)], Act::PutMany(200, 100), &[Act::GetMany(99)]),
    (&[Act::PutMany(60, 100), Act::GetMany(60)], Act::Put(20_000, 0), &[Act::PutMany(100, 100)]),
    (&[Act::Put(8, 2), Act::Put(33_000, 1)], Act::Shut(true), &[Act::Shut(true)]),
    (&[Act::PutMany(3, 8)], Act::Shut(false), &[Act::Get, Act::Shut(false)]),
];

#[test]
fn killed_at_every_step() {
    let mut kills = 0;
    for story in STORIES {
        let (before, act, after) = story;
        for steps in 0.. {
            let mut trial = Trial::new(LIMITS);
            for act in *before {
                trial.act(*act, None);
            }
            let killed = trial.act(*act, Some(steps));
            trial.heap.sweep();
            for act in *after {
                trial.act(*act, None);
            }
            // Pins of the one item that was on its way.
            trial.finish(if killed { 3 } else { 0 });
            if !killed {
                break;
            }
            kills += 1;
        }
    }
    assert!(kills > 100, "{kills} kills");
}

/// The one who comes after the dead one is killed at each step, too.
#[test]
fn killed_at_every_step_of_what_follows_a_death() {
    let mut kills = 0;
    for (before, act, after) in STORIES {
        for first in 0.. {
            let mut first_killed = false;
            for second in 0.. {
                let mut trial = Trial::new(LIMITS);
                for act in *before {
                    trial.act(*act, None);
                }
                first_killed = trial.act(*act, Some(first));
                let again = if matches!(act, Act::Shut(_)) { Act::Get } else { *act };
                let second_killed = trial.act(again, Some(second));
                trial.heap.sweep();
                for act in *after {
                    trial.act(*act, None);
                }
                trial.finish(6);
                if !second_killed {
                    break;
                }
                kills += 1;
            }
            if !first_killed {
                break;
            }
        }
    }
    assert!(kills > 500, "{kills} kills");
}

#[test]
fn the_end_can_be_killed_at_every_step() {
    for steps in 0.. {
        let mut trial = Trial::new(LIMITS);
        for act in [Act::PutMany(90, 120), Act::Put(40_000, 1), Act::GetMany(50), Act::Put(8, 1)] {
            trial.act(act, None);
        }
        let process = trial.process();
        process.kill_after(steps);
        let killed = mortal(|| trial.words.end(&process));
        if killed {
            let next = trial.process();
            trial.words.end(&next);
        }
        assert_eq!(trial.heap.chunks(), 0);
        assert!(trial.heap.pinned.lock().unwrap().len() <= 1);
        if !killed {
            return;
        }
    }
}
