//! `Ends`: a channel that shuts itself when nobody sends, or nobody receives, any more.
//!
//! ```text
//! block of the kind CHANNEL     Words, Watchers
//! block of the kind SENDERS     Token: the name of the channel
//! block of the kind RECEIVERS   the same
//! ```
//!
//! Whoever can send holds the channel and the token of the senders; so does, by pins, an item in which a
//! sender travels. So the end of the token's last hold, which the world tells also after a death, is the
//! end of all senders: the channel is shut, and who waits for an item is woken. With the receivers' token
//! it is the same, and the items that nobody can receive any more are thrown away.
//!
//! | step of the end of a token | killed right after it |
//! | --- | --- |
//! | 1. the token is dying | the sweep does all again |
//! | 2. the channel is shut, as `wait.rs` says it | the same |
//! | 3. those who wait for several things are told | the same; they look again by themselves |
//! | 4. the token is freed | |
//!
//! A death is told when somebody sweeps: whoever learns of a child's death, or whoever has waited here for a
//! while ([`World::sweep_now_and_then`]).
//!
//! A channel that carries its own sender in an item that nobody takes is never shut by that one's end.
#![expect(unsafe_code, reason = "vouches for the layout of its words")]

use core::time::Duration;
use std::sync::Arc;

use super::shared::{Channel, name_of};
use super::words::{Limits, Words};
use crate::atomic::{AtomicU64, Ordering};
use crate::sync::{Bell, Wait, Watchers};
use crate::world::{self, Block, Fill, Handle, Hooks, NoMemory, Plain, World};

/// The kind of the token that those hold who send.
const SENDERS: u32 = 35;
/// The kind of the token that those hold who receive.
const RECEIVERS: u32 = 36;
/// So long the end of a token waits for a lock of the channel. Whoever holds one for longer stands still, or is
/// said to hold it by somebody who has written over the lock.
const PATIENCE: Duration = Duration::from_secs(1);
/// Who waits looks for deaths so often.
const PAUSE: Duration = Duration::from_millis(100);

/// The words of the channel's block.
#[derive(Debug, Default)]
#[repr(C)]
struct Watched {
    words: Words,
    watchers: Watchers,
}

/// The word of a token's block.
#[derive(Debug, Default)]
#[repr(C)]
struct Token {
    channel: AtomicU64,
}

// SAFETY: `repr(C)`, `Plain` structures of atomics only.
unsafe impl Plain for Watched {}
// SAFETY: as above.
unsafe impl Plain for Token {}

/// Which of the two ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// It sends.
    Sender,
    /// It receives.
    Receiver,
}

impl Side {
    const fn kind(self) -> u32 {
        match self {
            Self::Sender => SENDERS,
            Self::Receiver => RECEIVERS,
        }
    }
}

/// One end of a channel, as one process holds it. Its clones are the same end.
#[derive(Debug, Clone)]
pub struct Ends {
    channel: Channel,
    token: Block,
}

/// Tells the worlds of this process what ends with a token: before it uses one.
pub fn register_ends() {
    super::shared::register();
    world::register(SENDERS, Hooks { recover: None, destroy: Some(end_senders) });
    world::register(RECEIVERS, Hooks { recover: None, destroy: Some(end_receivers) });
}

fn end_senders(token: &Block) {
    end(token, false);
}

fn end_receivers(token: &Block) {
    end(token, true);
}

fn end(token: &Block, drop: bool) {
    let handle = Handle(token.get::<Token>().channel.load(Ordering::Acquire));
    // If it is gone, nobody has the other end either.
    let Some(channel) = token.world().adopt(handle).and_then(Channel::of_block) else { return };
    while match channel.shut(drop, Some(PATIENCE)) {
        Wait::Ready(()) => false,
        Wait::Interrupted => true,
        Wait::TimedOut => {
            channel.words().shut_unlocked();
            false
        }
    } {}
    tell(&channel);
}

fn tell(channel: &Channel) {
    let block = channel.block();
    if block.len() < size_of::<Watched>() {
        // The token names another channel: somebody has written over it.
        return;
    }
    block.get::<Watched>().watchers.ring(|name| {
        let bell = block.world().adopt(Handle(name)).filter(|bell| bell.len() >= size_of::<Bell>());
        bell.map(|bell| bell.get::<Bell>().ring(u32::MAX)).is_some()
    });
}

impl Ends {
    /// Makes a channel: its end to send, and its end to receive.
    ///
    /// # Errors
    /// Without memory.
    pub fn create(world: &Arc<World>, limits: Limits) -> Result<(Self, Self), NoMemory> {
        register_ends();
        let channel = Channel::create_with(world, limits, size_of::<Watched>())?;
        let token = |side: Side| {
            let token = world.alloc(size_of::<Token>(), Fill::Zero)?;
            token.get::<Token>().channel.store(channel.block().handle().0, Ordering::Release);
            token.set_kind(side.kind());
            Ok(Self { channel: channel.clone(), token })
        };
        Ok((token(Side::Sender)?, token(Side::Receiver)?))
    }

    /// The end whose token and channel lie in these blocks; none if they do not belong together.
    #[must_use]
    pub fn of_blocks(side: Side, token: Block, channel: Block) -> Option<Self> {
        register_ends();
        let fits = token.kind() == side.kind()
            && token.len() >= size_of::<Token>()
            && channel.len() >= size_of::<Watched>()
            && Arc::ptr_eq(token.world(), channel.world())
            && token.get::<Token>().channel.load(Ordering::Acquire) == channel.handle().0;
        let channel = fits.then(|| Channel::of_block(channel)).flatten()?;
        Some(Self { channel, token })
    }

