//! Why a worker ended, as far as that can be learned.
//!
//! | what | from whom |
//! | --- | --- |
//! | signal or exit code, peak of memory | whoever reaps it: the template, or the host that launched it |
//! | whether the kernel ended it for lack of memory | a counter of the control group that has risen (`oom_kills.rs`) |
//! | whether it had more memory than it may | the worker's own word in its lane |
//! | its number and seat | the engine itself |
//!
//! It decides nothing: what a death costs is in `death.rs`.

use manyhands_os::oom;
use manyhands_os::process::{ExitStatus, Signal};
use manyhands_shm::atomic::Ordering;

use crate::call::Death;
use crate::state::State;

impl State {
    /// What is known of the end of the worker on that seat, which has ended.
    pub(crate) fn cause_of_death(&mut self, at: usize) -> Death {
        let seat = &self.seats[at];
        let worker = &seat.worker;
        let notice = worker.notice.clone();
        let status = notice.as_ref().and_then(|notice| notice.status);
        let killed = matches!(status, Some(ExitStatus::Signaled { signal, .. }) if signal == Signal::KILL.as_raw());
        let hard = self.config.memory.hard.filter(|_| killed);
        let exceeded = match worker.lane.exceeded().load(Ordering::Acquire) {
            0 => None,
            bytes => hard.map(|limit| (bytes, limit)),
        };
        let out_of_memory = if killed && !worker.killed_by_us && exceeded.is_none() {
            self.oom_kills.explain(oom::kills())
        } else {
            Some(false)
        };
        let lied = "It was ended because it wrote something that cannot be a reply.";
        Death {
            seat: seat.id,
            pid: worker.process.as_ref().map(|process| process.pid),
            status,
            reason: if worker.lied {
                Some(lied.into())
            } else {
                notice.as_ref().and_then(|notice| notice.reason.clone())
            },
            out_of_memory,
            exceeded,
            peak: notice.and_then(|notice| notice.peak),
        }
    }
}
