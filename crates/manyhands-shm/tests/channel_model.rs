//! A channel against a model of it, a queue in private memory: whatever is done in whatever order,
//! both say the same.
#![cfg(not(loom))]
#![expect(clippy::unwrap_used, reason = "helpers of tests, outside of any test function")]
#![allow(dead_code, reason = "the support for kills is not needed here")]

#[path = "support/heap.rs"]
mod heap;

use std::collections::VecDeque;

use heap::{Heap, OTHER, Process, channel};
use manyhands_shm::channel::{
    Head, Item, LARGE, Limits, Memory, Peek, Refused, Tail, Words, extra_bytes, prepare,
};
use manyhands_shm::sync::Wait;
use proptest::prelude::*;

#[derive(Debug, Clone)]
enum Act {
    /// Bytes, pins, and what it counts beyond its bytes.
    Put(usize, u64, u64),
    PutMany(Vec<usize>),
    Get,
    GetMany(usize),
    /// Looks, copies, and does not commit.
    Look,
    Done,
    Shut(bool),
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let len = prop_oneof![6 => 0_usize..200, 1 => 3_000_usize..9_000, 1 => 32_000_usize..70_000];
    let extra = prop_oneof![3 => Just(0_u64), 1 => 1_u64..60_000];
    let small = prop::collection::vec(0_usize..700, 0..40);
    let act = prop_oneof![
        8 => (len, 0_u64..3, extra).prop_map(|(len, pins, extra)| Act::Put(len, pins, extra)),
        3 => small.prop_map(Act::PutMany),
        8 => Just(Act::Get),
        3 => (0_usize..50).prop_map(Act::GetMany),
        2 => Just(Act::Look),
        2 => Just(Act::Done),
    ];
    (prop::collection::vec(act, 0..120), prop::option::of(any::<bool>())).prop_map(
        |(mut acts, shut)| {
            if let Some(drop) = shut {
                acts.insert(acts.len() - acts.len() / 8, Act::Shut(drop));
            }
            acts
        },
    )
}

fn limits() -> impl Strategy<Value = Limits> {
    let items = prop::option::of(1_u64..30);
    let bytes = prop::option::of(1_u64..100_000);
    (items, bytes).prop_map(|(items, bytes)| Limits { items, bytes })
}

/// What a channel should do.
#[derive(Default)]
struct Model {
    /// Their bytes, and what they count.
    items: VecDeque<(Vec<u8>, u64)>,
    put: u64,
    ended: u64,
    shut: bool,
    dropped: bool,
}

impl Model {
    fn bytes(&self) -> u64 {
        self.items.iter().map(|item| item.1).sum()
    }

    fn admit(&self, limits: Limits, len: u64) -> Result<(), Refused<()>> {
        if self.shut {
            return Err(Refused::Shut);
        }
        if limits.items.is_some_and(|most| self.items.len() as u64 >= most) {
            return Err(Refused::Full);
        }
        match limits.bytes {
            Some(most) if len > most => Err(Refused::TooLarge),
            Some(most) if self.bytes() + len > most => Err(Refused::Full),
            _ => Ok(()),
        }
    }

    fn put(&mut self, limits: Limits, item: &[u8], extra: u64) -> Result<(), Refused<()>> {
        let weight = item.len() as u64 + extra;
        self.admit(limits, weight)?;
        self.items.push_back((item.to_vec(), weight));
        self.put += 1;
        Ok(())
    }
}

struct Trial {
    words: Words,
    process: Process,
    limits: Limits,
    model: Model,
    numbers: u8,
}

impl Trial {
    fn content(&mut self, len: usize) -> Vec<u8> {
        self.numbers = self.numbers.wrapping_add(1);
        (0..len).map(|at| self.numbers.wrapping_add(at.to_le_bytes()[0])).collect()
    }

