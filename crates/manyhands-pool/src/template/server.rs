//! The template's side: a loop that imports, forks, and buries.
//!
//! The steps of `docs/design/template.md`, by their names in [`Step`]:
//!
//! ```text
//! start   ignore SIGHUP, let SIGTERM end the workers too, look at ourselves     -> Ready, or Unfit
//! import  the host imports; look again                       -> Imported, ImportFailed, or Dropped
//! fork    look; join, for a process; fork; [template] lead, open, report, open the gate -> Forked
//!                     [child]    see `offspring`: it runs nothing before the gate is open
//! bury    a worker's pidfd is readable: end its group, then reap it               -> Exited
//! end     the parent is dead, or hung up, or said so: end every group, return
//! ```
//!
//! Why nothing is lost or left:
//! - A worker runs only after its `Forked` is in the socket, and what is in a socket survives its
//!   sender. So whoever reads `Forked` knows every worker that ever ran.
//! - A worker's group is ended while its leader is a zombie: its number cannot be another's yet.
//! - The parent's pidfd is watched between any two messages. While the host imports nothing can be
//!   watched: then the parent-death signal is armed, and its handler does what the end does. (Of processes, which
//!   are not ended with us, there is nothing to be done: it is SIGKILL once there is one. It
//!   fires when the parent's *thread* ends that started us: the pool's supervisor, which ends us
//!   before it ends.)
//! - Nothing here waits for the pool: what does not fit into the socket is kept until it does.

use manyhands_os::event::EventFd;
use manyhands_os::fork::told;
use manyhands_os::jobcontrol::end_groups_on;
use manyhands_os::launch::take_inherited;
use manyhands_os::poll::{Interest, poll_for};
use manyhands_os::process::{PidFd, Signal, own_pid, set_parent_death_signal};
use manyhands_os::signals::{Disposition, disposition, ignore};
use manyhands_os::socket;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use super::checks::{END_SIGNAL, Reason, unsafe_after_import, unsafe_for_template, unsafe_to_fork};
use super::host::{Fork, Host, Role, Step, WorkerStart};
use super::membership::Membership;
use super::offspring::{Offspring, Orders};
use super::outbox::Outbox;
use super::protocol::{CONTROL_FD, FDS_MAX, MESSAGE_MAX, PARENT_FD, Report, Request, VERSION};
use super::resting::unsafe_at_fork;
use super::workers::Workers;

/// Why a fork fails whose descriptors did not arrive.
const NO_ROOM: &str = "the template process has no file descriptors left (RLIMIT_NOFILE)";

/// Why [`run`] returned.
#[derive(Debug)]
pub enum Outcome {
    /// This process is a new worker.
    Child(WorkerStart),
    /// The template's work is done: end the process, without running what a worker would run.
    Shutdown,
}

/// What [`run`] needs, as [`Template`](super::client::Template) hands it to the process that it
/// starts: the control socket and the pidfd of the pool's process. To be called once, before the
/// program opens files of its own.
///
/// # Errors
///
/// `EBADF` when this process was not started as a template.
pub fn inherited() -> io::Result<(OwnedFd, PidFd)> {
    Ok((take_inherited(CONTROL_FD)?, PidFd::from_fd(take_inherited(PARENT_FD)?)))
}

/// Serves the pool until it ends; returns in every forked child, too. The process must have one
/// thread.
///
/// # Errors
///
/// When the kernel or the other side does what cannot be worked with; the workers have been ended.
pub fn run(control: OwnedFd, parent: PidFd, host: &mut dyn Host) -> io::Result<Outcome> {
    let hangup = disposition(Signal::HUP)?;
    if hangup == Disposition::Default {
        // A terminal that goes away must not take us before we have ended the workers.
        ignore(Signal::HUP)?;
    }
    end_groups_on(END_SIGNAL)?;
    let mut server = Server {
        control,
        parent,
        host,
        workers: Workers::default(),
        membership: Membership::default(),
        outbox: Outbox::default(),
        unfit: false,
        hangup,
        pid: own_pid(),
    };
    match server.serve() {
        Ok(End::Child(offspring)) => {
            Ok(Outcome::Child(offspring.become_worker(server.into_host())))
        }
        Ok(End::Done) => {
            server.host.reached(Step::Ending);
            server.end_all();
            Ok(Outcome::Shutdown)
        }
        Err(error) => {
            server.end_all();
            Err(error)
        }
    }
}

/// How the loop ended.
enum End {
    Child(Offspring),
    Done,
}

struct Server<'h> {
    control: OwnedFd,
    parent: PidFd,
    host: &'h mut dyn Host,
    workers: Workers,
    membership: Membership,
    outbox: Outbox,
    /// No more forks; only the workers that there are.
    unfit: bool,
    /// What SIGHUP did before.
    hangup: Disposition,
    pid: i32,
}

impl<'h> Server<'h> {
    fn serve(&mut self) -> io::Result<End> {
        self.host.reached(Step::Started);
        self.say(Report::Ready { version: VERSION })?;
        if let Some(reason) = unsafe_after_import() {
            self.retire(Report::Unfit { reason: reason.to_string() })?;
        }
        loop {
            if let Some(end) = self.round()? {
                return Ok(end);
            }
        }
    }

    fn end_all(&mut self) {
        self.workers.end_all();
        if self.parent.is_dead() {
            self.workers.end_bound();
        }
    }

