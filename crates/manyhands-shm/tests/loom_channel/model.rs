//! A channel between the threads of a model, each of them a process.

use loom::sync::Arc;
use loom::thread::{JoinHandle, spawn};
use manyhands_shm::channel::{Head, Item, Limits, Refused, Tail, Words};
use manyhands_shm::sync::Wait;

use crate::heap::{Heap, Process, channel};

/// The channel and its memory.
pub(crate) struct Shared {
    pub(crate) heap: Arc<Heap>,
    pub(crate) words: Arc<Words>,
    /// Whether waiters ask for the dead.
    watchful: bool,
}

impl Shared {
    pub(crate) fn new(limits: Limits, watchful: bool) -> Self {
        let heap = Heap::new();
        let words = Arc::new(channel(&Process::new(&heap, 0), limits));
        Self { heap, words, watchful }
    }

    pub(crate) fn process(&self, slot: u32) -> Process {
        let mut process = Process::new(&self.heap, slot);
        process.watchful = self.watchful;
        process
    }

    pub(crate) fn spawn(
        &self,
        slot: u32,
        act: impl FnOnce(&Process, &Words) + 'static,
    ) -> JoinHandle<()> {
        let (process, words) = (self.process(slot), Arc::clone(&self.words));
        spawn(move || act(&process, &words))
    }

    /// Nothing is left behind.
    pub(crate) fn finish(&self) {
        let last = self.process(9);
        self.words.end(&last);
        self.heap.sweep();
        assert_eq!(self.heap.chunks(), 0, "chunks are left");
        assert!(!self.words.is_broken());
    }
}

pub(crate) fn try_put(process: &Process, words: &Words, number: u64) -> Result<(), Refused<()>> {
    let bytes = number.to_ne_bytes();
    let item = Item { parts: [&bytes, &[]], pins: &[] };
    let Wait::Ready(mut tail) = Tail::lock(words, process, None) else { panic!("no limit") };
    tail.put(&item)
}

/// Puts, and waits for room if need be.
pub(crate) fn put(process: &Process, words: &Words, number: u64) {
    while let Err(refused) = try_put(process, words, number) {
        assert_eq!(refused, Refused::Full);
        assert_eq!(words.wait_for_room(8, None), Wait::Ready(()));
    }
}

/// The next item, taken.
pub(crate) fn try_get(process: &Process, words: &Words) -> Option<u64> {
    let Wait::Ready(mut head) = Head::lock(words, process, None) else { panic!("no limit") };
    let item = head.peek().unwrap()?;
    let mut bytes = Vec::new();
    head.append(&item, &mut bytes).unwrap();
    head.pass(&item);
    head.commit();
    Some(u64::from_ne_bytes(*bytes.first_chunk().unwrap()))
}

/// The next item; none if there will be none.
pub(crate) fn get(process: &Process, words: &Words) -> Option<u64> {
    loop {
        if let Some(number) = try_get(process, words) {
            return Some(number);
        }
        if words.is_shut() && words.is_empty() {
            return None;
        }
        assert_eq!(words.wait_for_item(None), Wait::Ready(()));
    }
}
