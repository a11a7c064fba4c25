//! What came back for neighbouring items.

use std::sync::Arc;

use manyhands_pool::{Body, Run};
use serde::de::DeserializeOwned;

use crate::codec;
use crate::error::{Item, TaskError};

/// Results of consecutive items, in bytes until they are asked for.
#[derive(Debug)]
pub(super) struct Chunk {
    pub(super) start: u64,
    pub(super) count: u32,
    pub(super) what: What,
}

#[derive(Debug)]
pub(super) enum What {
    /// Values, in a run of the engine, which also keeps the blocks that they name.
    Values { run: Arc<Run>, from: usize, to: usize },
    /// Values that a dead worker has left.
    Own(Vec<u8>),
    /// The error of one item.
    Error(Box<TaskError>),
}

impl Chunk {
    pub(super) fn failed(index: u64, error: TaskError) -> Self {
        Self { start: index, count: 1, what: What::Error(Box::new(error)) }
    }
}

/// Takes a chunk apart, item by item.
#[derive(Debug)]
pub(super) struct Cursor {
    chunk: Chunk,
    at: usize,
    function: &'static str,
    broken: Option<String>,
}

impl Cursor {
    pub(super) fn new(chunk: Chunk, function: &'static str) -> Self {
        Self { chunk, at: 0, function, broken: None }
    }

    /// The next item's result; none at the end.
    #[inline]
    pub(super) fn next<R: DeserializeOwned + 'static>(&mut self) -> Option<Result<R, TaskError>> {
        if self.chunk.count == 0 {
            return None;
        }
        self.chunk.count -= 1;
        let index = self.chunk.start;
        self.chunk.start += 1;
        let mut rest = match &self.chunk.what {
            What::Values { run, from, to } => match &run.body {
                Body::Replies(bytes) => &bytes[from + self.at..*to],
                Body::Failed(_) => &[],
            },
            What::Own(bytes) => &bytes[self.at..],
            What::Error(error) => return Some(Err(error.as_ref().clone())),
        };
        let before = rest.len();
        if self.broken.is_none() {
            match codec::take_item::<R>(&mut rest) {
                Ok(value) => {
                    self.at += before - rest.len();
                    return Some(Ok(value));
                }
                // Where the next value begins is not known.
                Err(error) => self.broken = Some(error.to_string()),
            }
        }
        let text = self.broken.as_deref().unwrap_or_default();
        let item = Item::new(self.function, Some(index));
        let reason = format!("its result, or one that came with it, cannot be read: {text}");
        Some(Err(TaskError::Carriage { item, reason }))
    }
}
