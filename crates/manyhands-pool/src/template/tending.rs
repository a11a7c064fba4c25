//! How the pool's side takes answers, retires what is unfit, buries what is dead, and replaces both.
//!
//! The rules, in the order in which they are applied to one process:
//!
//! 1. Whether it is dead is asked before its messages are read: what a dead process has sent is all
//!    there, so that after this reading nothing more can come from it.
//! 2. A report answers the first request in flight; one that does not fit ends the process.
//! 3. What was in flight and got no answer is asked again: imports are, since every process imports
//!    the whole list; forks go back to the front of the queue. Only when a process that was ready
//!    was given up with messages unread are its forks in flight told as lost: they may have run.
//! 4. A death while an import was the first in flight is that module's fault, and it is refused
//!    from then on. So the list shrinks with every such death, and this ends.
//!    One that imports for too long, and has no child that lives, is killed, so that this is its end.
//! 5. Any other end of a process that was of no use counts as a failure. It was of use when it
//!    forked, or when it had done all that was asked. [`FAILURES_MAX`] failures in a row are the end.

use manyhands_os::ending::signal_number;
use manyhands_os::fork::told;
use manyhands_os::poll::poll;
use manyhands_os::process::{PidFd, Signal, kill_group};
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::client::{Event, FAILURES_MAX, GRACE, Phase, Template};
use super::connection::{Connection, Handle, Pending, Worker};
use super::host::Role;
use super::protocol::{Report, VERSION, malformed};

/// How often who imports for too long is looked at while a child of it lives.
const LOOK: Duration = Duration::from_secs(1);
/// The wait before a start after a failure; twice as long after each further one.
const RETRY: Duration = Duration::from_millis(50);

impl Template {
    /// Starts a process if one is needed, and sends what may be sent.
    pub(super) fn pump(&mut self) {
        if self.phase != Phase::Serving || self.waiting.is_empty() {
            return;
        }
        if self.current.is_none() && !self.start() {
            return;
        }
        let Some(connection) = &mut self.current else { return };
        while let Some((request, error)) = connection.send(&mut self.waiting) {
            let message = format!("the template could not be asked: {error}");
            self.events.push(match request {
                Pending::Fork { id, .. } => Event::ForkFailed { id, message },
                Pending::Import { module } => Event::ImportFailed { module, message },
            });
        }
    }

    /// Whether there is a process now.
    fn start(&mut self) -> bool {
        if self.retry_at.is_some_and(|at| Instant::now() < at) {
            return false;
        }
        match Connection::start(&self.program) {
            Err(error) => {
                let program = self.program.path.display();
                self.note_failure(&format!(
                    "the template process ({program}) did not start: {}",
                    told(&error)
                ));
                false
            }
            Ok(connection) => {
                self.waiting.retain(|request| matches!(request, Pending::Fork { .. }));
                for module in self.modules.iter().rev() {
                    self.waiting.push_front(Pending::Import { module: module.clone() });
                }
                self.current = Some(connection);
                true
            }
        }
    }

    /// Whether a process has something to say, or has ended.
    pub(super) fn has_news(&self) -> bool {
        let fds: Vec<_> = self.poll_fds().collect();
        // When it cannot be asked, looking costs little.
        !fds.is_empty()
            && poll(&fds, Some(Duration::ZERO)).map_or(true, |ready| ready.contains(&true))
    }

    /// When an import has to be looked at.
    pub(super) fn import_look(&self) -> Option<Instant> {
        let connection = self.current.as_ref().filter(|own| own.sentence.is_none())?;
        let due = connection.importing?.checked_add(self.import_limit)?;
        Some(if connection.is_childless() { due } else { due.max(Instant::now() + LOOK) })
    }

