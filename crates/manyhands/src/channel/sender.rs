//! `Sender`: the end of a channel at which items are put.

use std::cell::Cell;
use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use manyhands_shm::channel::{Channel, Ends, Item, LARGE, Refused, Side};
use manyhands_shm::sync::{Deadline, Wait};
use manyhands_shm::world::{Block, NoMemory};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::errors::{SendError, SendTimeoutError, TrySendError, Unsent};
use super::waiting;
use crate::codec;
use crate::travel::{Collecting, Name, stranger};

/// Buffers that have grown beyond this are not kept.
const KEPT: usize = 64 << 10;

thread_local! {
    /// Where this thread encodes its next item.
    static BUFFER: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// The end of a channel that sends. A clone is one more sender of the same channel.
///
/// ```
/// let (sender, receiver) = manyhands::channel::channel()?;
/// let second = sender.clone();
/// std::thread::spawn(move || second.send(1)).join().unwrap()?;
/// sender.send(2)?;
/// drop(sender);
/// assert_eq!(receiver.iter().collect::<Vec<_>>(), [1, 2]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Sender<T> {
    end: Ends,
    items: PhantomData<fn(T)>,
}

impl<T> Sender<T> {
    pub(super) const fn of(end: Ends) -> Self {
        Self { end, items: PhantomData }
    }

    /// How many items are in the channel at this moment.
    ///
    /// ```
    /// let (sender, _receiver) = manyhands::channel::channel()?;
    /// sender.send(5)?;
    /// assert_eq!(sender.len(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn len(&self) -> usize {
        usize::try_from(self.end.channel().words().len()).unwrap_or(usize::MAX)
    }

    /// Whether no item is in the channel at this moment.
    ///
    /// ```
    /// let (sender, _receiver) = manyhands::channel::channel::<u8>()?;
    /// assert!(sender.is_empty());
    /// # Ok::<(), manyhands::NoMemory>(())
    /// ```
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<T: Serialize> Sender<T> {
    /// Sends an item, and waits for room if the channel is bounded.
    ///
    /// # Errors
    /// [`SendError`], with the item: no receiver is left, or it cannot be sent.
    ///
    /// ```
    /// let (sender, receiver) = manyhands::channel::channel()?;
    /// sender.send(vec![1.5, 2.5])?;
    /// assert_eq!(receiver.recv()?, [1.5, 2.5]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn send(&self, item: T) -> Result<(), SendError<T>> {
        self.put(&item, None).map_err(|why| SendError::of(item, why))
    }

    /// Sends an item if there is room.
    ///
    /// # Errors
    /// [`TrySendError`], with the item: there is no room, no receiver is left, or it cannot be sent.
    ///
    /// ```
    /// let (sender, _receiver) = manyhands::channel::sync_channel(1)?;
    /// sender.try_send(1)?;
    /// assert!(sender.try_send(2).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_send(&self, item: T) -> Result<(), TrySendError<T>> {
        self.put(&item, Some(Duration::ZERO)).map_err(|why| TrySendError::of(item, why))
    }

    /// Sends an item, and waits for room at most so long.
    ///
    /// # Errors
    /// [`SendTimeoutError`], with the item: the time was up, no receiver is left, or it cannot be sent.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let (sender, _receiver) = manyhands::channel::sync_channel(1)?;
    /// sender.send_timeout(1, Duration::from_secs(1))?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn send_timeout(&self, item: T, timeout: Duration) -> Result<(), SendTimeoutError<T>> {
        self.put(&item, Some(timeout)).map_err(|why| SendTimeoutError::of(item, why))
    }

    #[inline]
    fn put(&self, item: &T, limit: Option<Duration>) -> Result<(), Unsent> {
        let mut bytes = BUFFER.take();
        bytes.clear();
        let collecting = Collecting::begin();
        let outcome = match codec::append(item, &mut bytes) {
            Ok(()) => self.put_bytes(&bytes, &collecting.finish(), limit),
            Err(error) => Err(Unsent::Refused(error.to_string())),
        };
        if bytes.capacity() <= KEPT {
            BUFFER.set(bytes);
        }
        outcome
    }

    #[inline]
    fn put_bytes(
        &self,
        bytes: &[u8],
        met: &[Block],
        limit: Option<Duration>,
    ) -> Result<(), Unsent> {
        let pins: Vec<u64> = met.iter().map(Ends::pin_of).collect();
        let item = Item { parts: [bytes, &[]], pins: &pins };
        let channel = self.end.channel();
        let outcome = if item.len() >= LARGE {
            put_large(&self.end, &item, limit)
        } else {
            put_until(&self.end, item.len(), limit, || {
                let mut tail = lock(channel);
                tail.put(&item)
            })
        };
        if outcome.is_ok() {
            self.end.tell();
        }
        outcome
    }
}

