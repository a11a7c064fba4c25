//! Threads that a library stops before a fork, and starts again when it needs them.
//!
//! OpenBLAS, and with it numpy, starts its threads when it is loaded, and joins them in a handler of
//! `pthread_atfork`, since it is made to survive a fork. A template that has imported it is fit to fork
//! then. To find out, fork once: a child that ends at once is sound whatever threads there are, and
//! what is left afterwards is what would be left at any fork. In the template nobody uses the
//! library, so its threads stay away; in a child they come back with the first use.
//!
//! It refuses to stop a thread itself.

use manyhands_os::fork::fork_and_end;
use manyhands_os::poll::poll;
use manyhands_os::process::{PidFd, Signal, reap};
use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use super::checks::{Reason, unsafe_after_import};

/// How long the child may take to end; it is killed then.
const PATIENCE: Duration = Duration::from_secs(1);
/// A thread that has been joined is in `/proc` a moment longer: how often, and how long, we look.
const LOOKS: u32 = 20;
const PAUSE: Duration = Duration::from_millis(1);

/// As [`unsafe_after_import`], once those have stopped their threads who do before a fork.
pub(super) fn unsafe_at_fork() -> Option<Reason> {
    let mut found = unsafe_after_import();
    if !matches!(found, Some(Reason::Threads(_))) || fork_once().is_err() {
        return found;
    }
    for _ in 0..LOOKS {
        found = unsafe_after_import();
        if !matches!(found, Some(Reason::Threads(_))) {
            break;
        }
        // An interrupted pause is a shorter one.
        let _ = poll(&[], Some(PAUSE));
    }
    found
}

fn fork_once() -> io::Result<()> {
    let child = PidFd::open(fork_and_end()?)?;
    if poll(&[child.as_fd()], Some(PATIENCE))? != [true] {
        child.signal(Signal::KILL)?;
    }
    reap(&child).map(drop)
}
