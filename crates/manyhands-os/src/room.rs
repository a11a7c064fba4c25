//! How much memory the machine has, how much address space and how long files this process may have, and random
//! numbers.
//!
//! What of the memory is available is another question, which `budget` answers.
//!
//! Refuses: to cache (limits change while a program runs), and to judge how much a program should take.

use std::fs;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;

use rustix::param::page_size;
use rustix::process::{Resource, getrlimit};
use rustix::rand::{GetRandomFlags, getrandom};

/// What the lower half of an address of 48 bits can name, the least of the machines that we run on.
const NAMED: u64 = 1 << 47;

/// Bytes of memory that the machine has; `u64::MAX` if it does not say.
///
/// # Examples
///
/// ```
/// assert!(manyhands_os::room::total() > 0);
/// ```
pub fn total() -> u64 {
    total_in(&fs::read_to_string("/proc/meminfo").unwrap_or_default()).unwrap_or(u64::MAX)
}

/// Bytes of address space that this process may use in all; `u64::MAX` without a limit.
pub fn address_space() -> u64 {
    getrlimit(Resource::As).current.unwrap_or(u64::MAX)
}

/// Bytes of address space that this process does not use yet, as far as it can be told: of its limit, or
/// of what a processor's 47 bits name.
pub fn address_space_left() -> u64 {
    let used = used_in(&fs::read_to_string("/proc/self/statm").unwrap_or_default());
    address_space().min(NAMED).saturating_sub(used)
}

/// Address space that is left to the rest of the program: whoever gets nothing for one byte, as an allocator in
/// another thread, ends the program.
const KEPT: u64 = 16 << 20;

/// Whether so many bytes more can be mapped and some address space is left.
///
/// # Errors
/// `ENOMEM` if not, as the kernel would say.
pub fn check_room(len: u64) -> io::Result<()> {
    if address_space_left() < len.saturating_add(KEPT) {
        return Err(io::Error::from_raw_os_error(libc::ENOMEM));
    }
    Ok(())
}

/// The error with the limit's name, if it is for want of address space and that of this process is limited.
pub fn name_limit(error: io::Error) -> io::Error {
    let limit = address_space();
    if error.raw_os_error() != Some(libc::ENOMEM) || limit == u64::MAX {
        return error;
    }
    let text = format!(
        "{error}: this process may use {limit} bytes of address space (RLIMIT_AS, ulimit -v), of which {} \
         are left; raise the limit, or use fewer workers",
        address_space_left()
    );
    io::Error::new(io::ErrorKind::OutOfMemory, text)
}

/// How many bytes a file may have that this process makes longer, shared memory included; `u64::MAX` without a
/// limit.
pub fn file_size() -> u64 {
    getrlimit(Resource::Fsize).current.unwrap_or(u64::MAX)
}

/// Whether a file of so many bytes can be made. To be asked before: the kernel would send `SIGXFSZ`, too, which
/// ends a program that does not ignore it.
///
/// # Errors
/// One of kind `FileTooLarge` that names the limit.
pub fn check_file_size(len: u64) -> io::Result<()> {
    let limit = file_size();
    if len <= limit {
        return Ok(());
    }
    let text = format!(
        "shared memory of {len} bytes cannot be made: the files of this process may have {limit} bytes \
         (RLIMIT_FSIZE, ulimit -f), and shared memory is a file; raise the limit"
    );
    Err(io::Error::new(io::ErrorKind::FileTooLarge, text))
}

/// A number that nobody can guess.
pub fn random_number() -> u64 {
    let mut bytes = [0; 8];
    // Eight bytes come whole, or not at all where a sandbox forbids the call: then the hasher's keys,
    // which the standard library got somewhere, are as good.
    if getrandom(&mut bytes, GetRandomFlags::empty()) == Ok(8) {
        return u64::from_ne_bytes(bytes);
    }
    RandomState::new().build_hasher().finish()
}

/// The address space of a process in bytes, the first number of its `/proc/self/statm`.
fn used_in(text: &str) -> u64 {
    let pages = text.split(' ').next().and_then(|number| number.parse().ok());
    pages.unwrap_or(0_u64).saturating_mul(page_size() as u64)
}

/// The line of `/proc/meminfo`, in bytes.
fn total_in(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kilobytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_total_is_in_bytes() {
        let text = "MemTotal:  2000 kB\nMemFree: 1 kB\nMemAvailable:    1000 kB\n";
        assert_eq!(total_in(text), Some(2000 * 1024));
        assert_eq!(total_in("MemFree: 1 kB\n"), None);
    }

    #[test]
    fn this_machine_has_some() {
        assert!(total() > 1 << 20 && total() < u64::MAX);
        assert!(address_space() > 1 << 20);
        let left = address_space_left();
        assert!(left > 1 << 20 && left < address_space().min(NAMED));
    }

    #[test]
    fn what_would_leave_nothing_has_no_room() {
        assert!(check_room(1 << 20).is_ok());
        let error = check_room(address_space_left() - KEPT / 2).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::OutOfMemory);
    }

    #[test]
    fn the_limit_of_a_files_size_is_named() {
        let limit = file_size();
        assert!(check_file_size(limit).is_ok());
        if limit < u64::MAX {
            let error = check_file_size(limit + 1).unwrap_err();
            assert!(error.to_string().contains("RLIMIT_FSIZE"), "{error}");
        }
    }

    #[test]
    fn what_is_used_is_the_first_number_in_pages() {
        assert_eq!(used_in("3 2 1 0\n"), 3 * page_size() as u64);
        assert_eq!(used_in(""), 0);
    }

    #[test]
    fn only_a_want_of_memory_can_be_the_limits_fault() {
        let error = name_limit(io::Error::from_raw_os_error(libc::EMFILE));
        assert_eq!(error.raw_os_error(), Some(libc::EMFILE));
    }

    #[test]
    fn random_numbers_differ() {
        assert_ne!(random_number(), random_number());
    }
}
