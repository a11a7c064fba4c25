//! A seat and the worker that sits on it.
//!
//! A seat has a number that survives replacements. Its worker has a lane, a ledger of what was sent
//! and not answered yet (frames, in the order of the lane), and, once launched, a process. A *spare* is a
//! replacement that was forked ahead: it gets its first request, the initializer, only when it takes the seat.
//!
//! It decides nothing: dispatch, collect and death do.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use manyhands_os::process::{ExitStatus, PidFd};
use manyhands_shm::lane::{Feeder, Heading, Lane, Recalled, Refused, Replies, State};
use rustc_hash::FxHashSet;

use crate::call::{CallId, Death};
use crate::sentence::Sentence;
use crate::watch::{Readiness, Watch};
use crate::wire;

/// How long a dead worker's exit status is waited for.
pub(crate) const REPORT_WAIT: Duration = Duration::from_secs(1);

/// What a frame's items are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    /// Items of a call; the index of the first one that is not answered.
    Items {
        call: CallId,
        first: u64,
    },
    Code(u64),
    Initializer,
    Stop,
    /// That it drops code.
    Forget(u64),
}

/// Consecutive requests of a lane that were sent together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) what: What,
    /// Requests of it that are not answered.
    pub(crate) count: u32,
    /// Bytes of the records that it was sent with.
    pub(crate) bytes: usize,
}

/// A process, from its launch to the end of its group.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) pid: i32,
    pub(crate) pidfd: Arc<PidFd>,
}

/// What is known of a worker's end.
#[derive(Debug, Clone)]
pub(crate) struct Notice {
    pub(crate) since: Instant,
    pub(crate) status: Option<ExitStatus>,
    /// Somebody has reported all that will ever be known.
    pub(crate) final_word: bool,
    pub(crate) reason: Option<String>,
    /// The most memory that it had.
    pub(crate) peak: Option<u64>,
}

/// One worker, from the making of its lane to its end.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "facts that hold independently of each other")]
pub(crate) struct Worker {
    /// Unique in the pool: names the worker to its launcher.
    pub(crate) key: u64,
    pub(crate) seat: usize,
    pub(crate) lane: Arc<Lane>,
    pub(crate) feeder: Feeder,
    pub(crate) replies: Replies,
    pub(crate) frames: VecDeque<Frame>,
    pub(crate) codes: FxHashSet<u64>,
    pub(crate) process: Option<Process>,
    /// Items that it may still be given.
    pub(crate) budget: Option<u64>,
    /// Its end has been asked for.
    pub(crate) stopping: bool,
    /// Nothing more fits before a reply has come.
    pub(crate) full: bool,
    pub(crate) notice: Option<Notice>,
    pub(crate) kill_at: Option<Instant>,
    /// It wrote something that cannot be a reply, and is ended for that.
    pub(crate) lied: bool,
    /// Its lane is kept short while it has answered just so many: items are being cancelled one by one, and
    /// those in the queue cost less.
    pub(crate) short_at: Option<u64>,
    /// Code that it loads and nobody needs, while its grace for that is counted.
    pub(crate) unneeded: Vec<u64>,
    /// The item that must not run on.
    pub(crate) sentence: Option<Sentence>,
    pub(crate) watch: Watch,
    /// How far its start has come, where that has a limit.
    pub(crate) readiness: Option<Readiness>,
    /// We have sent it SIGKILL.
    pub(crate) killed_by_us: bool,
    /// Code that it is to drop, and has not been told of.
    untold: Vec<u64>,
    /// Requests to drop code that it has not answered.
    pub(crate) forgets: u32,
}

/// A seat, and who sits on it.
#[derive(Debug)]
pub(crate) struct Seat {
    pub(crate) id: usize,
    pub(crate) worker: Worker,
    pub(crate) spare: Option<Worker>,
    /// The seat goes when its worker has gone.
    pub(crate) leaving: bool,
}

/// Items that were taken back, with the call that they belong to.
#[derive(Debug)]
pub(crate) struct Parcel {
    pub(crate) call: CallId,
    pub(crate) first: u64,
    pub(crate) count: u32,
    pub(crate) records: Vec<u8>,
    /// Where in `records` the first item that is left begins.
    pub(crate) start: usize,
    /// The worker that had them has overwritten the records.
    pub(crate) spoiled: Option<Arc<Death>>,
}

impl Parcel {
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.records[self.start..]
    }
}

