//! How what an argument names is handed to a child: so that it lives until the child has it, and no longer.
//!
//! A channel ends with its last sender. So the parent of a process must not hold what it has sent there as long
//! as the process runs; nor may it let go before the child holds it. It pins the blocks instead, and either side
//! unpins them, once: whoever changes a word in shared memory first.
//!
//! | who | when |
//! | --- | --- |
//! | the child | when it has decoded its argument, and holds what it names; when that cannot be decoded |
//! | the parent | when the child is dead, or was never started |
//!
//! The parent learns of the death when it joins the child. It may never come to that, because it waits in a channel
//! whose only sender is on its way to that child, or for another child that does: so whoever waits in a channel looks
//! after the children now and then ([`let_go_of_the_dead`]), and whoever waits for a child watches the others as well
//! ([`wait_for_death`]), in the process that has started them.
//!
//! A child that is killed between the change of the word and the last unpin leaves pins: those blocks stay until
//! the world ends. It refuses to know what the blocks are.

use std::io;
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, PoisonError, TryLockError, Weak};
use std::time::Duration;

use manyhands_os::poll::poll;
use manyhands_os::process::PidFd;
use manyhands_pool::Luggage;
use manyhands_shm::atomic::{AtomicU32, Ordering};
use manyhands_shm::sync::{Deadline, Owner};
use manyhands_shm::typed::Held;
use manyhands_shm::world::{Handle, NoMemory, World};
use serde::{Deserialize, Deserializer, Serialize};

use crate::world;

/// So long after the list of children could not be read it is tried again.
const PAUSE: Duration = Duration::from_millis(100);

/// Somebody has unpinned, or is about to.
const TAKEN: u32 = 1;

/// What children have been handed that may not have taken it.
static UNTAKEN: Mutex<Vec<(Weak<Handover>, Weak<PidFd>)>> = Mutex::new(Vec::new());

/// What is on its way, as the parent sees it; unpins when it is dropped, if nobody has.
#[derive(Debug)]
pub(crate) struct Handover(Option<Pinned>);

#[derive(Debug)]
struct Pinned {
    word: Held<AtomicU32>,
    order: Order,
    /// Who has pinned: a forked copy does nothing.
    me: Owner,
}

/// What is on its way, as it is told to the child: the word's block, 0 for none; the blocks.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub(crate) struct Order(u64, Vec<u64>);

impl Handover {
    /// Pins what some bytes name.
    pub(crate) fn of(luggage: &Luggage) -> Result<Self, NoMemory> {
        let Some(first) = luggage.first() else { return Ok(Self(None)) };
        let word = Held::create(first.world(), AtomicU32::new(0))?;
        let me = first.world().me();
        for block in luggage {
            block.world().pin(block.handle());
        }
        let names = luggage.iter().map(|block| block.handle().0).collect();
        let order = Order(word.block().handle().0, names);
        Ok(Self(Some(Pinned { word, order, me })))
    }

    /// Notes who is to take it: see [`let_go_of_the_dead`].
    pub(crate) fn watch(self: &Arc<Self>, child: &Arc<PidFd>) {
        if self.0.is_none() {
            return;
        }
        let mut untaken = UNTAKEN.lock().unwrap_or_else(PoisonError::into_inner);
        untaken.retain(|(own, _)| own.upgrade().is_some_and(|own| own.is_untaken()));
        untaken.push((Arc::downgrade(self), Arc::downgrade(child)));
    }

    fn is_untaken(&self) -> bool {
        self.0.as_ref().is_some_and(|pinned| pinned.word.load(Ordering::Acquire) != TAKEN)
    }

    /// Unpins, if nobody has.
    fn let_go(&self) {
        let Some(Pinned { word, order, me }) = &self.0 else { return };
        if word.block().world().me() == *me {
            order.unpin(word.block().world(), word);
        }
    }

    /// What the child is told.
    pub(crate) fn order(&self) -> Order {
        self.0.as_ref().map(|pinned| pinned.order.clone()).unwrap_or_default()
    }
}

impl Drop for Handover {
    fn drop(&mut self) {
        self.let_go();
    }
}

/// The children that have not taken what they were handed; none if that cannot be told now.
fn late_children() -> Option<Vec<Arc<PidFd>>> {
    let untaken = match UNTAKEN.try_lock() {
        Ok(untaken) => untaken,
        Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
        Err(TryLockError::WouldBlock) => return None,
    };
    let late = untaken.iter().filter(|(own, _)| own.upgrade().is_some_and(|own| own.is_untaken()));
    Some(late.filter_map(|(_, child)| child.upgrade()).collect())
}

/// Waits for the death of a child, at most so long; whether it is dead. It may wait for what another child was handed.
///
/// # Errors
/// If that cannot be known any more: the program has closed our descriptors.
pub(crate) fn wait_for_death(child: &PidFd, limit: Option<Duration>) -> io::Result<bool> {
    let deadline = Deadline::after(limit);
    let mut alone = false;
    while !child.is_dead() {
        let late = (!alone).then(late_children).flatten();
        let slice = deadline.slice(late.is_none().then_some(PAUSE));
        let late = late.unwrap_or_default();
        let fds: Vec<_> =
            std::iter::once(child).chain(late.iter().map(Arc::as_ref)).map(AsFd::as_fd).collect();
        match poll(&fds, slice) {
            // Want of memory passes.
            Err(error) if error.kind() != io::ErrorKind::OutOfMemory => {
                if late.is_empty() {
                    return Err(error);
                }
                // It may be the handle of another child.
                alone = true;
            }
            _ if deadline.is_over() => return Ok(child.is_dead()),
            _ => let_go_of_the_dead(),
        }
    }
    Ok(true)
}

/// Lets go of what dead children have not taken.
pub(crate) fn let_go_of_the_dead() {
    let mut untaken = match UNTAKEN.try_lock() {
        Ok(untaken) => untaken,
        Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
        // Somebody is at it; or this process is a fork, which has no children yet.
        Err(TryLockError::WouldBlock) => return,
    };
    let is_dead = |child: &Weak<PidFd>| child.upgrade().is_none_or(|child| child.is_dead());
    let dead: Vec<_> = untaken.extract_if(.., |(_, child)| is_dead(child)).collect();
    // The end of a sender may have to wait for a lock.
    drop(untaken);
    dead.iter().filter_map(|(own, _)| own.upgrade()).for_each(|own| own.let_go());
}

impl Order {
    fn unpin(&self, world: &Arc<World>, state: &AtomicU32) {
        if state.swap(TAKEN, Ordering::AcqRel) != TAKEN {
            for name in &self.1 {
                world.unpin(Handle(*name));
            }
        }
    }

    /// In the child; none if there is nothing of that name.
    fn take(&self) -> Option<()> {
        let home = world::home().ok()?;
        let state = Held::<AtomicU32>::of_block(home.adopt(Handle(self.0))?)?;
        self.unpin(&home, &state);
        Some(())
    }
}

/// In the child: takes what was handed over when it is dropped.
#[derive(Debug, Deserialize)]
struct Taking(Order);

impl Drop for Taking {
    fn drop(&mut self) {
        if self.0.0 != 0 {
            // The parent has the word until this process is dead.
            let _taken = self.0.take();
        }
    }
}

/// An argument, before it what it names: that is taken when the argument was decoded, and also if this fails, or
/// panics, for then nobody else ever will.
#[derive(Debug)]
pub(crate) struct Handed<T>(pub(crate) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Handed<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (_taking, value) = <(Taking, T)>::deserialize(deserializer)?;
        Ok(Self(value))
    }
}
