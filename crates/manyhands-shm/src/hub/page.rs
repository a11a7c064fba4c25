//! The words of a hub, and who writes each. See the module above for what they are for.
//!
//! It is memory without a mapping, so that the models can check it.

use crate::atomic::{AtomicU32, Ordering, fence};
use crate::park::Parker;

/// The most workers that one pool can have.
pub const SEATS: usize = if cfg!(loom) { 2 } else { 4096 };

/// The words. All-zero bytes are a valid page of a machine without cores.
#[derive(Debug)]
#[repr(C, align(128))]
pub struct Page {
    /// Where the parent's waiting thread sleeps.
    pub leader: Parker,
    attention: AtomicU32,
    cores: AtomicU32,
    parent_awake: AtomicU32,
    /// One more than the highest seat that was ever used.
    seats: AtomicU32,
    awake: Awake,
}

/// Apart from `leader`, which every worker reads after each reply.
#[derive(Debug)]
#[repr(C, align(128))]
struct Awake([AtomicU32; SEATS]);

impl Default for Page {
    fn default() -> Self {
        Self {
            leader: Parker::new(),
            attention: AtomicU32::new(0),
            cores: AtomicU32::new(0),
            parent_awake: AtomicU32::new(0),
            seats: AtomicU32::new(0),
            awake: Awake(core::array::from_fn(|_| AtomicU32::new(0))),
        }
    }
}

impl Page {
    /// Parent: says how many threads can run at once.
    pub fn set_cores(&self, cores: u32) {
        self.cores.store(cores, Ordering::Relaxed);
    }

    /// Worker, after it has said in its lane that it is dry: whether the supervisor wants to know.
    ///
    /// The fence pairs with the one in [`Page::set_attention`]: one comes first, so either the
    /// worker sees the wish, or the parent sees the dry lane.
    #[must_use]
    pub fn wants_attention(&self) -> bool {
        fence(Ordering::SeqCst);
        self.attention.load(Ordering::Relaxed) != 0
    }

    /// Parent: says whether it wants to know of lanes that run dry. Then it looks at all lanes: a worker
    /// that was dry before may tell nobody.
    pub fn set_attention(&self, wanted: bool) {
        self.attention.store(wanted.into(), Ordering::Relaxed);
        fence(Ordering::SeqCst);
    }

    /// Says whether the worker on a seat uses a core; seats that do not exist are ignored.
    pub fn set_awake(&self, seat: usize, awake: bool) {
        let Some(word) = self.awake.0.get(seat) else { return };
        word.store(awake.into(), Ordering::Relaxed);
        let seats = u32::try_from(seat + 1).unwrap_or(u32::MAX);
        if self.seats.load(Ordering::Relaxed) < seats {
            self.seats.fetch_max(seats, Ordering::Relaxed);
        }
    }

    /// Parent: says whether its waiting thread uses a core.
    pub fn set_parent_awake(&self, awake: bool) {
        self.parent_awake.store(awake.into(), Ordering::Relaxed);
    }

    /// Whether everybody who is awake has a core.
    ///
    /// A word counts as one participant, whatever a worker may have written there.
    #[must_use]
    pub fn has_spare_core(&self) -> bool {
        let seats = (self.seats.load(Ordering::Relaxed) as usize).min(SEATS);
        let participants = self.awake.0[..seats].iter().chain([&self.parent_awake]);
        let awake = participants.filter(|word| word.load(Ordering::Relaxed) != 0).count();
        awake <= self.cores.load(Ordering::Relaxed) as usize
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn who_is_awake_is_counted() {
        let page = Page::default();
        page.set_cores(2);
        page.set_awake(0, true);
        page.set_awake(5, true);
        assert!(page.has_spare_core());
        page.set_parent_awake(true);
        assert!(!page.has_spare_core());
        page.set_awake(5, false);
        assert!(page.has_spare_core());
    }

    #[test]
    fn scribbled_words_are_counted_as_one_each() {
        let page = Page::default();
        page.set_cores(2);
        page.seats.store(u32::MAX, Ordering::Relaxed);
        page.awake.0[0].store(u32::MAX, Ordering::Relaxed);
        page.awake.0[SEATS - 1].store(u32::MAX, Ordering::Relaxed);
        assert!(page.has_spare_core());
        page.set_awake(SEATS, true);
        page.set_parent_awake(true);
        assert!(!page.has_spare_core());
    }

    #[test]
    fn attention_is_asked_for_and_given_up() {
        let page = Page::default();
        assert!(!page.wants_attention());
        page.set_attention(true);
        assert!(page.wants_attention());
        page.set_attention(false);
        assert!(!page.wants_attention());
    }
}
