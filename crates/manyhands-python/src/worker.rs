//! The worker's side of the binding: decodes requests, calls Python, encodes what comes back.
//!
//! What a task raises, whatever it is, becomes its reply; only the end of the process is not caught.
//! The Python half (`manyhands._worker`) prepares the process; here is only what runs for each item.

use std::collections::HashMap;
use std::os::fd::{AsFd, AsRawFd, IntoRawFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};

use manyhands_os::event::EventFd;
use manyhands_os::signals;
use manyhands_pool::luggage::pack;
use manyhands_pool::worker::{Ran, Replier, Tasks, serve_within};
use manyhands_pool::{Luggage, MemoryLimits, WorkerEnd, generation, wire};
use manyhands_shm::atomic::{AtomicU32, Ordering};
use manyhands_shm::hub::Hub;
use manyhands_shm::lane::{Heading, Lane, NoRoom};
use manyhands_shm::world::Block;
use pyo3::exceptions::{PyBaseException, PyMemoryError, PyValueError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyDict, PyTuple};

use crate::cargo::{self, decode_argument};
use crate::codec::{Encoded, call_unpacked, own};
use crate::ffi;
use crate::kind;
use crate::pickling::pickle;
use crate::printed;
use crate::travel::Collecting;
use crate::world;

/// What a worker process needs of its pool: handed over by fork, or rebuilt from descriptors.
#[pyclass(frozen, module = "manyhands._native", name = "WorkerEnd")]
#[derive(Debug)]
pub(crate) struct PyWorkerEnd {
    pub(crate) end: WorkerEnd,
    /// The hub's descriptor, on the parent's side.
    pub(crate) hub: Option<Arc<OwnedFd>>,
    /// Descriptors that the pool gave besides; they are handed out once.
    given: Mutex<Vec<OwnedFd>>,
}

impl PyWorkerEnd {
    /// In a worker, with what it was given besides.
    pub(crate) fn given(end: WorkerEnd, given: Vec<OwnedFd>) -> Self {
        Self { end, hub: None, given: Mutex::new(given) }
    }

    /// In the parent, to be passed on.
    pub(crate) fn to_pass_on(end: WorkerEnd, hub: Arc<OwnedFd>) -> Self {
        Self { end, hub: Some(hub), given: Mutex::default() }
    }
}

#[pymethods]
impl PyWorkerEnd {
    /// Takes over the descriptors of lane, hub and event.
    #[staticmethod]
    fn attach(lane: i32, hub: i32, event: i32, seat: usize) -> PyResult<Self> {
        let end = WorkerEnd {
            lane: Arc::new(Lane::attach(ffi::owned(lane))?),
            hub: Arc::new(Hub::attach(ffi::owned(hub))?),
            event: Arc::new(EventFd::from_fd(ffi::owned(event))),
            seat,
        };
        Ok(Self::given(end, Vec::new()))
    }

    /// The descriptors that the pool gave besides: the caller's own from now on.
    fn take_given(&self) -> Vec<i32> {
        let mut given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *given).into_iter().map(IntoRawFd::into_raw_fd).collect()
    }

    /// The descriptors of lane, hub and event, to be passed on.
    fn fds(&self) -> PyResult<(i32, i32, i32)> {
        let hub = self
            .hub
            .as_ref()
            .ok_or_else(|| PyValueError::new_err("a worker has no end to give away"))?;
        Ok((self.end.lane.fd().as_raw_fd(), hub.as_raw_fd(), self.end.event.as_fd().as_raw_fd()))
    }

    /// The descriptor of its lane, into which the fault handler writes stacks.
    fn stacks_fd(&self) -> i32 {
        self.end.lane.fd().as_raw_fd()
    }

    /// The seat's number.
    #[getter]
    fn seat(&self) -> usize {
        self.end.seat
    }
}

/// The lane of this process, if it is a worker. A fork of a worker that becomes one itself replaces it.
static LANE: Mutex<Option<Arc<Lane>>> = Mutex::new(None);

/// Serves the pool until it asks for the end, with so much memory: beyond the first it is replaced, beyond
/// the second it ends.
#[pyfunction]
pub(crate) fn run_worker(end: &PyWorkerEnd, soft: Option<u64>, hard: Option<u64>) {
    world::join_parent();
    *LANE.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&end.end.lane));
    let mut tasks = PyTasks::new();
    serve_within(end.end.clone(), MemoryLimits { soft, hard }, &mut tasks);
}

