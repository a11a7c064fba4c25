//! A call over many items: pulls them from the user's iterator, sends them in batches, sorts what comes back.
//!
//! ```text
//! items   pulled in the thread that asks for results, never elsewhere
//! batch   one request of the engine: as many items as fill 50 us by what items have cost so far
//! chunk   what came back for neighbouring items: their values in bytes, or the error of one
//! ```
//!
//! A batch is a means of speed and of nothing else. If its worker dies, its slate tells which items were
//! finished (their values are there), which one ran (it is lost), and the others are sent again; the same
//! for what a batch leaves undone when it ends early. If a batch takes far longer than it was sized for while
//! somebody is idle, what it has not begun is taken away from it and sent again.
//!
//! Several items are only pulled ahead of the first one's departure from an iterator that knows its length:
//! any other may wait for what the first item does.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use manyhands_pool::luggage::{self, reply_of};
use manyhands_pool::{Body, CallId, Failure, Need, Run, Waited};
use manyhands_shm::record::{self, Next};
use manyhands_shm::slate;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::chunk::{Chunk, What};
use super::pace::{Pace, bytes_ahead};
use super::pull::{Pulled, pull};
use super::request::{Request, arguments_of};
use super::shared::{Function, Shared};
use crate::batch::Reply;
use crate::codec;
use crate::error::{Item, TaskError};

/// A batch from which nothing was heard for so long is looked at.
const OVERDUE: Duration = Duration::from_millis(5);
/// So often in a row workers die before they have begun a group: chance does not do that.
const UNBEGUN_MOST: u8 = 16;
/// A pull that takes longer makes the source a slow one, whose items go out one by one for a while.
const SLOW_PULL: Duration = Duration::from_micros(100);
const SLOW_FOR: u32 = 64;

/// One request that is on its way.
#[derive(Debug)]
struct Group {
    start: u64,
    count: u32,
    /// What was sent, where there are several.
    record: Vec<u8>,
    bytes: usize,
    /// How often its items came back from a death without having been begun.
    unbegun: u8,
}

/// A call, and what is known of it.
pub(super) struct Flow<'p, T, I> {
    pub(super) shared: &'p Shared,
    pub(super) call: CallId,
    function: &'static str,
    source: Option<I>,
    /// The source knows how many items are left.
    ready_made: bool,
    slow_for: u32,
    /// Items that may be on their way and not taken, if that was given.
    limit: Option<u64>,
    /// Items pulled.
    fed: u64,
    groups: VecDeque<Option<Group>>,
    /// The number of the first group in `groups`.
    first_group: u64,
    /// Groups, items and bytes of arguments on their way.
    out: u64,
    items_out: u64,
    bytes_out: u64,
    /// Bytes of arguments on their way, at most, unless a single one is larger; and about as many of results.
    bytes_ahead: u64,
    pace: Pace,
    pub(super) chunks: Chunks,
    item: std::marker::PhantomData<fn() -> T>,
}

/// Chunks that nobody has taken.
#[derive(Debug)]
pub(super) enum Chunks {
    /// In the order of items; the next one's index.
    Ordered(u64, BTreeMap<u64, Chunk>),
    /// As they came.
    Arrived(VecDeque<Chunk>),
}

impl Chunks {
    pub(super) fn new(ordered: bool) -> Self {
        if ordered { Self::Ordered(0, BTreeMap::new()) } else { Self::Arrived(VecDeque::new()) }
    }

    fn put(&mut self, chunk: Chunk) {
        if chunk.count == 0 {
            return;
        }
        match self {
            Self::Ordered(_, chunks) => drop(chunks.insert(chunk.start, chunk)),
            Self::Arrived(chunks) => chunks.push_back(chunk),
        }
    }

    /// Whether nothing is here, in whatever order.
    pub(super) fn is_empty(&self) -> bool {
        match self {
            Self::Ordered(_, chunks) => chunks.is_empty(),
            Self::Arrived(chunks) => chunks.is_empty(),
        }
    }

    /// Whether `take` would give something.
    pub(super) fn is_ready(&self) -> bool {
        match self {
            Self::Ordered(next, chunks) => {
                chunks.first_key_value().is_some_and(|(at, _)| at == next)
            }
            Self::Arrived(chunks) => !chunks.is_empty(),
        }
    }

