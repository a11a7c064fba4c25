//! What the template asks of the language that it runs, and tells it.
//!
//! The template knows no language: a [`Host`] imports modules and forks. In return the host learns
//! what a new worker is told ([`WorkerStart`]), and, if it wants to, at which step the template is.

use std::io;
use std::os::fd::OwnedFd;

/// What the template needs of the language that it runs.
pub trait Host {
    /// Imports a module by its full name.
    ///
    /// # Errors
    ///
    /// What a person should read about why it could not be imported.
    fn import(&mut self, module: &str) -> Result<(), String>;

    /// Forks this process, with all that the language wants to do before and after. What it has
    /// buffered for standard output and error is to be written before: a worker would print it again.
    ///
    /// # Errors
    ///
    /// The kernel's; then there is no child.
    fn fork(&mut self) -> io::Result<Fork>;

    /// Asked after each import: a reason of the host's own why the template should not go on with
    /// that module (it read a variable that the workers will have different), as the end of a
    /// sentence, such as "it reads `OMP_NUM_THREADS`".
    fn unfit(&mut self) -> Option<String> {
        None
    }

    /// Told at each step. For tests, which end a process here; it must not fork, import or wait.
    fn reached(&mut self, step: Step) {
        let _ = step;
    }
}

/// On which side of a fork one is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fork {
    /// In the template; the number of the child.
    Parent(i32),
    /// In the child.
    Child,
}

/// What a child is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A worker: leads a process group, which ends with it, and ends with its template.
    Worker,
    /// A process in its own right: a member of a group that is not ours to end. It lives on when its
    /// template is killed. Its first descriptor is its lifeline: the reading end of a pipe whose other
    /// end the parent keeps.
    Process {
        /// The group that it joins, of the template's session.
        group: i32,
        /// Whether it ends with the parent, by its lifeline and by the template.
        bound: bool,
    },
}

/// What a new worker is told.
#[derive(Debug)]
pub struct WorkerStart {
    /// The name that the pool gave it.
    pub id: u64,
    /// What it is.
    pub role: Role,
    /// What the pool says to the worker.
    pub blob: Vec<u8>,
    /// The descriptors that came with it.
    pub fds: Vec<OwnedFd>,
}

/// The numbered steps of `docs/design/template.md`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// S3: about to say that it is ready.
    Started,
    /// I2: about to import.
    Importing,
    /// I3: imported and looked at; about to answer.
    Imported,
    /// F2: a fork was asked for and may be done.
    ForkAllowed,
    /// F4: the child exists; nothing is known of it.
    Forked,
    /// F5: the child leads its group and its pidfd is open; about to report.
    Led,
    /// F6: reported; the gate is about to open.
    Reported,
    /// C1, in the child: about to ask for the parent-death signal.
    ChildBorn,
    /// C4, in the child: set up; about to wait at the gate.
    ChildGated,
    /// C5, in the child: through the gate; about to be a worker.
    ChildReleased,
    /// D1: a worker is dead.
    DeathSeen,
    /// D3: its group has been ended.
    GroupEnded,
    /// D4: reaped; about to report.
    Reaped,
    /// E1: about to end every group.
    Ending,
}
