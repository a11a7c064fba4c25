//! A lane against a simple model: whatever the two sides do in whatever order, and wherever the worker
//! dies, each item is taken or taken back once, with its bytes, and replies come in order.
#![cfg(not(loom))]
#![expect(clippy::unwrap_used, reason = "helpers of tests, outside of any test function")]

mod support;

use std::collections::{BTreeMap, VecDeque};

use manyhands_shm::lane::{Heading, Item, NoRoom, Recalled, Refused};
use manyhands_shm::record;
use proptest::prelude::*;
use support::{Ends, content, contents, ends, records};

/// What a lane promises before it says that it is full: this much memory is in use (its first step).
const FIRST_STEP: usize = 256 << 10;
/// And so many batches; a call of `append` makes one at most.
const BATCHES: usize = 255;

/// One step of one side.
#[derive(Debug, Clone)]
enum Step {
    Append { lens: Vec<usize>, heading: Heading, cut: usize },
    Take(usize),
    Reply(usize),
    Publish,
    Drain,
    Recall(u32),
    Trim,
}

fn len() -> impl Strategy<Value = usize> {
    prop_oneof![
        60 => 0_usize..40,
        20 => 40_usize..3000,
        6 => 3000_usize..70_000,
        1 => 200_000_usize..300_000,
        1 => 1_000_000_usize..2_500_000,
    ]
}

fn heading() -> impl Strategy<Value = Heading> {
    (0_u32..2, 0_u64..2, prop::bool::weighted(0.2)).prop_map(|(kind, word, whole)| Heading {
        kind,
        whole,
        word,
    })
}

fn step() -> impl Strategy<Value = Step> {
    let lens = prop_oneof![4 => prop::collection::vec(len(), 1..6), 1 => prop::collection::vec(0_usize..9, 1..300)];
    prop_oneof![
        6 => (lens, heading(), any::<usize>()).prop_map(|(lens, heading, cut)| Step::Append { lens, heading, cut }),
        5 => (1_usize..40).prop_map(Step::Take),
        6 => len().prop_map(Step::Reply),
        4 => Just(Step::Publish),
        4 => Just(Step::Drain),
        3 => prop_oneof![1_u32..20, Just(u32::MAX)].prop_map(Step::Recall),
        1 => Just(Step::Trim),
    ]
}

/// An item that was offered.
#[derive(Debug, Clone)]
struct Offered {
    number: u64,
    heading: Heading,
    len: usize,
    /// Which call of `append` it came with.
    call: usize,
}

/// The lane and what it should hold.
struct World {
    ends: Ends,
    /// Items on the lane, in its order, that were not confirmed; the first `claimed` are the worker's.
    items: VecDeque<Offered>,
    claimed: usize,
    /// The worker's items that it has not answered, and that were begun.
    running: VecDeque<Item>,
    /// Replies that were written and not drained; the first `published` may be read.
    written: VecDeque<(u64, usize)>,
    published: usize,
    numbers: u64,
    calls: usize,
    taken: Vec<u64>,
    recalled: Vec<u64>,
}

impl World {
    fn new() -> Self {
        Self {
            ends: ends(),
            items: VecDeque::new(),
            claimed: 0,
            running: VecDeque::new(),
            written: VecDeque::new(),
            published: 0,
            numbers: 0,
            calls: 0,
            taken: Vec::new(),
            recalled: Vec::new(),
        }
    }

    fn run(&mut self, step: Step) {
        match step {
            Step::Append { lens, heading, cut } => self.append(&lens, heading, cut),
            Step::Take(most) => (0..most).for_each(|_| self.take()),
            Step::Reply(len) => self.reply(len),
            Step::Publish => self.publish(),
            Step::Drain => self.drain(),
            Step::Recall(most) => self.recall(most),
            Step::Trim => self.ends.runner.trim(),
        }
        assert_eq!(self.ends.feeder.outstanding(), self.items.len() as u64);
        assert_eq!(self.ends.feeder.open() as usize, self.items.len() - self.claimed);
        assert_eq!(self.ends.runner.has_work(), self.items.len() > self.claimed);
    }

    /// The bytes that are on the lane of each call of `append`.
    fn calls_on_lane(&self) -> BTreeMap<usize, usize> {
        let mut calls = BTreeMap::new();
        for item in &self.items {
            *calls.entry(item.call).or_default() += record::size(item.len);
        }
        calls
    }

    fn append(&mut self, lens: &[usize], heading: Heading, cut: usize) {
        let all: Vec<_> =
            lens.iter().zip(self.numbers..).map(|(len, number)| content(number, *len)).collect();
        let bytes = records(all.iter().map(Vec::as_slice));
        let (head, body) = bytes.split_at(cut % (bytes.len() + 1));
        let count = u32::try_from(lens.len()).unwrap();
        match self.ends.feeder.append(heading, count, [head, body]) {
            Ok(()) => {
                for len in lens {
                    let (number, call) = (self.numbers, self.calls);
                    self.items.push_back(Offered { number, heading, len: *len, call });
                    self.numbers += 1;
                }
                self.calls += 1;
            }
            Err(Refused::Full) => {
                let calls = self.calls_on_lane();
                let largest = calls.values().max().expect("an empty lane takes everything");
                let wasted = 2 * bytes.len() + largest + 8;
                let in_use: usize = calls.values().sum();
                let must = in_use + wasted > FIRST_STEP || calls.len() >= BATCHES;
                assert!(must, "full with {in_use} bytes of {} calls", calls.len());
            }
            Err(Refused::Memory(error)) => panic!("no memory for {} bytes: {error}", bytes.len()),
        }
    }

