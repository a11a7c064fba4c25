//! Models of the claim word and the batch descriptors: every item is taken or taken back, once, and
//! whoever takes one sees its heading, its place and its bytes.
//!
//! The parent's side here follows the steps of the lane's `Feeder` on a memory of a few cells, which
//! the model watches for races. See `loom_park.rs` for how to run it.
#![cfg(loom)]
#![expect(clippy::unwrap_used, reason = "helpers of tests, outside of any test function")]

#[path = "support/cells.rs"]
mod cells;

use core::time::Duration;

use cells::Cells;
use loom::sync::Arc;
use loom::thread;
use manyhands_shm::lane::Heading;
use manyhands_shm::lane::table::{BATCHES, Cursor, Table};
use manyhands_shm::lane::words::WorkerWords;
use manyhands_shm::park::Parker;

const PLAIN: Heading = Heading { kind: 1, whole: false, word: 100 };
const OTHER: Heading = Heading { kind: 2, whole: false, word: 200 };
const WHOLE: Heading = Heading { kind: 3, whole: true, word: 300 };

/// Items of a whole batch here.
const PAIR: u64 = 2;

struct Shared {
    table: Table,
    cells: Cells<8>,
    words: WorkerWords,
    bell: Parker,
    leader: Parker,
}

/// The parent's side: batches as (slot, heading, start, items).
struct Parent {
    shared: Arc<Shared>,
    batches: Vec<(u32, Heading, u64, Vec<u64>)>,
    next_slot: u32,
    tail: u64,
    numbers: u64,
}

impl Parent {
    fn new() -> Self {
        let shared = Shared {
            table: Table::new(),
            cells: Cells::new(),
            words: WorkerWords::default(),
            bell: Parker::new(),
            leader: Parker::new(),
        };
        Self { shared: Arc::new(shared), batches: Vec::new(), next_slot: 0, tail: 0, numbers: 0 }
    }

    /// Offers items of one heading; each cell holds the heading's word plus the item's number.
    fn append(&mut self, heading: Heading, count: u64) {
        let start = self.tail;
        let items: Vec<_> = (self.numbers..self.numbers + count).collect();
        for number in &items {
            self.shared.cells.write(self.tail, heading.word + number);
            self.tail += 1;
        }
        self.numbers += count;
        let (table, count) = (&self.shared.table, u32::try_from(count).unwrap());
        match self.batches.last_mut() {
            Some((slot, last, _, known)) if *last == heading && !heading.whole => {
                known.extend(items);
                table.set_count(*slot, u32::try_from(known.len()).unwrap());
            }
            _ => {
                table.describe(self.next_slot, heading, start, count);
                self.batches.push((self.next_slot, heading, start, items));
                self.next_slot = (self.next_slot + 1) % BATCHES;
            }
        }
        table.claim.offer(count);
    }

    /// Takes back up to `most` items of the last batch, a whole one only altogether.
    fn recall(&mut self, most: u32) -> Vec<u64> {
        let Some((slot, heading, start, items)) = self.batches.last_mut() else {
            return Vec::new();
        };
        let count = u32::try_from(items.len()).unwrap();
        let (fewest, wanted) = if heading.whole { (count, count) } else { (1, most.min(count)) };
        let got = self.shared.table.claim.recall(fewest, wanted);
        let back = items.split_off(items.len() - got as usize);
        self.shared.table.set_count(*slot, count - got);
        self.tail = *start + items.len() as u64;
        if items.is_empty() {
            self.next_slot = *slot;
            self.batches.pop();
        }
        back
    }

    /// A worker that tries to take items so often, and then finishes a whole batch that it has begun;
    /// returns the items that it got.
    fn worker(&self, tries: u32) -> thread::JoinHandle<Vec<u64>> {
        let shared = Arc::clone(&self.shared);
        thread::spawn(move || {
            let (mut cursor, mut at, mut tries) = (Cursor::new(), 0, tries);
            let mut taken: Vec<(Heading, u64)> = Vec::new();
            let half_done = |taken: &[(Heading, u64)]| {
                let whole = taken.iter().filter(|(heading, _)| heading.whole).count() as u64;
                !whole.is_multiple_of(PAIR)
            };
            while tries > 0 || half_done(&taken) {
                tries = tries.saturating_sub(1);
                let Some(begun) = cursor.next(&shared.table) else {
                    assert!(!half_done(&taken), "a part of a whole batch is gone");
                    continue;
                };
                at = begun.start.unwrap_or(at);
                let word = shared.cells.read(at);
                at += 1;
                let known = [PLAIN, OTHER, WHOLE].contains(&begun.heading);
                assert!(known && word / 100 == begun.heading.word / 100, "another batch's item");
                taken.push((begun.heading, word % 100));
            }
            taken.into_iter().map(|(_, number)| number).collect()
        })
    }

