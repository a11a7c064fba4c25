//! What came back for neighbouring items.

use std::sync::Arc;

use manyhands_pool::{Body, Run};
use serde::de::DeserializeOwned;

use crate::codec;
use crate::error::{Item, TaskError};
use crate::plain;

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

    /// The bytes of its values from some place on.
    #[inline]
    fn bytes(&self, at: usize) -> Result<&[u8], &TaskError> {
        match &self.what {
            What::Values { run, from, to } => match &run.body {
                Body::Replies(bytes) => Ok(&bytes[from + at..*to]),
                Body::Failed(_) => Ok(&[]),
            },
            What::Own(bytes) => Ok(&bytes[at..]),
            What::Error(error) => Err(error),
        }
    }
}

/// Takes a chunk apart, item by item.
#[derive(Debug)]
pub(super) struct Cursor {
    chunk: Chunk,
    at: usize,
    function: &'static str,
}

impl Cursor {
    pub(super) fn new(chunk: Chunk, function: &'static str) -> Self {
        Self { chunk, at: 0, function }
    }

    /// Whether there is no item left.
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.chunk.count == 0
    }

    /// The next item's result; none at the end. If reading it panics, it is gone, and the others are as they were.
    #[inline]
    pub(super) fn next<R: DeserializeOwned + 'static>(&mut self) -> Option<Result<R, TaskError>> {
        if self.is_empty() {
            return None;
        }
        self.chunk.count -= 1;
        let index = self.chunk.start;
        self.chunk.start += 1;
        let mut rest = match self.chunk.bytes(self.at) {
            Ok(rest) => rest,
            Err(error) => return Some(Err(error.clone())),
        };
        let mut behind = rest;
        codec::skip_item::<R>(&mut behind);
        self.at += rest.len() - behind.len();
        let value = codec::take_item::<R>(&mut rest);
        Some(value.map_err(|error| {
            let item = Item::new(self.function, Some(index));
            TaskError::Carriage { item, reason: format!("its result cannot be read: {error}") }
        }))
    }

    /// Appends the values of all items; the first one's error that has one.
    pub(super) fn append_to<R: DeserializeOwned + 'static>(
        mut self,
        values: &mut Vec<R>,
    ) -> Result<(), TaskError> {
        if let Ok(bytes) = self.chunk.bytes(0) {
            let before = values.len();
            let count = self.chunk.count as usize;
            self.at = plain::decode_all(bytes, count, values);
            let taken = values.len() - before;
            self.chunk.start += taken as u64;
            self.chunk.count -= u32::try_from(taken).unwrap_or(self.chunk.count);
        }
        while let Some(value) = self.next() {
            values.push(value?);
        }
        Ok(())
    }
}