    fn take(&mut self) {
        let begun = self.begun_in_items();
        let expected = self.items.get(begun).cloned();
        let Some(item) = self.ends.runner.take() else {
            assert!(expected.is_none(), "an item was there: {expected:?}");
            return;
        };
        let expected = expected.expect("an item that nobody offered");
        assert_eq!(item.heading, expected.heading);
        self.claimed = self.claimed.max(begun + 1);
        if expected.heading.whole {
            let call = expected.call;
            self.claimed = self.items.iter().take_while(|item| item.call <= call).count();
        }
        assert_eq!(item.number, self.taken.len() as u64);
        self.taken.push(expected.number);
        self.running.push_back(item);
        self.check_bytes(&item, &expected);
    }

    /// How many of `items` were begun.
    fn begun_in_items(&self) -> usize {
        let confirmed = self.ends.feeder.answered();
        usize::try_from(self.taken.len() as u64 - confirmed).unwrap()
    }

    fn check_bytes(&self, item: &Item, expected: &Offered) {
        let bytes = self.ends.runner.lane().bytes(item);
        assert_eq!(bytes, content(expected.number, expected.len), "item {}", expected.number);
    }

    /// Answers the oldest item that runs, whose bytes are still what they were.
    fn reply(&mut self, len: usize) {
        let Some(item) = self.running.front().copied() else { return };
        let at = usize::try_from(item.number - self.ends.feeder.answered()).unwrap();
        let expected = self.items[at].clone();
        self.check_bytes(&item, &expected);
        if !self.try_reply(expected.number, len) {
            let unread: usize = self.written.iter().map(|(_, len)| record::size(*len)).sum();
            let largest = self.written.iter().map(|(_, len)| record::size(*len)).max();
            let largest = largest.expect("an empty stream takes everything");
            let wasted = 2 * record::size(len) + 2 * largest + 8;
            assert!(unread + wasted > FIRST_STEP, "full with {unread} bytes unread");
            assert!(!self.ends.runner.may_reply(len));
            self.publish();
            self.drain();
            assert!(self.ends.runner.may_reply(len));
            assert!(self.try_reply(expected.number, len), "full although everything was read");
        }
        self.running.pop_front();
        self.written.push_back((expected.number, len));
    }

    fn try_reply(&mut self, number: u64, len: usize) -> bool {
        let written =
            self.ends.runner.reply(len, |room| room.copy_from_slice(&content(number, len)));
        match written {
            Ok(()) => true,
            Err(NoRoom::Full) => false,
            Err(NoRoom::Memory(error)) => panic!("no memory for {len} bytes: {error}"),
        }
    }

    fn publish(&mut self) {
        let answered = self.written.len() - self.published;
        let replied = self.ends.runner.publish(answered as u64);
        self.published = self.written.len();
        assert_eq!(replied, self.ends.runner.lane().replied());
    }

    /// Reads what is published, and confirms it.
    fn drain(&mut self) {
        let mut out = vec![9; 3];
        self.ends.replies.drain(&mut out).unwrap();
        assert!(!self.ends.replies.has_news());
        let found = contents(&out[3..]);
        assert_eq!(found.len(), self.published, "the published replies, each once");
        for found in found {
            let (number, len) = self.written.pop_front().unwrap();
            assert_eq!(found, content(number, len), "the reply to item {number}");
            assert_eq!(self.items.pop_front().unwrap().number, number);
            self.claimed -= 1;
        }
        self.ends.feeder.confirm(self.published as u64);
        self.published = 0;
    }

    fn recall(&mut self, most: u32) {
        let mut expected = 0;
        let open = self.items.len() - self.claimed;
        while expected < open && (expected as u64) < u64::from(most) {
            let last = &self.items[self.items.len() - 1 - expected];
            if last.heading.whole {
                expected += self.items.iter().filter(|item| item.call == last.call).count();
            } else {
                expected += 1;
            }
        }
        let back = self.ends.feeder.recall(most);
        self.take_back(back, expected);
    }

    /// Checks that the last so many items came back, oldest first.
    fn take_back(&mut self, back: Vec<Recalled>, expected: usize) {
        let expected = self.items.split_off(self.items.len() - expected);
        let mut expected = expected.iter();
        for batch in back {
            assert!(batch.intact);
            let found = contents(&batch.records);
            assert_eq!(found.len(), batch.count as usize);
            for found in found {
                let item = expected.next().expect("an item that should not come back");
                assert_eq!(found, content(item.number, item.len), "item {}", item.number);
                assert_eq!(batch.heading, item.heading);
                self.recalled.push(item.number);
            }
        }
        assert_eq!(expected.next().map(|item| item.number), None, "an item did not come back");
    }

    /// The worker is dead: what it published counts, what it had begun is lost, the rest comes back.
    fn bury(mut self) {
        self.drain();
        let begun = self.ends.runner.lane().begun();
        assert_eq!(begun, self.taken.len() as u64);
        let lost = self.begun_in_items();
        let back = self.ends.feeder.salvage(begun);
        self.take_back(back, self.items.len() - lost);
        assert_eq!(self.ends.feeder.outstanding(), lost as u64);
        let mut all = [self.taken, self.recalled].concat();
        all.sort_unstable();
        assert_eq!(all, (0..self.numbers).collect::<Vec<_>>(), "every item has one end");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_item_has_one_end(steps in prop::collection::vec(step(), 1..150)) {
        let mut world = World::new();
        for step in steps {
            world.run(step);
        }
        world.bury();
    }
}