impl Worker {
    /// A worker without a process, of a pool that has, or will have, so many.
    pub(crate) fn new(
        (key, seat): (u64, usize),
        of: usize,
        budget: Option<u64>,
    ) -> io::Result<Self> {
        let lane = Arc::new(Lane::create_one_of(of)?);
        Ok(Self {
            key,
            seat,
            feeder: Feeder::new(Arc::clone(&lane)),
            replies: Replies::new(Arc::clone(&lane)),
            lane,
            frames: VecDeque::new(),
            codes: FxHashSet::default(),
            process: None,
            budget,
            stopping: false,
            full: false,
            notice: None,
            kill_at: None,
            unneeded: Vec::new(),
            short_at: None,
            sentence: None,
            watch: Watch::new(),
            readiness: None,
            lied: false,
            killed_by_us: false,
            untold: Vec::new(),
            forgets: 0,
        })
    }

    /// Whether it can be given items at all.
    pub(crate) fn takes_items(&self) -> bool {
        !self.stopping
            && !self.full
            && self.notice.is_none()
            && self.sentence.is_none()
            && self.budget != Some(0)
    }

    /// Whether it has been seen at work: its start went well.
    pub(crate) fn has_started(&self) -> bool {
        self.lane.state() != State::Starting
    }

    /// Sends a control request.
    pub(crate) fn control(
        &mut self,
        what: What,
        kind: u32,
        word: u64,
        payload: &[u8],
    ) -> Result<(), Refused> {
        let heading = Heading { kind, whole: true, word };
        let (prefix, used) = manyhands_shm::record::header(payload.len());
        self.feeder.append(heading, 1, [&prefix[..used], payload])?;
        self.frames.push_back(Frame { what, count: 1, bytes: payload.len() });
        Ok(())
    }

    /// Asks it to end after what it has; once.
    pub(crate) fn stop(&mut self) {
        if !self.stopping && self.control(What::Stop, wire::STOP, 0, &[]).is_ok() {
            self.stopping = true;
        }
    }

    /// Lets it drop code, behind what it has.
    pub(crate) fn forget(&mut self, code: u64) {
        self.untold.push(code);
        self.tell();
    }

    /// Tells it which code it is to drop; what there is no room for is told later.
    pub(crate) fn tell(&mut self) {
        while let Some(code) = self.untold.pop() {
            if self.control(What::Forget(code), wire::FORGET, code, &[]).is_err() {
                return self.untold.push(code);
            }
            self.forgets += 1;
        }
    }

    /// Requests at the end of the ledger that may be taken back from a live worker: items, code that is sent again
    /// with the items that need it, and what is told again: nobody's item may be fixed by it.
    fn movable(&self) -> u32 {
        let is_fixed = |what| matches!(what, What::Initializer | What::Stop);
        let fixed = |frame: &&Frame| is_fixed(frame.what);
        let movable = self.frames.iter().rev().take_while(|frame| !fixed(frame));
        movable.map(|frame| frame.count).fold(0, u32::saturating_add)
    }

    /// Whether it was sent items of a call that it has not answered.
    pub(crate) fn holds(&self, id: CallId) -> bool {
        self.frames.iter().any(|frame| matches!(frame.what, What::Items { call, .. } if call == id))
    }

    /// Lets it answer what it has taken of a call and not begun without running it: a chunk is taken whole. The item
    /// that runs ends as it likes, but learns that nobody waits for it.
    pub(crate) fn skip(&mut self, id: CallId) {
        if let Some(Frame { what: What::Items { call, .. }, count, .. }) = self.frames.front()
            && *call == id
        {
            self.lane.set_skip_until(self.feeder.answered() + u64::from(*count));
        }
    }

    /// Whether it has begun an item of a call that it has not answered.
    pub(crate) fn runs(&self, id: CallId) -> bool {
        let mut begun = self.lane.begun().saturating_sub(self.feeder.answered());
        let running = self.frames.iter().take_while(|frame| {
            let reached = begun > 0;
            begun = begun.saturating_sub(u64::from(frame.count));
            reached
        });
        running
            .into_iter()
            .any(|frame| matches!(frame.what, What::Items { call, .. } if call == id))
    }

    /// Takes back up to `most` items that it has not taken.
    pub(crate) fn recall(&mut self, most: u32) -> Vec<Parcel> {
        let most = most.saturating_add(self.forgets).min(self.movable());
        let recalled = self.feeder.recall(most);
        let parcels = self.unsend(recalled);
        self.tell();
        parcels
    }

    /// Items, and code for them, that it has not taken.
    pub(crate) fn backlog(&self) -> u32 {
        self.feeder.open().saturating_sub(self.forgets)
    }

    /// After its death: takes back everything that it had not begun.
    pub(crate) fn salvage(&mut self) -> Vec<Parcel> {
        let recalled = self.feeder.salvage(self.lane.begun());
        self.unsend(recalled)
    }

