//! What can go wrong with channels, one small enum for each operation.
//!
//! Whoever sends gets the item back. What an item could not be turned into, or from, is told in serde's words.

use std::error::Error;
use std::fmt;

const NO_RECEIVER: &str = "nobody receives from this channel any more";
const NO_SENDER: &str = "the channel is empty, and nobody sends to it any more";
const FULL: &str = "the channel holds as many items as it may";
const EMPTY: &str = "the channel is empty";
const LATE: &str = "the time was up";

/// Why an item was not sent.
///
/// ```
/// let (sender, receiver) = manyhands::channel::channel()?;
/// drop(receiver);
/// let error = sender.send(5).unwrap_err();
/// assert!(error.is_disconnected());
/// assert_eq!(error.into_inner(), 5);
/// # Ok::<(), manyhands::NoMemory>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendError<T> {
    /// There is no receiver any more.
    Disconnected(T),
    /// It cannot be serialized, or there is no memory for it; the reason in words.
    Refused(T, String),
}

/// Why an attempt to send an item did not.
///
/// ```
/// let (sender, _receiver) = manyhands::channel::sync_channel(1)?;
/// sender.try_send(1)?;
/// let error = sender.try_send(2).unwrap_err();
/// assert!(error.is_full() && error.into_inner() == 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum TrySendError<T> {
    /// The channel holds as many items as it may.
    Full(T),
    /// There is no receiver any more.
    Disconnected(T),
    /// It cannot be serialized, or there is no memory for it; the reason in words.
    Refused(T, String),
}

/// Why an item was not sent in time.
///
/// ```
/// use std::time::Duration;
///
/// let (sender, _receiver) = manyhands::channel::sync_channel(1)?;
/// sender.send(1)?;
/// let error = sender.send_timeout(2, Duration::from_millis(1)).unwrap_err();
/// assert!(error.is_timeout() && error.into_inner() == 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendTimeoutError<T> {
    /// The channel was full all the time.
    Timeout(T),
    /// There is no receiver any more.
    Disconnected(T),
    /// It cannot be serialized, or there is no memory for it; the reason in words.
    Refused(T, String),
}

/// Why there is no item.
///
/// ```
/// let (sender, receiver) = manyhands::channel::channel::<u8>()?;
/// drop(sender);
/// assert!(receiver.recv().unwrap_err().is_disconnected());
/// # Ok::<(), manyhands::NoMemory>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum RecvError {
    /// The channel is empty, and there is no sender any more.
    Disconnected,
    /// An item was taken, but it cannot be read; the reason in words. It is gone.
    Unreadable(String),
}

/// Why an attempt to receive gave no item.
///
/// ```
/// let (sender, receiver) = manyhands::channel::channel::<u8>()?;
/// assert!(receiver.try_recv().unwrap_err().is_empty());
/// # drop(sender);
/// # Ok::<(), manyhands::NoMemory>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum TryRecvError {
    /// The channel is empty.
    Empty,
    /// The channel is empty, and there is no sender any more.
    Disconnected,
    /// An item was taken, but it cannot be read; the reason in words. It is gone.
    Unreadable(String),
}

/// Why there was no item in time.
///
/// ```
/// use std::time::Duration;
///
/// let (sender, receiver) = manyhands::channel::channel::<u8>()?;
/// assert!(receiver.recv_timeout(Duration::from_millis(1)).unwrap_err().is_timeout());
/// # drop(sender);
/// # Ok::<(), manyhands::NoMemory>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum RecvTimeoutError {
    /// The channel was empty all the time.
    Timeout,
    /// The channel is empty, and there is no sender any more.
    Disconnected,
    /// An item was taken, but it cannot be read; the reason in words. It is gone.
    Unreadable(String),
}

/// Why an item was not sent, of whatever operation.
pub(super) enum Unsent {
    Full,
    Disconnected,
    Refused(String),
}

/// Why there is no item, of whatever operation.
pub(super) enum Unreceived {
    Empty,
    Disconnected,
    Unreadable(String),
}

