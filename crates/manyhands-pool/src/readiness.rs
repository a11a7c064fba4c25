//! How long a worker may take to be ready: from when its process is known until its initializer has returned.
//!
//! By `fork` that is when all of them have been forked. The clock of a worker that was forked ahead begins when it takes its seat, at which it gets its initializer. One
//! that takes too long is asked for its stacks and has a moment to write them; if it is not ready then, the pool
//! fails, as with an initializer that raises: another worker would wait for the same.
//!
//! A pool without a limit is never looked at. Refuses to interrupt an initializer: its pool ends, and with it all
//! workers.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::call::{InitFailure, Overrun};
use crate::state::{Phase, State};
use crate::watch::Readiness;
use crate::worker_seat::{What, Worker};

/// How long a worker may take to write its stacks.
const WRITING: Duration = Duration::from_millis(100);
/// As good as no limit, and a moment that can be told.
const FAR: Duration = Duration::from_secs(1 << 30);

impl Worker {
    /// Whether it is there, and its initializer has not returned.
    fn is_starting(&self) -> bool {
        self.is_uninitialized() && self.process.is_some() && self.notice.is_none()
    }

    fn is_uninitialized(&self) -> bool {
        self.frames.iter().any(|frame| frame.what == What::Initializer)
    }

    /// Whether it had no time left, dead or alive.
    fn is_starting_late(&self) -> bool {
        self.is_uninitialized() && matches!(self.readiness, Some(Readiness::Late(_)))
    }

    /// When it has to be looked at.
    fn ready_at(&self) -> Option<Instant> {
        match self.readiness {
            Some(Readiness::By(at) | Readiness::Late(at)) => Some(at),
            None => None,
        }
    }
}

impl State {
    /// The limit of starts, while one counts.
    fn start_limit(&self) -> Option<Duration> {
        let works = self.fault.is_none() && self.phase != Phase::Terminated;
        self.config.initializer_limit.filter(|_| works)
    }

    /// When a worker may have taken too long to be ready; at once for one that was not seen before.
    pub(crate) fn start_deadline(&self) -> Option<Instant> {
        self.start_limit()?;
        let starting = self.seats.iter().map(|seat| &seat.worker).filter(|own| own.is_starting());
        starting.map(|worker| worker.ready_at().unwrap_or_else(Instant::now)).min()
    }

    /// Looks at the workers that are starting, once what they have answered is read.
    pub(crate) fn watch_starts(&mut self, now: Instant) {
        let Some(limit) = self.start_limit() else { return };
        for at in 0..self.seats.len() {
            let worker = &mut self.seats[at].worker;
            if !worker.is_starting() {
                continue;
            }
            match worker.readiness {
                None => worker.readiness = Some(Readiness::By(now + limit.min(FAR))),
                Some(Readiness::By(by)) if by <= now => {
                    worker.ask_stacks();
                    worker.readiness = Some(Readiness::Late(now + WRITING));
                }
                Some(Readiness::Late(until)) if until <= now => {
                    if let Some(overrun) = self.late_start(at) {
                        return self.fail_pool(InitFailure::TimedOut(overrun));
                    }
                }
                Some(_) => {}
            }
        }
    }

    /// What is told of the worker of that seat if it took too long, dead or alive: the signal for its stacks may have
    /// ended it.
    pub(crate) fn late_start(&self, at: usize) -> Option<Arc<Overrun>> {
        let limit = self.start_limit()?;
        let worker = Some(&self.seats[at].worker).filter(|worker| worker.is_starting_late())?;
        Some(Arc::new(Overrun {
            seat: worker.seat,
            pid: worker.process.as_ref().map(|process| process.pid),
            limit,
            ran: limit.saturating_add(WRITING),
            killed: true,
            stacks: worker.lane.stacks(),
            reply: None,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Child, Command};

    use manyhands_os::process::PidFd;
    use manyhands_shm::lane::Runner;

    use crate::state::Config;
    use crate::worker_seat::Process;

    const LIMIT: Duration = Duration::from_millis(20);

    /// A pool of two; the worker of the second seat has a process, and runs its initializer.
    fn starting() -> (State, Child) {
        let config = Config { initializer_limit: Some(LIMIT), ..Config::plain(2) };
        let mut state = State::seated(config);
        let code = state.register_code(b"code", Vec::new());
        state.set_initializer("init".into(), vec![code], (b"x", Vec::new())).unwrap();
        let child = Command::new("sleep").arg("600").spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        let worker = &mut state.seats[1].worker;
        worker.process = Some(Process { pid, pidfd: Arc::new(PidFd::open(pid).unwrap()) });
        let mut runner = Runner::new(Arc::clone(&worker.lane));
        assert!(runner.take().is_some());
        runner.reply(1, |room| room.copy_from_slice(&[0])).unwrap();
        runner.publish(1);
        assert!(runner.take().is_some());
        state.collect_all();
        (state, child)
    }

    /// The same, when its time is over; the child has ended.
    fn late() -> State {
        let (mut state, mut child) = starting();
        let now = Instant::now();
        assert!(state.start_deadline().is_some_and(|at| at <= Instant::now()));
        state.watch_starts(now);
        assert_eq!(state.start_deadline(), Some(now + LIMIT));
        state.watch_starts(now + LIMIT);
        assert_eq!(state.start_deadline(), Some(now + LIMIT + WRITING));
        assert!(state.fault.is_none());
        child.kill().unwrap();
        child.wait().unwrap();
        state
    }

    fn is_timed_out(state: &State) -> bool {
        let fault = state.fault.as_ref().unwrap();
        matches!(&fault.failure, InitFailure::TimedOut(overrun) if (overrun.seat, overrun.limit) == (1, LIMIT))
    }

    #[test]
    fn who_is_late_fails_the_pool() {
        let mut state = late();
        state.watch_starts(Instant::now() + LIMIT + WRITING);
        assert!(is_timed_out(&state));
        assert_eq!(state.start_deadline(), None, "nobody is looked at any more");
    }

    #[test]
    fn who_dies_late_fails_the_pool_whoever_has_no_process() {
        let mut state = late();
        let key = state.seats[1].worker.key;
        state.note_death(key, None, None, true);
        state.bury(key);
        assert!(is_timed_out(&state) && state.seats.is_empty());
    }

    #[test]
    fn a_pool_without_a_limit_looks_at_nobody() {
        let (mut state, mut child) = starting();
        state.config = Arc::new(Config::plain(2));
        state.watch_starts(Instant::now() + WRITING);
        assert!(state.start_deadline().is_none() && state.seats[1].worker.readiness.is_none());
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
