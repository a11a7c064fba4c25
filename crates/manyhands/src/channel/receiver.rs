//! `Receiver`: the end of a channel at which items are taken.

use std::cell::Cell;
use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use manyhands_shm::channel::{Broken, Channel, Ends, Side};
use manyhands_shm::sync::{Deadline, Wait};
use manyhands_shm::world::{Arrival, Block};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::errors::{RecvError, RecvTimeoutError, TryRecvError, Unreceived};
use super::waiting;
use crate::codec;
use crate::travel::{Name, stranger};

/// Buffers that have grown beyond this are not kept.
const KEPT: usize = 64 << 10;

thread_local! {
    /// Where this thread copies its next item to.
    static BUFFER: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// The end of a channel that receives. A clone is one more receiver of the same channel: each item goes to one
/// of them.
///
/// ```
/// let (sender, receiver) = manyhands::channel::channel()?;
/// sender.send(1)?;
/// sender.send(2)?;
/// assert_eq!(receiver.recv()? + receiver.clone().recv()?, 3);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Receiver<T> {
    end: Ends,
    items: PhantomData<fn() -> T>,
}

impl<T> Receiver<T> {
    pub(super) const fn of(end: Ends) -> Self {
        Self { end, items: PhantomData }
    }

    pub(super) const fn end(&self) -> &Ends {
        &self.end
    }

    /// How many items are in the channel at this moment.
    ///
    /// ```
    /// let (sender, receiver) = manyhands::channel::channel()?;
    /// sender.send(5)?;
    /// assert_eq!(receiver.len(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn len(&self) -> usize {
        usize::try_from(self.end.channel().words().len()).unwrap_or(usize::MAX)
    }

    /// Whether no item is in the channel at this moment.
    ///
    /// ```
    /// let (_sender, receiver) = manyhands::channel::channel::<u8>()?;
    /// assert!(receiver.is_empty());
    /// # Ok::<(), manyhands::NoMemory>(())
    /// ```
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<T: DeserializeOwned> Receiver<T> {
    /// Takes the next item, and waits for it if need be.
    ///
    /// # Errors
    /// [`RecvError`]: nobody sends any more and nothing is left, or the item cannot be read.
    ///
    /// ```
    /// let (sender, receiver) = manyhands::channel::channel()?;
    /// sender.send("hello".to_string())?;
    /// assert_eq!(receiver.recv()?, "hello");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn recv(&self) -> Result<T, RecvError> {
        self.get(None).map_err(RecvError::of)
    }

    /// Takes the next item if there is one.
    ///
    /// # Errors
    /// [`TryRecvError`]: there is none, there will be none, or it cannot be read.
    ///
    /// ```
    /// let (sender, receiver) = manyhands::channel::channel()?;
    /// assert!(receiver.try_recv().is_err());
    /// sender.send(7)?;
    /// assert_eq!(receiver.try_recv()?, 7);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_recv(&self) -> Result<T, TryRecvError> {
        self.get(Some(Duration::ZERO)).map_err(TryRecvError::of)
    }

    /// Takes the next item, and waits for it at most so long.
    ///
    /// # Errors
    /// [`RecvTimeoutError`]: there was none, there will be none, or it cannot be read.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let (sender, receiver) = manyhands::channel::channel()?;
    /// sender.send(7)?;
    /// assert_eq!(receiver.recv_timeout(Duration::from_secs(1))?, 7);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn recv_timeout(&self, timeout: Duration) -> Result<T, RecvTimeoutError> {
        self.get(Some(timeout)).map_err(RecvTimeoutError::of)
    }

    /// All items, until nobody sends any more.
    ///
    /// # Panics
    /// The iterator, at an item that cannot be read, as one with `#[serde(untagged)]`: it would be lost without a word.
    /// Where that is to be an error, call [`Receiver::recv`].
    ///
    /// ```
    /// let (sender, receiver) = manyhands::channel::channel()?;
    /// sender.send(1)?;
    /// sender.send(2)?;
    /// drop(sender);
    /// assert_eq!(receiver.iter().sum::<i32>(), 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn iter(&self) -> Iter<'_, T> {
        Iter { receiver: self }
    }

    /// All items that are there, without waiting.
    ///
    /// # Panics
    /// The iterator, as that of [`Receiver::iter`]; [`Receiver::try_recv`] gives an error.
    ///
    /// ```
    /// let (sender, receiver) = manyhands::channel::channel()?;
    /// sender.send(1)?;
    /// assert_eq!(receiver.try_iter().count(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_iter(&self) -> TryIter<'_, T> {
        TryIter { receiver: self }
    }

    #[inline]
    fn get(&self, limit: Option<Duration>) -> Result<T, Unreceived> {
        let mut bytes = BUFFER.take();
        bytes.clear();
        let outcome = self.take(limit, &mut bytes).and_then(|arrival| {
            let value = codec::take_whole(&bytes[..]);
            // Only now: the objects in the value have taken holds of their own.
            arrival.into_iter().for_each(Arrival::decoded);
            value.map_err(|error| Unreceived::Unreadable(error.to_string()))
        });
        if bytes.capacity() <= KEPT {
            BUFFER.set(bytes);
        }
        outcome
    }

    /// Copies the next item out of the channel.
    #[inline]
    fn take(
        &self,
        limit: Option<Duration>,
        bytes: &mut Vec<u8>,
    ) -> Result<Option<Arrival>, Unreceived> {
        match take_one(self.end.channel(), bytes) {
            Err(Unreceived::Empty) => {}
            outcome => return outcome,
        }
        let deadline = Deadline::after(limit);
        let words = self.end.channel().words();
        loop {
            let news =
                waiting::wait(&self.end, deadline.left(), |slice| words.wait_for_item(slice));
            news.ok_or(Unreceived::Empty)?;
            match take_one(self.end.channel(), bytes) {
                Err(Unreceived::Empty) => {}
                outcome => return outcome,
            }
        }
    }
}

