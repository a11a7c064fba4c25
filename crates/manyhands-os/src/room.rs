//! How much memory the machine has, how much address space this process may use, and random numbers.
//!
//! What of the memory is available is another question, which `budget` answers.
//!
//! Refuses: to cache (limits change while a program runs), and to judge how much a program should take.

use std::fs;
use std::hash::{BuildHasher, Hasher, RandomState};

use rustix::process::{Resource, getrlimit};
use rustix::rand::{GetRandomFlags, getrandom};

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
    }

    #[test]
    fn random_numbers_differ() {
        assert_ne!(random_number(), random_number());
    }
}