    pub(super) fn take(&mut self) -> Option<Chunk> {
        match self {
            Self::Ordered(next, chunks) => {
                let chunk = chunks.first_entry().filter(|first| first.key() == next)?.remove();
                *next += u64::from(chunk.count);
                Some(chunk)
            }
            Self::Arrived(chunks) => chunks.pop_front(),
        }
    }
}

impl<'p, T, I> Flow<'p, T, I>
where
    T: Serialize + DeserializeOwned + 'static,
    I: Iterator<Item = T>,
{
    pub(super) fn open(
        shared: &'p Shared,
        function: &Function,
        source: I,
        ordered: bool,
    ) -> Result<Self, TaskError> {
        let opened = shared.open(function);
        let item = Item::new(function.name, None);
        let call = opened.map_err(|reason| TaskError::Refused { item, reason })?;
        shared.slates.open(call.number());
        let (least, most) = source.size_hint();
        Ok(Self {
            shared,
            call,
            function: function.name,
            source: Some(source),
            ready_made: most == Some(least) && !shared.one_by_one,
            slow_for: 0,
            limit: None,
            fed: 0,
            groups: VecDeque::new(),
            first_group: 0,
            out: 0,
            items_out: 0,
            bytes_out: 0,
            bytes_ahead: bytes_ahead(shared.budget),
            pace: Pace::default(),
            chunks: Chunks::new(ordered),
            item: std::marker::PhantomData,
        })
    }

    /// The same, with so many items on their way and not taken at most.
    pub(super) fn within(mut self, limit: Option<u64>) -> Self {
        self.limit = limit;
        self
    }

    /// How many items may be on their way and not taken.
    pub(super) fn window(&self) -> u64 {
        self.limit.unwrap_or_else(|| self.pace.ahead(self.shared.workers, self.bytes_ahead))
    }

    /// Items pulled so far.
    pub(super) fn fed(&self) -> u64 {
        self.fed
    }

    /// How many items the source says that it has, at least.
    pub(super) fn hint(&self) -> (usize, Option<usize>) {
        self.source.as_ref().map_or((0, Some(0)), Iterator::size_hint)
    }

    /// Whether every item was pulled and has come back.
    pub(super) fn is_done(&self) -> bool {
        self.source.is_none() && self.out == 0
    }

    fn number(&self) -> u64 {
        self.first_group + self.groups.len() as u64
    }

    fn item(&self, index: u64) -> Item {
        Item::new(self.function, Some(index))
    }

    /// Pulls and sends up to so many items.
    pub(super) fn feed(&mut self, most: u64) {
        let mut left = most;
        while left > 0 && (self.bytes_out < self.bytes_ahead || self.out == 0) {
            let Some(source) = &mut self.source else { return };
            let size = if self.ready_made && self.slow_for == 0 {
                let most = self.limit.and_then(|limit| limit.try_into().ok()).unwrap_or(usize::MAX);
                self.pace.size(source.size_hint().0.min(most), self.shared.workers)
            } else {
                1
            };
            let before = self.fed;
            self.feed_batch(u32::try_from(left).unwrap_or(u32::MAX).min(size));
            left = left.saturating_sub((self.fed - before).max(1));
        }
    }

    /// Pulls and sends one batch of up to so many items.
    fn feed_batch(&mut self, size: u32) {
        // If the source panics it is gone, and so is what was pulled of this batch.
        let Some(mut source) = self.source.take() else { return };
        let began = Instant::now();
        let Pulled { request, count, apart, ended } = pull(&mut source, size);
        if !ended {
            self.source = Some(source);
        }
        if size > 1 && began.elapsed() > SLOW_PULL + SLOW_PULL * (size / 256) {
            self.slow_for = SLOW_FOR;
        } else {
            self.slow_for = self.slow_for.saturating_sub(1);
        }
        let start = self.fed;
        self.fed += u64::from(count) + u64::from(apart.is_some());
        self.send(start, count, request, 0);
        let index = start + u64::from(count);
        match apart {
            Some(Ok((argument, met))) => {
                let stowed = luggage::bytes_of(&met);
                self.shared.engine.keep(self.call, self.number(), met);
                self.send(index, 1, Request::of(1, &argument), stowed);
            }
            Some(Err(reason)) => {
                let error = TaskError::Carriage { item: self.item(index), reason };
                self.chunks.put(Chunk::failed(index, error));
            }
            None => {}
        }
    }

    /// Sends a batch, which has so many bytes besides its arguments.
    fn send(&mut self, start: u64, count: u32, request: Request, stowed: usize) {
        if count == 0 {
            return;
        }
        let mut record = request.record(count, self.batch(self.number()));
        let bytes = record.len() + stowed;
        if count > 1 {
            record = self.shared.engine.push_and_keep(self.call, record);
        } else {
            self.shared.engine.push(self.call, 1, std::mem::take(&mut record));
        }
        self.groups.push_back(Some(Group { start, count, record, bytes, unbegun: 0 }));
        self.out += 1;
        self.items_out += u64::from(count);
        self.bytes_out += bytes as u64;
    }

    /// How the engine and a slate name a group.
    fn batch(&self, group: u64) -> slate::Batch {
        slate::Batch { call: self.call.number(), group }
    }

    /// Takes what has come back; whether there was anything.
    pub(super) fn collect(&mut self) -> bool {
        let mut any = false;
        self.shared.slates.prune(self.call.number(), |group| self.is_out(group));
        while let Some(run) = self.shared.engine.take(self.call) {
            any = true;
            match &run.body {
                Body::Replies(_) => self.read(run),
                Body::Failed(failure) => {
                    for number in run.first..run.first + u64::from(run.count) {
                        self.fail(number, failure);
                    }
                }
            }
        }
        any
    }

    /// Whether a group has not come back.
    fn is_out(&self, number: u64) -> bool {
        let at = number.checked_sub(self.first_group).and_then(|at| usize::try_from(at).ok());
        at.and_then(|at| self.groups.get(at)).is_some_and(Option::is_some)
    }

    /// Removes a group that has come back.
    fn settle(&mut self, number: u64) -> Option<Group> {
        let at = usize::try_from(number.checked_sub(self.first_group)?).ok()?;
        let group = self.groups.get_mut(at)?.take()?;
        while self.groups.front().is_some_and(Option::is_none) {
            self.groups.pop_front();
            self.first_group += 1;
        }
        self.out -= 1;
        self.items_out -= u64::from(group.count);
        self.bytes_out -= group.bytes as u64;
        Some(group)
    }

    fn read(&mut self, run: Run) {
        let stowed = luggage::bytes_of(&run.luggage) / (run.count.max(1) as usize);
        let run = Arc::new(run);
        let Body::Replies(bytes) = &run.body else { return };
        let mut at = 0;
        for number in run.first..run.first + u64::from(run.count) {
            let Some(group) = self.settle(number) else { continue };
            let Next::Record { start, end } = record::next(&bytes[at..]) else {
                self.refuse(&group, "its reply is broken");
                continue;
            };
            let content = reply_of(&bytes[at + start..at + end]);
            let to = at + end;
            at = to;
            let Some(reply) = Reply::of(content).filter(|reply| reply.finished <= group.count)
            else {
                self.refuse(&group, "its reply is broken");
                continue;
            };
            let Reply { ns, finished, failure, values } = reply;
            self.pace.note(ns, finished, values.len() + stowed);
            let what = What::Values { run: Arc::clone(&run), from: to - values.len(), to };
            self.chunks.put(Chunk { start: group.start, count: finished, what });
            let mut done = finished;
            if let Some(raised) = failure {
                let index = group.start + u64::from(finished);
                let error = TaskError::raised(self.item(index), raised);
                self.chunks.put(Chunk::failed(index, error));
                done += 1;
            }
            self.send_rest(&group, done);
        }
    }

    fn refuse(&mut self, group: &Group, reason: &str) {
        for index in group.start..group.start + u64::from(group.count) {
            let error = TaskError::Refused { item: self.item(index), reason: reason.into() };
            self.chunks.put(Chunk::failed(index, error));
        }
    }

    /// A group that the engine has ended without a reply.
    fn fail(&mut self, number: u64, failure: &Failure) {
        let Some(group) = self.settle(number) else { return };
        let Failure::Died(death) = failure else {
            return self.fail_items(&group, (0, group.count), failure);
        };
        if group.count == 1 && group.record.is_empty() {
            return self.fail_items(&group, (0, 1), failure);
        }
        let Some(remains) = self.shared.slates.remains(death.pid, self.batch(number)) else {
            return self.send_unbegun(&group, failure);
        };
        let finished = remains.progress.finished.min(group.count);
        let what = What::Own(remains.results);
        self.chunks.put(Chunk { start: group.start, count: finished, what });
        let begun = remains.progress.begun.clamp(finished, group.count);
        self.fail_items(&group, (finished, begun), failure);
        self.send_rest(&group, begun);
    }

    /// Sends again a group of which its worker had not begun the first item; not for ever, because the engine says the
    /// same of all items of a call whose function, or the value that goes with it, has taken a worker with it.
    fn send_unbegun(&mut self, group: &Group, failure: &Failure) {
        if group.unbegun == UNBEGUN_MOST {
            return self.fail_items(group, (0, group.count), failure);
        }
        let before = self.groups.len();
        self.send_rest(group, 0);
        for sent in self.groups.iter_mut().skip(before).flatten() {
            sent.unbegun = group.unbegun + 1;
        }
    }

    fn fail_items(&mut self, group: &Group, (from, to): (u32, u32), failure: &Failure) {
        for index in from..to {
            let index = group.start + u64::from(index);
            let error = self.shared.failed(self.item(index), failure);
            self.chunks.put(Chunk::failed(index, error));
        }
    }

    /// Sends again what a group has not done: all but its first `done` items.
    fn send_rest(&mut self, group: &Group, done: u32) {
        if done >= group.count {
            return;
        }
        let mut rest = arguments_of(&group.record);
        for _ in 0..done {
            codec::skip_item::<T>(&mut rest);
        }
        let mut next = done;
        while next < group.count {
            let size = self.pace.size(usize::MAX, self.shared.workers).min(group.count - next);
            let from = rest;
            for _ in next..next + size {
                codec::skip_item::<T>(&mut rest);
            }
            let request = Request::of(size, &from[..from.len() - rest.len()]);
            self.send(group.start + u64::from(next), size, request, 0);
            next += size;
        }
    }

    /// Waits until something more has come back: enough for `need`. With a limit it may be that nothing has.
    pub(super) fn wait(&mut self, need: Need, limit: Option<Duration>) {
        let watched = self.groups.iter().flatten().any(|group| group.count > 1);
        let slice = watched.then_some(OVERDUE);
        let slice = [slice, limit].into_iter().flatten().min();
        let waited = self.shared.engine.wait(self.call, need, slice);
        if waited == Waited::TimedOut && watched && self.out < self.shared.workers as u64 {
            self.take_away();
        }
    }

    /// Takes what they have not begun from all batches that are out, and sends it again.
    fn take_away(&mut self) {
        for at in 0..self.groups.len() {
            let number = self.first_group + at as u64;
            let Some(Some(group)) = self
                .groups
                .get(at)
                .filter(|group| group.as_ref().is_some_and(|group| group.count > 1))
            else {
                continue;
            };
            let Some(left) = self.shared.slates.take_away(self.batch(number)) else { continue };
            if left >= group.count {
                continue;
            }
            let whole = Group {
                start: group.start,
                count: group.count,
                record: group.record.clone(),
                bytes: 0,
                unbegun: 0,
            };
            if let Some(Some(group)) = self.groups.get_mut(at) {
                self.items_out -= u64::from(group.count - left);
                group.count = left;
            }
            self.send_rest(&whole, left);
        }
    }

    /// How many groups the engine has to have settled for half of what is on its way, or all.
    pub(super) fn half_way(&self) -> Need {
        let settled = self.number() - self.out;
        let wanted = if self.source.is_none() { self.out } else { (self.out / 2).max(1) };
        Need::Settled(settled + wanted)
    }

    /// Whether nothing is on its way.
    pub(super) fn is_idle(&self) -> bool {
        self.out == 0
    }

    /// Items on their way.
    pub(super) fn items_out(&self) -> u64 {
        self.items_out
    }
}

impl<T, I> Flow<'_, T, I> {
    /// Ends the call: cancels what has not begun, and drops the source.
    pub(super) fn end(&mut self) {
        self.source = None;
        self.shared.slates.close(self.call.number());
        if !self.shared.engine.is_foreign() {
            self.shared.engine.cancel(self.call);
            self.shared.engine.abandon(self.call);
        }
    }
}

impl<T, I> Drop for Flow<'_, T, I> {
    fn drop(&mut self) {
        self.end();
    }
}
