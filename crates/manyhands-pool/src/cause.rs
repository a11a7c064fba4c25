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
            stacks: if crashed(status) { last_words(worker.lane.stacks()) } else { Vec::new() },
            peak: notice.and_then(|notice| notice.peak),
        }
    }
}

/// Whether it was ended by a signal at which its fault handler writes.
fn crashed(status: Option<ExitStatus>) -> bool {
    let faults = [Signal::SEGV, Signal::BUS, Signal::FPE, Signal::ILL, Signal::ABORT];
    matches!(status, Some(ExitStatus::Signaled { signal, .. })
        if faults.iter().any(|fault| fault.as_raw() == signal))
}

/// What the fault handler wrote last: stacks that were asked for before may stand there, too.
fn last_words(mut stacks: Vec<u8>) -> Vec<u8> {
    const BEGIN: &[u8] = b"Fatal Python error";
    let begins = stacks.windows(BEGIN.len()).rposition(|window| window == BEGIN);
    stacks.split_off(begins.unwrap_or(stacks.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_belongs_to_the_crash_is_told() {
        assert_eq!(
            last_words(b"asked for\nFatal Python error: x".to_vec()),
            b"Fatal Python error: x"
        );
        assert_eq!(last_words(b"asked for".to_vec()), b"");
        assert_eq!(last_words(Vec::new()), b"");
    }

    #[test]
    fn crashes_are_told_from_other_ends() {
        let signal = |signal| Some(ExitStatus::Signaled { signal, core: false });
        assert!(crashed(signal(11)));
        assert!(!crashed(signal(9)));
        assert!(!crashed(Some(ExitStatus::Exited(11))));
        assert!(!crashed(None));
    }
}
