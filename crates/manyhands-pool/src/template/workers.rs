//! The template's children: watched by pidfd, workers ended as groups, reaped last.
//!
//! The order of an end is the point of this file: while a dead leader has not been reaped, its
//! number, and that of its group, cannot be given to anyone else. So the group is ended first.

use manyhands_os::jobcontrol::{register_group, unregister_group};
use manyhands_os::lifeline::GRACE;
use manyhands_os::poll::poll;
use manyhands_os::process::{
    ExitStatus, PidFd, Signal, join_group, kill_group, make_group_leader, reap, reap_with_peak,
};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::rc::Rc;
use std::time::Instant;

use super::host::{Host, Role, Step};

/// A child that has not been reaped.
struct Worker {
    id: u64,
    pid: i32,
    role: Role,
    pidfd: Rc<PidFd>,
}

impl Worker {
    /// Ends its group, if that is its own. Before it is reaped.
    fn end_group(&self) -> io::Result<()> {
        if self.role == Role::Worker { kill_group(self.pid, Signal::KILL) } else { Ok(()) }
    }

    fn forget_group(&self) {
        if self.role == Role::Worker {
            unregister_group(self.pid);
        }
    }
}

/// All children that have not been reaped.
#[derive(Default)]
pub(super) struct Workers(Vec<Worker>);

impl Workers {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The handles, in an order that stays until a worker comes or goes.
    pub(super) fn pidfds(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.0.iter().map(|worker| worker.pidfd.as_fd())
    }

    /// The names of those whose handle was ready, in the order of [`Workers::pidfds`].
    pub(super) fn select(&self, ready: impl Iterator<Item = bool>) -> Vec<u64> {
        let both = self.0.iter().zip(ready);
        both.filter(|(_, ready)| *ready).map(|(worker, _)| worker.id).collect()
    }

    /// Takes a new child under watch: it is in its group from now on, and has a handle.
    pub(super) fn adopt(&mut self, id: u64, pid: i32, role: Role) -> io::Result<Rc<PidFd>> {
        make_group_leader(pid)?;
        let pidfd = PidFd::open(pid).inspect_err(|_| {
            // It waits at its gate and has done nothing. Without a handle nobody can reap it: it
            // stays a zombie as long as we live. The group exists: the call cannot fail.
            let _ = kill_group(pid, Signal::KILL);
        })?;
        if let Role::Process { group, .. } = role {
            // A parent that has changed the session since has no group that we could join.
            let _ = join_group(pid, group);
        }
        let pidfd = Rc::new(pidfd);
        if role == Role::Worker {
            register_group(pid);
        }
        self.0.push(Worker { id, pid, role, pidfd: Rc::clone(&pidfd) });
        Ok(pidfd)
    }

    /// A worker is dead: ends its group, then reaps it. Its number, how it ended, its peak of memory.
    pub(super) fn bury(
        &mut self,
        id: u64,
        host: &mut dyn Host,
    ) -> io::Result<(i32, (ExitStatus, u64))> {
        let at = self.0.iter().position(|worker| worker.id == id);
        let at = at.ok_or(io::ErrorKind::NotFound)?;
        let worker = self.0.swap_remove(at);
        host.reached(Step::DeathSeen);
        worker.end_group()?;
        host.reached(Step::GroupEnded);
        worker.forget_group();
        let ended = reap_with_peak(&worker.pidfd).map_err(|error| taken(&error))?;
        host.reached(Step::Reaped);
        Ok((worker.pid, ended))
    }

    /// Undoes [`Workers::adopt`] of a child that has not been let through its gate.
    pub(super) fn abandon(&mut self, id: u64) -> io::Result<()> {
        if let Some(at) = self.0.iter().position(|worker| worker.id == id) {
            let worker = self.0.swap_remove(at);
            worker.end_group()?;
            worker.pidfd.signal(Signal::KILL)?;
            worker.forget_group();
            reap(&worker.pidfd).map_err(|error| taken(&error))?;
        }
        Ok(())
    }

    /// Ends every worker and its group. Nobody reaps them here: that falls to the system when this
    /// process ends, which must not wait for a worker that the kernel cannot end at once.
    pub(super) fn end_all(&mut self) {
        for worker in self.0.iter().filter(|worker| worker.role == Role::Worker) {
            // Whoever is gone already needs no signal, and there is nobody left to tell.
            let _ = worker.end_group();
            let _ = worker.pidfd.signal(Signal::KILL);
        }
    }

    /// The parent is dead: ends the processes that are bound to it, if their lifelines have not within
    /// the grace that these leave them.
    pub(super) fn end_bound(&mut self) {
        let bound = |worker: &&Worker| matches!(worker.role, Role::Process { bound: true, .. });
        let bound: Vec<_> = self.0.iter().filter(bound).map(|worker| &worker.pidfd).collect();
        let deadline = Instant::now() + GRACE;
        for pidfd in &bound {
            let left = deadline.saturating_duration_since(Instant::now());
            // Without memory to wait with there is no grace.
            let _ = poll(&[pidfd.as_fd()], Some(left));
        }
        for pidfd in bound {
            let _ = pidfd.signal(Signal::KILL);
        }
    }
}

/// The only way in which reaping an own child fails.
fn taken(error: &io::Error) -> io::Error {
    let text = "a module imported early has waited for a process that it did not start, and took \
                the exit status of a worker";
    io::Error::new(error.kind(), format!("{text} ({error})"))
}
