//! A process that takes more memory than it may have is ended, and says how much it had.

#![expect(unsafe_code, reason = "fork in the test's own child")]
#![expect(clippy::unwrap_used, reason = "helpers of tests")]
#![expect(clippy::disallowed_types, reason = "what the crate itself takes; no model runs it")]

use std::os::fd::AsFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use manyhands_os::footprint::end_beyond;
use manyhands_os::poll::poll;
use manyhands_os::process::{ExitStatus, PidFd, exit_now, reap};

const LIMIT: u64 = 200 << 20;

static REPORT: AtomicU64 = AtomicU64::new(0);

/// Runs `work` in a fork of this test, which has one thread at that moment for all that it does.
fn fork(work: impl FnOnce()) -> ExitStatus {
    // SAFETY: the child calls nothing that another thread of the test may have locked but the allocator,
    // which the C library makes usable in a child.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        work();
        exit_now(0);
    }
    let child = PidFd::open(pid).unwrap();
    assert_eq!(poll(&[child.as_fd()], Some(Duration::from_secs(50))).unwrap(), [true]);
    reap(&child).unwrap()
}

fn take(bytes: usize) -> Vec<u8> {
    let mut block = vec![0_u8; bytes];
    for page in block.chunks_mut(4096) {
        page[0] = 1;
    }
    block
}

#[test]
fn a_process_is_ended_beyond_its_limit_and_not_below() {
    let within = fork(|| {
        end_beyond(LIMIT, &REPORT).unwrap();
        for _ in 0..50 {
            drop(take(100 << 20));
        }
    });
    assert_eq!(within, ExitStatus::Exited(0));
    let beyond = fork(|| {
        end_beyond(LIMIT, &REPORT).unwrap();
        let mut kept = Vec::new();
        for _ in 0..1000 {
            kept.push(take(10 << 20));
        }
    });
    assert_eq!(beyond, ExitStatus::Signaled { signal: 9, core: false });
    assert_eq!(REPORT.load(Ordering::Relaxed), 0, "the child has a word of its own");
}

#[test]
fn a_child_of_such_a_process_is_not_ended() {
    let outcome = fork(|| {
        end_beyond(LIMIT, &REPORT).unwrap();
        let child = fork(|| drop(take(400 << 20)));
        exit_now(i32::from(child != ExitStatus::Exited(0)));
    });
    assert_eq!(outcome, ExitStatus::Exited(0));
}
