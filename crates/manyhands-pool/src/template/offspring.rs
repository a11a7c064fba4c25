//! A forked child on its way to being a worker.
//!
//! ```text
//! C1  ask for SIGKILL at the template's end; if the template has ended already, end
//! C2  close what is the template's; take back its signal handlers
//! C3  standard input empty; standard output and error as ordered; a worker: no stop by the terminal
//! C4  wait at the gate: it opens when the template has told the pool of us
//! C5  be a worker; a process first trades the end of C1 for its lifeline
//! ```
//!
//! From C1 on the child ends with the template, whatever it does, and a process does until C5; before
//! C5 it has run nothing of the user's. An error on the way cannot be told to the pool: the child writes it to its standard
//! error and exits with code 1, which the pool sees as a worker that exited before it worked.

use manyhands_os::event::EventFd;
use manyhands_os::jobcontrol::clear_in_child;
use manyhands_os::lifeline::end_on_hangup;
use manyhands_os::memory::read_blob;
use manyhands_os::poll::poll;
use manyhands_os::process::{Signal, exit_now, parent_pid, set_parent_death_signal};
use manyhands_os::signals::{Disposition, disposition, ignore, restore_default};
use manyhands_os::stdio::{empty_stdin, redirect_stderr, redirect_stdout};
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};

use super::host::{Host, Role, Step, WorkerStart};
use super::membership::Membership;
use super::protocol::{Blob, malformed};

/// What the pool wants a new worker to be.
#[derive(Debug)]
pub(super) struct Orders {
    pub(super) worker: WorkerStart,
    stdout: OwnedFd,
    stderr: OwnedFd,
}

impl Orders {
    /// Takes a request apart; its descriptors are standard output, standard error, the blob if it
    /// is attached, and the worker's own.
    pub(super) fn new((id, role): (u64, Role), blob: Blob, fds: Vec<OwnedFd>) -> io::Result<Self> {
        let mut fds = fds.into_iter();
        let mut next = || fds.next().ok_or_else(malformed);
        let (stdout, stderr) = (next()?, next()?);
        let blob = match blob {
            Blob::Inline(bytes) => bytes,
            Blob::Attached => read_blob(next()?.as_fd())?,
        };
        let worker = WorkerStart { id, role, blob, fds: fds.collect() };
        Ok(Self { worker, stdout, stderr })
    }
}

/// A child right after the fork.
#[derive(Debug)]
pub(super) struct Offspring {
    pub(super) orders: Orders,
    /// Raised when the template has told the pool of us.
    pub(super) gate: EventFd,
    /// The template's number.
    pub(super) template: i32,
    /// What SIGHUP did before the template changed it.
    pub(super) hangup: Disposition,
    /// The template's.
    pub(super) membership: Membership,
}

impl Offspring {
    /// Steps C1 to C5. The caller has closed the template's descriptors in this process.
    pub(super) fn become_worker(self, host: &mut dyn Host) -> WorkerStart {
        let prepared = self.prepare(host).and_then(|()| self.release());
        host.reached(Step::ChildReleased);
        match prepared {
            Ok(()) => self.orders.worker,
            Err(error) => fail(&error),
        }
    }

    fn prepare(&self, host: &mut dyn Host) -> io::Result<()> {
        host.reached(Step::ChildBorn);
        set_parent_death_signal(Some(Signal::KILL))?;
        if parent_pid() != self.template {
            exit_now(1);
        }
        self.take_back_signals()?;
        empty_stdin()?;
        redirect_stdout(self.orders.stdout.as_fd())?;
        redirect_stderr(self.orders.stderr.as_fd())?;
        host.reached(Step::ChildGated);
        poll(&[self.gate.as_fd()], None)?;
        Ok(())
    }

    /// A process does not end with its template: once the lifeline is armed the kernel's promise of C1
    /// is not needed any more.
    fn release(&self) -> io::Result<()> {
        let Role::Process { bound, .. } = self.orders.worker.role else { return Ok(()) };
        let lifeline = self.orders.worker.fds.first().ok_or_else(malformed)?;
        if bound {
            // Where the kernel lacks it the template alone ends the process.
            let _ = end_on_hangup(lifeline.as_fd());
        }
        set_parent_death_signal(None)
    }

    /// The template's handlers go; a worker in a background group is not stopped for writing to
    /// the terminal, and fails instead of stopping when it reads from it.
    fn take_back_signals(&self) -> io::Result<()> {
        self.membership.take_back_signals();
        clear_in_child()?;
        if self.hangup == Disposition::Default && disposition(Signal::HUP)? == Disposition::Ignored
        {
            restore_default(Signal::HUP)?;
        }
        if self.orders.worker.role != Role::Worker {
            return Ok(());
        }
        ignore(Signal::TTOU)?;
        ignore(Signal::TTIN)
    }
}

fn fail(error: &io::Error) -> ! {
    // If even this cannot be written there is nobody to tell.
    let _ = writeln!(io::stderr(), "manyhands: a worker could not be set up: {error}");
    exit_now(1)
}