#[inline]
fn take_one(channel: &Channel, bytes: &mut Vec<u8>) -> Result<Option<Arrival>, Unreceived> {
    // Before the look at the items: what was put before it was shut is there.
    let shut = channel.words().is_shut();
    let mut head = loop {
        if let Some(head) = channel.try_head() {
            break head;
        }
        // Nobody holds it for long, so it is waited for also by those who do not want to wait.
        if let Wait::Ready(head) = channel.head(None) {
            break head;
        }
    };
    let Some(item) = head.peek().map_err(broken)? else {
        return Err(if shut { Unreceived::Disconnected } else { Unreceived::Empty });
    };
    head.append(&item, bytes).map_err(broken)?;
    let mut arrival = None;
    if item.pins() > 0 {
        let mut pins = Vec::new();
        head.pins(&item, &mut pins).map_err(broken)?;
        arrival = Some(channel.receive(&pins));
    }
    head.pass(&item);
    head.commit();
    drop(head);
    arrival.iter().for_each(Arrival::taken);
    Ok(arrival)
}

#[cold]
fn broken(_: Broken) -> Unreceived {
    Unreceived::Unreadable(
        "what lies in this channel makes no sense: a process has written over the shared memory"
            .into(),
    )
}

/// An iterator has no other way to say it.
#[cold]
fn lost(error: &dyn fmt::Display, instead: &str) -> ! {
    panic!("{error} (`{instead}` gives an error in its place)")
}

/// What [`Receiver::iter`] gives.
///
/// ```
/// let (sender, receiver) = manyhands::channel::channel()?;
/// sender.send('a')?;
/// drop(sender);
/// let mut items = receiver.iter();
/// assert_eq!((items.next(), items.next()), (Some('a'), None));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Iter<'a, T> {
    receiver: &'a Receiver<T>,
}

impl<T: DeserializeOwned> Iterator for Iter<'_, T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        match self.receiver.recv() {
            Ok(item) => Some(item),
            Err(RecvError::Disconnected) => None,
            Err(error @ RecvError::Unreadable(_)) => lost(&error, "recv"),
        }
    }
}

/// What [`Receiver::try_iter`] gives.
///
/// ```
/// let (sender, receiver) = manyhands::channel::channel::<char>()?;
/// assert_eq!(receiver.try_iter().next(), None);
/// # drop(sender);
/// # Ok::<(), manyhands::NoMemory>(())
/// ```
#[derive(Debug)]
pub struct TryIter<'a, T> {
    receiver: &'a Receiver<T>,
}

impl<T: DeserializeOwned> Iterator for TryIter<'_, T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        match self.receiver.try_recv() {
            Ok(item) => Some(item),
            Err(error @ TryRecvError::Unreadable(_)) => lost(&error, "try_recv"),
            Err(_) => None,
        }
    }
}

impl<'a, T: DeserializeOwned> IntoIterator for &'a Receiver<T> {
    type Item = T;
    type IntoIter = Iter<'a, T>;

    fn into_iter(self) -> Iter<'a, T> {
        self.iter()
    }
}

/// What a receiver that is used up by a `for` loop gives: its items, until nobody sends any more.
///
/// ```
/// let (sender, receiver) = manyhands::channel::channel()?;
/// sender.send('a')?;
/// drop(sender);
/// for item in receiver {
///     assert_eq!(item, 'a');
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct IntoIter<T> {
    receiver: Receiver<T>,
}

impl<T: DeserializeOwned> Iterator for IntoIter<T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.receiver.iter().next()
    }
}

impl<T: DeserializeOwned> IntoIterator for Receiver<T> {
    type Item = T;
    type IntoIter = IntoIter<T>;

    fn into_iter(self) -> IntoIter<T> {
        IntoIter { receiver: self }
    }
}

impl<T> Clone for Receiver<T> {
    fn clone(&self) -> Self {
        Self::of(self.end.clone())
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").field("len", &self.len()).finish_non_exhaustive()
    }
}

impl<T> Serialize for Receiver<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.end.blocks().map(Name).serialize(serializer)
    }
}

impl<'de, T> Deserialize<'de> for Receiver<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let [token, channel] = <[Name<Block>; 2]>::deserialize(deserializer)?;
        let end = Ends::of_blocks(Side::Receiver, token.0, channel.0);
        end.map(Self::of).ok_or_else(|| stranger("Receiver"))
    }
}