/// The number of the signal at which a worker writes its stacks.
#[pyfunction]
pub(crate) fn stacks_signal() -> i32 {
    signals::stacks().as_raw()
}

/// Whether the item that runs is the one that the parent wants to interrupt.
#[pyfunction]
pub(crate) fn interrupt_wanted() -> bool {
    let lane = LANE.lock().unwrap_or_else(PoisonError::into_inner);
    lane.as_ref()
        .is_some_and(|lane| lane.running().is_some_and(|(item, _)| item == lane.interrupt()))
}

/// What the item that runs is about to raise may be tried again.
static AGAIN: AtomicU32 = AtomicU32::new(0);

/// Says that what the item is about to raise may be tried again.
#[pyfunction]
pub(crate) fn mark_again() {
    AGAIN.store(1, Ordering::Relaxed);
}

/// What an item gave, in bytes, and holds on the blocks that these name.
struct Answer<'py> {
    reply: Encoded<'py>,
    met: Luggage,
}

struct PyTasks {
    codes: HashMap<u64, Result<Py<PyAny>, Vec<u8>>>,
    last: Option<(u64, Py<PyAny>)>,
    /// What tasks print goes to the parent.
    routed: bool,
    /// A thread is there that the stacks' signal reaches when a task has blocked all signals.
    heard: bool,
    /// The item before had a random stream of its own.
    seeded: bool,
    /// Of the process that began to serve.
    generation: u32,
}

impl PyTasks {
    fn new() -> Self {
        Self {
            codes: HashMap::new(),
            last: None,
            routed: false,
            heard: false,
            seeded: false,
            generation: generation(),
        }
    }

    fn item<'py>(
        &mut self,
        py: Python<'py>,
        heading: Heading,
        payload: &[u8],
    ) -> Result<Answer<'py>, Vec<u8>> {
        let function = self.function(py, heading.word)?;
        let routed = heading.kind & kind::ROUTED != 0;
        if routed != self.routed {
            self.route(py, routed).map_err(|error| raised(py, error))?;
        }
        if heading.kind & wire::TIMED != 0 && !self.heard {
            // Without that thread a task that blocks all signals has no stacks to show: nothing else.
            self.heard = true;
            let _comfort = signals::listen_for_stacks();
        }
        let seeded = heading.kind & kind::SEEDED != 0;
        let payload = if seeded || self.seeded {
            self.seed(py, seeded, payload).map_err(|error| raised(py, error))?
        } else {
            payload
        };
        let run = || {
            let argument = decode_argument(py, payload)?;
            let value = match heading.kind & kind::SHAPE {
                kind::STAR => call_unpacked(&function, &argument)?,
                kind::APPLY => call_with_keywords(&function, &argument)?,
                _ => ffi::call(&function, &[&argument])?,
            };
            drop(argument);
            encode_result(&value)
        };
        let outcome = run();
        self.stay_alone(py, outcome.as_ref().err());
        Ok(outcome.unwrap_or_else(|error| failed(py, error)))
    }

    /// A fork of this process that has come back out of a task is no worker: it ends, before it touches the
    /// lane, with the exception that brought it here.
    #[inline]
    fn stay_alone(&self, py: Python<'_>, error: Option<&PyErr>) {
        if generation() != self.generation {
            end_fork(py, error);
        }
    }

    #[inline]
    fn function<'py>(&mut self, py: Python<'py>, id: u64) -> Result<Bound<'py, PyAny>, Vec<u8>> {
        if let Some((last, function)) = &self.last
            && *last == id
        {
            return Ok(function.bind(py).clone());
        }
        match self.codes.get(&id) {
            Some(Ok(function)) => {
                self.last = Some((id, function.clone_ref(py)));
                Ok(function.bind(py).clone())
            }
            Some(Err(reply)) => Err(reply.clone()),
            None => Err(raised(py, PyMemoryError::new_err("the code of this task never arrived"))),
        }
    }

    fn install(&mut self, py: Python<'_>, id: u64, payload: &[u8]) {
        static INSTALL: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        let installed = own(py, &INSTALL, "manyhands._pickling", "install")
            .and_then(|install| install.call1((PyBytes::new(py, payload),)))
            .map(Bound::unbind)
            .map_err(|error| raised(py, error));
        self.codes.insert(id, installed);
        self.last = None;
    }

    fn route(&mut self, py: Python<'_>, routed: bool) -> PyResult<()> {
        static ROUTE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        own(py, &ROUTE, "manyhands._worker", "route_output")?.call1((routed,))?;
        self.routed = routed;
        Ok(())
    }

    /// Begins the item's random stream, or leaves that of the one before; what follows the seed.
    #[cold]
    fn seed<'a>(&mut self, py: Python<'_>, seeded: bool, payload: &'a [u8]) -> PyResult<&'a [u8]> {
        static BEGIN: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        static LEAVE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        self.seeded = seeded;
        if !seeded {
            own(py, &LEAVE, "manyhands._seeds", "leave")?.call0()?;
            return Ok(payload);
        }
        let (seed, rest) = payload
            .split_at_checked(kind::SEED)
            .ok_or_else(|| PyValueError::new_err("an item without its random stream"))?;
        own(py, &BEGIN, "manyhands._seeds", "begin")?.call1((PyBytes::new(py, seed),))?;
        Ok(rest)
    }

    fn control<'py>(
        &mut self,
        py: Python<'py>,
        heading: Heading,
        payload: &[u8],
    ) -> Result<Answer<'py>, Vec<u8>> {
        static INITIALIZE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        match heading.kind {
            wire::CODE => self.install(py, heading.word, payload),
            wire::FORGET => {
                self.codes.remove(&heading.word);
                self.last = None;
            }
            wire::INITIALIZE => {
                let function = self.function(py, heading.word)?;
                let outcome = own(py, &INITIALIZE, "manyhands._worker", "initialize")
                    .and_then(|initialize| initialize.call1((function, PyBytes::new(py, payload))));
                self.stay_alone(py, outcome.as_ref().err());
                outcome.map_err(|error| raised(py, error))?;
            }
            _ => {}
        }
        Ok(Answer { reply: Encoded::Tag(wire::DONE[0]), met: Luggage::new() })
    }
}

