//! What the fuzz target reaches: replies and values, decoded from bytes that a worker may have written.
//!
//! Compiled with `--cfg fuzzing` alone, and no part of the crate.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;

use crate::batch::Reply;
use crate::channel::{Receiver, Sender};
use crate::codec::take_item;
use crate::raised::Raised;

/// Decodes bytes as a reply, and as values of several types.
pub fn try_bytes(bytes: &[u8]) {
    if let Some(reply) = Reply::of(bytes) {
        assert!(reply.values.len() <= bytes.len());
        try_values(reply.values);
    }
    try_values(bytes);
}

fn try_values(bytes: &[u8]) {
    all::<u8>(bytes);
    all::<i64>(bytes);
    all::<(u16, f32, bool)>(bytes);
    all::<String>(bytes);
    all::<Vec<String>>(bytes);
    all::<Vec<(u32, Option<char>)>>(bytes);
    all::<BTreeMap<String, Vec<i32>>>(bytes);
    all::<Result<Box<str>, Vec<u8>>>(bytes);
    all::<Raised>(bytes);
    all::<(Sender<u8>, Receiver<String>)>(bytes);
}

/// Takes values from the front for as long as there are any.
fn all<T: DeserializeOwned + 'static>(mut bytes: &[u8]) {
    while !bytes.is_empty() {
        let before = bytes.len();
        if take_item::<T>(&mut bytes).is_err() {
            return;
        }
        assert!(bytes.len() < before, "a value of these types has a byte at least");
    }
}
