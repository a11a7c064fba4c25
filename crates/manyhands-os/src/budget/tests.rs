//! The budget over fake trees of `/proc` and `/sys/fs/cgroup`, one row per set-up seen in the
//! field, and over values of the environment variable.

use super::*;
use crate::testing::Tree;

const CGROUP: &str = "proc/self/cgroup";
const MOUNTS: &str = "proc/self/mountinfo";
const MEMINFO: &str = "proc/meminfo";
const V2_MOUNT: &str = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw\n";
const V1_MOUNT: &str = "33 30 0:29 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n";
const MACHINE: &str = "MemTotal:       16000 kB\nMemFree:  10 kB\nMemAvailable:    8000 kB\n";
const ALL: u64 = 8000 * 1024;

/// A set-up: its name, the files of the tree, the bytes to find.
type Row<'a> = (&'a str, &'a [(&'a str, &'a str)], Option<u64>);

fn check(rows: &[Row<'_>]) {
    for (name, files, expected) in rows {
        let tree = Tree::new(&format!("budget-{name}"), files);
        assert_eq!(lowest(tree.root()), *expected, "{name}");
    }
}

#[test]
fn the_machine_alone() {
    check(&[
        ("nothing is known", &[], None),
        ("an empty file", &[(MEMINFO, "")], None),
        ("no such line", &[(MEMINFO, "MemTotal: 16000 kB\n")], None),
        ("a broken line", &[(MEMINFO, "MemAvailable: much\n")], None),
        ("a line that ends", &[(MEMINFO, "MemAvailable:")], None),
        ("beyond all bounds", &[(MEMINFO, "MemAvailable: 18446744073709551615 kB")], None),
        ("what is available", &[(MEMINFO, MACHINE)], Some(ALL)),
    ]);
}

#[test]
fn version_two_from_the_group_to_the_top() {
    let own = "sys/fs/cgroup/a/b/memory.max";
    let used = "sys/fs/cgroup/a/b/memory.current";
    let stat = "sys/fs/cgroup/a/b/memory.stat";
    let base = [(CGROUP, "0::/a/b\n"), (MOUNTS, V2_MOUNT), (MEMINFO, MACHINE)];
    let with = |files: &[(&'static str, &'static str)]| [&base[..], files].concat();
    check(&[
        ("no limit", &with(&[(own, "max\n"), (used, "500\n")]), Some(ALL)),
        ("no files", &with(&[]), Some(ALL)),
        ("a limit", &with(&[(own, "5000\n"), (used, "2000\n")]), Some(3000)),
        ("a limit without its use", &with(&[(own, "5000\n")]), Some(5000)),
        ("more used than allowed", &with(&[(own, "5000\n"), (used, "6000\n")]), Some(0)),
        (
            "cache is no use",
            &with(&[(own, "5000"), (used, "4000"), (stat, "anon 1000\ninactive_file 3000\n")]),
            Some(4000),
        ),
        (
            "more cache than use",
            &with(&[(own, "5000"), (used, "4000"), (stat, "inactive_file 9000\n")]),
            Some(5000),
        ),
        (
            "throttled below the limit",
            &with(&[(own, "5000"), ("sys/fs/cgroup/a/b/memory.high", "3000"), (used, "1000")]),
            Some(2000),
        ),
        (
            "a parent binds",
            &with(&[
                (own, "5000"),
                (used, "1000"),
                ("sys/fs/cgroup/a/memory.max", "6000"),
                ("sys/fs/cgroup/a/memory.current", "5500"),
            ]),
            Some(500),
        ),
        ("a limit beyond the machine", &with(&[(own, "999999999999")]), Some(ALL)),
        ("nonsense", &with(&[(own, "-1"), (used, "x")]), Some(ALL)),
    ]);
}

#[test]
fn version_one_and_both_at_once() {
    let limit = "sys/fs/cgroup/memory/job/memory.limit_in_bytes";
    let used = "sys/fs/cgroup/memory/job/memory.usage_in_bytes";
    let stat = "sys/fs/cgroup/memory/job/memory.stat";
    let base = [(CGROUP, "7:memory:/job\n"), (MOUNTS, V1_MOUNT), (MEMINFO, MACHINE)];
    let with = |files: &[(&'static str, &'static str)]| [&base[..], files].concat();
    check(&[
        ("one: no limit", &with(&[(limit, "9223372036854771712"), (used, "1")]), Some(ALL)),
        (
            "one: a limit and cache",
            &with(&[
                (limit, "7000"),
                (used, "5000"),
                (stat, "cache 1\ntotal_inactive_file 1000\n"),
            ]),
            Some(3000),
        ),
        (
            "hybrid",
            &[
                (CGROUP, "7:memory:/job\n0::/unified\n"),
                (MOUNTS, V1_MOUNT),
                (MEMINFO, MACHINE),
                (limit, "7000"),
                (used, "5000"),
            ],
            Some(2000),
        ),
        (
            "a container that shows only its part",
            &[
                (CGROUP, "7:memory:/docker/123\n"),
                (MOUNTS, "33 30 0:29 /docker/123 /sys/fs/cgroup/memory ro - cgroup c rw,memory\n"),
                ("sys/fs/cgroup/memory/memory.limit_in_bytes", "4000"),
            ],
            Some(4000),
        ),
    ]);
}

#[test]
fn the_budget_is_a_share() {
    assert_eq!(share_of(Some(1000)), 500);
    assert_eq!(share_of(None), u64::MAX);
}

#[test]
fn amounts_of_the_users_own() {
    let own = |text: &str| own_budget(Some(text.into()));
    for (text, bytes) in [
        ("1", 1),
        ("1073741824", 1 << 30),
        ("64k", 64 << 10),
        ("512M", 512 << 20),
        (" 2 GiB ", 2 << 30),
        ("2gb", 2 << 30),
        ("1.5G", 3 << 29),
        ("1T", 1 << 40),
        ("100B", 100),
    ] {
        assert_eq!(own(text), Ok(Some(bytes)), "{text:?}");
    }
    assert_eq!(own_budget(None), Ok(None));
    assert_eq!(own(""), Ok(None));
}

#[test]
fn what_is_no_amount_is_an_error_that_says_so() {
    for text in ["0", "-1", "much", "2X", "G", "1.2.3", "50%", "1e9", "99999999999T", "0.0001"] {
        let error = own_budget(Some(text.into())).unwrap_err();
        assert_eq!(error.value(), text);
        assert!(error.to_string().contains(text), "{error}");
        assert!(error.to_string().contains("MANYHANDS_MEMORY=2G"), "{error}");
    }
}