impl Tasks for PyTasks {
    fn run(&mut self, heading: Heading, payload: &[u8], out: &mut Replier) -> Ran {
        Python::attach(|py| {
            let item = heading.kind < wire::CONTROL;
            let routed = if item { heading.kind & kind::ROUTED != 0 } else { self.routed };
            if routed {
                printed::begin(out);
            }
            let outcome = if item {
                self.item(py, heading, payload)
            } else {
                self.control(py, heading, payload)
            };
            if routed {
                printed::end(py, out);
            }
            match outcome {
                Ok(answer) => {
                    let well = !answer.reply.is_raised();
                    send(py, out, &answer);
                    if well { Ran::Well } else { Ran::Badly }
                }
                Err(bytes) => {
                    let _sent =
                        reply(py, out, bytes.len(), &mut |room| room.copy_from_slice(&bytes));
                    if heading.kind == wire::INITIALIZE { Ran::Hopelessly } else { Ran::Badly }
                }
            }
        })
    }

    fn release(&mut self, sleep: &mut (dyn FnMut() + Send)) {
        Python::attach(|py| py.detach(sleep));
    }

    fn interrupted(&mut self) {
        Python::attach(|py| {
            if let Err(error) = py.check_signals() {
                // A handler raised while nothing ran: there is no item to fail with it.
                error.print(py);
            }
        });
    }
}

/// Ends a fork of a worker.
#[cold]
fn end_fork(py: Python<'_>, error: Option<&PyErr>) {
    let error = error.map(|error| error.value(py));
    let ended = py
        .import("manyhands._worker")
        .and_then(|worker| worker.getattr("end_fork")?.call1((error,)))
        .map(drop);
    // It does not return; whatever kept it from ending must not make a second worker of this process.
    manyhands_os::process::exit_now(i32::from(ended.is_err()));
}

