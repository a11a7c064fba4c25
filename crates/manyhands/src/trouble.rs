//! Why a value could not be turned into bytes, or bytes into a value.
//!
//! The format has errors without words: what serde is told is lost. So objects of this crate leave their words
//! elsewhere (`travel`), and they are found again here.

use thiserror::Error;

use crate::travel;

/// Why a value could not be turned into bytes, or bytes into a value.
#[derive(Debug, Error)]
pub(crate) enum Trouble {
    /// The format's words, or serde's.
    #[error(transparent)]
    Format(postcard::Error),
    /// What an object of ours has said.
    #[error("{0}")]
    Said(String),
}

impl Trouble {
    #[cold]
    pub(crate) fn of(error: postcard::Error) -> Self {
        // The format drops the words of errors.
        match (error, travel::reason()) {
            (postcard::Error::SerdeSerCustom | postcard::Error::SerdeDeCustom, Some(said)) => {
                Self::Said(said)
            }
            (error, _) => Self::Format(error),
        }
    }

    /// A value does not fit into the room that there is.
    pub(crate) fn full() -> Self {
        Self::Format(postcard::Error::SerializeBufferFull)
    }

    /// Bytes end before the value does.
    pub(crate) fn short() -> Self {
        Self::Format(postcard::Error::DeserializeUnexpectedEnd)
    }
}