/// Without the lock it is written into a chunk of its own.
#[cold]
fn put_large(end: &Ends, item: &Item<'_>, limit: Option<Duration>) -> Result<(), Unsent> {
    let channel = end.channel();
    let mut prepared = channel.prepare(item).map_err(|refused| refusal(refused, channel))?;
    let put = put_until(end, item.len(), limit, || lock(channel).put_prepared(&mut prepared));
    drop(prepared);
    put
}

/// Nobody holds it for long, so it is waited for also by those who do not want to wait.
#[inline]
fn lock(channel: &Channel) -> manyhands_shm::channel::Tail<'_, manyhands_shm::channel::InWorld> {
    if let Some(tail) = channel.try_tail() {
        return tail;
    }
    loop {
        if let Wait::Ready(tail) = channel.tail(None) {
            return tail;
        }
    }
}

/// Puts, and waits for room as long as there is none, at most for `limit`.
#[inline]
fn put_until(
    end: &Ends,
    len: u64,
    limit: Option<Duration>,
    mut put: impl FnMut() -> Result<(), Refused<NoMemory>>,
) -> Result<(), Unsent> {
    match put() {
        Ok(()) => Ok(()),
        Err(Refused::Full) => wait_and_put(end, len, limit, put),
        Err(refused) => Err(refusal(refused, end.channel())),
    }
}

#[cold]
fn wait_and_put(
    end: &Ends,
    len: u64,
    limit: Option<Duration>,
    mut put: impl FnMut() -> Result<(), Refused<NoMemory>>,
) -> Result<(), Unsent> {
    let deadline = Deadline::after(limit);
    let words = end.channel().words();
    loop {
        let room = waiting::wait(end, deadline.left(), |slice| words.wait_for_room(len, slice));
        room.ok_or(Unsent::Full)?;
        match put() {
            Ok(()) => return Ok(()),
            Err(Refused::Full) => {}
            Err(refused) => return Err(refusal(refused, end.channel())),
        }
    }
}

#[cold]
fn refusal(refused: Refused<NoMemory>, channel: &Channel) -> Unsent {
    match refused {
        Refused::Full => Unsent::Full,
        Refused::Shut => Unsent::Disconnected,
        Refused::Memory(error) => Unsent::Refused(error.to_string()),
        Refused::TooLarge => Unsent::Refused(format!(
            "it is too large for a channel with these limits: {:?}",
            channel.words().limits()
        )),
        Refused::Broken => Unsent::Refused(
            "what lies in this channel makes no sense: a process has written over the shared memory".into(),
        ),
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        Self::of(self.end.clone())
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").field("len", &self.len()).finish_non_exhaustive()
    }
}

impl<T> Serialize for Sender<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.end.blocks().map(Name).serialize(serializer)
    }
}

impl<'de, T> Deserialize<'de> for Sender<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let [token, channel] = <[Name<Block>; 2]>::deserialize(deserializer)?;
        let end = Ends::of_blocks(Side::Sender, token.0, channel.0);
        end.map(Self::of).ok_or_else(|| stranger("Sender"))
    }
}
