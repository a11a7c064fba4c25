//! A batch: the items that a worker was given as one request, while it runs them; and the bytes of both ways.
//!
//! ```text
//! request   count (u32), then for more than one item: call (u64), group (u64); then the arguments
//! reply     tag, nanoseconds (u32), values (u32), then for FAILED: length (u32) and `Raised`; then the values
//! ```
//!
//! A reply answers the first items of its request: `values` of them, and one more if the tag is FAILED. The
//! parent runs the others again, for they were not begun. A batch ends early
//!
//! - at a failure, and at a value that does not fit on the slate or that names blocks of shared memory: what is
//!   said of it is then published at once;
//! - when it takes much longer than it was sized for, so that what is left can go to others;
//! - when the parent has taken the rest away.
//!
//! A batch of one item leaves the slate alone: the engine's own ledger says what became of it.

use std::time::Instant;

use manyhands_os::process::exit_now;
use manyhands_pool::Luggage;
use manyhands_shm::slate::{self, Hand, Slate};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::raised::Raised;
use crate::travel::Collecting;
use crate::trouble::Trouble;
use crate::{codec, plain};

/// First byte of a reply: all of its items have values.
pub(crate) const VALUES: u8 = 1;
/// First byte of a reply whose last item has failed.
pub(crate) const FAILED: u8 = 2;

/// Bytes with which a request of several items begins, and one of one item.
pub(crate) const HEADING: usize = HEADING_OF_ONE + 2 * size_of::<u64>();
pub(crate) const HEADING_OF_ONE: usize = size_of::<u32>();

/// The nanoseconds for which a batch is sized.
pub(crate) const SIZE_NS: u64 = 50_000;
/// A batch ends early when it has taken so long.
const MOST_NS: u128 = 4 * SIZE_NS as u128;
/// The clock is looked at so often, by what items have cost so far; at least after so many items, for the next ones
/// may be others.
const LOOK_NS: u128 = 5_000;
const LOOK_MOST: u32 = 128;

/// The items of one request, as far as they have come.
#[derive(Debug)]
pub(crate) struct Batch<'a> {
    input: &'a [u8],
    count: u32,
    began: Instant,
    begun: u32,
    /// How many items are begun when the clock is looked at next.
    look_at: u32,
    finished: u32,
    /// With more than one item.
    slate: Option<(&'a mut Slate, Hand)>,
    /// Bytes of results on the slate.
    chalked: usize,
    /// The result that is not on the slate.
    loose: Vec<u8>,
    failure: Option<Raised>,
    ended: bool,
    collecting: Collecting,
    /// How many forks this process is away from the first: the function may fork.
    generation: u32,
}

/// Splits a number off the front.
fn number<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (head, rest) = bytes.split_first_chunk::<N>()?;
    *bytes = rest;
    Some(*head)
}

/// How the request of one item begins, which has no name.
pub(crate) const ONE_ITEM: [u8; HEADING_OF_ONE] = 1_u32.to_le_bytes();

/// How a request begins: the first `.1` bytes of `.0`. The arguments follow.
#[inline]
pub(crate) fn heading(count: u32, batch: slate::Batch) -> ([u8; HEADING], usize) {
    let mut bytes = [0; HEADING];
    let (number, names) = bytes.split_at_mut(HEADING_OF_ONE);
    number.copy_from_slice(&count.to_le_bytes());
    let (call, group) = names.split_at_mut(size_of::<u64>());
    call.copy_from_slice(&batch.call.to_le_bytes());
    group.copy_from_slice(&batch.group.to_le_bytes());
    (bytes, if count > 1 { HEADING } else { HEADING_OF_ONE })
}

impl<'a> Batch<'a> {
    /// The batch of a request; `None` if the bytes are none.
    #[inline]
    pub(crate) fn of(mut input: &'a [u8], slate: &'a mut Slate) -> Option<Self> {
        let count = u32::from_le_bytes(number(&mut input)?);
        let mut many = None;
        if count > 1 {
            let call = u64::from_le_bytes(number(&mut input)?);
            let group = u64::from_le_bytes(number(&mut input)?);
            let hand = slate.open(slate::Batch { call, group }, count);
            many = Some((slate, hand));
        }
        Some(Self {
            input,
            count,
            began: Instant::now(),
            begun: 0,
            look_at: 1,
            finished: 0,
            slate: many,
            chalked: 0,
            loose: Vec::new(),
            failure: None,
            ended: false,
            collecting: Collecting::begin(),
            generation: manyhands_pool::generation(),
        })
    }

    /// Whether there is one more item to run.
    #[inline]
    pub(crate) fn begin(&mut self) -> bool {
        if self.ended || self.begun == self.count {
            return false;
        }
        if self.begun == self.look_at && self.took_too_long() {
            return false;
        }
        if let Some((slate, hand)) = &mut self.slate
            && !slate.words().begin(hand)
        {
            return false;
        }
        self.begun += 1;
        true
    }

    /// Looks at the clock, and says when to do so again.
    fn took_too_long(&mut self) -> bool {
        let took = self.began.elapsed().as_nanos();
        let each = (took / u128::from(self.begun)).max(1);
        self.look_at += u32::try_from(LOOK_NS / each).unwrap_or(LOOK_MOST).clamp(1, LOOK_MOST);
        took > MOST_NS
    }