macro_rules! sending {
    ($name:ident $(, $late:ident, $asks:ident, $text:ident)?) => {
        impl<T> $name<T> {
            /// The item.
            ///
            /// ```
            /// let (sender, receiver) = manyhands::channel::channel()?;
            /// drop(receiver);
            /// assert_eq!(sender.send(7).unwrap_err().into_inner(), 7);
            /// # Ok::<(), Box<dyn std::error::Error>>(())
            /// ```
            #[must_use]
            pub fn into_inner(self) -> T {
                match self {
                    Self::Disconnected(item) | Self::Refused(item, _) $(| Self::$late(item))? => item,
                }
            }

            /// Whether there is no receiver any more.
            ///
            /// ```
            /// let (sender, receiver) = manyhands::channel::channel()?;
            /// drop(receiver);
            /// assert!(sender.send(7).unwrap_err().is_disconnected());
            /// # Ok::<(), Box<dyn std::error::Error>>(())
            /// ```
            #[must_use]
            pub fn is_disconnected(&self) -> bool {
                matches!(self, Self::Disconnected(_))
            }

            $(
            #[doc = concat!("Whether it is [`Self::", stringify!($late), "`].")]
            #[must_use]
            pub fn $asks(&self) -> bool {
                matches!(self, Self::$late(_))
            })?

            pub(super) fn of(item: T, why: Unsent) -> Self {
                match why {
                    $(Unsent::Full => Self::$late(item),)?
                    Unsent::Refused(reason) => Self::Refused(item, reason),
                    _ => Self::Disconnected(item),
                }
            }
        }

        impl<T> fmt::Display for $name<T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $(Self::$late(_) => f.write_str($text),)?
                    Self::Disconnected(_) => f.write_str(NO_RECEIVER),
                    Self::Refused(_, reason) => write!(f, "this item cannot be sent: {reason}"),
                }
            }
        }

        impl<T> fmt::Debug for $name<T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }

        impl<T> Error for $name<T> {}
    };
}

sending!(SendError);
sending!(TrySendError, Full, is_full, FULL);
sending!(SendTimeoutError, Timeout, is_timeout, LATE);

macro_rules! receiving {
    ($name:ident $(, $late:ident, $asks:ident, $text:ident)?) => {
        impl $name {
            /// Whether there is no sender any more.
            ///
            /// ```
            /// let (sender, receiver) = manyhands::channel::channel::<u8>()?;
            /// drop(sender);
            /// assert!(receiver.recv().unwrap_err().is_disconnected());
            /// # Ok::<(), Box<dyn std::error::Error>>(())
            /// ```
            #[must_use]
            pub fn is_disconnected(&self) -> bool {
                matches!(self, Self::Disconnected)
            }

            $(
            #[doc = concat!("Whether it is [`Self::", stringify!($late), "`].")]
            #[must_use]
            pub fn $asks(&self) -> bool {
                matches!(self, Self::$late)
            })?

            pub(super) fn of(why: Unreceived) -> Self {
                match why {
                    $(Unreceived::Empty => Self::$late,)?
                    Unreceived::Unreadable(reason) => Self::Unreadable(reason),
                    _ => Self::Disconnected,
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $(Self::$late => f.write_str($text),)?
                    Self::Disconnected => f.write_str(NO_SENDER),
                    Self::Unreadable(reason) => write!(f, "an item cannot be read, and is lost: {reason}"),
                }
            }
        }

        impl Error for $name {}
    };
}

receiving!(RecvError);
receiving!(TryRecvError, Empty, is_empty, EMPTY);
receiving!(RecvTimeoutError, Timeout, is_timeout, LATE);

impl<T> From<SendError<T>> for TrySendError<T> {
    fn from(error: SendError<T>) -> Self {
        match error {
            SendError::Disconnected(item) => Self::Disconnected(item),
            SendError::Refused(item, reason) => Self::Refused(item, reason),
        }
    }
}

impl From<RecvError> for TryRecvError {
    fn from(error: RecvError) -> Self {
        match error {
            RecvError::Disconnected => Self::Disconnected,
            RecvError::Unreadable(reason) => Self::Unreadable(reason),
        }
    }
}

impl From<RecvError> for RecvTimeoutError {
    fn from(error: RecvError) -> Self {
        match error {
            RecvError::Disconnected => Self::Disconnected,
            RecvError::Unreadable(reason) => Self::Unreadable(reason),
        }
    }
}
