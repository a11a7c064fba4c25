//! What a lane costs: nanoseconds for each item in one thread, and a round trip between two threads.
//!
//! `cargo bench -p manyhands-shm`. Plain timing: each figure is the best of several rounds, so that
//! other programs on the machine disturb it little. It compares with nothing and fails never: the
//! numbers are for people.
#![expect(clippy::print_stdout, reason = "the report of a bench")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use manyhands_shm::lane::{Feeder, Heading, Lane, Replies, Runner};
use manyhands_shm::park::Parker;
use manyhands_shm::record;

const ROUNDS: u32 = 15;
const BATCH: u32 = 1024;
const TRIPS: u32 = 20_000;
const HEADING: Heading = Heading { kind: 1, whole: false, word: 0 };

/// The two sides of a lane, in one process.
struct Ends {
    feeder: Feeder,
    runner: Runner,
    replies: Replies,
}

fn ends() -> Ends {
    let lane = Arc::new(Lane::create().expect("memory for a lane"));
    Ends {
        feeder: Feeder::new(Arc::clone(&lane)),
        runner: Runner::new(Arc::clone(&lane)),
        replies: Replies::new(lane),
    }
}

fn records(count: u32, len: usize) -> Vec<u8> {
    let mut out = Vec::new();
    for _ in 0..count {
        record::begin(&mut out, len);
        out.resize(out.len() + len, 7);
    }
    out
}

/// The best time of several rounds, divided by `count`.
fn best(count: u32, mut round: impl FnMut()) -> f64 {
    let times = (0..ROUNDS).map(|_| {
        let start = Instant::now();
        round();
        start.elapsed()
    });
    times.min().unwrap_or_default().as_secs_f64() * 1e9 / f64::from(count)
}

/// Takes and answers everything that is offered, with the item's own bytes; publishes each item, and
/// looks whom it must call, as a worker does. Returns how many there were.
fn answer_all(runner: &mut Runner) -> u32 {
    let mut count = 0;
    let lane = Arc::clone(runner.lane());
    while let Some(item) = runner.take() {
        let bytes = lane.bytes(&item);
        let written = runner.reply(bytes.len(), |room| room.copy_from_slice(bytes));
        written.expect("the parent reads often enough");
        let replied = runner.publish(1);
        assert!(!lane.due(replied).leader, "nobody asked to be woken");
        count += 1;
    }
    count
}

fn one_thread(len: usize) -> f64 {
    let (mut ends, batch, mut out) = (ends(), records(BATCH, len), Vec::new());
    best(BATCH * 64, || {
        for _ in 0..64 {
            ends.feeder.append(HEADING, BATCH, [&batch, &[]]).expect("room for a batch");
            answer_all(&mut ends.runner);
            out.clear();
            ends.replies.drain(&mut out).expect("an honest worker");
            ends.feeder.confirm(u64::from(BATCH));
        }
    })
}

/// The parts of `one_thread`, each alone.
fn parts(len: usize) -> [(&'static str, f64); 3] {
    let (mut ends, batch, mut out) = (ends(), records(BATCH, len), Vec::new());
    let mut spent = [Duration::MAX; 3];
    for _ in 0..ROUNDS * 64 {
        let start = Instant::now();
        ends.feeder.append(HEADING, BATCH, [&batch, &[]]).expect("room for a batch");
        let appended = Instant::now();
        answer_all(&mut ends.runner);
        let answered = Instant::now();
        out.clear();
        ends.replies.drain(&mut out).expect("an honest worker");
        ends.feeder.confirm(u64::from(BATCH));
        let parts = [appended - start, answered - appended, answered.elapsed()];
        for (least, part) in spent.iter_mut().zip(parts) {
            *least = part.min(*least);
        }
    }
    let each = spent.map(|time| time.as_secs_f64() * 1e9 / f64::from(BATCH));
    [("append", each[0]), ("take, reply, publish, due", each[1]), ("drain, confirm", each[2])]
}

/// One item to a second thread and its reply back, both sides with a busy wait of this length.
fn round_trip(spin: Duration) -> f64 {
    let Ends { mut feeder, mut runner, mut replies } = ends();
    let (leader, item, mut out) = (Parker::new(), records(1, 16), Vec::new());
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let lane = Arc::clone(runner.lane());
            let mut left = TRIPS * ROUNDS;
            while left > 0 {
                if !runner.has_work() {
                    let _ = lane.bell().park(|| runner.has_work(), spin, None);
                    continue;
                }
                left -= answer_all(&mut runner);
                leader.wake();
            }
        });
        best(TRIPS, || {
            for _ in 0..TRIPS {
                feeder.append(HEADING, 1, [&item, &[]]).expect("room for an item");
                while !replies.has_news() {
                    let _ = leader.park(|| replies.has_news(), spin, None);
                }
                out.clear();
                replies.drain(&mut out).expect("an honest worker");
                feeder.confirm(1);
            }
        })
    })
}

fn main() {
    for len in [8, 64, 512] {
        println!("one thread, {len} bytes: {:.1} ns an item", one_thread(len));
        for (part, ns) in parts(len) {
            println!("    {part}: {ns:.1} ns");
        }
    }
    for micros in [0, 50] {
        let ns = round_trip(Duration::from_micros(micros));
        println!("round trip of two threads, busy wait of {micros} µs: {ns:.0} ns");
    }
}
