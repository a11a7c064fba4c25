//! `Engine`: a pool of the engine as a Python object; the package's `Pool` and `Executor` stand on it.

use std::ffi::OsString;
use std::sync::Arc;
use std::time::Duration;

use manyhands_pool::template::{IMPORT_LIMIT, TemplateConfig};
use manyhands_pool::{CallId, Config, Launcher, MemoryLimits, Need, Pool, Report, Running, Start};
use pyo3::exceptions::{PyMemoryError, PyRuntimeError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};

use crate::feed::{Feed, Source};
use crate::iterate::Stream;
use crate::lane_view::word;
use crate::launches::Launches;
use crate::map;
use crate::os_errors::{no_segment, numbered};
use crate::outcome::initializer_failed;
use crate::pulling::refuse_to_wait;
use crate::result::AsyncResult;
use crate::result_iterator::ResultIterator;
use crate::task::{Code, Plan, Task};
use crate::travel::Collector;
use crate::waiting::{seconds, wait};
use crate::{ffi, world};

/// The template's program, its arguments and its environment.
type Command = (OsString, Vec<OsString>, Vec<(OsString, OsString)>);

/// What workers may have: tasks, bytes of memory (two limits), seconds until they are ready.
type Limits = (Option<u64>, Option<u64>, Option<u64>, Option<f64>);

