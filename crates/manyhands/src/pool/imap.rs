//! `Imap`: results of a call, one by one, while others are on their way.

use std::fmt;
use std::time::Duration;

use manyhands_pool::Need;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::chunk::Cursor;
use super::flow::Flow;
use super::shared::{FOREIGN, Function, Shared};
use crate::error::{Item, TaskError};

/// Results between two looks at the window.
const LOOK_EVERY: u32 = 256;

/// The results of [`Pool::imap`](crate::Pool::imap) and [`Pool::imap_unordered`](crate::Pool::imap_unordered).
///
/// It pulls items from its source as its consumer takes results, in the thread that asks, and no further ahead
/// than its window. Dropping it cancels what has not begun. It borrows its pool, so that nobody waits for the end of a
/// pool ([`Pool::join`](crate::Pool::join)) whose items nobody can pull.
///
/// ```
/// use manyhands::Pool;
///
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     manyhands::init();
///     let pool = Pool::new()?;
///     let firsts: Result<Vec<u64>, _> = pool.imap(|x: u64| x * x, 0..).take(3).collect();
///     assert_eq!(firsts?, [0, 1, 4]);
///     Ok(())
/// }
/// ```
#[must_use = "an iterator that is dropped cancels its items"]
pub struct Imap<'p, I: Iterator, R> {
    flow: Option<Flow<'p, I::Item, I>>,
    /// Why there is no flow; told once.
    refused: Option<TaskError>,
    cursor: Option<Cursor>,
    function: &'static str,
    yielded: u64,
    since_look: u32,
    result: std::marker::PhantomData<fn() -> R>,
}

impl<I: Iterator, R> fmt::Debug for Imap<'_, I, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Imap").field("yielded", &self.yielded).finish_non_exhaustive()
    }
}

impl<'p, I, R> Imap<'p, I, R>
where
    I: Iterator,
    I::Item: Serialize + DeserializeOwned + 'static,
    R: DeserializeOwned + 'static,
{
    pub(super) fn start(shared: &'p Shared, function: &Function, source: I, ordered: bool) -> Self {
        let (flow, refused) = match Flow::open(shared, function, source, ordered) {
            Ok(flow) => (Some(flow.within(shared.buffer)), None),
            Err(error) => (None, Some(error)),
        };
        let function = function.name;
        let result = std::marker::PhantomData;
        let mut own =
            Self { flow, refused, cursor: None, function, yielded: 0, since_look: 0, result };
        own.refill();
        own
    }

    /// Feeds what the window has room for.
    fn refill(&mut self) {
        self.since_look = 0;
        let Some(flow) = &mut self.flow else { return };
        let window = flow.window();
        let ahead = flow.fed() - self.yielded;
        if ahead <= window / 2 || flow.is_idle() {
            flow.feed(window.saturating_sub(ahead));
        }
    }

    fn next_within(&mut self, limit: Option<Duration>) -> Next<R> {
        loop {
            if let Some(cursor) = self.cursor.as_mut().filter(|cursor| !cursor.is_empty()) {
                // Counted before it is read: that may panic, and the window must not wait for it then.
                self.yielded += 1;
                self.since_look += 1;
                let outcome = cursor.next();
                if self.since_look >= LOOK_EVERY {
                    self.refill();
                }
                if let Some(outcome) = outcome {
                    return Next::Result(outcome);
                }
            }
            let Some(flow) = &mut self.flow else {
                return self.refused.take().map_or(Next::End, |error| Next::Result(Err(error)));
            };
            if let Some(chunk) = flow.chunks.take() {
                self.cursor = Some(Cursor::new(chunk, self.function));
                continue;
            }
            if flow.shared.engine.is_foreign() {
                // What comes back is the parent's.
                let item = Item::new(self.function, None);
                self.refused = Some(TaskError::Refused { item, reason: FOREIGN.into() });
                self.flow = None;
                continue;
            }
            if flow.collect() {
                continue;
            }
            self.refill();
            let Some(flow) = &mut self.flow else { continue };
            if flow.is_done() && flow.chunks.is_empty() {
                self.flow = None;
                continue;
            }
            if flow.chunks.is_ready() || flow.collect() {
                continue;
            }
            if limit == Some(Duration::ZERO) {
                return Next::TimedOut;
            }
            flow.wait(Need::Run, limit);
            if limit.is_some() && !flow.collect() && !flow.chunks.is_ready() {
                return Next::TimedOut;
            }
        }
    }

    /// Gives up: cancels what has not begun, as dropping it does, and ends the workers that run its items. Others take
    /// their seats.
    ///
    /// ```
    /// # use manyhands::Pool;
    /// # use std::time::Duration;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # manyhands::init();
    /// let pool = Pool::builder().workers(1).build()?;
    /// let stay = |(): ()| loop {
    ///     std::thread::park()
    /// };
    /// let mut results = pool.imap::<_, (), (), _>(stay, [()]);
    /// assert!(results.next_timeout(Duration::from_millis(10)).is_none());
    /// results.abort();
    /// assert_eq!(pool.submit(|x: u32| x + 1, 1).join()?, 2);
    /// # Ok(())
    /// # }
    /// ```
    pub fn abort(self) {
        if let Some(flow) = &self.flow
            && !flow.shared.engine.is_foreign()
        {
            flow.shared.engine.interrupt(flow.call);
        }
    }

    /// The next result, if it comes in time: `None` when the time is up, and then it can be asked for again.
    ///
    /// ```
    /// # use manyhands::Pool;
    /// # use std::time::Duration;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # manyhands::init();
    /// let pool = Pool::new()?;
    /// let mut results = pool.imap(|x: u64| x + 1, [1]);
    /// let first = results.next_timeout(Duration::from_secs(60)).expect("a minute is enough");
    /// assert_eq!(first.transpose()?, Some(2));
    /// # Ok(())
    /// # }
    /// ```
    pub fn next_timeout(&mut self, timeout: Duration) -> Option<Option<Result<R, TaskError>>> {
        match self.next_within(Some(timeout)) {
            Next::Result(result) => Some(Some(result)),
            Next::End => Some(None),
            Next::TimedOut => None,
        }
    }
}

