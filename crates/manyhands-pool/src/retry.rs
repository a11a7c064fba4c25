//! Items that may run again: what was sent, and how often.
//!
//! Only for calls that ask for it ([`Retry`]): the parent keeps the record of each of their items until the
//! item has ended, since the lane's copy lies in the reach of a worker that went wrong. An item whose end is
//! of a kind that is tried again goes to the end of the queue instead of being settled, under its own index: nobody
//! outside sees anything of it. Which exceptions are of that kind is known in the worker alone, which marks
//! their replies ([`wire::AGAIN`](crate::wire::AGAIN)).
//!
//! So an item of such a call runs *at least* once, and what it does outside may happen more than once. It
//! refuses to run anything again that was cancelled, or that nobody asked to be run again.

use manyhands_shm::record;
use rustc_hash::FxHashMap;

/// What is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Retry {
    /// How often an item may run after its first time (0: never).
    pub times: u32,
    /// Items whose worker died of anything else than what follows.
    pub deaths: bool,
    /// Items whose worker was ended because it had more memory than it may have.
    pub overfull: bool,
    /// Items whose time was up.
    pub timeouts: bool,
}

/// An item that has not ended.
#[derive(Debug)]
struct Kept {
    record: Vec<u8>,
    /// How often it was run again.
    used: u32,
}

/// The items of a call that may run again, by index.
#[derive(Debug, Default)]
pub(crate) struct Retries(FxHashMap<u64, Kept>);

impl Retries {
    /// Keeps the records of `count` items from `first` on.
    pub(crate) fn keep(&mut self, first: u64, count: u32, mut bytes: &[u8]) {
        for index in first..first + u64::from(count) {
            let Some(len) = record::span(bytes, 1) else { return };
            let (own, rest) = bytes.split_at(len);
            self.0.insert(index, Kept { record: own.to_vec(), used: 0 });
            bytes = rest;
        }
    }

    /// Items have ended.
    pub(crate) fn forget(&mut self, first: u64, count: u32) {
        if self.0.is_empty() {
            return;
        }
        for index in first..first + u64::from(count) {
            self.0.remove(&index);
        }
    }

    /// The record of an item that may run once more.
    pub(crate) fn once_more(&mut self, index: u64, times: u32) -> Option<Vec<u8>> {
        let kept = self.0.get_mut(&index).filter(|kept| kept.used < times)?;
        kept.used += 1;
        Some(kept.record.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records(texts: &[&[u8]]) -> Vec<u8> {
        let mut records = Vec::new();
        for text in texts {
            let (prefix, used) = record::header(text.len());
            records.extend_from_slice(&prefix[..used]);
            records.extend_from_slice(text);
        }
        records
    }

    #[test]
    fn an_item_runs_so_often_and_no_more() {
        let mut retries = Retries::default();
        retries.keep(5, 3, &records(&[b"five", b"", b"seven"]));
        let seven = records(&[b"seven"]);
        assert_eq!(retries.once_more(7, 2), Some(seven.clone()));
        assert_eq!(retries.once_more(7, 2), Some(seven));
        assert_eq!(retries.once_more(7, 2), None);
        assert_eq!(retries.once_more(6, 1), Some(records(&[b""])));
        assert_eq!(retries.once_more(8, 1), None);
        retries.forget(5, 2);
        assert_eq!(retries.once_more(5, 9), None);
        assert_eq!(retries.0.len(), 1);
    }
}
