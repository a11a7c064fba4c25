//! Pulling items from the user's iterator, in the thread that asks for results, and their bytes.
//!
//! An item that names blocks of shared memory ends a batch and goes alone: its call keeps the blocks until it has
//! ended. So does one that serde refuses, which fails alone, and one that is larger than a batch: if there is no memory
//! for it, the others are not to fail with it.

use manyhands_pool::Luggage;
use serde::Serialize;

use super::request::Request;
use crate::travel::Collecting;
use crate::{codec, plain};

/// Bytes of arguments in a batch, at most.
const BATCH_BYTES: usize = 16 << 10;

/// Items that were pulled for a batch.
pub(super) struct Pulled {
    pub(super) request: Request,
    pub(super) count: u32,
    /// One more, which names blocks or is large and goes alone, or cannot go.
    pub(super) apart: Option<Result<(Vec<u8>, Luggage), String>>,
    /// There are no more.
    pub(super) ended: bool,
}

/// Pulls up to so many items, or as many as fill a batch.
pub(super) fn pull<T: Serialize + 'static>(
    source: &mut impl Iterator<Item = T>,
    size: u32,
) -> Pulled {
    let mut request = Request::with_capacity(size, if size > 1 { BATCH_BYTES } else { 64 });
    if plain::is_fixed::<T>() && size > 1 {
        let (most, count) = (BATCH_BYTES / size_of::<T>().max(1), &mut 0);
        let most = u32::try_from(most).unwrap_or(size).min(size);
        let ended = pull_fixed(source, most, (request.out(), count)).is_none();
        return Pulled { request, count: *count, apart: None, ended };
    }
    let (mut count, mut apart, mut ended) = (0, None, false);
    let mut collecting = Some(Collecting::begin());
    while count < size && request.len() < BATCH_BYTES {
        let Some(argument) = source.next() else {
            ended = true;
            break;
        };
        let before = request.len();
        if let Err(error) = codec::append_item(&argument, request.out()) {
            apart = Some(Err(format!("its argument cannot be sent: {error}")));
            break;
        }
        if let Some(met) = collecting.take_if(|own| !own.is_empty()) {
            apart = Some(Ok((request.split_off(before), met.finish())));
            break;
        }
        if count > 0 && request.len() - before >= BATCH_BYTES {
            apart = Some(Ok((request.split_off(before), Luggage::new())));
            break;
        }
        count += 1;
    }
    Pulled { request, count, apart, ended }
}

/// Pulls so many values that all have the same few bytes; none if there are not so many.
#[inline]
fn pull_fixed<T: 'static>(
    source: &mut impl Iterator<Item = T>,
    most: u32,
    (arguments, count): (&mut Vec<u8>, &mut u32),
) -> Option<()> {
    let (before, size) = (arguments.len(), size_of::<T>());
    // Places that are there already: the loop is a store for each, and checks nothing.
    arguments.resize(before + size * most as usize, 0);
    let mut places = &mut arguments[before..];
    let mut whole = Some(());
    while *count < most {
        let Some(argument) = source.next() else {
            whole = None;
            break;
        };
        let (place, rest) = std::mem::take(&mut places).split_at_mut(size);
        // Numbers can always be written.
        let _written = plain::encode(&argument, |bytes| place.copy_from_slice(bytes));
        places = rest;
        *count += 1;
    }
    arguments.truncate(before + size * *count as usize);
    whole
}
