//! A template of processes among the processes that it forks: in the process group of its parent.
//!
//! A process by a template is a member of its parent's group, but no child of a member, as long as the
//! template leads a group of its own. When such a process ends, the kernel looks whether that leaves its group
//! *orphaned*: without a member whose parent is in another group of the session. In a program that no shell of the
//! same session looks after (a service, a container, `setsid`) it does; and if any member of the
//! group is stopped at that moment, all of them get SIGHUP and SIGCONT, and end. (POSIX, `_exit`, "consequences of
//! process termination".) A template that is a member itself changes nothing for its group.
//!
//! What is sent to that group, Ctrl-C first of all, is not meant for the template: from then on it disregards it, and
//! a child heeds it from the first moment on. While the template imports it is out again, in its own group: whatever a
//! module starts is ended with that. A handler that a module puts in is for the processes, not for the template.

use manyhands_os::disregard::{Disregarded, disregard};
use manyhands_os::process::{Signal, join_group, own_pid};
use std::io;

use super::host::Role;

/// What people, programs and the terminal send to whole groups. Who stops for writing to the terminal, or reading,
/// stops with the others.
const SENT_TO_GROUPS: [Signal; 10] = [
    Signal::HUP,
    Signal::INT,
    Signal::QUIT,
    Signal::TERM,
    Signal::USR1,
    Signal::USR2,
    Signal::ALARM,
    Signal::TSTP,
    Signal::CONT,
    Signal::WINCH,
];

/// The group that the template has joined, if any.
#[derive(Debug, Default)]
pub(super) struct Membership(Option<Joined>);

#[derive(Debug)]
struct Joined {
    group: i32,
    disregarded: Disregarded,
}

impl Membership {
    /// Before a child in this role is forked: joins the group that it is to join.
    pub(super) fn join(&mut self, role: Role) -> io::Result<()> {
        let Role::Process { group, .. } = role else { return Ok(()) };
        match &mut self.0 {
            Some(joined) => joined.group = group,
            none => *none = Some(Joined { group, disregarded: disregard(&SENT_TO_GROUPS)? }),
        }
        self.enter();
        Ok(())
    }

    /// Goes where the processes are. A handler that was put in meanwhile is the processes'.
    pub(super) fn enter(&mut self) {
        if let Some(joined) = &mut self.0 {
            joined.disregarded.renew();
            // A parent that has changed the session since has no group that we could join.
            let _ = join_group(own_pid(), joined.group);
        }
    }

    /// Goes back into its own group.
    pub(super) fn leave(&self) {
        if self.0.is_some() {
            // It led that group, whose number is its own: nobody else can have it.
            let _ = join_group(own_pid(), own_pid());
        }
    }

    /// Whether signals to its group, and to it, have lost their meaning.
    pub(super) fn has_joined(&self) -> bool {
        self.0.is_some()
    }

    /// In a child: signals mean what they meant before.
    pub(super) fn take_back_signals(&self) {
        if let Some(joined) = &self.0 {
            joined.disregarded.put_back();
        }
    }
}
