//! One template process, as the pool sees it.
//!
//! Requests are sent in order, at most [`WINDOW`] ahead of their answers: so the socket cannot
//! fill, and what would wait in it waits with the pool, where it can be given to another template.
//! The answers come in the order of the requests, so the first one in flight is the one that is
//! being done.

use manyhands_os::ending::{end_group_by_number, end_with_group, reap_number};
use manyhands_os::launch::{Child, Program, spawn_exec};
use manyhands_os::memory::create_log;
use manyhands_os::own::Own;
use manyhands_os::poll::poll;
use manyhands_os::process::{PidFd, Signal, reap};
use manyhands_os::{jobcontrol, socket};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::host::Role;
use super::outbox::is_hangup;
use super::protocol::{Blob, CONTROL_FD, MESSAGE_MAX, PARENT_FD, Report, Request};

/// How many requests may be unanswered.
const WINDOW: usize = 16;
/// How much of what a template printed is quoted, in bytes.
const QUOTED: usize = 8 << 10;
/// When what it printed is more than this, it is thrown away: nothing has gone wrong with it.
const LOG_MAX: u64 = 64 << 10;

/// A request that has not been answered.
#[derive(Debug)]
pub(super) enum Pending {
    Import {
        module: String,
    },
    Fork {
        id: u64,
        role: Role,
        blob: Option<Vec<u8>>,
        fds: Vec<OwnedFd>,
        /// Makes room for the handle that the answer brings.
        spare: Option<OwnedFd>,
    },
}

impl Pending {
    fn message(&self) -> Vec<u8> {
        match self {
            Self::Import { module } => Request::Import { module: module.clone() }.encode(),
            Self::Fork { id, role, blob, .. } => {
                let blob = blob.clone().map_or(Blob::Attached, Blob::Inline);
                Request::Fork { id: *id, role: *role, blob }.encode()
            }
        }
    }

    fn fds(&self) -> Vec<BorrowedFd<'_>> {
        match self {
            Self::Import { .. } => Vec::new(),
            Self::Fork { fds, .. } => fds.iter().map(AsFd::as_fd).collect(),
        }
    }
}

/// A child that has been told of.
#[derive(Debug)]
pub(super) struct Worker {
    pub(super) pid: i32,
    pub(super) role: Role,
    pub(super) pidfd: Arc<PidFd>,
}

/// The handle that came with a report.
#[derive(Debug)]
pub(super) enum Handle {
    None,
    Here(PidFd),
    /// There was one, and no descriptor was left for it.
    Lost,
}

/// A report with its handle.
pub(super) type Received = (Report, Handle);

/// Whether there is anything to be read from a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Talk {
    Open,
    /// It has hung up; only its end is left to wait for.
    Ended,
    /// It was given up with messages unread: what became of requests in flight is not known.
    Broken,
}

/// A living template process.
#[derive(Debug)]
pub(super) struct Connection {
    control: Own<OwnedFd>,
    child: Child,
    /// What it prints, until it is a worker's.
    log: Own<File>,
    talk: Talk,
    /// It has said that it is ready.
    pub(super) ready: bool,
    /// It has done something that was asked of it, or had nothing to do.
    pub(super) useful: bool,
    /// Sent and not answered, in order.
    pub(super) in_flight: VecDeque<Pending>,
    /// Since when, at the latest, it imports what is first in flight.
    pub(super) importing: Option<Instant>,
    /// Why we have killed it, as the end of a sentence.
    pub(super) sentence: Option<String>,
    /// Its workers: number and handle by name.
    pub(super) workers: BTreeMap<u64, Worker>,
    /// Children that were told of, but could not be taken, and were killed.
    pub(super) refused: BTreeSet<u64>,
}

impl Connection {
    /// Starts a template process.
    pub(super) fn start(program: &Program) -> io::Result<Self> {
        let (control, theirs) = socket::pair()?;
        let parent = PidFd::of_self()?;
        let log = create_log("manyhands-template")?;
        let fds = [
            (log.as_fd(), 1),
            (log.as_fd(), 2),
            (theirs.as_fd(), CONTROL_FD),
            (parent.as_fd(), PARENT_FD),
        ];
        let child = spawn_exec(program, &fds)?;
        jobcontrol::register_group(child.pid);
        let (in_flight, workers, refused) = (VecDeque::new(), BTreeMap::new(), BTreeSet::new());
        let (talk, ready, useful) = (Talk::Open, false, false);
        let (importing, sentence) = (None, None);
        let (control, log) = (Own::new(control), Own::new(log));
        Ok(Self {
            control,
            child,
            log,
            talk,
            ready,
            useful,
            in_flight,
            importing,
            sentence,
            workers,
            refused,
        })
    }

    /// What to watch: it is ready when there is something to read, or when the process has ended.
    pub(super) fn poll_fds(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        let control = (self.talk == Talk::Open).then(|| self.control.as_fd());
        [Some(self.child.pidfd.as_fd()), control].into_iter().flatten()
    }

    /// Whether it is dead, or out of reach: the program has closed what we knew it by.
    pub(super) fn is_dead(&self) -> bool {
        !self.child.pidfd.is_open() || self.child.pidfd.is_dead()
    }

    /// Waits until a process that was killed is dead: at once, unless the kernel is in its way.
    pub(super) fn wait_dead(&self, limit: Duration) {
        // Without memory to wait with it is asked again by whoever looks next.
        let _ = poll(&[self.child.pidfd.as_fd()], Some(limit));
    }

    /// Whether requests in flight may have been done without our knowing.
    pub(super) fn is_broken(&self) -> bool {
        self.talk == Talk::Broken
    }

    pub(super) fn pid(&self) -> i32 {
        self.child.pid
    }