    /// Cuts what was taken back from the end of the ledger and sorts it by frame, oldest first.
    fn unsend(&mut self, recalled: Vec<Recalled>) -> Vec<Parcel> {
        let mut left: u32 = recalled.iter().map(|batch| batch.count).sum();
        let mut pieces = Vec::new();
        while left > 0 {
            let Some(last) = self.frames.back_mut() else { break };
            let count = last.count.min(left);
            last.count -= count;
            left -= count;
            let (what, kept) = (last.what, last.count);
            if kept == 0 {
                self.frames.pop_back();
            }
            pieces.push((what, kept, count));
        }
        pieces.reverse();
        let mut bytes: VecDeque<_> = recalled.into_iter().map(Rest::from).collect();
        pieces
            .into_iter()
            .filter_map(|(what, kept, count)| self.piece(what, kept, count, &mut bytes))
            .collect()
    }

    /// Whom items are lost with that it has overwritten before it began them.
    fn spoiler(&self) -> Arc<Death> {
        Arc::new(Death {
            seat: self.seat,
            pid: self.process.as_ref().map(|process| process.pid),
            reason: Some(
                "It had overwritten the arguments of items that were waiting for it.".into(),
            ),
            ..Death::default()
        })
    }

    /// One piece of what was taken back, as a parcel if it is items.
    fn piece(
        &mut self,
        what: What,
        kept: u32,
        count: u32,
        bytes: &mut VecDeque<Rest>,
    ) -> Option<Parcel> {
        let batch = bytes.front_mut()?;
        let intact = batch.of.intact;
        let own = batch.cut(count)?;
        if batch.of.count == 0 {
            bytes.pop_front();
        }
        if let Some(frame) = self.frames.back_mut().filter(|_| kept > 0) {
            frame.bytes = frame.bytes.saturating_sub(own.len());
        }
        match what {
            What::Items { call, first } => {
                if let Some(budget) = &mut self.budget {
                    *budget += u64::from(count);
                }
                let spoiled = (!intact).then(|| self.spoiler());
                let first = first + u64::from(kept);
                Some(Parcel { call, first, count, records: own, start: 0, spoiled })
            }
            What::Code(id) => {
                self.codes.remove(&id);
                None
            }
            What::Forget(id) => {
                self.forgets -= 1;
                self.untold.push(id);
                None
            }
            What::Initializer | What::Stop => None,
        }
    }
}

/// A batch that was taken back and is cut into pieces.
struct Rest {
    of: Recalled,
    begin: usize,
}

impl From<Recalled> for Rest {
    fn from(of: Recalled) -> Self {
        Self { of, begin: 0 }
    }
}

impl Rest {
    /// The records of the next `count` items; none if there are not as many.
    ///
    /// Each piece has a room of its own size: if it kept that of the whole, many of them would need the
    /// square of it.
    fn cut(&mut self, count: u32) -> Option<Vec<u8>> {
        if self.begin == 0 && self.of.count == count {
            self.of.count = 0;
            return Some(std::mem::take(&mut self.of.records));
        }
        let rest = &self.of.records[self.begin..];
        let span = manyhands_shm::record::span(rest, count)?;
        let own = rest[..span].to_vec();
        self.begin += span;
        self.of.count = self.of.count.checked_sub(count)?;
        Some(own)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use manyhands_shm::lane::Heading;
    use manyhands_shm::record;

    fn append(records: &mut Vec<u8>, content: &[u8]) {
        record::begin(records, content.len());
        records.extend_from_slice(content);
    }

    #[test]
    fn pieces_of_a_batch_have_no_more_room_than_their_records() {
        let mut records = Vec::new();
        for item in 0..100_u8 {
            append(&mut records, &[item; 20]);
        }
        let whole = records.clone();
        let heading = Heading { kind: 1, whole: false, word: 1 };
        let mut rest = Rest::from(Recalled { heading, count: 100, records, intact: true });
        let pieces: Vec<_> = (0..50).map(|_| rest.cut(2).unwrap()).collect();
        assert_eq!(pieces.concat(), whole);
        assert!(pieces.iter().map(Vec::capacity).sum::<usize>() <= 2 * whole.len());
        assert!((rest.of.count, rest.cut(1)) == (0, None));
    }

    #[test]
    fn a_batch_that_is_wanted_whole_is_not_copied() {
        let mut records = Vec::new();
        append(&mut records, b"x");
        let place = records.as_ptr();
        let heading = Heading { kind: 1, whole: false, word: 1 };
        let mut rest = Rest::from(Recalled { heading, count: 1, records, intact: true });
        let piece = rest.cut(1).unwrap();
        assert_eq!(piece.as_ptr(), place);
    }
}
