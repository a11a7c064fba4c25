//! `PoolBuilder`: how a pool is to be.

use std::any::type_name;
use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use manyhands_os::cpu;
use manyhands_pool::{Config, Launcher as Launching, Luggage, MemoryLimits, Pool as Engine, Start};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::launcher::Launcher;
use super::shared::{Function, Shared, Value, blob};
use super::slates::Slates;
use super::{MOST_WORKERS, Pool};
use crate::batch::ONE_ITEM;
use crate::error::BuildError;
use crate::{code, function as make, start, world};

/// Says how a pool is to be; made by [`Pool::builder`].
///
/// ```
/// use manyhands::Pool;
///
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     manyhands::init();
///     let pool = Pool::builder().workers(2).env("LANG", "C").max_tasks_per_child(1000).build()?;
///     assert_eq!(pool.workers(), 2);
///     Ok(())
/// }
/// ```
#[derive(Debug, Default)]
#[must_use = "it makes a pool when it is built"]
pub struct PoolBuilder {
    workers: Option<usize>,
    initializer: Option<Function>,
    max_tasks: Option<u64>,
    env: Vec<(OsString, OsString)>,
    buffer: Option<u64>,
    timeout: Option<Duration>,
    initializer_limit: Option<Duration>,
    memory: MemoryLimits,
}

impl Pool {
    /// A pool with a worker for each core that this process may use.
    ///
    /// # Errors
    /// Those of [`PoolBuilder::build`].
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # manyhands::init();
    /// let pool = manyhands::Pool::new()?;
    /// assert!(pool.workers() >= 1);
    /// # Ok(())
    /// # }
    /// ```
    pub fn new() -> Result<Self, BuildError> {
        Self::builder().build()
    }

    /// Says how a pool is to be.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # manyhands::init();
    /// let pool = manyhands::Pool::builder().workers(2).build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn builder() -> PoolBuilder {
        PoolBuilder::default()
    }
}

impl PoolBuilder {
    /// How many workers there are. By default as many as this process may use cores: those of its affinity and of
    /// its cgroup's quota, or `MANYHANDS_MAX_CPUS`.
    ///
    /// ```
    /// # use manyhands::Pool;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # manyhands::init();
    /// assert_eq!(Pool::builder().workers(3).build()?.workers(), 3);
    /// # Ok(())
    /// # }
    /// ```
    pub fn workers(mut self, count: usize) -> Self {
        self.workers = Some(count);
        self
    }

    /// A function that each worker calls before its first task. What it returns is the worker's state, which tasks
    /// reach by [`worker_state`](crate::worker_state): a model, a connection, a context of a GPU. If it panics, no
    /// item of the pool can run; one that can fail says so by a panic (`expect`), because a `Result` that it returns
    /// would be the state.
    ///
    /// ```
    /// use manyhands::{Pool, worker_state};
    ///
    /// fn main() -> Result<(), Box<dyn std::error::Error>> {
    ///     manyhands::init();
    ///     let pool = Pool::builder().workers(1).initializer(|| 40_u64).build()?;
    ///     assert_eq!(pool.map(|x: u64| *worker_state::<u64>() + x, [2])?, [42]);
    ///     Ok(())
    /// }
    /// ```
    pub fn initializer<F, S>(mut self, function: F) -> Self
    where
        F: Fn() -> S + Copy + 'static,
        S: 'static,
    {
        self.initializer = Some(Function::new(make::initializer(function), type_name::<F>()));
        self
    }

    /// As [`PoolBuilder::initializer`], for a function that gets a value of this process.
    ///
    /// ```
    /// use manyhands::{Pool, worker_state};
    ///
    /// fn main() -> Result<(), Box<dyn std::error::Error>> {
    ///     manyhands::init();
    ///     let path = "model".to_owned();
    ///     let load = |path: &String| format!("the {path}");
    ///     let pool = Pool::builder().workers(1).initializer_with(&path, load).build()?;
    ///     let said = pool.map(|n: u8| format!("{n}: {}", *worker_state::<String>()), [1])?;
    ///     assert_eq!(said, ["1: the model"]);
    ///     Ok(())
    /// }
    /// ```
    pub fn initializer_with<V, F, S>(mut self, value: &V, function: F) -> Self
    where
        V: Serialize + DeserializeOwned + 'static,
        F: Fn(&V) -> S + Copy + 'static,
        S: 'static,
    {
        let maker = make::initializer_with(function);
        let value = Some(Value::of(value));
        self.initializer = Some(Function { maker, name: type_name::<F>(), value });
        self
    }

