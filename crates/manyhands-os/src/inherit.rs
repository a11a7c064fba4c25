//! What a program finds that was started by a process of its own kind: a marker in its environment and
//! descriptors; and what it can have done before `main` begins and after it has ended.
//!
//! A marker in the environment passes on to the children of whoever finds it, who must not take it for
//! theirs. So it names a descriptor and the inode that is open there, which no grandchild has, and it is
//! taken out of the environment where that is sound.
//!
//! It refuses to say what a marker means.
#![expect(
    unsafe_code,
    reason = "descriptors by number, the environment, the C library's exit handlers"
)]

use rustix::fs::fstat;
use std::env;
use std::ffi::OsString;
use std::fs::read_dir;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

/// What identifies an open file among all that are open now.
///
/// # Errors
///
/// None is known for an open descriptor.
pub fn identity(fd: impl AsFd) -> io::Result<(u64, u64)> {
    let stat = fstat(fd)?;
    Ok((stat.st_dev, stat.st_ino))
}

/// Whether this file is open at that number.
#[must_use]
pub fn is_open_at(number: i32, wanted: (u64, u64)) -> bool {
    if number < 0 {
        return false;
    }
    // SAFETY: borrowed for one call, which refuses a number that is not open.
    let borrowed = unsafe { BorrowedFd::borrow_raw(number) };
    identity(borrowed).is_ok_and(|found| found == wanted)
}

/// Reads a variable of the environment, and removes it if nobody can be reading the environment: in a
/// process with one thread.
#[must_use]
pub fn take_variable(name: &str) -> Option<OsString> {
    let value = env::var_os(name)?;
    if read_dir("/proc/self/task").is_ok_and(|threads| threads.count() == 1) {
        // SAFETY: this is the only thread, as counted, and it does not read the environment meanwhile.
        unsafe { env::remove_var(name) };
    }
    Some(value)
}

/// Calls `handler` when this process ends by `exit` or by returning from `main`, after the handlers that
/// are registered later. A signal and `_exit` pass it by.
///
/// # Errors
///
/// Of kind [`io::ErrorKind::OutOfMemory`].
pub fn at_exit(handler: extern "C" fn()) -> io::Result<()> {
    // SAFETY: a function of this program, which is never unloaded, and safe to call.
    match unsafe { libc::atexit(handler) } {
        0 => Ok(()),
        _ => Err(io::ErrorKind::OutOfMemory.into()),
    }
}

/// Has the function at that path called before `main` of the program that the macro stands in: for those
/// who cannot write `main` themselves.
///
/// The standard library is not set up then: the function may not use its standard input and output, and
/// finds no arguments where the C library is musl.
#[macro_export]
macro_rules! before_main {
    ($function:path) => {
        const _: () = {
            extern "C" fn run() {
                $function();
            }
            #[allow(unsafe_code, reason = "the loader calls what stands in this section")]
            #[used]
            #[unsafe(link_section = ".init_array")]
            static HOOK: extern "C" fn() = run;
        };
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsRawFd;

    #[test]
    fn a_descriptor_is_known_by_what_is_open_there() {
        let (one, other) = (tempfile(), tempfile());
        let wanted = identity(&one).unwrap();
        assert!(is_open_at(one.as_raw_fd(), wanted));
        assert!(!is_open_at(other.as_raw_fd(), wanted));
        assert!(!is_open_at(-1, wanted) && !is_open_at(i32::MAX, wanted));
    }

    fn tempfile() -> std::fs::File {
        crate::memory::create_log("test").unwrap()
    }

    #[test]
    fn with_other_threads_the_environment_stays() {
        let (name, value) = env::vars_os().next().expect("some variable");
        let name = name.to_str().expect("a plain name").to_owned();
        assert_eq!(take_variable(&name), Some(value.clone()));
        assert_eq!(env::var_os(&name), Some(value), "the test harness has several threads");
    }
}
