//! The blocking `map`: feeds, collects and decodes in the calling thread.

use manyhands_pool::{CallId, Need, Pool};
use pyo3::prelude::*;
use pyo3::types::PyList;

use crate::feed::Feed;
use crate::outcome::{Cursor, initializer_failed};
use crate::progress::Progress;
use crate::task::Task;
use crate::waiting::wait;

/// The work that is fed ahead, in nanoseconds for each worker, and its bounds in items.
const AHEAD_NS: u64 = 20_000_000;
const AHEAD_UNKNOWN: u64 = 64;
const AHEAD_LEAST: u64 = 4;
const AHEAD_MOST: u64 = 1 << 16;
/// Bytes that are fed ahead: more of them would be colder when they are used, and no more use.
const BYTES_AHEAD: usize = 16 << 20;

/// How many items of a call should be on their way.
pub(crate) fn items_ahead(pool: &Pool) -> u64 {
    let workers = pool.pids().len().max(1) as u64;
    let each = match pool.item_ns() {
        0 => AHEAD_UNKNOWN,
        ns => (AHEAD_NS / ns).clamp(AHEAD_LEAST, AHEAD_MOST),
    };
    (each * workers).min(AHEAD_MOST)
}

/// Ends a call whose results nobody will take, however the function is left.
struct Abandon<'a>(&'a Pool, CallId);

impl Drop for Abandon<'_> {
    fn drop(&mut self) {
        self.0.cancel(self.1);
        self.0.abandon(self.1);
    }
}

/// Runs a call to its end.
pub(crate) fn run<'py>(
    py: Python<'py>,
    mut feed: Feed,
    task: &Task,
    max_bytes: Option<usize>,
) -> PyResult<Bound<'py, PyList>> {
    let pool = std::sync::Arc::clone(&feed.pool);
    let call = feed.call;
    let _abandon = Abandon(&pool, call);
    let results = PyList::empty(py);
    let mut progress = Progress::new(py, task.progress.as_ref(), &feed.kept);
    let outcome = drive(py, (&mut feed, max_bytes), task, (&results, &mut progress));
    if let Err(error) = &outcome
        && !error.is_instance_of::<pyo3::exceptions::PyException>(py)
    {
        pool.interrupt(call);
    }
    let closed = feed.close_source(py);
    progress.finish(py, &pool, results.len() as u64)?;
    outcome.and(closed).map(|()| results)
}

/// Raises what makes the whole pool unusable: that is not one item's failure.
pub(crate) fn raise_fault(py: Python<'_>, pool: &Pool) -> PyResult<()> {
    match pool.fault() {
        Some(fault) => Err(initializer_failed(py, &fault)?),
        None => Ok(()),
    }
}

fn drive(
    py: Python<'_>,
    (feed, max_bytes): (&mut Feed, Option<usize>),
    task: &Task,
    (results, progress): (&Bound<'_, PyList>, &mut Progress),
) -> PyResult<()> {
    let (pool, call) = (std::sync::Arc::clone(&feed.pool), feed.call);
    let described = task.describe(false);
    loop {
        // Where all is quick, nothing is waited for.
        py.check_signals()?;
        while let Some(run) = pool.take(call) {
            let mut cursor = Cursor::new(run);
            while let Some(outcome) = cursor.next(py, &described, &feed.unsent) {
                match outcome {
                    Ok(value) => results.append(value)?,
                    Err(error) if cursor.interrupted => return Err(error),
                    Err(error) if task.stop => {
                        let first = pool.take_failure(call).map(Cursor::new);
                        let first =
                            first.and_then(|mut run| run.next(py, &described, &feed.unsent));
                        return Err(first.and_then(Result::err).unwrap_or(error));
                    }
                    Err(error) => {
                        raise_fault(py, &pool)?;
                        results.append(error.into_value(py))?;
                    }
                }
            }
        }
        if let Some(error) = feed.error.take() {
            return Err(error);
        }
        let Some(status) = pool.status(call) else { return Ok(()) };
        if let Some(run) = status.failed.then(|| pool.take_failure(call)).flatten() {
            let outcome = Cursor::new(run).next(py, &described, &feed.unsent);
            return outcome.map_or(Ok(()), |outcome| outcome.map(drop));
        }
        if status.complete() && status.taken == status.fed {
            return Ok(());
        }
        let ahead = items_ahead(&pool);
        let in_flight = status.fed - status.settled;
        let bytes = max_bytes.unwrap_or_else(|| feed.bytes_ahead(BYTES_AHEAD));
        if !feed.exhausted() && in_flight <= ahead / 2 && status.bytes_in_flight < bytes {
            feed.feed(py, ahead - in_flight, bytes - status.bytes_in_flight)?;
            continue;
        }
        progress.show(py, &pool, status.settled)?;
        let need = if feed.exhausted() {
            Need::Complete
        } else {
            Need::Settled(status.settled + (in_flight / 2).max(1))
        };
        wait(py, |slice| pool.wait(call, need, slice), progress.slice())?;
    }
}
