//! Processes one by one: who asks for one waits for it, and no thread of ours is needed.
//!
//! Several threads may share one [`Processes`]. Of those that wait one is the *driver*: it polls the
//! template's descriptors and takes what the template tells; the others sleep on a condition variable,
//! and one of them follows when the driver has what it wants. The lock is held for bookkeeping only.
//!
//! | the fate of a process | known from |
//! | --- | --- |
//! | asked for | [`Processes::ask`] |
//! | started, with number and handle | the template's report |
//! | not started, with the reason | the same; a template that gave up |
//! | ended, with how | the same |
//! | on its own: nobody tells how it ends | the death of its template |
//!
//! A process that nobody wants any more before it is there ([`Processes::forget`]) is killed when it
//! comes.
//!
//! It refuses to watch a process: whoever has the handle polls that.

use manyhands_os::poll::poll;
use manyhands_os::process::{ExitStatus, PidFd, Signal, own_pid};
use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::client::{Event, Template, TemplateConfig};
use super::host::Role;

/// A wait lasts at most so long before it looks again, whatever happens to who should end it.
const SLICE: Duration = Duration::from_millis(200);

/// A process that is there.
#[derive(Clone, Debug)]
pub struct Started {
    /// Its number.
    pub pid: i32,
    /// Its handle.
    pub pidfd: Arc<PidFd>,
}

/// How a process ended, as far as the template can tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// So.
    Told(ExitStatus),
    /// The template died before the process, and with it who could tell; how it died.
    Untold(String),
}

#[derive(Debug)]
enum Fate {
    Asked,
    /// Not wanted any more.
    Unwanted,
    Started(Started),
    Refused(String),
    /// It may have ended before anybody asked whether it has started.
    Ended(Option<Started>, Ending),
}

#[derive(Debug)]
struct State {
    template: Template,
    fates: HashMap<u64, Fate>,
    next: u64,
    /// Somebody polls.
    driven: bool,
}

/// A template for processes that are started one by one.
#[derive(Debug)]
pub struct Processes {
    state: Mutex<State>,
    news: Condvar,
    owner: i32,
}

impl Processes {
    /// No process of the template yet.
    pub fn new(config: TemplateConfig) -> Self {
        let template = Template::new(config);
        let state = State { template, fates: HashMap::new(), next: 1, driven: false };
        Self { state: Mutex::new(state), news: Condvar::new(), owner: own_pid() }
    }

    /// Has the template import a module before it forks again.
    pub fn import(&self, module: &str) {
        self.lock().template.import(module);
    }