    /// Ends who imports for too long, if that costs nobody: the next process leaves that module to its children.
    pub(super) fn watch_import(&mut self) {
        let Some(connection) = &mut self.current else { return };
        if !connection.is_importing() {
            connection.importing = None;
            return;
        }
        let since = *connection.importing.get_or_insert_with(Instant::now);
        if since.elapsed() >= self.import_limit
            && connection.sentence.is_none()
            && connection.is_childless()
        {
            let limit = self.import_limit.as_secs_f64();
            connection.sentence = Some(format!("its import had not ended after {limit} seconds"));
            connection.kill();
        }
    }

    /// Kills who was asked to end and has not.
    pub(super) fn enforce_grace(&mut self) {
        if let Phase::Ending(until) = self.phase
            && Instant::now() >= until
        {
            self.phase = Phase::Ending(Instant::now() + GRACE);
            for connection in self.current.iter_mut().chain(&mut self.retired) {
                connection.kill();
                connection.end_workers();
            }
        }
    }

    /// Takes what a process says, and puts it back where it belongs.
    pub(super) fn tend(&mut self, mut connection: Connection, mut retired: bool) {
        let dead = connection.is_dead();
        for (report, handle) in connection.receive() {
            match self.take(&mut connection, report, handle) {
                Ok(goes_on) => retired |= !goes_on,
                Err(error) => connection.fail(&error),
            }
        }
        let idle = connection.in_flight.is_empty() && self.waiting.is_empty();
        if connection.ready && !retired && idle {
            self.note_use(&mut connection);
        }
        connection.trim_log();
        if dead {
            self.bury(connection, retired);
        } else if retired {
            self.retired.push(connection);
        } else {
            self.current = Some(connection);
        }
    }

    /// Takes one report; returns whether the process can go on forking.
    fn take(
        &mut self,
        connection: &mut Connection,
        report: Report,
        handle: Handle,
    ) -> io::Result<bool> {
        match report {
            Report::Ready { version: VERSION } => {
                connection.ready = true;
                self.events.push(Event::Ready);
            }
            Report::Ready { .. } => return Err(malformed()),
            Report::Imported => drop(answered_import(connection)?),
            Report::ImportFailed { message } => {
                let module = answered_import(connection)?;
                self.refuse(&module);
                self.events.push(Event::ImportFailed { module, message });
            }
            Report::Dropped { reason } => {
                let module = answered_import(connection)?;
                self.refuse(&module);
                self.events.push(Event::Dropped { module, reason });
                self.ask_again(connection);
                return Ok(false);
            }
            Report::Unfit { reason } => {
                self.ask_again(connection);
                if !connection.useful {
                    let pid = connection.pid();
                    self.note_failure(&format!(
                        "the template process (pid {pid}) cannot fork: {reason}"
                    ));
                }
                return Ok(false);
            }
            Report::Forked { id, pid } => {
                let role = answered_fork(connection, id)?;
                let Some(pidfd) = handle_of(pid, handle)?.map(Arc::new) else {
                    self.refuse_birth(connection, (id, pid), role);
                    return Ok(true);
                };
                let worker = Worker { pid, role, pidfd: Arc::clone(&pidfd) };
                connection.workers.insert(id, worker);
                self.note_use(connection);
                self.events.push(Event::Forked { id, pid, pidfd });
            }
            Report::ForkFailed { id, message } => {
                answered_fork(connection, id)?;
                self.events.push(Event::ForkFailed { id, message });
            }
            Report::Exited { id, pid, status, peak } => {
                if connection.refused.remove(&id) {
                    return Ok(true);
                }
                connection.workers.remove(&id).ok_or_else(malformed)?;
                self.events.push(Event::Exited { id, pid, status, peak });
            }
        }
        Ok(true)
    }

    /// A child that nobody could wait for: it goes, the others stay.
    fn refuse_birth(&mut self, connection: &mut Connection, (id, pid): (u64, i32), role: Role) {
        if role == Role::Worker {
            let _gone = kill_group(pid, Signal::KILL);
        }
        let _gone = signal_number(pid, Signal::KILL);
        connection.refused.insert(id);
        let message = "this process has no file descriptor left for its handle (RLIMIT_NOFILE)";
        self.events.push(Event::ForkFailed { id, message: message.to_owned() });
    }