    /// After so many tasks a worker is replaced by a new one: against native libraries that leak. Items are then sent
    /// one by one.
    ///
    /// ```
    /// # use manyhands::Pool;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # manyhands::init();
    /// let pool = Pool::builder().workers(1).max_tasks_per_child(1).build()?;
    /// let pids = pool.map(|_: u32| std::process::id(), [0, 1])?;
    /// assert_ne!(pids[0], pids[1]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn max_tasks_per_child(mut self, count: u64) -> Self {
        self.max_tasks = Some(count);
        self
    }

    /// After a task, a worker that has more than so many bytes of memory for itself is replaced by a new one: against
    /// native libraries that leak. Shared memory and files are not counted.
    ///
    /// ```
    /// # use manyhands::Pool;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # manyhands::init();
    /// let pool = Pool::builder().workers(1).max_memory_per_child(1 << 30).build()?;
    /// assert_eq!(pool.map(|x: u32| x + 1, [1])?, [2]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn max_memory_per_child(mut self, bytes: u64) -> Self {
        self.memory.soft = Some(bytes);
        self
    }

    /// How many bytes of memory a worker may have for itself, in the middle of a task: with more it is ended, and the
    /// task that it runs is [`TaskError::MemoryLimitExceeded`](crate::TaskError::MemoryLimitExceeded). Another worker
    /// takes its seat. A worker looks every 10 ms of the processor's time that it uses, so it may get somewhat further.
    ///
    /// ```
    /// # use manyhands::Pool;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # manyhands::init();
    /// let pool = Pool::builder().workers(1).memory_limit(200 << 20).build()?;
    /// let grow = |step: usize| -> u8 {
    ///     let mut all = Vec::new();
    ///     loop {
    ///         all.push(std::hint::black_box(vec![1_u8; step]));
    ///     }
    /// };
    /// assert!(pool.submit(grow, 1 << 20).join().unwrap_err().is_memory_limit());
    /// # Ok(())
    /// # }
    /// ```
    pub fn memory_limit(mut self, bytes: u64) -> Self {
        self.memory.hard = Some(bytes);
        self
    }

    /// How long each task may run, from when a worker begins it. One that takes longer is ended with its worker, and is
    /// [`TaskError::TimedOut`](crate::TaskError::TimedOut); all others are done, by the worker that takes the seat.
    /// Items are then sent one by one. The initializer has [a limit of its own](PoolBuilder::initializer_timeout).
    ///
    /// ```
    /// # use manyhands::Pool;
    /// # use std::time::Duration;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # manyhands::init();
    /// let pool = Pool::builder().workers(2).task_timeout(Duration::from_millis(500)).build()?;
    /// let park_at_two = |x: u32| {
    ///     while x == 2 {
    ///         std::thread::park();
    ///     }
    ///     x
    /// };
    /// let results = pool.map_each(park_at_two, 0..4);
    /// assert!(results[2].as_ref().unwrap_err().is_timeout());
    /// assert_eq!(results[3].as_ref().ok(), Some(&3));
    /// # Ok(())
    /// # }
    /// ```
    pub fn task_timeout(mut self, limit: Duration) -> Self {
        self.timeout = Some(limit);
        self
    }

    /// How long a worker may take, from when its process is there until its [initializer](PoolBuilder::initializer) has
    /// returned. One that takes longer, by a tenth of a second, ends the pool: everything fails as
    /// [`PoolFault::InitializerTimedOut`](crate::PoolFault::InitializerTimedOut). Without an initializer it does nothing.
    ///
    /// ```
    /// # use manyhands::{Pool, PoolFault, TaskError};
    /// # use std::time::Duration;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # manyhands::init();
    /// let wait = || loop {
    ///     std::thread::park();
    /// };
    /// let limit = Duration::from_millis(500);
    /// let pool = Pool::builder().workers(1).initializer::<_, ()>(wait).initializer_timeout(limit).build()?;
    /// let error = pool.submit(|x: u32| x, 1).join().unwrap_err();
    /// let TaskError::PoolFailed { fault, .. } = error else { panic!("{error}") };
    /// assert!(matches!(*fault, PoolFault::InitializerTimedOut { .. }));
    /// # Ok(())
    /// # }
    /// ```
    pub fn initializer_timeout(mut self, limit: Duration) -> Self {
        self.initializer_limit = Some(limit);
        self
    }

    /// Sets a variable in the environment of the workers, from their first instruction on. The others they have from
    /// this process, as they are when a worker is started.
    ///
    /// ```
    /// # use manyhands::Pool;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # manyhands::init();
    /// let pool = Pool::builder().workers(1).env("DEVICE", "1").build()?;
    /// assert_eq!(pool.map(|_: u8| std::env::var("DEVICE").ok(), [0])?, [Some("1".to_owned())]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        start::set_env(&mut self.env, name.as_ref(), value.as_ref());
        self
    }

    /// How many items an iterator of [`Pool::imap`] or [`Pool::imap_unordered`] has pulled from its source and not yet
    /// given out, at most. By default as many as keep the workers busy for some milliseconds.
    ///
    /// ```
    /// # use manyhands::Pool;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # manyhands::init();
    /// let pulled = std::cell::Cell::new(0);
    /// let source = (0_u64..).inspect(|_| pulled.set(pulled.get() + 1));
    /// let pool = Pool::builder().workers(1).buffer(8).build()?;
    /// let first = pool.imap(|x: u64| x, source).next();
    /// assert_eq!(first.transpose()?, Some(0));
    /// assert!(pulled.get() <= 9);
    /// # Ok(())
    /// # }
    /// ```
    pub fn buffer(mut self, items: usize) -> Self {
        self.buffer = Some(items as u64);
        self
    }

    /// Makes the pool; its workers start meanwhile.
    ///
    /// # Errors
    /// [`BuildError::NotInitialized`] where `main` does not call [`init`](crate::init()) first;
    /// [`BuildError::Setting`] for a setting that makes no sense; [`BuildError::Unwritable`] for the initializer's
    /// value and [`BuildError::Foreign`] for its function; [`BuildError::Os`] for what the kernel says.
    ///
    /// ```
    /// # use manyhands::{BuildError, Pool};
    /// # fn main() {
    /// # manyhands::init();
    /// assert!(matches!(Pool::builder().workers(0).build(), Err(BuildError::Setting(_))));
    /// # }
    /// ```
    pub fn build(self) -> Result<Pool, BuildError> {
        if !start::is_initialized() {
            return Err(BuildError::NotInitialized);
        }
        let workers = self.count()?;
        self.check()?;
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let world = world::home()?;
        let budget = world.budget();
        let memory = self.memory;
        let config = Config {
            workers,
            max_tasks: self.max_tasks,
            memory,
            initializer_limit: self.initializer_limit,
            cores,
            world: Some(world),
        };
        let engine = Engine::new(config, Launching::Host, Start::default())?;
        if let Some(initializer) = self.initializer {
            set_initializer(&engine, initializer)?;
        }
        let slates = Arc::new(Slates::default());
        Launcher::start(engine.host(), self.env, memory, Arc::clone(&slates))?;
        engine.release();
        Ok(Pool::of(Shared {
            engine,
            slates,
            workers,
            budget,
            buffer: self.buffer,
            one_by_one: self.max_tasks.is_some() || self.timeout.is_some(),
            timeout: self.timeout,
            functions: Mutex::new(HashMap::new()),
        }))
    }

    /// How many workers there are to be.
    fn count(&self) -> Result<usize, BuildError> {
        let invalid = |error: cpu::InvalidMaxCpus| BuildError::Setting(error.to_string());
        let count = self.workers.map_or_else(|| cpu::available().map_err(invalid), Ok)?;
        if !(1..=MOST_WORKERS).contains(&count) {
            let text = format!("a pool has 1 to {MOST_WORKERS} workers, not {count}");
            return Err(BuildError::Setting(text));
        }
        Ok(count)
    }

    /// Whether the other settings make sense.
    fn check(&self) -> Result<(), BuildError> {
        start::check_env(&self.env).map_err(BuildError::Setting)?;
        if self.max_tasks == Some(0) {
            let text = "max_tasks_per_child must be 1 or more: a worker without tasks does nothing";
            return Err(BuildError::Setting(text.into()));
        }
        if self.buffer == Some(0) {
            let text =
                "buffer must be 1 or more: an iterator without items on their way never ends";
            return Err(BuildError::Setting(text.into()));
        }
        if self.timeout == Some(Duration::ZERO) {
            let text = "task_timeout must be more than nothing: no task would end in time";
            return Err(BuildError::Setting(text.into()));
        }
        if self.initializer_limit == Some(Duration::ZERO) {
            let text =
                "initializer_timeout must be more than nothing: no worker would be ready in time";
            return Err(BuildError::Setting(text.into()));
        }
        if self.memory.soft == Some(0) || self.memory.hard == Some(0) {
            let text = "max_memory_per_child and memory_limit must be more than 0 bytes: every worker has some memory";
            return Err(BuildError::Setting(text.into()));
        }
        Ok(())
    }
}

fn set_initializer(engine: &Engine, function: Function) -> Result<(), BuildError> {
    let place = code::place_of(function.maker).ok_or(BuildError::Foreign)?;
    let packed = function.value.map(|value| value.packed.clone()).transpose();
    let (value, luggage) = packed.map_err(BuildError::Unwritable)?.unwrap_or_default();
    let id = engine.register_code(&blob(place, &value), luggage);
    let name = function.name.to_owned();
    let set = engine.set_initializer(name, vec![id], (&ONE_ITEM, Luggage::new()));
    set.map_err(|error: io::Error| BuildError::Os(error))
}