    fn tail(&self) -> Tail<'_, Process> {
        Tail::try_lock(&self.words, &self.process).unwrap()
    }

    fn head(&self) -> Head<'_, Process> {
        Head::try_lock(&self.words, &self.process).unwrap()
    }

    fn put(&mut self, len: usize, (pins, extra): (u64, u64)) {
        let content = self.content(len);
        let mark = (extra > 0).then(|| extra_bytes(extra));
        let pins: Vec<_> = mark.into_iter().chain((1..=pins).map(|pin| OTHER + 2 * pin)).collect();
        let item = Item { parts: [&content[..len / 3], &content[len / 3..]], pins: &pins };
        let outcome = if item.len() >= LARGE {
            self.tail().put_prepared(&mut prepare(&self.process, &item).unwrap())
        } else {
            self.tail().put(&item)
        };
        assert_eq!(outcome, self.model.put(self.limits, &content, extra));
    }

    fn put_many(&mut self, lens: &[usize]) {
        let all: Vec<_> = lens.iter().map(|len| self.content(*len)).collect();
        let items: Vec<_> =
            all.iter().map(|bytes| Item { parts: [&[], bytes], pins: &[] }).collect();
        let outcome = self.tail().put_many(&items);
        let refused = all.iter().position(|item| self.model.put(self.limits, item, 0).is_err());
        assert_eq!(outcome.0, refused.unwrap_or(all.len()));
        assert_eq!(outcome.1.is_some(), refused.is_some());
    }

    fn get(&mut self, most: usize) {
        let (mut got, mut pins) = (Vec::new(), Vec::new());
        let mut head = self.head();
        while got.len() < most {
            let Some(item) = head.peek().unwrap() else { break };
            got.push(copy(&head, &item));
            head.pins(&item, &mut pins).unwrap();
            head.pass(&item);
        }
        head.commit();
        drop(head);
        for name in pins {
            self.process.unpin(name);
        }
        let expected: Vec<_> =
            (0..most).map_while(|_| Some(self.model.items.pop_front()?.0)).collect();
        assert!(got == expected);
    }

    fn look(&self) {
        let mut head = self.head();
        let seen = head.peek().unwrap().map(|item| copy(&head, &item));
        assert!(seen.as_ref() == self.model.items.front().map(|item| &item.0));
    }

    fn done(&mut self) {
        let left = self.model.put > self.model.ended;
        self.model.ended += u64::from(left);
        assert_eq!(self.words.task_done().is_ok(), left);
    }

    fn shut(&mut self, drop: bool) {
        assert_eq!(self.words.shut(&self.process, drop, None), Wait::Ready(()));
        self.model.shut = true;
        if drop {
            // Somebody may have said too early that an item is done.
            let dropped = self.model.items.len() as u64;
            self.model.ended = self.model.put.min(self.model.ended + dropped);
            self.model.items.clear();
        }
    }

    fn check(&self) {
        let len = self.model.items.len() as u64;
        assert_eq!(self.words.len(), len);
        assert_eq!(self.words.is_empty(), len == 0);
        let full = self.limits.items.is_some_and(|most| len >= most)
            || self.limits.bytes.is_some_and(|most| self.model.bytes() >= most);
        assert_eq!(self.words.is_full(), full);
        assert_eq!(self.words.unfinished(), self.model.put - self.model.ended);
        assert_eq!(self.words.is_shut(), self.model.shut);
    }
}

fn copy(head: &Head<'_, Process>, item: &Peek) -> Vec<u8> {
    let mut whole = Vec::new();
    head.append(item, &mut whole).unwrap();
    assert_eq!(item.first, whole.first().copied().unwrap_or(0));
    whole
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..Default::default() })]

    #[test]
    fn it_does_what_its_model_does(limits in limits(), acts in acts()) {
        let heap = Heap::new();
        let process = Process::new(&heap, 1);
        let words = channel(&process, limits);
        let mut trial = Trial { words, process, limits, model: Model::default(), numbers: 0 };
        for act in acts {
            match act {
                Act::Put(len, pins, extra) => trial.put(len, (pins, extra)),
                Act::PutMany(lens) => trial.put_many(&lens),
                Act::Get => trial.get(1),
                Act::GetMany(most) => trial.get(most),
                Act::Look => trial.look(),
                Act::Done => trial.done(),
                Act::Shut(drop) => trial.shut(drop),
            }
            trial.check();
        }
        trial.words.end(&trial.process);
        assert_eq!(heap.chunks(), 0);
        assert!(heap.pinned.lock().unwrap().is_empty());
    }
}
