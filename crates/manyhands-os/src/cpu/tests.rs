//! The processor count over fake trees of `/proc` and `/sys/fs/cgroup`, one row per set-up seen in
//! the field, and over values of the environment variable.

use super::*;
use crate::testing::Tree;

const CGROUP: &str = "proc/self/cgroup";
const MOUNTS: &str = "proc/self/mountinfo";
const V2_MOUNT: &str = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw\n";
const V1_MOUNT: &str =
    "33 30 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n";

/// A set-up: its name, the files of the tree, the quota to find.
type Row<'a> = (&'a str, &'a [(&'a str, &'a str)], Option<f64>);

fn check(rows: &[Row<'_>]) {
    for (name, files, expected) in rows {
        let tree = Tree::new(name, files);
        assert_eq!(quota_below(tree.root()), *expected, "{name}");
    }
}

#[test]
fn version_two_from_the_group_to_the_top() {
    check(&[
        (
            "own group",
            &[
                (CGROUP, "0::/a\n"),
                (MOUNTS, V2_MOUNT),
                ("sys/fs/cgroup/a/cpu.max", "150000 100000\n"),
            ],
            Some(1.5),
        ),
        (
            "no limit",
            &[(CGROUP, "0::/a\n"), (MOUNTS, V2_MOUNT), ("sys/fs/cgroup/a/cpu.max", "max 100000\n")],
            None,
        ),
        (
            "a grandparent binds",
            &[
                (CGROUP, "0::/a/b/c\n"),
                (MOUNTS, V2_MOUNT),
                ("sys/fs/cgroup/a/cpu.max", "200000 100000"),
                ("sys/fs/cgroup/a/b/cpu.max", "max 100000"),
                ("sys/fs/cgroup/a/b/c/cpu.max", "800000 100000"),
            ],
            Some(2.0),
        ),
        (
            "the group itself binds more than its parent",
            &[
                (CGROUP, "0::/a/b\n"),
                (MOUNTS, V2_MOUNT),
                ("sys/fs/cgroup/a/cpu.max", "400000 100000"),
                ("sys/fs/cgroup/a/b/cpu.max", "50000 100000"),
            ],
            Some(0.5),
        ),
    ]);
}

#[test]
fn version_two_in_containers() {
    check(&[
        (
            "container with its own namespace: the limit is at the mount point",
            &[(CGROUP, "0::/\n"), (MOUNTS, V2_MOUNT), ("sys/fs/cgroup/cpu.max", "300000 100000")],
            Some(3.0),
        ),
        (
            "container whose path does not exist under the mount",
            &[
                (CGROUP, "0::/docker/abc\n"),
                (MOUNTS, V2_MOUNT),
                ("sys/fs/cgroup/cpu.max", "100000 50000"),
            ],
            Some(2.0),
        ),
        (
            "group outside of the namespace",
            &[
                (CGROUP, "0::/../other\n"),
                (MOUNTS, V2_MOUNT),
                ("sys/fs/cgroup/cpu.max", "100000 100000"),
                ("sys/fs/other/cpu.max", "700000 100000"),
            ],
            Some(1.0),
        ),
        (
            "default period",
            &[(CGROUP, "0::/\n"), (MOUNTS, V2_MOUNT), ("sys/fs/cgroup/cpu.max", "250000\n")],
            Some(2.5),
        ),
    ]);
}

#[test]
fn version_one() {
    let own: &[(&str, &str)] = &[
        (CGROUP, "4:memory:/x\n3:cpu,cpuacct:/a\n1:name=systemd:/y\n"),
        (MOUNTS, V1_MOUNT),
        ("sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us", "250000\n"),
        ("sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_period_us", "100000\n"),
    ];
    check(&[
        ("v1 own group", own, Some(2.5)),
        (
            "v1 no limit",
            &[
                (CGROUP, "3:cpu,cpuacct:/\n"),
                (MOUNTS, V1_MOUNT),
                ("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "-1\n"),
                ("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n"),
            ],
            None,
        ),
        (
            "v1 parent binds",
            &[
                (CGROUP, "3:cpu,cpuacct:/a/b\n"),
                (MOUNTS, V1_MOUNT),
                ("sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us", "100000"),
                ("sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_period_us", "100000"),
                ("sys/fs/cgroup/cpu,cpuacct/a/b/cpu.cfs_quota_us", "-1"),
                ("sys/fs/cgroup/cpu,cpuacct/a/b/cpu.cfs_period_us", "100000"),
            ],
            Some(1.0),
        ),
        (
            "v1 container that sees its own part of the tree",
            &[
                (CGROUP, "3:cpu,cpuacct:/docker/abc/job\n"),
                (MOUNTS, "33 30 0:29 /docker/abc /sys/fs/cgroup/cpu ro - cgroup cgroup rw,cpu\n"),
                ("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "400000"),
                ("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000"),
                ("sys/fs/cgroup/cpu/job/cpu.cfs_quota_us", "300000"),
                ("sys/fs/cgroup/cpu/job/cpu.cfs_period_us", "100000"),
            ],
            Some(3.0),
        ),
        (
            "v1 quota without a period",
            &[
                (CGROUP, "3:cpu:/\n"),
                (MOUNTS, V1_MOUNT),
                ("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "100000"),
            ],
            None,
        ),
    ]);
}

#[test]
fn both_versions_at_once() {
    let unified = "31 30 0:27 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";
    let mounts = format!("{unified}{V1_MOUNT}");
    let files: &[(&str, &str)] = &[
        (CGROUP, "3:cpu,cpuacct:/a\n0::/user.slice\n"),
        (MOUNTS, &mounts),
        ("sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us", "150000"),
        ("sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_period_us", "100000"),
        ("sys/fs/cgroup/unified/user.slice/cgroup.procs", ""),
    ];
    check(&[("hybrid", files, Some(1.5))]);
}

#[test]
fn mounts() {
    let elsewhere = "40 23 0:26 /other /mnt/other rw - cgroup2 cgroup2 rw\n";
    let both = format!("{elsewhere}{V2_MOUNT}");
    check(&[
        (
            "another group's mount binds nobody else",
            &[
                (CGROUP, "0::/a\n"),
                (MOUNTS, &both),
                ("mnt/other/cpu.max", "100000 100000"),
                ("sys/fs/cgroup/a/cpu.max", "500000 100000"),
            ],
            Some(5.0),
        ),
        (
            "a mount point with a space",
            &[
                (CGROUP, "0::/a\n"),
                (MOUNTS, "30 23 0:26 / /my\\040groups rw - cgroup2 none rw\n"),
                ("my groups/a/cpu.max", "100000 100000"),
            ],
            Some(1.0),
        ),
        (
            "no mountinfo, version two",
            &[(CGROUP, "0::/a\n"), ("sys/fs/cgroup/a/cpu.max", "100000 100000")],
            Some(1.0),
        ),
        (
            "no mountinfo, version one",
            &[
                (CGROUP, "2:cpu,cpuacct:/a\n"),
                ("sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us", "100000"),
                ("sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_period_us", "50000"),
            ],
            Some(2.0),
        ),
    ]);
}

#[test]
fn missing_empty_and_malformed_files_limit_nothing() {
    check(&[
        ("nothing at all", &[], None),
        ("no groups", &[(MOUNTS, V2_MOUNT), ("sys/fs/cgroup/cpu.max", "200000 100000")], Some(2.0)),
        ("empty files", &[(CGROUP, ""), (MOUNTS, ""), ("sys/fs/cgroup/cpu.max", "")], None),
        ("no cpu.max", &[(CGROUP, "0::/a\n"), (MOUNTS, V2_MOUNT)], None),
        (
            "words",
            &[(CGROUP, "0::/\n"), (MOUNTS, V2_MOUNT), ("sys/fs/cgroup/cpu.max", "two cpus")],
            None,
        ),
        (
            "zero",
            &[(CGROUP, "0::/\n"), (MOUNTS, V2_MOUNT), ("sys/fs/cgroup/cpu.max", "0 100000")],
            None,
        ),
        (
            "zero period",
            &[(CGROUP, "0::/\n"), (MOUNTS, V2_MOUNT), ("sys/fs/cgroup/cpu.max", "100000 0")],
            None,
        ),
        (
            "torn lines do not hide the good ones",
            &[
                (CGROUP, "::\n0:\nnonsense\n0::relative\n0::/a:b\n"),
                (MOUNTS, &format!("30 23\n\n30 23 0:26 / /x rw -\n - cgroup2\n{V2_MOUNT}")),
                ("sys/fs/cgroup/a:b/cpu.max", "100000 100000"),
            ],
            Some(1.0),
        ),
    ]);
}

#[test]
fn the_lowest_limit_wins_and_one_is_the_floor() {
    for (affinity, quota, own, expected) in [
        (8, None, None, 8),
        (8, Some(1.5), None, 2),
        (8, Some(0.1), None, 1),
        (8, Some(2.0), None, 2),
        (8, Some(f64::from(u32::MAX)), None, 8),
        (8, Some(4.0), Some(3), 3),
        (2, Some(4.0), Some(3), 2),
        (0, None, None, 1),
    ] {
        assert_eq!(lowest(affinity, quota, own), expected, "{affinity} {quota:?} {own:?}");
    }
}

#[test]
fn own_limits() {
    assert_eq!(own_limit(None), Ok(None));
    for (text, expected) in [("", None), ("1", Some(1)), (" 12 ", Some(12))] {
        assert_eq!(own_limit(Some(text.into())), Ok(expected), "{text:?}");
    }
    for text in ["0", "-1", "2.5", "four", "1 2", "99999999999999999999999"] {
        let error = own_limit(Some(text.into())).unwrap_err();
        assert_eq!(error.value(), text);
        let message = error.to_string();
        assert!(message.contains(text) && message.contains("MANYHANDS_MAX_CPUS=4"), "{message}");
    }
}

#[test]
fn the_answer_is_within_what_the_machine_has() {
    let cpus = available().unwrap();
    assert!((1..=affinity()).contains(&cpus));
}