    /// No process imports this module again.
    fn refuse(&mut self, module: &str) {
        self.modules.retain(|known| known != module);
        self.refused.insert(module.to_owned());
    }

    /// Puts unanswered forks back, in order, before those that have not been sent.
    fn ask_again(&mut self, connection: &mut Connection) {
        for request in connection.in_flight.drain(..).rev() {
            self.waiting.push_front(request);
        }
    }

    /// A process has ended: tells of it and of its workers, and finds out whose fault it was.
    fn bury(&mut self, mut connection: Connection, retired: bool) {
        let message = connection.bury();
        connection.end_workers();
        let culprit = match connection.in_flight.front() {
            Some(Pending::Import { module }) if connection.ready => Some(module.clone()),
            _ => None,
        };
        let late = connection.sentence.take();
        let mut lost: Vec<u64> = connection.workers.keys().copied().collect();
        if connection.is_broken() && connection.ready {
            // They may have been forked, and may have run.
            lost.extend(connection.in_flight.drain(..).filter_map(|request| match request {
                Pending::Fork { id, .. } => Some(id),
                Pending::Import { .. } => None,
            }));
        }
        self.ask_again(&mut connection);
        if self.phase == Phase::Serving && !retired {
            self.blame((culprit, late), connection.useful, &message);
        }
        if matches!(self.phase, Phase::Ending(_)) {
            self.waiting.clear();
        } else if !retired || !lost.is_empty() {
            self.events.push(Event::Gone { message: message.clone() });
        }
        let reason = message;
        self.events.extend(lost.into_iter().map(|id| Event::Lost { id, reason: reason.clone() }));
    }

    fn blame(
        &mut self,
        (culprit, late): (Option<String>, Option<String>),
        useful: bool,
        message: &str,
    ) {
        if let Some(module) = culprit {
            self.refuse(&module);
            let reason =
                late.unwrap_or_else(|| format!("{message} (while it imported the module)"));
            self.events.push(Event::Dropped { module, reason });
        } else if !useful {
            self.note_failure(message);
        }
    }

    fn note_use(&mut self, connection: &mut Connection) {
        connection.useful = true;
        self.failures = 0;
        self.retry_at = None;
    }

    fn note_failure(&mut self, message: &str) {
        self.failures += 1;
        if self.failures < FAILURES_MAX {
            self.retry_at = Some(Instant::now() + RETRY * 2_u32.pow(self.failures - 1));
            return;
        }
        self.phase = Phase::Failed;
        self.waiting.clear();
        let message =
            format!("no worker could be started: {FAILURES_MAX} times in a row {message}");
        self.events.push(Event::Failed { message });
    }
}

/// The handle of a new child; `None` if no descriptor is left for one. A handle that was lost can be had
/// by the number, since the answered request has let its descriptors go: the child has only just been
/// told of, so that nobody else can have its number yet.
fn handle_of(pid: i32, handle: Handle) -> io::Result<Option<PidFd>> {
    match handle {
        Handle::Here(pidfd) => Ok(Some(pidfd)),
        Handle::Lost => Ok(PidFd::open(pid).ok()),
        Handle::None => Err(malformed()),
    }
}

/// The module of the request that is answered.
fn answered_import(connection: &mut Connection) -> io::Result<String> {
    connection.importing = None;
    match connection.in_flight.pop_front() {
        Some(Pending::Import { module }) => Ok(module),
        _ => Err(malformed()),
    }
}

/// Checks that the request that is answered was the fork of this one; what it was to be.
fn answered_fork(connection: &mut Connection, id: u64) -> io::Result<Role> {
    connection.importing = None;
    match connection.in_flight.pop_front() {
        Some(Pending::Fork { id: asked, role, .. }) if asked == id => Ok(role),
        _ => Err(malformed()),
    }
}
