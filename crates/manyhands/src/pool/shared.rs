//! What a pool and everything that it gave out share: the engine, and what calls need of it.
//!
//! Here the engine's words become this crate's: codes of functions, failures of items.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use manyhands_os::process::ExitStatus;
use manyhands_pool::call::{Fault, InitFailure};
use manyhands_pool::{
    CallId, CallSpec, Death, Failure, Luggage, Order, Pool as Engine, PushError, Retry,
};
use manyhands_shm::record::{self, Next};
use serde::Serialize;

use super::slates::Slates;
use crate::error::{Item, PoolFault, TaskError};
use crate::raised::Raised;
use crate::start::REPLACED_TEXT;
use crate::task::Maker;
use crate::{code, codec};

/// A function with a value of so many bytes stays with workers for a while when nobody uses it.
const KEPT: usize = 4096;
/// Kind of all items of this crate.
const KIND: u32 = 0;

/// Why a forked child has nothing of the pools that it inherits.
pub(super) const FOREIGN: &str =
    "its pool belongs to the parent process: a forked child makes its own";

/// What a pool and its calls share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) engine: Engine,
    pub(super) slates: Arc<Slates>,
    pub(super) workers: usize,
    /// How much shared memory there may be, in bytes.
    pub(super) budget: u64,
    /// Items that an iterator is ahead of its consumer, if that was given.
    pub(super) buffer: Option<u64>,
    /// Requests are counted: each is one item.
    pub(super) one_by_one: bool,
    /// How long an item may run; then requests are one item each.
    pub(super) timeout: Option<Duration>,
    /// Ids of functions without a value, by place: they stay with the pool.
    pub(super) functions: Mutex<HashMap<u64, u64>>,
}

/// A function as it is called: its maker, and the value that goes with it.
#[derive(Debug)]
pub(crate) struct Function {
    pub(crate) maker: Maker,
    pub(crate) name: &'static str,
    pub(crate) value: Option<Arc<Value>>,
}

/// A value that goes with functions.
#[derive(Debug)]
pub(crate) struct Value {
    /// The value, and what it names; or why it could not be written.
    pub(crate) packed: Result<(Vec<u8>, Luggage), String>,
    /// Ids of the functions that were called with it, by place.
    codes: Mutex<HashMap<u64, u64>>,
}

impl Value {
    pub(crate) fn of<V: Serialize + 'static>(value: &V) -> Arc<Self> {
        let packed = codec::pack_item(value).map_err(|error| error.to_string());
        Arc::new(Self { packed, codes: Mutex::default() })
    }
}

impl Shared {
    fn spec(&self, function: u64, order: Order) -> CallSpec {
        CallSpec {
            function,
            kind: KIND,
            order,
            stop_on_failure: false,
            whole: false,
            notify: false,
            limit: self.timeout,
            retry: Retry::default(),
        }
    }

    /// Opens a call.
    pub(super) fn open(&self, function: &Function) -> Result<CallId, String> {
        let code = self.code(function)?;
        self.engine.open(self.spec(code, Order::Arrival)).map_err(closed)
    }

    /// Opens a call of one item.
    pub(super) fn submit(
        &self,
        function: &Function,
        record: Vec<u8>,
        luggage: Luggage,
    ) -> Result<CallId, String> {
        let code = self.code(function)?;
        if luggage.is_empty() {
            self.engine.submit(self.spec(code, Order::Arrival), &[], record).map_err(closed)
        } else {
            self.engine.open(self.spec(code, Order::Arrival)).map_err(closed).inspect(|call| {
                self.engine.keep(*call, 0, luggage);
                self.engine.push_last(*call, 1, record);
            })
        }
    }

    /// Opens a call of one item for each worker.
    pub(super) fn broadcast(&self, function: &Function, record: &[u8]) -> Result<CallId, String> {
        let code = self.code(function)?;
        self.engine.broadcast(self.spec(code, Order::Index), record).map_err(closed)
    }

    /// The id of a function's code, which is kept: by the pool, or by the value that goes with the function.
    fn code(&self, function: &Function) -> Result<u64, String> {
        if self.engine.is_foreign() {
            return Err(FOREIGN.into());
        }
        let place = code::place_of(function.maker)
            .ok_or("the function is in another shared object than the crate `manyhands`")?;
        let known = function.value.as_ref().map_or(&self.functions, |value| &value.codes);
        let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(id) = known.get(&place) {
            return Ok(*id);
        }
        let id = match function.value.as_deref() {
            None => self.engine.register_code(&blob(place, &[]), Luggage::new()),
            Some(Value { packed: Ok((bytes, luggage)), .. }) => {
                self.register(&blob(place, bytes), luggage.clone())
            }
            Some(Value { packed: Err(text), .. }) => {
                return Err(format!("the value given by `with` cannot be sent: {text}"));
            }
        };
        known.insert(place, id);
        Ok(id)
    }

