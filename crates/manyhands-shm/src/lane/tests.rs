//! The parent against a worker that writes anything anywhere: it never panics, hangs, or loses count of
//! its items, and takes no memory that the worker has not. And a lane in little address space.

use std::sync::Arc;
use std::sync::mpsc::{TryRecvError, channel};

use proptest::prelude::*;

use super::memory::{FIRST_STEP, Region};
use super::{Corrupt, Feeder, Heading, Lane, NoRoom, Recalled, Refused, Replies, Runner};
use crate::record;
use crate::space::Position;

const HEADINGS: [Heading; 3] = [
    Heading { kind: 1, whole: false, word: 0 },
    Heading { kind: 2, whole: false, word: 7 },
    Heading { kind: 3, whole: true, word: 0 },
];

/// What the parent does, what an honest worker does, and what a broken one does.
#[derive(Debug, Clone)]
enum Step {
    Append { count: u32, len: usize, heading: usize },
    Serve { items: usize, len: usize },
    Drain,
    Recall(u32),
    Publish(Position),
    Begun(u64),
    Replied(u64),
    Claim(u64),
    Scribble { requests: bool, offset: u64, bytes: Vec<u8> },
}

fn position() -> impl Strategy<Value = Position> {
    prop_oneof![
        any::<u64>().prop_map(Position::from_word),
        (0_u16..3, 0_u64..400).prop_map(|(lap, offset)| Position { lap, offset }),
        (0_u16..3, any::<u32>()).prop_map(|(lap, offset)| Position { lap, offset: offset.into() }),
    ]
}

fn word() -> impl Strategy<Value = u64> {
    prop_oneof![any::<u64>(), 0_u64..30, any::<u32>().prop_map(u64::from), Just(u64::MAX)]
}

/// Bytes that may look like a length prefix.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 1..40),
        (0_u32..300).prop_map(|len| len.to_le_bytes().to_vec()),
        Just(record::WRAP.to_le_bytes().to_vec()),
        any::<u64>().prop_map(|len| [&[0xfe, 0xff, 0xff, 0xff][..], &len.to_le_bytes()].concat()),
    ]
}

fn scribble() -> impl Strategy<Value = Step> {
    (any::<bool>(), 0_u64..400, bytes()).prop_map(|(requests, offset, bytes)| Step::Scribble {
        requests,
        offset,
        bytes,
    })
}

fn step() -> impl Strategy<Value = Step> {
    let append = (1_u32..8, 0_usize..60, 0_usize..3);
    prop_oneof![
        3 => append.prop_map(|(count, len, heading)| Step::Append { count, len, heading }),
        3 => (1_usize..8, 0_usize..60).prop_map(|(items, len)| Step::Serve { items, len }),
        3 => Just(Step::Drain),
        2 => prop_oneof![1_u32..9, Just(u32::MAX)].prop_map(Step::Recall),
        1 => position().prop_map(Step::Publish),
        1 => word().prop_map(Step::Begun),
        1 => word().prop_map(Step::Replied),
        1 => word().prop_map(Step::Claim),
        3 => scribble(),
    ]
}

/// A parent that believes nothing, and a worker that is honest until the first scribble.
struct World {
    lane: Arc<Lane>,
    feeder: Feeder,
    replies: Replies,
    runner: Option<Runner>,
    appended: u64,
    back: u64,
    corrupt: bool,
}

impl World {
    fn new() -> Self {
        let lane = Arc::new(Lane::create().unwrap());
        Self {
            feeder: Feeder::new(Arc::clone(&lane)),
            replies: Replies::new(Arc::clone(&lane)),
            runner: Some(Runner::new(Arc::clone(&lane))),
            lane,
            appended: 0,
            back: 0,
            corrupt: false,
        }
    }

