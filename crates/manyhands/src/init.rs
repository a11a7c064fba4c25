//! Where children of this program begin.

use std::io::{self, Write};
use std::process::exit;
use std::thread;

use manyhands_os::life::wait_for_parent;
use manyhands_os::poll::poll;
use manyhands_os::process::{
    PidFd, Signal, exit_now, is_main_thread, kill_group, own_group, own_pid, parent_pid,
};
use manyhands_os::signals;
use manyhands_pool::MemoryLimits;
use manyhands_shm::asymmetric;
use std::os::fd::{AsFd, OwnedFd};

use crate::start::{self, Arrival, FAILED, Role};
use crate::{process, worker, world};

/// To be called first of all in `main`: a child of a [`Pool`](crate::Pool) or of
/// [`Process::spawn`](crate::Process::spawn) begins here, and never comes back from it.
///
/// Children are started by executing this program again. In any other process this returns at once; what stands
/// before it runs in every child too. In a thread other than the main one it does nothing, and pools are refused: a
/// child would have run the program up to there. In tests, where the harness owns `main` and each test has a thread,
/// [`test_support!`](crate::test_support) does the same.
///
/// ```
/// fn main() {
///     manyhands::init();
///     println!("this is the program itself");
/// }
/// ```
#[expect(clippy::needless_doctest_main, reason = "where it is to be called is the point")]
pub fn init() {
    match start::arrive() {
        // In another thread it is too late: children would run what `main` does, all of it.
        Ok(None) if is_main_thread() => start::note_initialized(),
        Ok(None) => {}
        Ok(Some(arrival)) => exit(become_child(arrival)),
        Err(error) => exit(complain(&error)),
    }
}

/// Says why this child cannot be; the code to exit with.
fn complain(error: &io::Error) -> i32 {
    // There is nobody else to tell, and nothing to be done if standard error is closed.
    let _told = writeln!(io::stderr(), "manyhands: this process cannot work: {error}");
    if error.kind() == io::ErrorKind::Unsupported { start::REPLACED } else { FAILED }
}

fn become_child(arrival: Arrival) -> i32 {
    let Arrival { role, parent, line, world, fds } = arrival;
    // While there is one thread: later the kernel takes milliseconds for it.
    let registered = matches!(role, Role::Worker { .. }) && asymmetric::register();
    let outcome = end_with(parent, line).and_then(|()| world::admit(world));
    // A child may have children of its own.
    start::note_initialized();
    let outcome = outcome.and_then(|()| match role {
        Role::Worker { seat, slate, memory: (soft, hard) } => {
            // A worker that writes to the terminal from its group in the background is not to be stopped.
            signals::ignore(Signal::TTOU)?;
            let limits = MemoryLimits { soft, hard };
            worker::run((seat, slate), fds, limits, registered).map(|()| 0)
        }
        Role::Process { place, argument, .. } => process::run(place, &argument, fds),
    });
    outcome.unwrap_or_else(|error| complain(&error))
}

/// Ends this process, and the group that it leads, when its parent has died or has become another program.
fn end_with(parent: PidFd, line: OwnedFd) -> io::Result<()> {
    let number = parent_pid();
    let watch = move || {
        let _blocked = signals::block_all();
        let is_short = |error: io::Error| error.kind() == io::ErrorKind::OutOfMemory;
        // Nothing but those two wakes it. If it then finds them closed, a task has closed all descriptors meanwhile.
        while poll(&[parent.as_fd(), line.as_fd()], None).is_err_and(is_short) {}
        // It has closed them before they were polled: only the number of the parent is left.
        if !parent.is_open() {
            wait_for_parent(number);
        }
        if own_group() == own_pid() {
            // It ends this process too.
            let _sent = kill_group(own_group(), Signal::KILL);
        }
        exit_now(FAILED)
    };
    let name = "manyhands-parent";
    thread::Builder::new().name(name.into()).stack_size(64 << 10).spawn(watch).map(drop)
}