    /// Closes everything of the template's, in the child.
    fn into_host(self) -> &'h mut dyn Host {
        self.host
    }

    /// Waits for something to happen and does what it asks for.
    fn round(&mut self) -> io::Result<Option<End>> {
        let mut ready = self.wait()?.into_iter();
        let (control, parent) = (ready.next() == Some(true), ready.next() == Some(true));
        if parent {
            return Ok(Some(End::Done));
        }
        for id in self.workers.select(ready) {
            let (pid, (status, peak)) = self.workers.bury(id, self.host)?;
            self.say(Report::Exited { id, pid, status, peak })?;
        }
        self.flush()?;
        if self.unfit && self.workers.is_empty() && self.outbox.is_empty() {
            return Ok(Some(End::Done));
        }
        if control { self.answer() } else { Ok(None) }
    }

    /// Which of the control socket, the parent and the workers need us.
    fn wait(&self) -> io::Result<Vec<bool>> {
        let interest = if self.outbox.is_empty() { Interest::Read } else { Interest::ReadOrWrite };
        let ours = [(self.control.as_fd(), interest), (self.parent.as_fd(), Interest::Read)];
        let workers = self.workers.pidfds().map(|pidfd| (pidfd, Interest::Read));
        poll_for(&ours.into_iter().chain(workers).collect::<Vec<_>>(), None)
    }

    /// Reads one request and does it.
    fn answer(&mut self) -> io::Result<Option<End>> {
        let mut buffer = [0; MESSAGE_MAX];
        let (length, fds) = match socket::recv(&self.control, &mut buffer, FDS_MAX) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            outcome => outcome?,
        };
        if length == 0 {
            return Ok(Some(End::Done));
        }
        match Request::decode(&buffer[..length])? {
            Request::Shutdown => Ok(Some(End::Done)),
            _ if self.unfit => Ok(None),
            Request::Import { module } => self.import(&module).map(|()| None),
            Request::Fork { id, role, blob } => {
                let fds = fds.ok_or_else(|| io::Error::other(NO_ROOM));
                let child = match fds.and_then(|fds| Orders::new((id, role), blob, fds)) {
                    Ok(orders) => self.fork(orders)?,
                    Err(error) => self.fork_failed(id, &error).map(|()| None)?,
                };
                Ok(child.map(End::Child))
            }
        }
    }

    fn import(&mut self, module: &str) -> io::Result<()> {
        self.host.reached(Step::Importing);
        self.membership.leave();
        let end = if self.membership.has_joined() { Signal::KILL } else { END_SIGNAL };
        set_parent_death_signal(Some(end))?;
        if self.parent.is_dead() {
            // Too late for the signal: the next round sees it.
            return Ok(());
        }
        let outcome = self.host.import(module);
        set_parent_death_signal(None)?;
        self.membership.enter();
        let unfit = unsafe_at_fork()
            .or_else(|| self.unfit_as_template())
            .or_else(|| self.host.unfit().map(Reason::Host));
        self.host.reached(Step::Imported);
        match (unfit, outcome) {
            (Some(reason), _) => self.retire(Report::Dropped { reason: reason.to_string() }),
            (None, Err(message)) => self.say(Report::ImportFailed { message }),
            (None, Ok(())) => self.say(Report::Imported),
        }
    }

    /// Forks as ordered; in the child, gives what the child goes on with.
    fn fork(&mut self, orders: Orders) -> io::Result<Option<Offspring>> {
        if let Some(reason) = unsafe_to_fork().or_else(|| self.unfit_as_template()) {
            self.retire(Report::Unfit { reason: reason.to_string() })?;
            return Ok(None);
        }
        self.host.reached(Step::ForkAllowed);
        let (id, role) = (orders.worker.id, orders.worker.role);
        let joined = self.membership.join(role);
        let gate = joined.and_then(|()| EventFd::new());
        match gate.and_then(|gate| Ok((self.host.fork()?, gate))) {
            Err(error) => self.fork_failed(id, &error).map(|()| None),
            Ok((Fork::Parent(pid), gate)) => {
                self.host.reached(Step::Forked);
                self.adopt((id, pid), role, gate).map(|()| None)
            }
            Ok((Fork::Child, gate)) => {
                let membership = std::mem::take(&mut self.membership);
                let (template, hangup) = (self.pid, self.hangup);
                Ok(Some(Offspring { orders, gate, template, hangup, membership }))
            }
        }
    }

    /// Whether an import has taken what ends the workers. Processes are not ended by their template.
    fn unfit_as_template(&self) -> Option<Reason> {
        if self.membership.has_joined() { None } else { unsafe_for_template() }
    }

    /// Takes a new child under watch and reports it; it runs when the report is out.
    fn adopt(&mut self, (id, pid): (u64, i32), role: Role, gate: EventFd) -> io::Result<()> {
        match self.workers.adopt(id, pid, role) {
            Err(error) => self.fork_failed(id, &error),
            Ok(pidfd) => {
                self.host.reached(Step::Led);
                self.outbox.push_birth((id, pid), pidfd, gate);
                self.flush()
            }
        }
    }

    fn fork_failed(&mut self, id: u64, error: &io::Error) -> io::Result<()> {
        self.say(Report::ForkFailed { id, message: told(error) })
    }

    /// Forks no more; what was asked for and not answered is thrown away, and asked elsewhere.
    fn retire(&mut self, report: Report) -> io::Result<()> {
        self.unfit = true;
        self.say(report)
    }

    fn say(&mut self, report: Report) -> io::Result<()> {
        self.outbox.push(report);
        self.flush()
    }

    /// Sends what fits. A birth that cannot be told has not happened.
    fn flush(&mut self) -> io::Result<()> {
        while let Some((id, error)) = self.outbox.flush(&self.control, self.host)? {
            self.workers.abandon(id)?;
            self.outbox.push_first(Report::ForkFailed { id, message: error.to_string() });
        }
        Ok(())
    }
}
