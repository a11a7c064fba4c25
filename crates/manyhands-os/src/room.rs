//! How much memory and address space there is for this process, and random numbers.
//!
//! What binds is the lowest of what the machine has to give (`MemAvailable`) and what each control
//! group between this process and the top still allows: its limit less its use, where the file cache
//! that the kernel can drop at once counts as free. Address space is bound by `RLIMIT_AS`.
//!
//! Refuses: to cache (all of this changes while a program runs), to judge how much of it a program
//! should take, and to fail on strange control groups, which limit nothing.

use std::fs;
use std::path::Path;

use rustix::process::{Resource, getrlimit};
use rustix::rand::{GetRandomFlags, getrandom};

use crate::cgroup::{self, Level, Version};

/// Bytes of memory that this process could still take without anybody having to give up something.
///
/// # Examples
///
/// ```
/// assert!(manyhands_os::room::available() > 0);
/// ```
pub fn available() -> u64 {
    available_below(Path::new("/"))
}

/// Bytes of memory that the machine has, at least one.
pub fn total() -> u64 {
    meminfo(Path::new("/"), "MemTotal").unwrap_or(u64::MAX)
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
    match getrandom(&mut bytes, GetRandomFlags::empty()) {
        Ok(8) => u64::from_ne_bytes(bytes),
        _ => {
            use std::hash::{BuildHasher, Hasher, RandomState};
            RandomState::new().build_hasher().finish()
        }
    }
}

fn available_below(root: &Path) -> u64 {
    let machine = meminfo(root, "MemAvailable").unwrap_or(u64::MAX);
    let groups = cgroup::levels(root, "memory");
    groups.iter().filter_map(left_in).fold(machine, u64::min)
}

/// A line of `/proc/meminfo`, in bytes.
fn meminfo(root: &Path, name: &str) -> Option<u64> {
    let text = fs::read_to_string(root.join("proc/meminfo")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kilobytes.checked_mul(1024)
}

/// What one group still allows; `None` if it sets no limit.
fn left_in(level: &Level) -> Option<u64> {
    let (limit, used, dropped) = match level.version {
        Version::One => ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
        Version::Two => ("memory.max", "memory.current", "inactive_file"),
    };
    let read = |name| fs::read_to_string(level.directory.join(name)).ok();
    // The word `max` is no number and so no limit.
    let limit: u64 = read(limit)?.trim().parse().ok()?;
    let used: u64 = read(used)?.trim().parse().ok()?;
    let cache = read("memory.stat").and_then(|text| {
        let mut lines = text.lines().filter_map(|line| line.split_once(' '));
        lines.find(|(name, _)| *name == dropped)?.1.trim().parse::<u64>().ok()
    });
    Some(limit.saturating_sub(used.saturating_sub(cache.unwrap_or(0))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    /// A tree of files that vanishes with it.
    struct Tree(PathBuf);

    impl Tree {
        fn new(files: &[(&str, &str)]) -> Self {
            let root = std::env::temp_dir().join(format!("manyhands-room-{}", random_number()));
            for (name, content) in files {
                let path = root.join(name);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, content).unwrap();
            }
            Self(root)
        }
    }

    impl Drop for Tree {
        fn drop(&mut self) {
            drop(fs::remove_dir_all(&self.0));
        }
    }

    const MEMINFO: (&str, &str) =
        ("proc/meminfo", "MemTotal:  2000 kB\nMemFree: 1 kB\nMemAvailable:    1000 kB\n");

    #[test]
    fn the_machine_binds_without_groups() {
        let tree = Tree::new(&[MEMINFO]);
        assert_eq!(available_below(&tree.0), 1000 * 1024);
        assert_eq!(available_below(Path::new("/nowhere")), u64::MAX);
    }

    #[test]
    fn a_group_binds_with_what_it_has_left() {
        let tree = Tree::new(&[
            MEMINFO,
            ("proc/self/cgroup", "0::/a/b\n"),
            ("sys/fs/cgroup/a/b/memory.max", "max\n"),
            ("sys/fs/cgroup/a/b/memory.current", "5\n"),
            ("sys/fs/cgroup/a/memory.max", "500000\n"),
            ("sys/fs/cgroup/a/memory.current", "450000\n"),
            ("sys/fs/cgroup/a/memory.stat", "anon 1\nfile 9\ninactive_file 50000\n"),
        ]);
        assert_eq!(available_below(&tree.0), 100_000);
    }

    #[test]
    fn the_first_version_binds_too() {
        let tree = Tree::new(&[
            MEMINFO,
            ("proc/self/cgroup", "4:memory:/x\n"),
            ("sys/fs/cgroup/memory/x/memory.limit_in_bytes", "70000\n"),
            ("sys/fs/cgroup/memory/x/memory.usage_in_bytes", "90000\n"),
        ]);
        assert_eq!(available_below(&tree.0), 0);
    }

    #[test]
    fn this_machine_has_some() {
        assert!(available() > 0 && total() >= available());
        assert!(address_space() > 0);
        assert_ne!(random_number(), random_number());
    }
}
