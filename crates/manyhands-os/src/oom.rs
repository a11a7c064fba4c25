//! How often the kernel, short of memory, has ended a process of this control group.
//!
//! A process that the kernel's OOM killer ends looks like any other that was sent SIGKILL. What tells
//! is a counter of the group: `oom_kill` in `memory.events` (version 2) or in `memory.oom_control`
//! (version 1, since Linux 4.13), which counts the processes of the group that were ended so, whether
//! the group or the machine was out of memory. Where the group has none (the top of the tree, a
//! container without a mounted hierarchy) the machine's counter in `/proc/vmstat` stands in for it.
//!
//! Refuses: to say which process it was (the kernel writes that to its log alone), to cache, and to
//! fail on missing or strange files: then nothing is known.

use std::fs;
use std::path::Path;

use crate::cgroup::{self, Level, Version, field};

/// How many processes of this group have been ended for lack of memory, since the group was made;
/// none where nobody counts. Only the difference between two calls means something.
///
/// # Examples
/// ```
/// let before = manyhands_os::oom::kills();
/// // ... a child is ended by SIGKILL ...
/// let rose = before.is_some() && manyhands_os::oom::kills() > before;
/// assert!(!rose);
/// ```
#[must_use]
pub fn kills() -> Option<u64> {
    kills_below(Path::new("/"))
}

fn kills_below(root: &Path) -> Option<u64> {
    // From the group itself upwards: an ancestor counts the kills of others as well.
    cgroup::levels(root, "memory").iter().find_map(kills_of).or_else(|| machine(root))
}

fn kills_of(level: &Level) -> Option<u64> {
    let file = match level.version {
        Version::One => "memory.oom_control",
        Version::Two => "memory.events",
    };
    field(&fs::read_to_string(level.directory.join(file)).ok()?, "oom_kill")
}

fn machine(root: &Path) -> Option<u64> {
    field(&fs::read_to_string(root.join("proc/vmstat")).ok()?, "oom_kill")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Tree;

    const CGROUP: &str = "proc/self/cgroup";
    const MOUNTS: &str = "proc/self/mountinfo";
    const V2_MOUNT: &str = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw\n";
    const V1_MOUNT: &str = "33 30 0:29 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n";
    const EVENTS: &str = "low 0\nhigh 0\nmax 7\noom 5\noom_kill 3\noom_group_kill 0\n";
    const CONTROL: &str = "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n";
    const VMSTAT: &str = "nr_free_pages 100\noom_kill 11\npgfault 5\n";

    /// A set-up: its name, the files of the tree, the count to find.
    type Row<'a> = (&'a str, &'a [(&'a str, &'a str)], Option<u64>);

    fn check(rows: &[Row<'_>]) {
        for (name, files, expected) in rows {
            let tree = Tree::new(&format!("oom-{name}"), files);
            assert_eq!(kills_below(tree.root()), *expected, "{name}");
        }
    }

    #[test]
    fn version_two() {
        let base = [(CGROUP, "0::/a/b\n"), (MOUNTS, V2_MOUNT)];
        let with = |files: &[(&'static str, &'static str)]| [&base[..], files].concat();
        let own = "sys/fs/cgroup/a/b/memory.events";
        let above = "sys/fs/cgroup/a/memory.events";
        check(&[
            ("the group counts", &with(&[(own, EVENTS), (above, "oom_kill 9\n")]), Some(3)),
            ("an ancestor counts", &with(&[(above, EVENTS)]), Some(3)),
            ("an old kernel's file", &with(&[(own, "oom 5\n"), (above, EVENTS)]), Some(3)),
            ("a broken file", &with(&[(own, "oom_kill many\n"), (above, EVENTS)]), Some(3)),
            ("nobody counts", &with(&[]), None),
            ("the machine counts", &with(&[("proc/vmstat", VMSTAT)]), Some(11)),
            ("the group comes first", &with(&[(own, EVENTS), ("proc/vmstat", VMSTAT)]), Some(3)),
        ]);
    }

    #[test]
    fn version_one_and_both() {
        let own = "sys/fs/cgroup/memory/x/memory.oom_control";
        let hybrid = [V1_MOUNT, "34 30 0:30 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"];
        let hybrid = hybrid.concat();
        check(&[
            (
                "version one",
                &[(CGROUP, "4:memory:/x\n"), (MOUNTS, V1_MOUNT), (own, CONTROL)],
                Some(2),
            ),
            (
                "before 4.13",
                &[(CGROUP, "4:memory:/x\n"), (MOUNTS, V1_MOUNT), (own, "under_oom 0\n")],
                None,
            ),
            (
                "both hierarchies",
                &[(CGROUP, "4:memory:/x\n0::/x\n"), (MOUNTS, &hybrid), (own, CONTROL)],
                Some(2),
            ),
        ]);
    }

    #[test]
    fn without_files_nothing_is_known() {
        check(&[
            ("nothing", &[], None),
            ("empty files", &[(CGROUP, ""), (MOUNTS, ""), ("proc/vmstat", "")], None),
            ("no such line", &[("proc/vmstat", "nr_free_pages 100\n")], None),
        ]);
    }
}
