//! Pipes: two ends, each of which sends to the other.
//!
//! A pipe is two channels, one for each direction, that take 1,024 messages each. It has no descriptors, so its
//! ends travel wherever other objects do, and can be selected on (by [`Pipe::receiver`]). What was said of
//! channels holds: when the other end is gone, dropped or dead with its process, `recv` gives what is left and
//! then an error.

use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::channel::{
    Receiver, RecvError, RecvTimeoutError, SendError, SendTimeoutError, Sender, TryRecvError,
    sync_channel,
};
use crate::memory::NoMemory;

/// Messages in one direction before `send` waits.
const BOUND: usize = 1024;

/// One end of a pipe: it sends `S`, and receives `R`. A clone is the same end.
///
/// ```
/// use manyhands::Process;
/// use manyhands::pipe::{Pipe, pipe};
///
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     manyhands::init();
///     let (here, there) = pipe::<String, usize>()?;
///     let count = |pipe: Pipe<usize, String>| {
///         while let Ok(line) = pipe.recv() {
///             pipe.send(line.len()).unwrap();
///         }
///     };
///     let process = Process::spawn(count, there)?;
///     here.send("how long is this?".into())?;
///     assert_eq!(here.recv()?, 17);
///     drop(here); // the other end is told
///     process.join()?;
///     Ok(())
/// }
/// ```
#[derive(Debug, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct Pipe<S, R> {
    sender: Sender<S>,
    receiver: Receiver<R>,
}

/// Makes a pipe: its two ends, of which the first sends `A` and receives `B`.
///
/// # Errors
/// [`NoMemory`] without shared memory.
///
/// ```
/// let (left, right) = manyhands::pipe::pipe::<u32, String>()?;
/// left.send(7)?;
/// right.send(format!("{} too", right.recv()?))?;
/// assert_eq!(left.recv()?, "7 too");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[expect(clippy::type_complexity, reason = "two ends, each the other's mirror")]
pub fn pipe<A, B>() -> Result<(Pipe<A, B>, Pipe<B, A>), NoMemory> {
    let (to_right, from_left) = sync_channel(BOUND)?;
    let (to_left, from_right) = sync_channel(BOUND)?;
    Ok((
        Pipe { sender: to_right, receiver: from_right },
        Pipe { sender: to_left, receiver: from_left },
    ))
}

impl<S, R> Pipe<S, R> {
    /// The half that sends.
    ///
    /// ```
    /// let (left, _right) = manyhands::pipe::pipe::<u32, u32>()?;
    /// assert!(left.sender().is_empty());
    /// # Ok::<(), manyhands::NoMemory>(())
    /// ```
    #[must_use]
    pub fn sender(&self) -> &Sender<S> {
        &self.sender
    }

    /// The half that receives, for a [`Select`](crate::channel::Select) for example.
    ///
    /// ```
    /// let (left, _right) = manyhands::pipe::pipe::<u32, u32>()?;
    /// assert!(left.receiver().is_empty());
    /// # Ok::<(), manyhands::NoMemory>(())
    /// ```
    #[must_use]
    pub fn receiver(&self) -> &Receiver<R> {
        &self.receiver
    }

    /// Both halves, to be used apart.
    ///
    /// ```
    /// let (left, right) = manyhands::pipe::pipe::<u32, u32>()?;
    /// let (sender, _receiver) = left.split();
    /// sender.send(1)?;
    /// assert_eq!(right.recv()?, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn split(self) -> (Sender<S>, Receiver<R>) {
        (self.sender, self.receiver)
    }
}

impl<S: Serialize, R> Pipe<S, R> {
    /// Sends a message, and waits if 1,024 are on their way.
    ///
    /// # Errors
    /// [`SendError`], with the message: the other end is gone, or it cannot be sent.
    ///
    /// ```
    /// let (left, right) = manyhands::pipe::pipe::<u32, u32>()?;
    /// drop(right);
    /// assert!(left.send(1).unwrap_err().is_disconnected());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn send(&self, message: S) -> Result<(), SendError<S>> {
        self.sender.send(message)
    }

    /// Sends a message, and waits at most so long if 1,024 are on their way.
    ///
    /// # Errors
    /// [`SendTimeoutError`], with the message.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let (left, _right) = manyhands::pipe::pipe::<u32, u32>()?;
    /// left.send_timeout(1, Duration::from_secs(1))?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn send_timeout(&self, message: S, timeout: Duration) -> Result<(), SendTimeoutError<S>> {
        self.sender.send_timeout(message, timeout)
    }
}

impl<S, R: DeserializeOwned> Pipe<S, R> {
    /// Takes the next message, and waits for it if need be.
    ///
    /// # Errors
    /// [`RecvError`]: the other end is gone and nothing is left, or the message cannot be read.
    ///
    /// ```
    /// let (left, right) = manyhands::pipe::pipe::<u32, u32>()?;
    /// right.send(5)?;
    /// assert_eq!(left.recv()?, 5);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn recv(&self) -> Result<R, RecvError> {
        self.receiver.recv()
    }

    /// Takes the next message if there is one.
    ///
    /// # Errors
    /// [`TryRecvError`]: there is none, there will be none, or it cannot be read.
    ///
    /// ```
    /// let (left, _right) = manyhands::pipe::pipe::<u32, u32>()?;
    /// assert!(left.try_recv().unwrap_err().is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_recv(&self) -> Result<R, TryRecvError> {
        self.receiver.try_recv()
    }

    /// Takes the next message, and waits for it at most so long.
    ///
    /// # Errors
    /// [`RecvTimeoutError`]: there was none, there will be none, or it cannot be read.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let (left, _right) = manyhands::pipe::pipe::<u32, u32>()?;
    /// assert!(left.recv_timeout(Duration::from_millis(1)).unwrap_err().is_timeout());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn recv_timeout(&self, timeout: Duration) -> Result<R, RecvTimeoutError> {
        self.receiver.recv_timeout(timeout)
    }
}

impl<S, R> Clone for Pipe<S, R> {
    fn clone(&self) -> Self {
        Self { sender: self.sender.clone(), receiver: self.receiver.clone() }
    }
}