    /// Token and channel, to be adopted elsewhere.
    #[must_use]
    pub fn blocks(&self) -> [&Block; 2] {
        [&self.token, self.channel.block()]
    }

    /// The channel.
    #[inline]
    #[must_use]
    pub fn channel(&self) -> &Channel {
        &self.channel
    }

    /// Tells those who wait for several things, after an item was put.
    #[inline]
    pub fn tell(&self) {
        tell(&self.channel);
    }

    /// Whether there is an item, or will be none any more.
    #[must_use]
    pub fn has_news(&self) -> bool {
        let words = self.channel.words();
        !words.is_empty() || words.is_shut() || words.is_broken()
    }

    /// Whoever wants to be told of items, by a bell at the beginning of that block; false if too many do,
    /// or if the block is of another world. [`Ends::has_news`] is to be asked after this.
    #[must_use]
    pub fn watch(&self, bell: &Block) -> bool {
        Arc::ptr_eq(bell.world(), self.token.world())
            && self.channel.block().get::<Watched>().watchers.watch(bell.handle().0)
    }

    /// Undoes [`Ends::watch`].
    pub fn leave(&self, bell: &Block) {
        self.channel.block().get::<Watched>().watchers.leave(bell.handle().0);
    }

    /// Waits in the way that `once` does, at most for `limit`; between two slices it looks for deaths,
    /// which may end all senders or all receivers. None if the time was up.
    pub fn wait<T>(
        &self,
        limit: Option<Duration>,
        mut once: impl FnMut(Option<Duration>) -> Wait<T>,
    ) -> Option<T> {
        let deadline = crate::sync::Deadline::after(limit);
        loop {
            let slice = deadline.slice(Some(PAUSE));
            match once(slice) {
                Wait::Ready(value) => return Some(value),
                Wait::TimedOut if deadline.is_over() => return None,
                Wait::TimedOut => self.token.world().sweep_now_and_then(PAUSE),
                Wait::Interrupted => {}
            }
        }
    }

    /// By this name an item pins the block.
    #[must_use]
    pub fn pin_of(block: &Block) -> u64 {
        name_of(block.handle())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::Item;

    fn put(end: &Ends, pins: &[u64]) {
        let item = Item { parts: [b"x", &[]], pins };
        end.channel().try_tail().unwrap().put(&item).unwrap();
        end.tell();
    }

    fn pair() -> (Arc<World>, Ends, Ends) {
        let world = World::create(1 << 30).unwrap();
        let (sender, receiver) = Ends::create(&world, Limits::default()).unwrap();
        (world, sender, receiver)
    }

    #[test]
    fn the_last_sender_shuts_it_and_leaves_the_items() {
        let (_world, sender, receiver) = pair();
        let second = sender.clone();
        put(&sender, &[]);
        drop(sender);
        assert!(!receiver.channel().words().is_shut());
        drop(second);
        assert!(receiver.channel().words().is_shut());
        assert_eq!(receiver.channel().words().len(), 1);
    }

    #[test]
    fn the_last_receiver_takes_the_items_with_it() {
        let (world, sender, receiver) = pair();
        let kept = world.alloc(100, Fill::Zero).unwrap();
        put(&sender, &[Ends::pin_of(&kept)]);
        let handle = kept.handle();
        drop(kept);
        assert!(world.adopt(handle).is_some());
        drop(receiver);
        assert!(sender.channel().words().is_shut());
        assert!(world.adopt(handle).is_none());
    }

    #[test]
    fn a_sender_in_an_item_is_a_sender() {
        let (_world, sender, receiver) = pair();
        let (carrier, other) = Ends::create(sender.token.world(), Limits::default()).unwrap();
        let pins = sender.blocks().map(Ends::pin_of);
        put(&carrier, &pins);
        drop(sender);
        assert!(!receiver.channel().words().is_shut());
        drop((carrier, other));
        assert!(receiver.channel().words().is_shut(), "it went with the item that nobody took");
    }

    #[test]
    fn nothing_outlives_both_ends() {
        let (world, sender, receiver) = pair();
        let before = world.usage().blocks;
        drop(Ends::create(&world, Limits::default()).unwrap());
        assert_eq!(world.usage().blocks, before);
        drop((sender, receiver));
        assert!(world.usage().blocks < before);
    }

    #[test]
    fn blocks_that_do_not_belong_together_are_refused() {
        let (world, sender, receiver) = pair();
        let (other, _end) = Ends::create(&world, Limits::default()).unwrap();
        let [token, channel] = sender.blocks().map(Clone::clone);
        assert!(Ends::of_blocks(Side::Sender, token.clone(), channel.clone()).is_some());
        assert!(Ends::of_blocks(Side::Receiver, token.clone(), channel.clone()).is_none());
        assert!(Ends::of_blocks(Side::Receiver, receiver.token.clone(), channel).is_some());
        assert!(Ends::of_blocks(Side::Sender, token, other.channel.block().clone()).is_none());
    }

    #[test]
    fn a_watcher_is_told_of_items_and_of_the_end() {
        let (world, sender, receiver) = pair();
        let bell = world.alloc(size_of::<Bell>(), Fill::Zero).unwrap();
        let rung = || bell.get::<Bell>().ticket();
        assert!(receiver.watch(&bell));
        let before = rung();
        put(&sender, &[]);
        let after = rung();
        assert_ne!(before, after);
        drop(sender);
        assert_ne!(rung(), after);
        receiver.leave(&bell);
    }
}
