//! Channels between processes, in the manner of [`std::sync::mpsc`], with any number of receivers.
//!
//! [`channel`] takes any number of items, [`sync_channel`] so many, and then [`Sender::send`] waits. Senders and
//! receivers can be cloned and sent to other processes. When the last sender is gone, dropped or dead
//! with its process, receivers get what is left, then an error that says so; when the last receiver is gone,
//! senders do.
//!
//! When `send` returns, the item is in the channel and survives its sender. Each item is received at most
//! once, in the order in which it was sent. A process that is killed at any instruction damages nothing and
//! holds nobody up. Items are serialized by serde; locks, channels and the like may be in them.
//!
//! ```
//! use manyhands::Process;
//! use manyhands::channel::{Sender, channel};
//!
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     manyhands::init();
//!     let (sender, receiver) = channel()?;
//!     let produce = |sender: Sender<String>| {
//!         for number in 0..3 {
//!             sender.send(format!("item {number}")).unwrap();
//!         }
//!     };
//!     let process = Process::spawn(produce, sender)?;
//!     process.join()?;
//!     assert_eq!(receiver.iter().collect::<Vec<_>>(), ["item 0", "item 1", "item 2"]);
//!     Ok(())
//! }
//! ```
//!
//! An item is copied on its way: encoded, put, copied out, decoded. Large plain data is better put into a
//! [`Shared`](crate::sync::Shared) slice, and that sent: nothing is copied then.
//!
//! A channel in whose items one of its own senders is left never ends by that sender's end.

mod errors;
mod receiver;
mod select;
mod sender;
mod waiting;

use manyhands_shm::channel::{Ends, Limits};

use crate::memory::{self, NoMemory};

pub use errors::{
    RecvError, RecvTimeoutError, SendError, SendTimeoutError, TryRecvError, TrySendError,
};
pub use receiver::{IntoIter, Iter, Receiver, TryIter};
pub use select::Select;
pub use sender::Sender;

/// A channel that takes any number of items.
///
/// # Errors
/// [`NoMemory`] without shared memory.
///
/// ```
/// let (sender, receiver) = manyhands::channel::channel()?;
/// sender.send(5)?;
/// assert_eq!(receiver.recv()?, 5);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn channel<T>() -> Result<(Sender<T>, Receiver<T>), NoMemory> {
    pair(Limits::default())
}

/// A channel that takes `bound` items, at least one; with more, [`Sender::send`] waits.
///
/// (A bound of 0, which with std makes sender and receiver meet, is as 1.)
///
/// # Errors
/// [`NoMemory`] without shared memory.
///
/// ```
/// let (sender, receiver) = manyhands::channel::sync_channel(1)?;
/// sender.send('a')?;
/// assert!(sender.try_send('b').unwrap_err().is_full());
/// assert_eq!(receiver.recv()?, 'a');
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn sync_channel<T>(bound: usize) -> Result<(Sender<T>, Receiver<T>), NoMemory> {
    pair(Limits { items: Some(bound.max(1) as u64), bytes: None })
}

fn pair<T>(limits: Limits) -> Result<(Sender<T>, Receiver<T>), NoMemory> {
    let (sender, receiver) = Ends::create(&memory::world()?, limits)?;
    Ok((Sender::of(sender), Receiver::of(receiver)))
}
