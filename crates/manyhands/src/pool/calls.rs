//! What a pool does with a function, whether it was given a value or not.

use std::sync::Arc;

use manyhands_os::huge;
use manyhands_pool::{CallId, Need, Waited};
use manyhands_shm::slate;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::chunk::Cursor;
use super::flow::Flow;
use super::handle::{Handle, results_of};
use super::request::Request;
use super::shared::{Function, Shared};
use crate::codec;
use crate::error::{Item, TaskError};
use crate::travel::Collecting;

/// Results of so many bytes have a mapping of their own, which ends with them: the allocator of glibc keeps less.
const LONG: usize = 32 << 20;

/// A single item names none.
const NO_BATCH: slate::Batch = slate::Batch { call: 0, group: 0 };

/// Runs a call to its end, and hands results to `sink` in the order of items until that fails.
fn run<T, I>(
    shared: &Shared,
    function: &Function,
    items: I,
    mut sink: impl FnMut(Cursor) -> Result<(), TaskError>,
) -> Result<(), TaskError>
where
    T: Serialize + DeserializeOwned + 'static,
    I: Iterator<Item = T>,
{
    let mut flow = Flow::open(shared, function, items, true)?;
    loop {
        while let Some(chunk) = flow.chunks.take() {
            sink(Cursor::new(chunk, function.name))?;
        }
        let (window, ahead) = (flow.window(), flow.items_out());
        if ahead <= window / 2 {
            flow.feed(window - ahead);
        }
        if flow.collect() || flow.chunks.is_ready() {
            continue;
        }
        if flow.is_done() && flow.chunks.is_empty() {
            return Ok(());
        }
        if !flow.is_idle() {
            let need = flow.half_way();
            flow.wait(need, None);
        }
    }
}

/// All results, or the first failure in the order of items.
pub(super) fn map<T, R, I>(
    shared: &Shared,
    function: &Function,
    items: I,
) -> Result<Vec<R>, TaskError>
where
    T: Serialize + DeserializeOwned + 'static,
    R: DeserializeOwned + 'static,
    I: Iterator<Item = T>,
{
    let mut results = Vec::with_capacity(items.size_hint().0);
    let room = results.spare_capacity_mut();
    if size_of_val(room) >= LONG {
        huge::advise(room);
    }
    run(shared, function, items, |cursor| cursor.append_to(&mut results))?;
    Ok(results)
}

/// The result of each item.
pub(super) fn map_each<T, R, I>(
    shared: &Shared,
    function: &Function,
    items: I,
) -> Vec<Result<R, TaskError>>
where
    T: Serialize + DeserializeOwned + 'static,
    R: DeserializeOwned + 'static,
    I: Iterator<Item = T>,
{
    let mut results = Vec::with_capacity(items.size_hint().0);
    let run = run(shared, function, items, |mut cursor| {
        results.extend(std::iter::from_fn(|| cursor.next()));
        Ok(())
    });
    results.extend(run.err().map(Err));
    results
}

/// Submits one item.
pub(super) fn submit<T: Serialize + 'static, R>(
    shared: &Arc<Shared>,
    function: &Function,
    argument: &T,
) -> Handle<R> {
    Handle::of(shared, open(shared, function, argument), function.name)
}

fn open<T: Serialize + 'static>(
    shared: &Shared,
    function: &Function,
    argument: &T,
) -> Result<CallId, TaskError> {
    let item = Item::new(function.name, None);
    let mut request = Request::with_capacity(1, 64);
    let collecting = Collecting::begin();
    codec::append_item(argument, request.out()).map_err(|error| TaskError::Carriage {
        item,
        reason: format!("its argument cannot be sent: {error}"),
    })?;
    let opened = shared.submit(function, request.record(1, NO_BATCH), collecting.finish());
    opened.map_err(|reason| TaskError::Refused { item, reason })
}

/// Runs the function once on each worker; the results by seat.
pub(super) fn broadcast<R: DeserializeOwned + 'static>(
    shared: &Shared,
    function: &Function,
) -> Vec<Result<R, TaskError>> {
    let call = match shared.broadcast(function, &Request::of(1, &[]).record(1, NO_BATCH)) {
        Ok(call) => call,
        Err(reason) => {
            return vec![Err(TaskError::Refused { item: Item::new(function.name, None), reason })];
        }
    };
    while shared.engine.wait(call, Need::Complete, None) != Waited::Ready {}
    let mut results = Vec::with_capacity(shared.workers);
    while let Some(run) = shared.engine.take(call) {
        results.extend(results_of(shared, function.name, &run));
    }
    shared.engine.abandon(call);
    results
}
