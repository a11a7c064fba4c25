//! The parent's side of a lane against a worker that writes anything anywhere into it.
//!
//! Whatever it writes: no panic, every record that is handed on is whole, no item is counted twice or lost.
#![no_main]

use std::os::fd::AsFd;
use std::sync::Arc;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use manyhands_fuzz::{Ink, write};
use manyhands_shm::lane::{Feeder, Heading, Lane, Recalled, Refused, Replies, Runner};
use manyhands_shm::record::{self, Next};

/// As `docs/design/memory-layout.md` has it.
const HEADER: u64 = 64 << 10;
const STACKS: u64 = 64 << 10;

#[derive(Debug, Arbitrary)]
enum Step {
    Append {
        count: u8,
        len: u16,
        kind: u8,
        whole: bool,
    },
    Serve {
        items: u8,
        len: u16,
    },
    Drain,
    Recall(u32),
    Report,
    AskStacks,
    Header(u16, Ink),
    Requests(u16, Ink),
    Replies(u16, Ink),
    /// The position of the file, which the worker shares.
    Seek(u64),
}

struct Parent {
    lane: Arc<Lane>,
    feeder: Feeder,
    replies: Replies,
    /// An honest worker, until the first scribble.
    runner: Option<Runner>,
    appended: u64,
    back: u64,
    size: u64,
}

impl Parent {
    fn new() -> Self {
        let lane = Arc::new(Lane::create().expect("a lane"));
        let file = std::fs::File::from(lane.fd().try_clone_to_owned().expect("a descriptor"));
        Self {
            feeder: Feeder::new(Arc::clone(&lane)),
            replies: Replies::new(Arc::clone(&lane)),
            runner: Some(Runner::new(Arc::clone(&lane))),
            lane,
            appended: 0,
            back: 0,
            size: file.metadata().expect("its size").len(),
        }
    }

    fn scribble(&mut self, at: u64, ink: &Ink) {
        self.runner = None;
        write(self.lane.fd(), at, ink);
    }

    fn run(&mut self, step: Step) {
        let limit = (self.size - HEADER - STACKS) / 2;
        match step {
            Step::Append { count, len, kind, whole } => {
                let heading = Heading { kind: kind.into(), whole, word: 0 };
                self.append(count.into(), usize::from(len) % 2048, heading);
            }
            Step::Serve { items, len } => self.serve(items, usize::from(len) % 2048),
            Step::Drain => self.drain(),
            Step::Recall(most) => {
                let back = self.feeder.recall(most);
                self.count(&back);
            }
            Step::Report => {
                let lane = &self.lane;
                let _ = (lane.state(), lane.running(), lane.item_ns(), lane.pid(), lane.stacks());
            }
            Step::AskStacks => self.lane.ask_stacks().expect("memory"),
            Step::Header(at, ink) => self.scribble(u64::from(at) % 8704, &ink),
            Step::Requests(at, ink) => self.scribble(HEADER + u64::from(at), &ink),
            Step::Replies(at, ink) => self.scribble(HEADER + limit + u64::from(at), &ink),
            Step::Seek(at) => {
                let file = self.lane.fd().as_fd().try_clone_to_owned().map(std::fs::File::from);
                let mut file = file.expect("a descriptor");
                let _ = std::io::Seek::seek(&mut file, std::io::SeekFrom::Start(at));
            }
        }
        assert!(u64::from(self.feeder.open()) <= self.feeder.outstanding());
        self.check();
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

    fn serve(&mut self, items: u8, len: usize) {
        let Some(runner) = &mut self.runner else { return };
        for _ in 0..items {
            if runner.take().is_none() || runner.reply(len, |room| room.fill(2)).is_err() {
                // What it has taken and not answered is lost with it.
                self.runner = None;
                return;
            }
            runner.publish(1);
        }
    }

    fn drain(&mut self) {
        let mut out = Vec::new();
        let _ = self.replies.drain(&mut out);
        assert!(!self.replies.has_news());
        let (mut rest, mut records) = (&out[..], 0);
        while !rest.is_empty() {
            let Next::Record { end, .. } = record::next(rest) else { panic!("a broken record") };
            rest = &rest[end..];
            records += 1;
        }
        self.feeder.confirm(records);
    }

    fn count(&mut self, back: &[Recalled]) {
        for batch in back {
            assert_eq!(record::span(&batch.records, batch.count), Some(batch.records.len()));
            self.back += u64::from(batch.count);
        }
    }

    fn check(&self) {
        assert_eq!(self.feeder.offered(), self.appended - self.back);
        assert_eq!(self.feeder.answered() + self.feeder.outstanding(), self.feeder.offered());
    }

    fn bury(mut self) {
        self.drain();
        let back = self.feeder.salvage(self.lane.begun());
        self.count(&back);
        self.check();
        let begun = self.lane.begun().max(self.feeder.answered());
        assert!(self.feeder.offered() <= begun, "what was not begun has come back");
    }
}

fuzz_target!(|steps: Vec<Step>| {
    let mut parent = Parent::new();
    for step in steps.into_iter().take(64) {
        parent.run(step);
    }
    parent.bury();
});