/// A worker's report, as a tuple.
type Told = (usize, Option<i32>, &'static str, Option<(u64, Option<u64>)>, f64, u64);

fn told(report: Report) -> Told {
    let running = report.running.map(|running| match running {
        Running::Item { function, index, .. } => (function, Some(index)),
        Running::Initializer | Running::Code => (0, None),
    });
    let seconds = Duration::from_nanos(report.since_ns).as_secs_f64();
    (report.seat, report.pid, word(report.doing), running, seconds, report.waiting)
}

/// A pool of worker processes.
#[pyclass(frozen, module = "manyhands._native")]
#[derive(Debug)]
pub(crate) struct Engine {
    pool: Arc<Pool>,
}

impl Engine {
    fn usable(&self) -> PyResult<&Arc<Pool>> {
        if self.pool.is_foreign() {
            return Err(PyRuntimeError::new_err(
                "this pool belongs to the parent process: a forked child must create its own",
            ));
        }
        Ok(&self.pool)
    }

    fn ready(&self, py: Python<'_>) -> PyResult<&Arc<Pool>> {
        let pool = self.usable()?;
        if let Some(fault) = pool.fault() {
            return Err(initializer_failed(py, &fault)?);
        }
        Ok(pool)
    }
}

#[pymethods]
impl Engine {
    /// A pool whose workers wait for `release`. Without a template the host launches them.
    #[new]
    fn new(
        py: Python<'_>,
        workers: (usize, usize),
        limits: Limits,
        template: Option<Command>,
        start: Vec<u8>,
    ) -> PyResult<Self> {
        let launcher = match template {
            Some((program, args, env)) => Launcher::Template(TemplateConfig {
                program: program.into(),
                args,
                env: Some(env.into_iter().collect()),
                cwd: None,
                import_limit: IMPORT_LIMIT,
            }),
            None => Launcher::Host,
        };
        let (workers, cores) = workers;
        let (max_tasks, soft, hard, start_limit) = limits;
        let config = Config {
            workers,
            max_tasks,
            memory: MemoryLimits { soft, hard },
            initializer_limit: seconds(start_limit),
            cores,
            world: Some(world::open_home(py)?),
        };
        let start = Start { blob: start, fds: Vec::new() };
        let pool = Pool::new(config, launcher, start).map_err(|error| numbered(&error))?;
        Ok(Self { pool: Arc::new(pool) })
    }

    /// The id of a blob of code, the same for the same bytes; what was `met` while it was pickled stays with it.
    fn register(&self, data: &[u8], met: &Collector) -> PyResult<u64> {
        Ok(self.usable()?.register_code(data, met.luggage()))
    }

    /// Sets what workers do first: load `codes`, call the value of the last one with the pickled `arguments`.
    fn set_initializer(
        &self,
        name: String,
        codes: Vec<u64>,
        arguments: &[u8],
        met: &Collector,
    ) -> PyResult<()> {
        let set = self.usable()?.set_initializer(name, codes, (arguments, met.luggage()));
        set.map_err(|error| {
            PyMemoryError::new_err(format!("no shared memory for the initializer: {error}"))
        })
    }

    /// Why items were lost of whose results nobody has asked for one; once.
    fn untold_fault(&self, py: Python<'_>) -> PyResult<Option<PyErr>> {
        let fault = self.pool.untold_fault();
        fault.map(|fault| initializer_failed(py, &fault)).transpose()
    }

    /// Lets workers be launched.
    fn release(&self) -> PyResult<()> {
        self.usable()?.release();
        Ok(())
    }

    /// What one call is, apart from its items; see `Task`.
    fn task(
        &self,
        code: Code,
        name: String,
        shipping: Py<PyAny>,
        plan: Plan,
        progress: Option<Py<PyAny>>,
    ) -> PyResult<Task> {
        Ok(Task::new(self.usable()?, code, name, shipping, (plan, progress)))
    }

    /// Runs all items and returns the list of their results.
    fn map<'py>(
        &self,
        py: Python<'py>,
        task: &Task,
        iterable: &Bound<'py, PyAny>,
        max_bytes: Option<usize>,
    ) -> PyResult<Bound<'py, PyList>> {
        let pool = self.ready(py)?;
        let source = Source::new(iterable)?;
        let (call, encoder) = task.open(py, pool)?;
        let feed = Feed::new(py, (Arc::clone(pool), call), (source, encoder), task.chunk);
        map::run(py, feed, task, max_bytes)
    }

    /// Starts a lazy iteration over results.
    fn iterate(
        &self,
        py: Python<'_>,
        task: &Task,
        iterable: &Bound<'_, PyAny>,
        bounds: (Option<u64>, Option<usize>),
    ) -> PyResult<ResultIterator> {
        let pool = self.ready(py)?;
        let source = Source::new(iterable)?;
        let (call, encoder) = task.open(py, pool)?;
        let feed = Feed::new(py, (Arc::clone(pool), call), (source, encoder), task.chunk);
        Stream::start(py, feed, task, bounds).map(ResultIterator::of)
    }

    /// Feeds all items now and returns at once.
    fn map_later(
        slf: &Bound<'_, Self>,
        task: &Task,
        iterable: &Bound<'_, PyAny>,
    ) -> PyResult<AsyncResult> {
        let py = slf.py();
        let pool = slf.get().ready(py)?;
        let source = Source::new(iterable)?;
        let (call, encoder) = task.open(py, pool)?;
        let mut feed = Feed::new(py, (Arc::clone(pool), call), (source, encoder), task.chunk);
        feed.patient = true;
        let outcome = feed
            .feed(py, u64::MAX, usize::MAX)
            .and_then(|()| feed.error.take().map_or(Ok(()), Err));
        if let Err(error) = outcome {
            pool.cancel(call);
            pool.abandon(call);
            return Err(error);
        }
        Ok(AsyncResult::of_many(slf.as_any(), feed, task))
    }

    /// Submits one item: `value` as the task's shape wants it.
    fn submit(
        slf: &Bound<'_, Self>,
        task: &Task,
        value: &Bound<'_, PyAny>,
    ) -> PyResult<AsyncResult> {
        let py = slf.py();
        let pool = slf.get().ready(py)?;
        let call = task.submit(pool, value)?;
        Ok(AsyncResult::of_one(slf.as_any(), (Arc::clone(pool), call), task))
    }

    /// Waits for a call that asked to be announced; ids of those that are complete. Empty: the pool is over.
    fn completions(&self, py: Python<'_>) -> PyResult<Vec<u64>> {
        let pool = self.usable()?;
        wait(py, |slice| pool.wait_pool(Need::Completions, slice), None)?;
        Ok(pool.completions().into_iter().map(CallId::number).collect())
    }

    /// Waits until no item is on its way; whether it came to that.
    fn wait_drained(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<bool> {
        let pool = self.usable()?;
        if timeout.is_none() {
            refuse_to_wait(pool)?;
        }
        wait(py, |slice| pool.wait_pool(Need::Drained, slice), seconds(timeout))
    }

    /// Waits until all workers have gone; whether they have.
    fn wait_gone(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<bool> {
        let pool = self.usable()?;
        if timeout.is_none() {
            refuse_to_wait(pool)?;
        }
        wait(py, |slice| pool.wait_pool(Need::Gone, slice), seconds(timeout))
    }

    /// What launches the workers of a pool without a template.
    fn launches(&self) -> PyResult<Launches> {
        Ok(Launches { host: self.usable()?.host() })
    }

    /// Replaces what new workers are started with: what they are told, and copies of descriptors that they get.
    fn set_start(&self, start: Vec<u8>, given: Vec<i32>) -> PyResult<()> {
        let fds = given.into_iter().map(|fd| ffi::duplicate(fd).map(Arc::new));
        let fds = fds.collect::<std::io::Result<_>>()?;
        self.usable()?.set_start(Start { blob: start, fds });
        Ok(())
    }

    /// Asks the template to import a module.
    fn preload(&self, module: &str) -> PyResult<()> {
        self.usable()?.import(module);
        Ok(())
    }

    fn grow(&self, count: usize) -> PyResult<()> {
        self.usable()?.grow(count).map_err(no_segment)
    }

    fn shrink(&self, count: usize) -> PyResult<()> {
        self.usable()?.shrink(count);
        Ok(())
    }

    /// Seat and process id of each worker.
    fn pids(&self) -> PyResult<Vec<(usize, Option<i32>)>> {
        Ok(self.usable()?.pids())
    }

    /// What each worker does: seat, process, a word; the function's id (0: the initializer or code) and the item's
    /// index if it runs something, for how many seconds; how many items wait for it.
    fn report(&self) -> PyResult<Vec<Told>> {
        let reports = self.usable()?.report();
        Ok(reports.into_iter().map(told).collect())
    }

    /// Which modules the template has not imported, and why: a sentence for each.
    fn not_early(&self) -> PyResult<Vec<String>> {
        Ok(self.usable()?.not_early())
    }

    /// Asks all workers to write their stacks.
    fn ask_stacks(&self) -> PyResult<()> {
        self.usable()?.ask_stacks();
        Ok(())
    }

    /// What each worker has written since then, by seat.
    fn stacks<'py>(&self, py: Python<'py>) -> PyResult<Vec<(usize, Bound<'py, PyBytes>)>> {
        let stacks = self.usable()?.stacks().into_iter();
        Ok(stacks.map(|(seat, text)| (seat, PyBytes::new(py, &text))).collect())
    }

    fn cancel_all(&self) -> PyResult<()> {
        self.usable()?.cancel_all();
        Ok(())
    }

    fn close(&self) {
        if !self.pool.is_foreign() {
            self.pool.close();
        }
    }

    fn terminate(&self) {
        if !self.pool.is_foreign() {
            self.pool.terminate();
        }
    }

    /// Raises what makes the pool unusable, if anything does.
    fn check(&self, py: Python<'_>) -> PyResult<()> {
        self.ready(py).map(drop)
    }

    fn is_foreign(&self) -> bool {
        self.pool.is_foreign()
    }
}