enum Next<R> {
    Result(Result<R, TaskError>),
    End,
    TimedOut,
}

impl<I, R> Iterator for Imap<'_, I, R>
where
    I: Iterator,
    I::Item: Serialize + DeserializeOwned + 'static,
    R: DeserializeOwned + 'static,
{
    type Item = Result<R, TaskError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        match self.next_within(None) {
            Next::Result(result) => Some(result),
            Next::End | Next::TimedOut => None,
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let Some(flow) = &self.flow else {
            let left = usize::from(self.refused.is_some());
            return (left, Some(left));
        };
        let (least, most) = flow.hint();
        let ahead = usize::try_from(flow.fed() - self.yielded).unwrap_or(usize::MAX);
        (least.saturating_add(ahead), most.and_then(|most| most.checked_add(ahead)))
    }
}

impl<I, R> ExactSizeIterator for Imap<'_, I, R>
where
    I: ExactSizeIterator,
    I::Item: Serialize + DeserializeOwned + 'static,
    R: DeserializeOwned + 'static,
{
}

impl<I, R> std::iter::FusedIterator for Imap<'_, I, R>
where
    I: Iterator,
    I::Item: Serialize + DeserializeOwned + 'static,
    R: DeserializeOwned + 'static,
{
}

#[cfg(feature = "indicatif")]
impl<I, R> Imap<'_, I, R>
where
    I: Iterator,
    I::Item: Serialize + DeserializeOwned + 'static,
    R: DeserializeOwned + 'static,
{
    /// The same results, with a progress bar on standard error while they are taken (feature `indicatif`).
    ///
    /// It counts results, and shows their rate and, if the source knows its length, how long the rest will take.
    ///
    /// ```
    /// # use manyhands::Pool;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # manyhands::init();
    /// let pool = Pool::new()?;
    /// let squares: Result<Vec<u64>, _> = pool.imap(|x: u64| x * x, 0..100).bar().collect();
    /// assert_eq!(squares?.len(), 100);
    /// # Ok(())
    /// # }
    /// ```
    pub fn bar(self) -> indicatif::ProgressBarIter<Self> {
        use indicatif::{ProgressBar, ProgressIterator, ProgressStyle};
        let (least, most) = self.size_hint();
        let (bar, style) = match most {
            Some(most) if most == least => (
                ProgressBar::new(most as u64),
                "{wide_bar} {human_pos}/{human_len} [{elapsed}<{eta}, {per_sec}]",
            ),
            _ => (ProgressBar::no_length(), "{spinner} {human_pos} [{elapsed}, {per_sec}]"),
        };
        if let Ok(style) = ProgressStyle::with_template(style) {
            bar.set_style(style);
        }
        self.progress_with(bar)
    }
}
