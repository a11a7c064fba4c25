//! Why a value could not be turned into bytes, or bytes into a value.
//!
//! The format has errors without words: what serde is told is lost. So objects of this crate leave their words
//! elsewhere (`travel`), and they are found again here.

use thiserror::Error;

use crate::travel;

/// Why a value could not be turned into bytes, or bytes into a value.
#[derive(Debug, Error)]
pub(crate) enum Trouble {
    /// What the format says.
    #[error("{}", words(error))]
    Format {
        /// Its own error.
        error: postcard::Error,
    },
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
            (error, _) => Self::Format { error },
        }
    }

    /// A value does not fit into the room that there is.
    pub(crate) fn full() -> Self {
        Self::Format { error: postcard::Error::SerializeBufferFull }
    }

    /// Bytes end before the value does.
    pub(crate) fn short() -> Self {
        Self::Format { error: postcard::Error::DeserializeUnexpectedEnd }
    }
    /// The value ends before its bytes do.
    #[cold]
    pub(crate) fn left() -> Self {
        Self::Said(MISMATCH.into())
    }
}

const MISMATCH: &str = "its type is not read as it is written: `#[serde(skip_serializing_if)]` for example leaves out what the reader \
                        needs. Leave that away, or send the value as a string or bytes, of JSON for example";

/// What an error of the format means for whoever wrote the type.
fn words(error: &postcard::Error) -> String {
    use postcard::Error as Of;
    match error {
        Of::WontImplement | Of::NotYetImplemented => {
            "its type asks what comes next, as `serde_json::Value` and `#[serde(untagged)]`, `tag` and `flatten` do, and \
             the format does not say: send it as a string or bytes, of JSON for example"
                .into()
        }
        Of::SerializeSeqLengthUnknown => {
            "its type writes a sequence or a map without saying how long that is, as `#[serde(flatten)]` does: send it \
             as a string or bytes, of JSON for example"
                .into()
        }
        Of::SerdeSerCustom => "its type refuses to be serialized".into(),
        Of::SerdeDeCustom => "its type refuses what it is to be made of".into(),
        Of::DeserializeUnexpectedEnd
        | Of::DeserializeBadVarint
        | Of::DeserializeBadBool
        | Of::DeserializeBadChar
        | Of::DeserializeBadUtf8
        | Of::DeserializeBadOption
        | Of::DeserializeBadEnum => format!("{error}: {MISMATCH}"),
        other => other.to_string(),
    }
}