    /// Registers a function with its value. Others may wait for the end of what is in the value, a sender for example:
    /// so it ends with its last user, as one does that takes much memory.
    fn register(&self, blob: &[u8], luggage: Luggage) -> u64 {
        if luggage.is_empty() && blob.len() <= KEPT {
            return self.engine.register_code(blob, luggage);
        }
        self.engine.register_brief_code(blob, luggage)
    }

    /// Lets go of the codes that were made with a value: what runs keeps them.
    pub(super) fn let_go(&self, value: &Value) {
        let mut codes = value.codes.lock().unwrap_or_else(PoisonError::into_inner);
        let codes = std::mem::take(&mut *codes);
        if !self.engine.is_foreign() {
            for code in codes.into_values() {
                self.engine.let_go(code);
            }
        }
    }

    /// The error of an item that the engine has ended.
    pub(super) fn failed(&self, item: Item, failure: &Failure) -> TaskError {
        match failure {
            Failure::Died(death) => died(item, death),
            Failure::TimedOut(overrun) => TaskError::TimedOut {
                item,
                limit: overrun.limit,
                ran: overrun.ran,
                worker: overrun.seat,
            },
            Failure::Cancelled => TaskError::Cancelled { item },
            Failure::Terminated => TaskError::Terminated { item },
            Failure::Initializer(fault) => {
                TaskError::PoolFailed { item, fault: Arc::new(self.fault(fault)) }
            }
            Failure::Memory(text) => TaskError::Carriage { item, reason: text.to_string() },
            Failure::Unsent => {
                TaskError::Carriage { item, reason: "its argument cannot be sent".into() }
            }
        }
    }

    fn fault(&self, fault: &Fault) -> PoolFault {
        match &fault.failure {
            InitFailure::Raised(bytes) => raised(bytes),
            InitFailure::Died(death) => {
                let (signal, code) = ending(death);
                PoolFault::InitializerDied { signal, code }
            }
            InitFailure::TimedOut(overrun) => {
                PoolFault::InitializerTimedOut { limit: overrun.limit }
            }
            InitFailure::Launch(_) if self.slates.are_replaced() => {
                PoolFault::Start(REPLACED_TEXT.into())
            }
            InitFailure::Launch(text) => PoolFault::Start(format!(
                "{text} (is `manyhands::init()` the first thing in `main`?)"
            )),
        }
    }
}

/// The bytes of a function's code.
pub(super) fn blob(place: u64, value: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(value.len() + 10);
    // A number can always be written.
    let _written = codec::append(&place, &mut bytes);
    bytes.extend_from_slice(value);
    bytes
}

fn closed(error: PushError) -> String {
    match error {
        PushError::Closed => "its pool has ended".into(),
    }
}

fn ending(death: &Death) -> (Option<i32>, Option<i32>) {
    match death.status {
        Some(ExitStatus::Signaled { signal, .. }) => (Some(signal), None),
        Some(ExitStatus::Exited(code)) => (None, Some(code)),
        None => (None, None),
    }
}

fn died(item: Item, death: &Death) -> TaskError {
    let (signal, code) = ending(death);
    if let Some((bytes, limit)) = death.exceeded {
        return TaskError::MemoryLimitExceeded { item, bytes, limit, worker: death.seat };
    }
    let short = || {
        (death.out_of_memory == Some(true)).then(|| "The kernel ended it: memory is short.".into())
    };
    let (worker, pid, detail) = (death.seat, death.pid, death.reason.clone().or_else(short));
    TaskError::WorkerDied { item, signal, code, worker, pid, detail }
}

/// What an initializer's reply says, which is a record of the engine.
fn raised(bytes: &[u8]) -> PoolFault {
    let content = match record::next(bytes) {
        Next::Record { start, end } => bytes.get(start + 1..end).unwrap_or_default(),
        Next::Wrap | Next::Broken => &[],
    };
    match codec::take::<Raised>(&mut &*content) {
        Ok(Raised::Panicked(panic)) => PoolFault::InitializerPanicked(panic),
        Ok(Raised::Unreadable(text) | Raised::Unwritable(text) | Raised::Refused(text)) => {
            PoolFault::Start(format!("its initializer cannot run: {text}"))
        }
        Err(error) => PoolFault::Start(format!("its initializer's answer cannot be read: {error}")),
    }
}

impl Function {
    pub(crate) const fn new(maker: Maker, name: &'static str) -> Self {
        Self { maker, name, value: None }
    }
}
