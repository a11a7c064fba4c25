//! Feeding a call: pulls items from the user's iterable, encodes them, pushes them into the engine.
//!
//! It runs in the thread that called `map` or `next`, so a generator is only ever advanced there. Items of a
//! list, a tuple or a range are pushed in pieces, because more of them are there at once; those of
//! any other iterable are pushed one by one, because the next one may take for ever. An item that cannot be
//! pickled fails alone, at its place; what the iterable itself raises ends the feed after what came before.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use manyhands_pool::{CallId, Pool, luggage};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::{PyList, PyRange, PyTuple};

use crate::cargo;
use crate::codec::Encoded;
use crate::interrupt::is_interrupt;
use crate::kept::{Kept, Part};
use crate::kind::{Root, seed_of};
use crate::pickling::pickle;
use crate::pulling::Pulling;
use crate::repeats;
use crate::travel::{self, Collecting};
use crate::window::LARGE;
use crate::world::bytes_ahead;

/// A piece is pushed at the latest at so many items, or bytes.
const PIECE_ITEMS: u32 = 256;
const PIECE_BYTES: usize = 64 << 10;
/// A source that takes longer than this is left alone for a moment, to look at results.
const SLOW: Duration = Duration::from_millis(2);
/// Items between two looks for signals: a source in C lets no handler run.
const LOOK_EVERY: u64 = 128;

/// How values of a call become bytes.
#[derive(Debug)]
pub(crate) struct Encoder {
    /// What makes the shipper when the first value needs it, and the shipper.
    kept: Arc<Kept>,
    /// How many of the ids that it found to be needed are required.
    known: usize,
    /// The root of the items' random streams, if they have any.
    root: Option<Root>,
    /// Bytes of encoded values that lie in blocks.
    stowed: usize,
}

impl Encoder {
    pub(crate) fn new(py: Python<'_>, shipping: Py<PyAny>, root: Option<Root>) -> Self {
        let kept = Arc::<Kept>::default();
        kept.put(py, Part::Shipping, shipping);
        Self { kept, known: 0, root, stowed: 0 }
    }

    /// Appends the record of the item with that index.
    #[inline]
    pub(crate) fn append(&self, encoded: &Encoded<'_>, index: u64, out: &mut Vec<u8>) {
        match &self.root {
            None => encoded.append_to(out),
            Some(root) => encoded.append_behind(&seed_of(root, index), out),
        }
    }

    /// Encodes the value with that index; code that it turns out to need is required for the call, and what it
    /// refers to is kept until the item has ended.
    #[inline]
    pub(crate) fn encode<'py>(
        &mut self,
        value: &Bound<'py, PyAny>,
        (pool, call): (&Pool, CallId),
        index: u64,
    ) -> PyResult<Encoded<'py>> {
        let large = match Encoded::simple(value) {
            Some(simple) if !simple.is_large() => return Ok(simple),
            large => large,
        };
        let collecting = Collecting::argument();
        let encoded = match cargo::whole(value, large.as_ref())? {
            Some(large) => large,
            None => pickle(value, || self.ship(value, (pool, call)), false)?,
        };
        let largest = travel::take_largest();
        let met = collecting.finish();
        if !met.is_empty() {
            let size = luggage::bytes_of(&met);
            if size >= repeats::NOTED {
                repeats::note(value, (size, &met), largest)?;
            }
            self.stowed += size;
            pool.keep(call, index, met);
        }
        Ok(encoded)
    }

    /// The slow way: through the package's own picklers.
    fn ship<'py>(
        &mut self,
        value: &Bound<'py, PyAny>,
        (pool, call): (&Pool, CallId),
    ) -> PyResult<Bound<'py, PyAny>> {
        let (shipper, required) = self.shipper(value.py())?;
        let dumped = shipper.call_method1("dumps", (value,))?;
        while self.known < required.len() {
            pool.require(call, required.get_item(self.known)?.extract()?);
            self.known += 1;
        }
        Ok(dumped)
    }

    /// `manyhands._code.Shipper`, and the list of the ids that it found to be needed.
    fn shipper<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyList>)> {
        if let Some(made) = self.kept.get(py, Part::Shipper) {
            return made.extract();
        }
        let Some(shipping) = self.kept.get(py, Part::Shipping) else {
            return Err(PyRuntimeError::new_err("this call was collected as garbage"));
        };
        let made = shipping.call0()?;
        self.kept.put(py, Part::Shipper, made.clone().unbind());
        made.extract()
    }
}