    fn run(&mut self, step: Step) {
        match step {
            Step::Append { count, len, heading } => self.append(count, len, HEADINGS[heading]),
            Step::Serve { items, len } => self.serve(items, len),
            Step::Drain => self.drain(),
            Step::Recall(most) => {
                let back = self.feeder.recall(most);
                self.count(&back);
            }
            other => {
                self.runner = None;
                self.break_something(other);
            }
        }
        assert!(u64::from(self.feeder.open()) <= self.feeder.outstanding());
        self.check_count();
    }

    fn break_something(&mut self, step: Step) {
        match step {
            Step::Publish(tail) => self.lane.worker().set_published(tail),
            Step::Begun(count) => self.lane.worker().set_begun(count),
            Step::Replied(count) => self.lane.worker().set_replied(count),
            Step::Claim(word) => self.lane.table().claim.scribble(word),
            Step::Scribble { requests, offset, bytes } => {
                let region = if requests { Region::Requests } else { Region::Replies };
                self.lane.write(region, offset, &bytes);
            }
            other => panic!("{other:?} breaks nothing"),
        }
    }

    fn append(&mut self, count: u32, len: usize, heading: Heading) {
        let mut bytes = Vec::new();
        for _ in 0..count {
            record::begin(&mut bytes, len);
            bytes.resize(bytes.len() + len, 1);
        }
        match self.feeder.append(heading, count, [&bytes, &[]]) {
            Ok(()) => self.appended += u64::from(count),
            Err(Refused::Full) => assert!(self.feeder.outstanding() > 0),
            Err(Refused::Memory(error)) => panic!("{error}"),
        }
    }

    fn serve(&mut self, items: usize, len: usize) {
        let Some(runner) = &mut self.runner else { return };
        for _ in 0..items {
            if runner.take().is_none() {
                return;
            }
            runner.reply(len, |room| room.fill(2)).unwrap();
            runner.publish(1);
        }
    }

    fn drain(&mut self) {
        let mut out = Vec::new();
        let outcome = self.replies.drain(&mut out);
        assert!(!(self.corrupt && outcome.is_ok()), "a corrupt lane stays corrupt");
        assert!(!self.corrupt || out.is_empty(), "nothing is read from a corrupt lane");
        self.corrupt = outcome.is_err();
        assert!(!self.replies.has_news());
        assert!(self.runner.is_none() || outcome.is_ok(), "an honest worker is believed");
        let mut records = 0;
        let mut rest = &out[..];
        while !rest.is_empty() {
            let record::Next::Record { end, .. } = record::next(rest) else {
                panic!("a broken record")
            };
            rest = &rest[end..];
            records += 1;
        }
        self.feeder.confirm(records);
    }

    /// Each batch that comes back has as many records as items.
    fn count(&mut self, back: &[Recalled]) {
        for batch in back {
            assert_eq!(record::span(&batch.records, batch.count), Some(batch.records.len()));
            assert!(self.runner.is_none() || batch.intact);
            self.back += u64::from(batch.count);
        }
    }

    fn check_count(&self) {
        assert_eq!(self.feeder.offered(), self.appended - self.back);
        assert_eq!(self.feeder.answered() + self.feeder.outstanding(), self.feeder.offered());
    }