    /// Asks for a process; [`Processes::started`] tells what became of it.
    ///
    /// # Errors
    ///
    /// Those of [`Template::fork`]; then nothing was asked.
    pub fn ask(&self, role: Role, blob: &[u8], fds: &[BorrowedFd<'_>]) -> io::Result<u64> {
        let mut state = self.lock();
        let id = state.next;
        state.template.fork(id, role, blob, fds)?;
        state.next += 1;
        state.fates.insert(id, Fate::Asked);
        Ok(id)
    }

    /// Waits until it is known whether the process runs, at most for `limit`: `None` after that.
    ///
    /// # Errors
    ///
    /// The process could not be started; the text says why. `NotFound` for one that was forgotten.
    pub fn started(&self, id: u64, limit: Duration) -> io::Result<Option<Started>> {
        let state = self.wait(limit, |fates| !matches!(fates.get(&id), Some(Fate::Asked)));
        match state.fates.get(&id) {
            Some(Fate::Started(started) | Fate::Ended(Some(started), _)) => {
                Ok(Some(started.clone()))
            }
            Some(Fate::Refused(reason) | Fate::Ended(None, Ending::Untold(reason))) => {
                Err(io::Error::other(reason.clone()))
            }
            Some(Fate::Asked) => Ok(None),
            Some(Fate::Unwanted | Fate::Ended(None, Ending::Told(_))) | None => {
                Err(io::ErrorKind::NotFound.into())
            }
        }
    }

    /// How the process ended, if it has and the template tells it within `limit`.
    pub fn ended(&self, id: u64, limit: Duration) -> Option<Ending> {
        let state = self.wait(limit, |fates| !matches!(fates.get(&id), Some(Fate::Started(_))));
        match state.fates.get(&id) {
            Some(Fate::Ended(_, ending)) => Some(ending.clone()),
            _ => None,
        }
    }

    /// Nobody asks for this one again. One that is not there yet is killed when it comes.
    pub fn forget(&self, id: u64) {
        // A forked copy of this process has no template, and the lock may be taken for ever.
        if self.owner != own_pid() {
            return;
        }
        let mut state = self.lock();
        if matches!(state.fates.get(&id), Some(Fate::Asked)) {
            state.fates.insert(id, Fate::Unwanted);
        } else {
            state.fates.remove(&id);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Drives the template, or lets another thread drive it, until `done` or for `limit`.
    fn wait(
        &self,
        limit: Duration,
        done: impl Fn(&HashMap<u64, Fate>) -> bool,
    ) -> MutexGuard<'_, State> {
        let deadline = Instant::now() + limit;
        let mut state = self.lock();
        loop {
            state.take_news();
            let left = deadline.saturating_duration_since(Instant::now()).min(SLICE);
            if done(&state.fates) || left.is_zero() {
                // A follower may have been waiting for what was just taken, or to drive.
                self.news.notify_all();
                return state;
            }
            state = if state.driven { self.follow(state, left) } else { self.drive(state, left) };
        }
    }

    fn follow<'a>(&self, state: MutexGuard<'a, State>, limit: Duration) -> MutexGuard<'a, State> {
        let waited = self.news.wait_timeout(state, limit);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }

    fn drive<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        limit: Duration,
    ) -> MutexGuard<'a, State> {
        // Second names, so that nobody can close them while we poll without the lock.
        let fds: io::Result<Vec<OwnedFd>> =
            state.template.poll_fds().map(|fd| fd.try_clone_to_owned()).collect();
        let own = state.template.deadline().map(|at| at.saturating_duration_since(Instant::now()));
        let limit = own.map_or(limit, |own| own.min(limit));
        state.driven = true;
        drop(state);
        let fds = fds.unwrap_or_default();
        // After an error, or without descriptors to spare, a look at the news finds out.
        let _ready = poll(&fds.iter().map(AsFd::as_fd).collect::<Vec<_>>(), Some(limit));
        let mut state = self.lock();
        state.driven = false;
        state
    }
}

impl State {
    fn take_news(&mut self) {
        for event in self.template.receive() {
            match event {
                Event::Forked { id, pid, pidfd } => self.welcome(id, Started { pid, pidfd }),
                Event::ForkFailed { id, message } => self.settle(id, Fate::Refused(message)),
                Event::Exited { id, status, .. } => self.end(id, Ending::Told(status)),
                Event::Lost { id, reason } => self.end(id, Ending::Untold(reason)),
                Event::Failed { message } => {
                    for fate in self.fates.values_mut().filter(|fate| matches!(fate, Fate::Asked)) {
                        *fate = Fate::Refused(message.clone());
                    }
                }
                Event::Ready
                | Event::ImportFailed { .. }
                | Event::Dropped { .. }
                | Event::Gone { .. } => {}
            }
        }
    }

    fn welcome(&mut self, id: u64, started: Started) {
        if let Some(Fate::Unwanted) = self.fates.get(&id) {
            // It may be dead already.
            let _gone = started.pidfd.signal(Signal::KILL);
        } else {
            self.settle(id, Fate::Started(started));
        }
    }

    fn end(&mut self, id: u64, ending: Ending) {
        let started = match self.fates.get(&id) {
            Some(Fate::Started(started)) => Some(started.clone()),
            _ => None,
        };
        self.settle(id, Fate::Ended(started, ending));
    }

    /// Notes what happened to one that somebody may still ask for.
    fn settle(&mut self, id: u64, fate: Fate) {
        match self.fates.get_mut(&id) {
            Some(Fate::Unwanted) => drop(self.fates.remove(&id)),
            Some(known) => *known = fate,
            None => {}
        }
    }
}