    /// Sends from the front of `waiting` as far as the window and the socket allow. A request that
    /// can never be sent is taken out and returned with the reason.
    pub(super) fn send(&mut self, waiting: &mut VecDeque<Pending>) -> Option<(Pending, io::Error)> {
        while self.in_flight.len() < WINDOW && self.talk == Talk::Open {
            let next = waiting.pop_front()?;
            let sent =
                self.control.own().and_then(|own| socket::send(own, &next.message(), &next.fds()));
            match sent {
                Ok(()) => self.in_flight.push_back(next),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock || is_hangup(&error) => {
                    // An answer or the end makes room, and wakes us.
                    waiting.push_front(next);
                    return None;
                }
                Err(error) => return Some((next, error)),
            }
        }
        None
    }

    /// Everything that has arrived. A message that is none ends the process, and with it the
    /// connection.
    pub(super) fn receive(&mut self) -> Vec<Received> {
        let mut reports = Vec::new();
        while self.talk == Talk::Open {
            match self.receive_one() {
                Ok(Some(report)) => reports.push(report),
                Ok(None) => self.talk = Talk::Ended,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => self.fail(&error),
            }
        }
        reports
    }

    fn receive_one(&mut self) -> io::Result<Option<Received>> {
        let control = self.control.own()?;
        if poll(&[control.as_fd()], Some(Duration::ZERO))? != [true] {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let mut buffer = [0; MESSAGE_MAX];
        self.make_room();
        let (length, fds) = socket::recv(&self.control, &mut buffer, 1)?;
        if length == 0 {
            return Ok(None);
        }
        let report = Report::decode(&buffer[..length])?;
        if !matches!(report, Report::Forked { .. } | Report::ForkFailed { .. }) {
            self.keep_room();
        }
        let handle = match fds.map(|mut fds| fds.pop()) {
            Some(fd) => fd.map_or(Handle::None, |fd| Handle::Here(PidFd::from_fd(fd))),
            None => Handle::Lost,
        };
        Ok(Some((report, handle)))
    }

    /// What comes next may be the answer to the first request in flight, with a handle.
    fn make_room(&mut self) {
        if let Some(Pending::Fork { spare, .. }) = self.in_flight.front_mut() {
            *spare = None;
        }
    }

    /// It was not the answer.
    fn keep_room(&mut self) {
        if let Some(Pending::Fork { spare, .. }) = self.in_flight.front_mut() {
            // Without one the handle may be lost, and is asked for by number then.
            *spare = self.control.own().and_then(OwnedFd::try_clone).ok();
        }
    }

    /// Gives the process up: it did what cannot be worked with. Its end is met like any other.
    pub(super) fn fail(&mut self, error: &io::Error) {
        self.talk = Talk::Broken;
        // Told like its last words; if even that fails, its death still is told.
        let _ = self.log.own().and_then(|mut log| log.write_all(error.to_string().as_bytes()));
        self.kill();
    }

    /// Asks the process to end its workers and itself.
    pub(super) fn ask_to_end(&mut self) {
        let end = Request::Shutdown.encode();
        if self.control.own().and_then(|own| socket::send(own, &end, &[])).is_err() {
            self.kill();
        }
    }

    /// Ends the process; its workers follow by their parent-death signal.
    pub(super) fn kill(&mut self) {
        // One that is dead needs no signal.
        let _ = self.child.pidfd.signal(Signal::KILL);
    }

    /// Whether it imports, as far as we know.
    pub(super) fn is_importing(&self) -> bool {
        self.ready && matches!(self.in_flight.front(), Some(Pending::Import { .. }))
    }

    /// Whether none of its children lives; it may not have told of their ends.
    pub(super) fn is_childless(&self) -> bool {
        self.workers.values().all(|worker| worker.pidfd.is_dead())
    }

    /// Ends the workers that are left and what they started, when the template can no longer.
    pub(super) fn end_workers(&self) {
        for worker in self.workers.values().filter(|worker| worker.role == Role::Worker) {
            end_with_group(worker.pid, &worker.pidfd);
        }
    }

    /// Takes leave of a dead process and tells how it ended.
    pub(super) fn bury(&mut self) -> String {
        jobcontrol::unregister_group(self.child.pid);
        let pid = self.child.pid;
        if !self.child.pidfd.is_open() {
            end_group_by_number(pid);
            reap_number(pid);
            return format!(
                "the program has closed the descriptors by which the template (pid {pid}) was known"
            );
        }
        let how = match reap(&self.child.pidfd) {
            Ok(status) => status.to_string(),
            // Someone else in the program waits for any child, or lets the kernel do so.
            Err(_) => "ended in a way that is not known".to_owned(),
        };
        let words = self.last_words();
        let words = words.trim();
        if words.is_empty() {
            format!("the template process (pid {pid}) {how}")
        } else {
            format!("the template process (pid {pid}) {how}; the last that it printed:\n{words}")
        }
    }

    fn last_words(&self) -> String {
        let Ok(log) = self.log.own() else { return String::new() };
        let length = log.metadata().map_or(0, |metadata| metadata.len());
        let mut bytes = vec![0; QUOTED];
        let from = length.saturating_sub(QUOTED as u64);
        let count = log.read_at(&mut bytes, from).unwrap_or(0);
        String::from_utf8_lossy(&bytes[..count]).into_owned()
    }

    /// Keeps what it prints from growing without end.
    pub(super) fn trim_log(&self) {
        let Ok(log) = self.log.own() else { return };
        if log.metadata().is_ok_and(|metadata| metadata.len() > LOG_MAX) {
            // It stays as it is if it cannot be shortened.
            let _ = log.set_len(0);
        }
    }
}