/// Sends an answer; what it names is pinned until the parent has taken it over.
fn send(py: Python<'_>, out: &mut Replier, answer: &Answer<'_>) {
    let Answer { reply: value, met } = answer;
    if met.is_empty() {
        let _sent = reply(py, out, value.len(), &mut |room| value.write(room));
        return;
    }
    if let Some(error) = world::strangers(met) {
        let bytes = raised(py, error);
        let _sent = reply(py, out, bytes.len(), &mut |room| room.copy_from_slice(&bytes));
        return;
    }
    let names: Vec<_> = met.iter().map(Block::handle).collect();
    let mut bytes = vec![0; value.len()];
    value.write(&mut bytes);
    let bytes = pack(&names, &bytes);
    for block in met {
        block.world().pin(block.handle());
    }
    if !reply(py, out, bytes.len(), &mut |room| room.copy_from_slice(&bytes)) {
        for block in met {
            block.world().unpin(block.handle());
        }
    }
}

/// Writes a reply, waiting for room if it must; one that can never fit becomes an error. Whether it did fit.
fn reply(py: Python<'_>, out: &mut Replier, len: usize, fill: &mut dyn FnMut(&mut [u8])) -> bool {
    loop {
        match out.record(len, &mut *fill) {
            Ok(()) => return true,
            Err(NoRoom::Full) => py.detach(|| out.wait_for_room(len)),
            Err(NoRoom::Memory(error)) => {
                let text = format!("no shared memory for a result of {len} bytes: {error}");
                let bytes = raised(py, PyMemoryError::new_err(text));
                let _sent = reply(py, out, bytes.len(), &mut |room| room.copy_from_slice(&bytes));
                return false;
            }
        }
    }
}

#[inline]
fn encode_result<'py>(value: &Bound<'py, PyAny>) -> PyResult<Answer<'py>> {
    static DUMPS_RESULT: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let py = value.py();
    let large = match Encoded::simple(value) {
        Some(reply) if !reply.is_large() => return Ok(Answer { reply, met: Luggage::new() }),
        large => large,
    };
    let collecting = Collecting::with_cargo();
    let slow = || own(py, &DUMPS_RESULT, "manyhands._pickling", "dumps_result")?.call1((value,));
    let reply = match cargo::whole(value, large.as_ref())? {
        Some(large) => large,
        None => pickle(value, slow, true)?,
    };
    Ok(Answer { reply, met: collecting.finish() })
}

fn call_with_keywords<'py>(
    function: &Bound<'py, PyAny>,
    both: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    let (args, kwds): (Bound<'py, PyTuple>, Bound<'py, PyDict>) = both.extract()?;
    function.call(args, Some(&kwds))
}

/// The answer of an item that raised.
#[cold]
fn failed(py: Python<'_>, error: PyErr) -> Answer<'_> {
    let collecting = Collecting::begin();
    let mut reply = raised(py, error);
    if AGAIN.swap(0, Ordering::Relaxed) != 0 {
        reply[0] = wire::AGAIN;
    }
    let reply = Encoded::Raised(reply);
    Answer { reply, met: collecting.finish() }
}

/// The reply that says that an exception was raised.
#[cold]
fn raised(py: Python<'_>, error: PyErr) -> Vec<u8> {
    static DUMPS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let exception = error.into_value(py);
    let dumped = || {
        let dumps = own(py, &DUMPS, "manyhands._remote", "dumps_exception")?;
        Ok::<_, PyErr>(dumps.call1((&exception, py.None()))?.cast_into::<PyBytes>()?)
    };
    // What the frames of the task hold may be all the memory that there is.
    let outcome = dumped().or_else(|_| {
        exception.bind(py).setattr("__traceback__", py.None())?;
        dumped()
    });
    let mut bytes = vec![wire::RAISED];
    match outcome {
        Ok(dumped) => bytes.extend_from_slice(dumped.as_bytes()),
        Err(_) => bytes.extend_from_slice(bare(exception.bind(py)).as_bytes()),
    }
    bytes
}

/// An exception that nothing more can be said about: a mark that no pickle begins with, its type, its text.
#[cold]
fn bare(exception: &Bound<'_, PyBaseException>) -> String {
    let kind = exception.get_type().name().map(|name| name.to_string()).unwrap_or_default();
    let text = exception.str().map(|text| text.to_string()).unwrap_or_default();
    format!("!{kind}\n{text}")
}
