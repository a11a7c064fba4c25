//! The template's children: watched by pidfd, ended as groups, reaped last.
//!
//! The order of an end is the point of this file: while a dead leader has not been reaped, its
//! number, and that of its group, cannot be given to anyone else. So the group is ended first.

use manyhands_os::jobcontrol::{register_group, unregister_group};
use manyhands_os::process::{ExitStatus, PidFd, Signal, kill_group, make_group_leader, reap};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::rc::Rc;

use super::host::{Host, Step};

/// A child that has not been reaped.
struct Worker {
    id: u64,
    pid: i32,
    pidfd: Rc<PidFd>,
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

    /// Takes a new child under watch: it leads a group from now on, and has a handle.
    pub(super) fn adopt(&mut self, id: u64, pid: i32) -> io::Result<Rc<PidFd>> {
        make_group_leader(pid)?;
        let pidfd = PidFd::open(pid).inspect_err(|_| {
            // It waits at its gate and has done nothing. Without a handle nobody can reap it: it
            // stays a zombie as long as we live. The group exists: the call cannot fail.
            let _ = kill_group(pid, Signal::KILL);
        })?;
        let pidfd = Rc::new(pidfd);
        register_group(pid);
        self.0.push(Worker { id, pid, pidfd: Rc::clone(&pidfd) });
        Ok(pidfd)
    }

    /// A worker is dead: ends its group, then reaps it.
    pub(super) fn bury(&mut self, id: u64, host: &mut dyn Host) -> io::Result<(i32, ExitStatus)> {
        let at = self.0.iter().position(|worker| worker.id == id);
        let at = at.ok_or(io::ErrorKind::NotFound)?;
        let Worker { pid, pidfd, .. } = self.0.swap_remove(at);
        host.reached(Step::DeathSeen);
        kill_group(pid, Signal::KILL)?;
        host.reached(Step::GroupEnded);
        unregister_group(pid);
        let status = reap(&pidfd).map_err(|error| taken(&error))?;
        host.reached(Step::Reaped);
        Ok((pid, status))
    }

    /// Undoes [`Workers::adopt`] of a child that has not been let through its gate.
    pub(super) fn abandon(&mut self, id: u64) -> io::Result<()> {
        if let Some(at) = self.0.iter().position(|worker| worker.id == id) {
            let Worker { pid, pidfd, .. } = self.0.swap_remove(at);
            kill_group(pid, Signal::KILL)?;
            unregister_group(pid);
            reap(&pidfd).map_err(|error| taken(&error))?;
        }
        Ok(())
    }

    /// Ends every worker and its group. Nobody reaps them here: that falls to the system when this
    /// process ends, which must not wait for a worker that the kernel cannot end at once.
    pub(super) fn end_all(&mut self) {
        for worker in &self.0 {
            // Whoever is gone already needs no signal, and there is nobody left to tell.
            let _ = kill_group(worker.pid, Signal::KILL);
            let _ = worker.pidfd.signal(Signal::KILL);
        }
    }
}

/// The only way in which reaping an own child fails.
fn taken(error: &io::Error) -> io::Error {
    let text = "a module imported early has waited for a process that it did not start, and took \
                the exit status of a worker";
    io::Error::new(error.kind(), format!("{text} ({error})"))
}
