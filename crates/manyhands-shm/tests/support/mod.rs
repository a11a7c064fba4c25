//! A lane in one process, and records for it.

mod bytes;

use std::sync::Arc;

use manyhands_shm::lane::{Feeder, Lane, Replies, Runner};
use manyhands_shm::record;

pub(crate) use bytes::{content, contents};

/// Both ends of a lane.
pub(crate) struct Ends {
    pub(crate) feeder: Feeder,
    pub(crate) replies: Replies,
    pub(crate) runner: Runner,
}

pub(crate) fn ends() -> Ends {
    let lane = Arc::new(Lane::create().unwrap());
    Ends {
        feeder: Feeder::new(Arc::clone(&lane)),
        replies: Replies::new(Arc::clone(&lane)),
        runner: Runner::new(lane),
    }
}

/// The records of some contents, one after the other.
pub(crate) fn records<'a>(contents: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut out = Vec::new();
    for content in contents {
        record::begin(&mut out, content.len());
        out.extend_from_slice(content);
    }
    out
}