    /// Once the worker has ended: takes the rest back, and checks that every item has one owner.
    fn settle(mut self, worker: thread::JoinHandle<Vec<u64>>, mut back: Vec<u64>) {
        let taken = worker.join().unwrap();
        assert!(taken.is_sorted(), "items are taken in their order");
        let mut all = taken;
        loop {
            let rest = self.recall(u32::MAX);
            if rest.is_empty() {
                break;
            }
            back.extend(rest);
        }
        all.extend(back);
        all.sort_unstable();
        assert_eq!(all, (0..self.numbers).collect::<Vec<_>>());
    }
}

/// Runs the parent's steps beside a worker that tries to take so often.
fn check(tries: u32, steps: impl Fn(&mut Parent) -> Vec<u64> + Sync + Send + 'static) {
    loom::model(move || {
        let mut parent = Parent::new();
        let worker = parent.worker(tries);
        let back = steps(&mut parent);
        parent.settle(worker, back);
    });
}

#[test]
fn an_item_is_taken_or_taken_back() {
    check(2, |parent| {
        parent.append(PLAIN, 2);
        parent.recall(1)
    });
}

#[test]
fn a_batch_grows_under_the_worker() {
    check(3, |parent| {
        parent.append(PLAIN, 1);
        parent.append(PLAIN, 1);
        parent.recall(1)
    });
}

#[test]
fn a_cut_batch_is_followed_by_another_in_the_same_place() {
    check(3, |parent| {
        parent.append(PLAIN, 2);
        let back = parent.recall(1);
        parent.append(OTHER, 1);
        back
    });
}

#[test]
fn a_cut_batch_grows_again() {
    check(3, |parent| {
        parent.append(PLAIN, 2);
        let back = parent.recall(1);
        parent.append(PLAIN, 1);
        back
    });
}

#[test]
fn an_emptied_batch_is_described_again() {
    check(2, |parent| {
        parent.append(PLAIN, 1);
        let back = parent.recall(1);
        parent.append(OTHER, 1);
        back
    });
}

#[test]
fn a_whole_batch_is_taken_or_taken_back_altogether() {
    check(2, |parent| {
        parent.append(WHOLE, PAIR);
        let back = parent.recall(1);
        assert!(back.is_empty() || back == [0, 1]);
        back
    });
}

#[test]
fn a_whole_batch_between_others_stays_whole() {
    check(3, |parent| {
        parent.append(PLAIN, 1);
        parent.append(WHOLE, PAIR);
        let mut back = parent.recall(1);
        assert!(back.is_empty() || back == [1, 2]);
        back.extend(parent.recall(1));
        back
    });
}

/// More batches than descriptors: one is written again only when the worker has left it.
#[test]
fn descriptors_are_used_again() {
    loom::model(|| {
        let parent = Parent::new();
        let shared = Arc::clone(&parent.shared);
        let batches = u64::from(BATCHES) + 1;
        let worker = thread::spawn(move || {
            let mut cursor = Cursor::new();
            for number in 0..batches {
                let begun = loop {
                    if let Some(begun) = cursor.next(&shared.table) {
                        break begun;
                    }
                    let ready = || shared.table.claim.counts().open() > 0;
                    let _ = shared.bell.park(ready, Duration::ZERO, None);
                };
                assert_eq!((begun.heading.word, begun.start), (number, Some(number)));
                shared.words.set_replied(number + 1);
                shared.leader.wake();
            }
        });
        let shared = &parent.shared;
        for number in 0..batches {
            let answered = (number + 2).saturating_sub(u64::from(BATCHES));
            while shared.words.replied() < answered {
                let ready = || shared.words.replied() >= answered;
                let _ = shared.leader.park(ready, Duration::ZERO, None);
            }
            let (slot, heading) =
                (u32::try_from(number).unwrap() % BATCHES, Heading { word: number, ..PLAIN });
            shared.table.describe(slot, heading, number, 1);
            shared.table.claim.offer(1);
            shared.bell.wake();
        }
        worker.join().unwrap();
    });
}
