//! The pool's side of the template.
//!
//! A [`Template`] starts its process when there is something to ask of it, sends requests ahead,
//! and turns what comes back into [`Event`]s. No call waits. One thread drives it, and outlives it:
//! the template ends with the thread that started it.
//!
//! What may happen, and what it does then:
//!
//! | | the process | unanswered forks | what had been imported |
//! | --- | --- | --- | --- |
//! | a module makes it unfit to fork | watches its workers until they are gone | asked of a new process | imported anew without that module |
//! | it is unfit, no module is to blame | the same | the same | imported anew |
//! | it dies while it imports | its workers are dead | asked of a new process | imported anew without that module |
//! | it imports for longer than [`TemplateConfig::import_limit`], and no child of it lives | killed | asked of a new process | imported anew without that module |
//! | it dies otherwise | its workers are dead | asked of a new process | imported anew |
//!
//! Asking again is sound: a child that was not reported has not run anything and is dead (see
//! `docs/design/template.md`). After [`FAILURES_MAX`] processes in a row that were of no use the
//! template gives up, with [`Event::Failed`]; before that it waits a little longer each time.

use manyhands_os::launch::Program;
use manyhands_os::memory::create_blob;
use manyhands_os::process::{ExitStatus, PidFd, own_pid};
use manyhands_os::stdio::{share_stderr, share_stdout};
use std::collections::{BTreeSet, VecDeque};
use std::ffi::OsString;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::connection::{Connection, Pending};
use super::host::Role;
use super::protocol::{FDS_MAX, INLINE_MAX, TEXT_MAX};

/// How many processes in a row may be of no use.
pub const FAILURES_MAX: u32 = 3;
/// How long a module may usually take to be imported.
pub const IMPORT_LIMIT: Duration = Duration::from_secs(60);
/// How long a process that was asked to end may take.
pub(super) const GRACE: Duration = Duration::from_secs(1);

/// How to start a template process.
#[derive(Clone, Debug)]
pub struct TemplateConfig {
    /// The program, usually a Python interpreter.
    pub program: PathBuf,
    /// Its arguments; what they start must call [`run`](super::server::run).
    pub args: Vec<OsString>,
    /// Its whole environment. `None`: that of this process when the [`Template`] is made.
    pub env: Option<Vec<(OsString, OsString)>>,
    /// The directory to start in. `None`: that of this process at the start.
    pub cwd: Option<PathBuf>,
    /// After so long an import is given up and left to the children, where none lives yet: usually [`IMPORT_LIMIT`].
    pub import_limit: Duration,
}

/// What a template has to tell.
#[derive(Debug)]
pub enum Event {
    /// A process is up.
    Ready,
    /// A child is there. A worker is the leader of a process group with its own number.
    Forked {
        /// The name given to [`Template::fork`].
        id: u64,
        /// Its number.
        pid: i32,
        /// Its handle.
        pidfd: Arc<PidFd>,
    },
    /// A worker has ended, and what it left behind in a group of its own has been ended.
    Exited {
        /// Its name.
        id: u64,
        /// The number that it had.
        pid: i32,
        /// How it ended.
        status: ExitStatus,
        /// The most memory that it had, in bytes.
        peak: u64,
    },
    /// A worker could not be made.
    ForkFailed {
        /// Its name.
        id: u64,
        /// Why.
        message: String,
    },
    /// A module could not be imported; workers that need it will say so themselves.
    ImportFailed {
        /// Its name.
        module: String,
        /// What the import said.
        message: String,
    },
    /// A module cannot be imported before the fork; workers import it after.
    Dropped {
        /// Its name.
        module: String,
        /// Why, as the end of a sentence.
        reason: String,
    },
    /// A process ended before its time; its workers follow as [`Event::Lost`].
    Gone {
        /// How it ended, with the last that it printed.
        message: String,
    },
    /// Nobody will tell how this one ends, because its template died. A worker is dead; a process may
    /// live on.
    Lost {
        /// Its name.
        id: u64,
        /// How the template ended.
        reason: String,
    },
    /// No process could be made to work: there will be no more workers.
    Failed {
        /// What went wrong the last time.
        message: String,
    },
}

/// Whether the template is to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Serving,
    /// Asked to end; who lives at this moment is killed.
    Ending(Instant),
    /// Gave up.
    Failed,
}

/// A process that forks workers, kept alive and replaced as needed. Dropping it ends the process
/// and every worker.
#[derive(Debug)]
pub struct Template {
    pub(super) program: Program,
    pub(super) import_limit: Duration,
    /// What every process imports first, in order.
    pub(super) modules: Vec<String>,
    /// What no process imports again.
    pub(super) refused: BTreeSet<String>,
    /// Not sent yet, in order.
    pub(super) waiting: VecDeque<Pending>,
    /// The process that is asked.
    pub(super) current: Option<Connection>,
    /// Processes that only watch the workers that they have.
    pub(super) retired: Vec<Connection>,
    pub(super) events: Vec<Event>,
    pub(super) phase: Phase,
    /// Processes in a row that were of no use.
    pub(super) failures: u32,
    /// No start before this moment.
    pub(super) retry_at: Option<Instant>,
    /// The process that made this: a copy in a forked child ends nothing.
    owner: i32,
}