    fn bury(mut self) {
        self.drain();
        let back = self.feeder.salvage(self.lane.begun());
        self.count(&back);
        self.check_count();
        let begun = self.lane.begun().max(self.feeder.answered());
        assert!(self.feeder.offered() <= begun, "what was not begun has come back");
        assert!(self.lane.reserved_for_replies() <= FIRST_STEP, "reading took memory");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_broken_worker_breaks_only_itself(steps in prop::collection::vec(step(), 1..60)) {
        let mut world = World::new();
        for step in steps {
            world.run(step);
        }
        world.bury();
    }
}

fn drained(lane: &Arc<Lane>, tail: Position) -> Result<(), Corrupt> {
    lane.worker().set_published(tail);
    Replies::new(Arc::clone(lane)).drain(&mut Vec::new())
}

#[test]
fn positions_that_cannot_be_are_corrupt() {
    let lane = Arc::new(Lane::create().unwrap());
    lane.write(Region::Replies, 0, &record::WRAP.to_le_bytes());
    assert_eq!(drained(&lane, Position { lap: 1, offset: 0 }), Ok(()), "an empty lap");
    let wrong = [
        (0, (1 << 48) - 1),
        (0, lane.limit()),
        (0, lane.limit() + 1),
        (0, 60 << 30),
        (1, 1),
        (2, 0),
        (u16::MAX, 0),
        (u16::MAX, 1 << 20),
    ];
    for (lap, offset) in wrong {
        assert_eq!(drained(&lane, Position { lap, offset }), Err(Corrupt), "{lap}, {offset}");
    }
    assert_eq!(lane.reserved_for_replies(), FIRST_STEP, "reading took memory");
}

/// A region of zeros is a row of empty records: no mark stands there, and the search for one ends.
#[test]
fn a_lap_without_a_mark_is_corrupt() {
    let lane = Arc::new(Lane::create().unwrap());
    assert_eq!(drained(&lane, Position { lap: 1, offset: 0 }), Err(Corrupt));
    assert_eq!(lane.reserved_for_replies(), FIRST_STEP, "reading took memory");
}

#[test]
fn records_before_a_broken_one_are_read_once() {
    let lane = Arc::new(Lane::create().unwrap());
    lane.write(Region::Replies, 0, &[1, 0, 0, 0, 5, 200, 0, 0, 0]);
    lane.worker().set_published(Position { lap: 0, offset: 9 });
    let (mut replies, mut out) = (Replies::new(lane), Vec::new());
    assert_eq!(replies.drain(&mut out), Err(Corrupt));
    assert_eq!(out, [1, 0, 0, 0, 5]);
    assert_eq!(replies.drain(&mut out), Err(Corrupt));
    assert_eq!(out, [1, 0, 0, 0, 5]);
}

#[test]
fn a_lap_over_unread_records_is_corrupt() {
    let lane = Arc::new(Lane::create().unwrap());
    lane.write(Region::Replies, 0, &[1, 0, 0, 0, 5]);
    lane.write(Region::Replies, 5, &record::WRAP.to_le_bytes());
    assert_eq!(drained(&lane, Position { lap: 1, offset: 5 }), Err(Corrupt));
}

/// The worker takes a whole batch in two steps; between them nothing of it is taken back.
#[test]
fn a_whole_batch_that_is_being_taken_is_left() {
    let lane = Arc::new(Lane::create().unwrap());
    let mut feeder = Feeder::new(Arc::clone(&lane));
    feeder.append(HEADINGS[2], 3, [&[0; 12], &[]]).unwrap();
    assert_eq!(lane.table().claim.take(1), 1);
    assert_eq!(feeder.recall(u32::MAX), []);
    assert_eq!(feeder.outstanding(), 3);
}

/// A worker that is killed after it has taken items and before it says that it begins them.
#[test]
fn items_that_were_taken_and_not_begun_come_back() {
    let lane = Arc::new(Lane::create().unwrap());
    let mut feeder = Feeder::new(Arc::clone(&lane));
    feeder.append(HEADINGS[0], 2, [&[1, 0, 0, 0, 7], &[1, 0, 0, 0, 8]]).unwrap();
    assert_eq!(lane.table().claim.take(2), 2);
    assert_eq!(feeder.recall(2), []);
    let back = feeder.salvage(lane.begun());
    assert_eq!((back.len(), back[0].count), (1, 2));
    assert_eq!(back[0].records, [1, 0, 0, 0, 7, 1, 0, 0, 0, 8]);
}

#[test]
fn overwritten_requests_come_back_as_lost() {
    let lane = Arc::new(Lane::create().unwrap());
    let mut feeder = Feeder::new(Arc::clone(&lane));
    feeder.append(HEADINGS[0], 2, [&[1, 0, 0, 0, 5], &[1, 0, 0, 0, 6]]).unwrap();
    lane.write(Region::Requests, 5, &[9]);
    let back = feeder.recall(1);
    assert_eq!((back[0].count, back[0].intact, &back[0].records[..]), (1, false, &[0; 4][..]));
    let back = feeder.salvage(0);
    assert_eq!((back[0].count, feeder.outstanding()), (1, 0));
}

/// A worker that writes without a pause while the parent reads, feeds and takes back.
#[test]
fn a_raging_worker_is_survived() {
    let lane = Arc::new(Lane::create().unwrap());
    let lane = &lane;
    std::thread::scope(|scope| {
        // Dropped when the parent ends or panics.
        let (stop, stopped) = channel::<()>();
        scope.spawn(move || {
            let mut seed = 88_172_645_463_325_252_u64;
            while stopped.try_recv() == Err(TryRecvError::Empty) {
                seed ^= seed << 13;
                seed ^= seed >> 7;
                seed ^= seed << 17;
                let small = (seed >> 8) % 4000;
                match seed % 5 {
                    0 => lane
                        .worker()
                        .set_published(Position { lap: (seed % 2) as u16, offset: small }),
                    1 => lane.write(Region::Replies, small, &seed.to_le_bytes()),
                    2 => lane.write(Region::Requests, small, &(seed % 64).to_le_bytes()),
                    3 => lane.table().claim.scribble(seed),
                    _ => lane.worker().set_begun(small),
                }
            }
        });
        for _ in 0..100 {
            let mut feeder = Feeder::new(Arc::clone(lane));
            let mut back = 0;
            for round in 0..100 {
                let appended = feeder.append(HEADINGS[round % 3], 2, [&[0; 8], &[]]);
                assert!(matches!(appended, Ok(()) | Err(Refused::Full)));
                let mut out = Vec::new();
                let outcome = Replies::new(Arc::clone(lane)).drain(&mut out);
                assert!(matches!(outcome, Ok(()) | Err(Corrupt)));
                back += feeder.recall(1).iter().map(|batch| batch.count).sum::<u32>();
            }
            let offered = feeder.offered() + u64::from(back);
            let saved = feeder.salvage(lane.begun()).iter().map(|batch| batch.count).sum::<u32>();
            assert_eq!(feeder.offered() + u64::from(back) + u64::from(saved), offered);
        }
        drop(stop);
    });
    assert_eq!(lane.reserved_for_replies(), FIRST_STEP, "reading took memory");
}

/// In little address space a reply fits wherever the one before has ended, once that is read.
#[test]
fn a_reply_is_too_large_only_for_the_whole_region() {
    const MIB: usize = 1 << 20;
    let lane = Arc::new(Lane::with_limit(64 * MIB).unwrap());
    let mut runner = Runner::new(Arc::clone(&lane));
    let mut replies = Replies::new(Arc::clone(&lane));
    for len in [10 * MIB, 60 * MIB, 3 * MIB, 63 * MIB, 64 * MIB - 8] {
        if let Err(refused) = runner.reply(len, |room| room.fill(3)) {
            assert!(matches!(refused, NoRoom::Full), "{len}: {refused:?}");
            assert!(replies.has_news() && !runner.may_reply(len));
            replies.drain(&mut Vec::new()).unwrap();
            assert!(runner.may_reply(len));
            runner.reply(len, |room| room.fill(3)).unwrap();
        }
        runner.publish(1);
        let mut out = Vec::new();
        replies.drain(&mut out).unwrap();
        assert_eq!(out.len(), record::size(len));
    }
    assert!(matches!(runner.reply(64 * MIB - 7, |_| ()), Err(NoRoom::Memory(_))));
    let mut feeder = Feeder::new(Arc::clone(&lane));
    let large = vec![0; 64 * MIB - 3];
    assert!(matches!(feeder.append(HEADINGS[0], 1, [&large, &[]]), Err(Refused::Memory(_))));
    feeder.append(HEADINGS[0], 1, [&large[..64 * MIB - 4], &[]]).unwrap();
}
