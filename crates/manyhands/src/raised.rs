//! Why an item has no value, as its worker tells its parent.

use serde::{Deserialize, Serialize};

use crate::panics::Panic;

/// Why an item has no value, as its worker says it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Raised {
    /// The function panicked.
    Panicked(Panic),
    /// Its argument could not be read.
    Unreadable(String),
    /// Its value could not be written.
    Unwritable(String),
    /// It was not run at all.
    Refused(String),
}