/// Whether all items of an iterable are there at once, so that the next one is never waited for.
pub(crate) fn is_ready_made(iterable: &Bound<'_, PyAny>) -> bool {
    iterable.is_exact_instance_of::<PyList>()
        || iterable.is_exact_instance_of::<PyTuple>()
        || iterable.is_exact_instance_of::<PyRange>()
}

/// Where items come from.
#[derive(Debug)]
pub(crate) struct Source {
    iterator: Py<PyAny>,
    /// More items are there at once.
    ready_made: bool,
}

impl Source {
    /// The iterator of what the user gave us; it may not be iterable.
    pub(crate) fn new(iterable: &Bound<'_, PyAny>) -> PyResult<Self> {
        let ready_made = is_ready_made(iterable);
        Ok(Self { iterator: iterable.try_iter()?.into_any().unbind(), ready_made })
    }
}

/// Feeds a call from its source.
#[derive(Debug)]
pub(crate) struct Feed {
    pub(crate) pool: Arc<Pool>,
    pub(crate) call: CallId,
    encoder: Encoder,
    /// The source, among other things.
    pub(crate) kept: Arc<Kept>,
    /// Nothing more is pulled from the source.
    exhausted: bool,
    /// What was pulled when the program was interrupted.
    held: Option<Py<PyAny>>,
    /// More items are there at once.
    ready_made: bool,
    /// How long the source took when it was last pulled, if that was long.
    pub(crate) slow: Option<Duration>,
    /// Pulls as much as it was asked for, however long the source takes.
    pub(crate) patient: bool,
    chunk: Option<u32>,
    piece: Vec<u8>,
    in_piece: u32,
    pub(crate) fed: u64,
    fed_bytes: u64,
    /// Items that could not be sent, by index.
    pub(crate) unsent: HashMap<u64, PyErr>,
    /// What the source raised.
    pub(crate) error: Option<PyErr>,
}

impl Feed {
    pub(crate) fn new(
        py: Python<'_>,
        (pool, call): (Arc<Pool>, CallId),
        (source, encoder): (Source, Encoder),
        chunk: Option<u32>,
    ) -> Self {
        let kept = Arc::clone(&encoder.kept);
        kept.put(py, Part::Source, source.iterator);
        Self {
            pool,
            call,
            encoder,
            kept,
            exhausted: false,
            held: None,
            ready_made: source.ready_made,
            slow: None,
            patient: false,
            chunk,
            piece: Vec::new(),
            in_piece: 0,
            fed: 0,
            fed_bytes: 0,
            unsent: HashMap::new(),
            error: None,
        }
    }

    /// About how many bytes so many of its items have.
    pub(crate) fn bytes_of(&self, items: u64) -> usize {
        let all = u128::from(self.fed_bytes) * u128::from(items) / u128::from(self.fed.max(1));
        usize::try_from(all).unwrap_or(usize::MAX)
    }

    /// How many bytes may be on their way, where `usual` is what small items may have.
    pub(crate) fn bytes_ahead(&self, usual: usize) -> usize {
        // Nothing is asked of the pool where no item comes near.
        let each = self.bytes_of(1);
        let workers = if each < LARGE { 0 } else { self.pool.pids().len() };
        bytes_ahead(usual, each, workers)
    }

    pub(crate) fn exhausted(&self) -> bool {
        self.exhausted
    }

    /// Items that go out together at least.
    pub(crate) fn chunk(&self) -> u32 {
        self.chunk.unwrap_or(1)
    }

    fn has_begun_chunk(&self) -> bool {
        self.chunk.is_some() && self.in_piece > 0
    }

