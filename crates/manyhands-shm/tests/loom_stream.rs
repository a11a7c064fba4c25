//! Models of the reply stream: records arrive whole and in order through a ring that wraps, and a
//! producer that waits for room is woken.
//!
//! The words, the arithmetic of the ring and the parking word are the ones that ship; the bytes of the
//! region are a few cells, which the model watches for races: an offset of four is one cell. See
//! `loom_park.rs` for how to run it.
#![cfg(loom)]
#![expect(clippy::unwrap_used, reason = "helpers of tests, outside of any test function")]

#[path = "support/cells.rs"]
mod cells;

use core::time::Duration;

use cells::Cells;
use loom::sync::Arc;
use loom::thread;
use manyhands_shm::lane::words::{ParentWords, WorkerWords};
use manyhands_shm::park::Parker;
use manyhands_shm::space::{Place, Position, Space};

const CELL: u64 = 4;
/// Two records and the mark.
const CAPACITY: u64 = 3 * CELL;
const MARK: u64 = u64::MAX;

struct Shared {
    worker: WorkerWords,
    parent: ParentWords,
    bell: Parker,
    leader: Parker,
    cells: Cells<3>,
}

/// The worker's side: writes records of one cell each, and publishes every one.
fn produce(shared: &Shared, records: u64) {
    let mut space = Space::new(CAPACITY, CAPACITY, CAPACITY);
    for record in 1..=records {
        let offset = loop {
            match space.place(shared.parent.consumed(), CELL) {
                Place::Here(offset) => break offset,
                Place::Wrap(mark) => {
                    shared.cells.write(mark / CELL, MARK);
                    space.wrap();
                }
                Place::Full => {
                    let ready = || space.place(shared.parent.consumed(), CELL) != Place::Full;
                    let _ = shared.bell.park(ready, Duration::ZERO, None);
                }
                other => panic!("a ring that cannot grow says {other:?}"),
            }
        };
        shared.cells.write(offset / CELL, record);
        space.advance(CELL);
        shared.worker.set_published(space.tail);
        shared.worker.set_replied(record);
        if shared.parent.due(record).leader {
            shared.leader.wake();
        }
    }
}

/// The parent's side: copies what is published, as the lane's `Replies` does.
fn drain(shared: &Shared, head: &mut Position, out: &mut Vec<u64>) {
    let tail = shared.worker.published();
    while *head != tail {
        let word = shared.cells.read(head.offset / CELL);
        if word == MARK {
            *head = head.wrapped();
            continue;
        }
        out.push(word);
        head.offset += CELL;
    }
    shared.parent.set_consumed(*head);
    shared.bell.wake();
}

fn stream(records: u64) {
    loom::model(move || {
        let shared = Arc::new(Shared {
            worker: WorkerWords::default(),
            parent: ParentWords::default(),
            bell: Parker::new(),
            leader: Parker::new(),
            cells: Cells::new(),
        });
        shared.parent.reset();
        let worker = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || produce(&shared, records))
        };
        let (mut head, mut out) = (Position::default(), Vec::new());
        while (out.len() as u64) < records {
            let mark = out.len() as u64 + 1;
            shared.parent.set_wake_at(mark);
            let ready = || shared.worker.replied() >= mark;
            let _ = shared.leader.park(ready, Duration::ZERO, None);
            drain(&shared, &mut head, &mut out);
        }
        worker.join().unwrap();
        assert_eq!(out, (1..=records).collect::<Vec<_>>());
    });
}

#[test]
fn records_arrive_in_order() {
    stream(2);
}

/// The third record goes to the start of the region, over one that was read.
#[test]
fn records_arrive_in_order_across_the_wrap() {
    stream(4);
}
