//! Workers that cannot be started, or that end before they could run anything: tried again later and later,
//! and given up in the end, so that nobody waits for ever for a pool that can never work.
//!
//! A start fails in two ways. A *launch* fails when there is no process at all: the system has none left.
//! That tells nothing about the processes that are there, so a pool waits for those that are on their way:
//! they need no launch any more. A worker that *ends* before it has looked at its lane may have been
//! killed from outside, or be ended by what every other one would do as well: many of those count, and one
//! more that is on its way is no reason to go on.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::call::{Death, InitFailure};
use crate::state::{Phase, State};
use crate::worker_seat::Worker;

/// Launches that may fail in a row before the pool gives up, if it has no worker.
const FAILED_LAUNCHES: u32 = 3;
/// The same for workers that end before they have looked at their lane, if none works: somebody may be
/// killing them.
pub(crate) const FAILED_STARTS: u32 = 12;
/// From the third failed start in a row on, each waits so much longer than the one before, up to 20 times.
const START_PAUSE: Duration = Duration::from_millis(50);

impl State {
    /// Whether some seat has a worker of that kind that is not known to be dead.
    fn has_worker(&self, is_such: impl Fn(&Worker) -> bool) -> bool {
        self.seats.iter().any(|seat| seat.worker.notice.is_none() && is_such(&seat.worker))
    }

    /// How long the next start has to wait.
    pub(crate) fn start_pause(&self) -> Duration {
        START_PAUSE * self.failed_starts.saturating_sub(2).min(20)
    }

    /// Counts starts that failed in a row; too many of them fail a pool in which nobody works.
    pub(crate) fn count_start(&mut self, went_well: bool, death: &Death) {
        if went_well || self.phase == Phase::Terminated {
            self.failed_starts = 0;
            return;
        }
        self.failed_starts += 1;
        if self.failed_starts >= FAILED_STARTS && !self.has_worker(Worker::has_started) {
            self.fail_pool(InitFailure::Launch(format!(
                "{FAILED_STARTS} workers in a row ended before they could run anything{}",
                death.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default()
            )));
        }
    }

    /// A launcher could not make a worker: tries again a little later, and gives up in the end.
    pub(crate) fn launch_failed(&mut self, key: u64, message: &str) {
        self.failed_starts += 1;
        let somebody = self.has_worker(|worker| worker.process.is_some());
        if self.failed_starts >= FAILED_LAUNCHES && !somebody {
            return self.fail_pool(InitFailure::Launch(message.to_owned()));
        }
        let wait = START_PAUSE * self.failed_starts.min(20);
        if let Some(lane) = self.worker_mut(key).map(|worker| Arc::clone(&worker.lane)) {
            let seat =
                self.seats.iter().find(|seat| seat.worker.key == key).map_or(0, |seat| seat.id);
            self.launches.retry(key, seat, lane, Instant::now() + wait);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    use manyhands_os::process::PidFd;

    use crate::state::Config;
    use crate::worker_seat::Process;

    #[test]
    fn launches_that_fail_fail_a_pool_once_it_has_no_process() {
        let mut state = State::seated(Config::plain(2));
        let [unborn, born] = [0, 1].map(|at| state.seats[at].worker.key);
        let mut child = Command::new("sleep").arg("600").spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        state.seats[1].worker.process =
            Some(Process { pid, pidfd: Arc::new(PidFd::open(pid).unwrap()) });
        for _ in 0..2 * FAILED_STARTS {
            state.launch_failed(unborn, "no process is left");
        }
        assert!(state.fault.is_none(), "the other one is on its way");
        child.kill().unwrap();
        child.wait().unwrap();
        state.note_death(born, None, None, true);
        state.launch_failed(unborn, "no process is left");
        let fault = state.fault.as_ref().unwrap();
        assert!(matches!(&fault.failure, InitFailure::Launch(why) if why == "no process is left"));
    }

    #[test]
    fn the_third_launch_in_a_row_is_the_last_one() {
        let mut state = State::seated(Config::plain(1));
        let key = state.seats[0].worker.key;
        for failed in 1..=FAILED_LAUNCHES {
            assert!(state.fault.is_none());
            state.launch_failed(key, "no process is left");
            assert_eq!(state.fault.is_some(), failed == FAILED_LAUNCHES);
        }
    }
}