    /// The next item's argument.
    #[inline]
    pub(crate) fn argument<T: DeserializeOwned + 'static>(&mut self) -> Result<T, Trouble> {
        codec::take_item(&mut self.input)
    }

    /// The item that was begun last has this value; it counts when the value has been dropped: if that panics, or
    /// kills, it is this item's failure.
    #[inline]
    pub(crate) fn finish<R: Serialize + 'static>(&mut self, value: R) {
        self.end_if_forked();
        let Some((slate, _)) = &mut self.slate else { return self.finish_loose(value) };
        let Some(room) = slate.room().get_mut(self.chalked..) else {
            return self.finish_loose(value);
        };
        match codec::write_item(&value, room) {
            Ok(len) if plain::is_fixed::<R>() || self.collecting.is_empty() => {
                drop(value);
                self.chalked += len;
                self.finished += 1;
                let bytes = u32::try_from(self.chalked).unwrap_or(u32::MAX);
                slate.words().finish(self.finished, bytes);
            }
            Ok(len) => {
                self.loose.extend_from_slice(&room[..len]);
                drop(value);
                self.finished += 1;
                self.ended = true;
            }
            Err(_) => self.finish_loose(value),
        }
    }

    /// A value that is not chalked up: nothing more is run before it is published.
    #[cold]
    fn finish_loose<R: Serialize + 'static>(&mut self, value: R) {
        // It may have been written once, in vain: what it names must be met once.
        self.collecting.clear();
        let written = codec::append_item(&value, &mut self.loose);
        drop(value);
        match written {
            Ok(()) => {
                self.finished += 1;
                self.ended = true;
            }
            Err(error) => self.fail(Raised::Unwritable(error.to_string())),
        }
    }

    /// The item that was begun last has failed.
    #[cold]
    pub(crate) fn fail(&mut self, raised: Raised) {
        self.end_if_forked();
        // A part of its value may have been written. No other value is loose, or named anything: that ends a batch.
        self.loose.clear();
        self.collecting.clear();
        self.failure = Some(raised);
        self.ended = true;
    }

    /// A child that the function has forked, and that has come back from it as well, ends here: slate, lane and the
    /// result of the item are its parent's.
    #[inline]
    fn end_if_forked(&self) {
        if manyhands_pool::generation() != self.generation {
            exit_now(0);
        }
    }

    /// Ends the batch, and writes its reply.
    pub(crate) fn reply(mut self, out: &mut Vec<u8>) -> Outcome {
        let ns = u32::try_from(self.began.elapsed().as_nanos()).unwrap_or(u32::MAX);
        if let Some(raised) = &self.failure {
            begin_failed(out, (ns, self.finished), raised);
        } else {
            out.push(VALUES);
            out.extend_from_slice(&ns.to_le_bytes());
            out.extend_from_slice(&self.finished.to_le_bytes());
        }
        if let Some((slate, _)) = &mut self.slate {
            out.extend_from_slice(&slate.room()[..self.chalked]);
        }
        let loose = out.len();
        out.extend_from_slice(&self.loose);
        Outcome { luggage: self.collecting.finish(), well: self.failure.is_none(), loose }
    }
}

/// What there is to know of a reply besides its bytes.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// What it names.
    pub(crate) luggage: Luggage,
    /// All went well.
    pub(crate) well: bool,
    /// Where the value begins in it that is not on the slate.
    pub(crate) loose: usize,
}

/// A reply that cannot be sent, without what makes it large: the value that is not on the slate, or the words of the
/// failure; the item that this belongs to has failed for the reason. None if it is large by neither.
pub(crate) fn shortened(reply: &[u8], loose: usize, reason: &Raised) -> Option<Vec<u8>> {
    let own = Reply::of(reply)?;
    let finished = match own.failure {
        Some(_) => own.finished,
        None if loose < reply.len() => own.finished.checked_sub(1)?,
        None => return None,
    };
    let values = reply.get(reply.len() - own.values.len()..loose)?;
    let mut out = Vec::new();
    begin_failed(&mut out, (own.ns, finished), reason);
    out.extend_from_slice(values);
    Some(out)
}

/// Begins a reply with a failure; the values follow.
fn begin_failed(out: &mut Vec<u8>, (ns, finished): (u32, u32), reason: &Raised) {
    let mut bytes = Vec::new();
    // Texts and numbers alone: they can always be written.
    let _written = codec::append(reason, &mut bytes);
    out.push(FAILED);
    out.extend_from_slice(&ns.to_le_bytes());
    out.extend_from_slice(&finished.to_le_bytes());
    out.extend_from_slice(&u32::try_from(bytes.len()).unwrap_or(0).to_le_bytes());
    out.extend_from_slice(&bytes);
}

/// A reply, taken apart.
#[derive(Debug)]
pub(crate) struct Reply<'a> {
    pub(crate) ns: u32,
    pub(crate) finished: u32,
    pub(crate) failure: Option<Raised>,
    pub(crate) values: &'a [u8],
}

impl<'a> Reply<'a> {
    /// `None` if the bytes are no reply.
    #[inline]
    pub(crate) fn of(mut bytes: &'a [u8]) -> Option<Self> {
        let [tag] = number(&mut bytes)?;
        let ns = u32::from_le_bytes(number(&mut bytes)?);
        let finished = u32::from_le_bytes(number(&mut bytes)?);
        let failure = match tag {
            VALUES => None,
            FAILED => {
                let len = u32::from_le_bytes(number(&mut bytes)?) as usize;
                let (mut raised, rest) = bytes.split_at_checked(len)?;
                bytes = rest;
                Some(codec::take(&mut raised).ok()?)
            }
            _ => return None,
        };
        Some(Self { ns, finished, failure, values: bytes })
    }
}

/// The reply to a request that is not run, for this reason.
pub(crate) fn refusal(reason: &Raised, out: &mut Vec<u8>) {
    begin_failed(out, (0, 0), reason);
}
