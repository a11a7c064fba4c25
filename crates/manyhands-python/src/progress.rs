//! Shows how far a call has come, and what its workers printed, through the package's progress object.

use std::sync::Arc;
use std::time::{Duration, Instant};

use manyhands_pool::Pool;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};

use crate::kept::{Kept, Part};

/// The display is refreshed at most so often.
const EVERY: Duration = Duration::from_millis(100);

/// A display with `update(done)`, `write(text, stream_name, worker)` and `close()`, or none.
#[derive(Debug)]
pub(crate) struct Progress {
    /// Where the display is kept, until it has ended.
    display: Option<Arc<Kept>>,
    shown: Option<Instant>,
    /// The count that was shown last.
    last: Option<u64>,
}

impl Progress {
    pub(crate) fn new(py: Python<'_>, display: Option<&Py<PyAny>>, kept: &Arc<Kept>) -> Self {
        let display = display.map(|display| {
            kept.put(py, Part::Display, display.clone_ref(py));
            Arc::clone(kept)
        });
        Self { display, shown: None, last: None }
    }

    /// How long a wait may last, so that the display stays alive.
    pub(crate) fn slice(&self) -> Option<Duration> {
        self.display.as_ref().map(|_| EVERY)
    }

    /// Shows the count, if it is time.
    #[inline]
    pub(crate) fn show(&mut self, py: Python<'_>, pool: &Pool, done: u64) -> PyResult<()> {
        let Some(kept) = &self.display else { return Ok(()) };
        if self.shown.is_some_and(|shown| shown.elapsed() < EVERY) {
            return Ok(());
        }
        let Some(display) = kept.get(py, Part::Display) else { return Ok(()) };
        self.shown = Some(Instant::now());
        write_printed(&display, pool)?;
        if self.last.replace(done) == Some(done) {
            return Ok(());
        }
        display.call_method1("update", (done,)).map(drop)
    }

    /// Shows the last count and ends the display; once.
    pub(crate) fn finish(&mut self, py: Python<'_>, pool: &Pool, done: u64) -> PyResult<()> {
        let Some(kept) = self.display.take() else { return Ok(()) };
        let Some(display) = kept.take(py, Part::Display) else { return Ok(()) };
        write_printed(&display, pool)?;
        if self.last.replace(done) != Some(done) {
            display.call_method1("update", (done,))?;
        }
        display.call_method0("close").map(drop)
    }
}

fn write_printed(display: &Bound<'_, PyAny>, pool: &Pool) -> PyResult<()> {
    for printed in printed(display.py(), pool) {
        display.call_method1("write", printed)?;
    }
    Ok(())
}

/// A text, the name of its stream and the worker's seat.
pub(crate) type Printed<'py> = (Bound<'py, PyAny>, &'static str, usize);

/// What workers printed since the last time.
pub(crate) fn printed<'py>(py: Python<'py>, pool: &Pool) -> Vec<Printed<'py>> {
    let named = |(seat, event): (usize, Vec<u8>)| {
        let (stream, text) = event.split_first()?;
        let name = if *stream == 1 { "stdout" } else { "stderr" };
        Some((decoded(py, text), name, seat))
    };
    pool.events().into_iter().filter_map(named).collect()
}

/// The text with the lone surrogates that it may hold: the parent's stream knows what to do with them.
fn decoded<'py>(py: Python<'py>, text: &[u8]) -> Bound<'py, PyAny> {
    str::from_utf8(text).map_or_else(
        |_| {
            PyBytes::new(py, text)
                .call_method1("decode", ("utf-8", "surrogatepass"))
                .unwrap_or_else(|_| PyString::new(py, &String::from_utf8_lossy(text)).into_any())
        },
        |text| PyString::new(py, text).into_any(),
    )
}