    /// Pulls and pushes up to `most` items, or whole chunks that begin within them, and `bytes` bytes.
    pub(crate) fn feed(&mut self, py: Python<'_>, most: u64, bytes: usize) -> PyResult<()> {
        let Some(source) = self.kept.get(py, Part::Source) else {
            // It is exhausted, or the collector of garbage has taken it.
            return self.finish(py);
        };
        let _pulling = Pulling::for_pool(&self.pool);
        let mut iterator = source.try_iter()?;
        let (mut left, mut bytes) = (most, bytes);
        let began = Instant::now();
        self.slow = None;
        while (left > 0 && bytes > 0) || self.has_begun_chunk() {
            let held = self.held.take().map(|held| held.into_bound(py));
            let again = held.is_some();
            let value = match held.map(Ok).or_else(|| iterator.next()) {
                Some(Ok(value)) => value,
                Some(Err(error)) if is_interrupt(py, &error) => {
                    return self.interrupted(error, None);
                }
                Some(Err(error)) => {
                    self.error = Some(error);
                    if self.chunk.is_some() {
                        // As in multiprocessing: a chunk that never became whole does not run.
                        self.piece.clear();
                        self.in_piece = 0;
                    }
                    return self.finish(py);
                }
                None => return self.finish(py),
            };
            let before = self.piece.len();
            if let Err(error) = self.take(&value) {
                return self.interrupted(error, Some(value.unbind()).filter(|_| !again));
            }
            left = left.saturating_sub(1);
            let stowed = std::mem::take(&mut self.encoder.stowed);
            let grown = self.piece.len().saturating_sub(before) + stowed;
            self.fed_bytes += grown as u64;
            bytes = bytes.saturating_sub(grown);
            if self.piece_is_full() {
                self.flush();
            }
            if self.fed.is_multiple_of(LOOK_EVERY)
                && let Err(error) = py.check_signals()
            {
                return self.interrupted(error, None);
            }
            if !self.patient && !self.ready_made && !self.has_begun_chunk() {
                let spent = began.elapsed();
                if spent > SLOW {
                    self.slow = Some(spent);
                    break;
                }
            }
        }
        if self.chunk.is_none() {
            self.flush();
        }
        Ok(())
    }

    /// The program was interrupted: what was pulled is sent, `held` the next time.
    #[cold]
    fn interrupted(&mut self, error: PyErr, held: Option<Py<PyAny>>) -> PyResult<()> {
        self.held = held;
        if self.chunk.is_none() {
            self.flush();
        }
        Err(error)
    }

    /// Encodes one item into the piece; one that cannot be encoded fails at its place.
    #[inline]
    fn take(&mut self, value: &Bound<'_, PyAny>) -> PyResult<()> {
        match self.encoder.encode(value, (&self.pool, self.call), self.fed) {
            Ok(encoded) => {
                self.encoder.append(&encoded, self.fed, &mut self.piece);
                self.in_piece += 1;
                self.fed += 1;
                Ok(())
            }
            Err(error) => {
                let py = value.py();
                if !error.is_instance_of::<pyo3::exceptions::PyException>(py)
                    || is_interrupt(py, &error)
                {
                    return Err(error);
                }
                self.flush();
                let note = format!("(this was item {} of the call)", self.fed);
                // A note is a comfort: an exception that refuses it is passed on without.
                let _refused = error.value(py).call_method1("add_note", (note,));
                self.unsent.insert(self.fed, error);
                self.pool.push_unsent(self.call);
                self.fed += 1;
                Ok(())
            }
        }
    }

    #[inline]
    fn piece_is_full(&self) -> bool {
        match self.chunk {
            Some(size) => self.in_piece >= size,
            None => {
                !self.ready_made || self.in_piece >= PIECE_ITEMS || self.piece.len() >= PIECE_BYTES
            }
        }
    }

    fn flush(&mut self) {
        if self.in_piece > 0 {
            self.pool.push(self.call, self.in_piece, std::mem::take(&mut self.piece));
            self.in_piece = 0;
        }
    }

    /// Nothing more will be fed. The source is closed if it can be.
    pub(crate) fn finish(&mut self, py: Python<'_>) -> PyResult<()> {
        self.flush();
        self.pool.seal(self.call);
        self.close_source(py)
    }

    /// Closes a generator, so that its `finally` blocks run now.
    pub(crate) fn close_source(&mut self, py: Python<'_>) -> PyResult<()> {
        self.exhausted = true;
        let Some(source) = self.kept.take(py, Part::Source) else { return Ok(()) };
        if source.is_instance_of::<pyo3::types::PyIterator>()
            && source.hasattr("close")?
            && source.hasattr("throw")?
        {
            source.call_method0("close")?;
        }
        Ok(())
    }
}