impl Template {
    /// A template without a process yet. Without an environment in `config` it reads that of this
    /// process, which nobody may change meanwhile.
    ///
    /// # Examples
    ///
    /// ```
    /// use manyhands_pool::template::{IMPORT_LIMIT, Template, TemplateConfig};
    ///
    /// let program = "/usr/bin/python3".into();
    /// let import_limit = IMPORT_LIMIT;
    /// let config = TemplateConfig { program, args: vec![], env: None, cwd: None, import_limit };
    /// assert_eq!(Template::new(config).poll_fds().count(), 0);
    /// ```
    pub fn new(config: TemplateConfig) -> Self {
        let TemplateConfig { program: path, args, env, cwd, import_limit } = config;
        // Read once and here: later starts happen in a thread that holds no lock of the language.
        let env = Some(env.unwrap_or_else(|| std::env::vars_os().collect()));
        Self {
            program: Program { path, args, env, cwd },
            import_limit,
            modules: Vec::new(),
            refused: BTreeSet::new(),
            waiting: VecDeque::new(),
            current: None,
            retired: Vec::new(),
            events: Vec::new(),
            phase: Phase::Serving,
            failures: 0,
            retry_at: None,
            owner: own_pid(),
        }
    }

    /// Has this and every later process import a module before it forks again. A module that was
    /// asked for before is not imported anew.
    pub fn import(&mut self, module: &str) {
        let module = module.to_owned();
        if self.phase != Phase::Serving
            || self.refused.contains(&module)
            || self.modules.contains(&module)
        {
            return;
        }
        if module.len() > TEXT_MAX {
            let message = format!("a module's name of {} bytes", module.len());
            self.events.push(Event::ImportFailed { module, message });
            return;
        }
        self.modules.push(module.clone());
        self.waiting.push_back(Pending::Import { module });
        self.pump();
    }

    /// Asks for a child, which is told `blob` and given second names of `fds` (at most 230). Its
    /// standard output and error are this process's. The answer is an event with the same `id`,
    /// which must not have been used before.
    ///
    /// # Errors
    ///
    /// `EINVAL` for too many descriptors; what the kernel says when there is no room for copies;
    /// and an error when the template has ended or given up. Then no event follows.
    pub fn fork(
        &mut self,
        id: u64,
        role: Role,
        blob: &[u8],
        fds: &[BorrowedFd<'_>],
    ) -> io::Result<()> {
        if self.phase != Phase::Serving {
            return Err(io::Error::other("the template has ended"));
        }
        if fds.len() > FDS_MAX - 10 {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let mut own: Vec<OwnedFd> = vec![share_stdout()?, share_stderr()?];
        let inline = blob.len() <= INLINE_MAX;
        if !inline {
            own.push(create_blob("manyhands-worker", blob)?);
        }
        for fd in fds {
            own.push(fd.try_clone_to_owned()?);
        }
        let blob = inline.then(|| blob.to_vec());
        let spare = Some(own[0].try_clone()?);
        self.waiting.push_back(Pending::Fork { id, role, blob, fds: own, spare });
        self.pump();
        Ok(())
    }

    /// Numbers of the processes, none of which has been reaped.
    pub fn pids(&self) -> impl Iterator<Item = i32> {
        self.current.iter().chain(&self.retired).map(Connection::pid)
    }

    /// How many children were asked for and are not there yet. Each holds descriptors of this process:
    /// second names of what it is given.
    pub fn asked(&self) -> usize {
        let in_flight = self.current.iter().flat_map(|connection| &connection.in_flight);
        in_flight.chain(&self.waiting).filter(|one| matches!(one, Pending::Fork { .. })).count()
    }

    /// What to watch; when one of them is ready, [`Template::receive`] has something to do.
    pub fn poll_fds(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.current.iter().chain(&self.retired).flat_map(Connection::poll_fds)
    }

    /// When [`Template::receive`] has something to do even if nothing is ready.
    pub fn deadline(&self) -> Option<Instant> {
        match self.phase {
            Phase::Serving => {
                let retry =
                    self.retry_at.filter(|_| self.current.is_none() && !self.waiting.is_empty());
                retry.or_else(|| self.import_look())
            }
            Phase::Ending(until) => self.is_running().then_some(until),
            Phase::Failed => None,
        }
    }

    /// What has happened since the last call, in order.
    pub fn receive(&mut self) -> Vec<Event> {
        if self.has_news() {
            for connection in std::mem::take(&mut self.retired) {
                self.tend(connection, true);
            }
            if let Some(connection) = self.current.take() {
                self.tend(connection, false);
            }
        }
        self.enforce_grace();
        self.pump();
        self.watch_import();
        std::mem::take(&mut self.events)
    }

    /// Begins to end every process, and with them every worker; returns whether all are gone.
    /// To be called again, after [`Template::receive`], until it says so: within a second or two.
    pub fn shutdown(&mut self) -> bool {
        if !matches!(self.phase, Phase::Ending(_)) {
            self.phase = Phase::Ending(Instant::now() + GRACE);
            self.waiting.clear();
            for connection in self.current.iter_mut().chain(&mut self.retired) {
                // One that has not come up would hear of it only then. It has nobody who has run.
                if connection.ready { connection.ask_to_end() } else { connection.kill() }
            }
        }
        !self.is_running()
    }

    fn is_running(&self) -> bool {
        self.current.is_some() || !self.retired.is_empty()
    }
}

impl Drop for Template {
    fn drop(&mut self) {
        if self.owner != own_pid() {
            return;
        }
        self.phase = Phase::Ending(Instant::now());
        let all: Vec<_> =
            std::mem::take(&mut self.retired).into_iter().chain(self.current.take()).collect();
        for mut connection in all {
            connection.kill();
            connection.wait_dead(GRACE);
            // Reads what it said last: it may have told of workers that we do not know yet.
            self.tend(connection, true);
        }
    }
}
