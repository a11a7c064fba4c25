//! Which memory of this process is known to others by a name: an array that lies there, in whole or in part, is sent
//! as its place and never copied, whatever object the array has become.
//!
//! An entry counts the windows on it (`window`), and goes with the last one. The list is held still while a process
//! forks: the child has the same windows.
//!
//! It refuses to hold the blocks themselves: the windows do.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A block: how long it is, how many windows there are on it, and its name.
#[derive(Debug)]
struct Listed {
    len: usize,
    windows: usize,
    name: (u64, u64),
}

type List = MutexGuard<'static, BTreeMap<usize, Listed>>;

/// By where they begin in this process.
static LISTED: Mutex<BTreeMap<usize, Listed>> = Mutex::new(BTreeMap::new());

fn list() -> List {
    LISTED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The list, which nobody changes meanwhile.
#[derive(Debug)]
pub(crate) struct Still(#[expect(dead_code, reason = "held, not used")] List);

/// Keeps the list as it is, for a fork.
pub(crate) fn hold_still() -> Still {
    Still(list())
}

/// There is a window more on what lies there: id of the world, and handle.
pub(crate) fn enter(place: usize, len: usize, name: (u64, u64)) {
    list().entry(place).or_insert(Listed { len, windows: 0, name }).windows += 1;
}

/// There is a window less.
pub(crate) fn leave(place: usize) {
    let mut list = list();
    if let Some(entry) = list.get_mut(&place) {
        entry.windows -= 1;
        if entry.windows == 0 {
            list.remove(&place);
        }
    }
}

/// Whether there is any.
pub(crate) fn is_empty() -> bool {
    list().is_empty()
}

/// In what so many bytes at a place lie: its name, and how far from its beginning.
pub(crate) fn find(place: usize, len: usize) -> Option<((u64, u64), usize)> {
    let list = list();
    let (start, entry) = list.range(..=place).next_back()?;
    let offset = place - start;
    (offset + len <= entry.len).then_some((entry.name, offset))
}
