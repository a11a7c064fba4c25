//! Control groups: the directories whose limits bind this process.
//!
//! A limit of any ancestor binds as much as one of the group itself, so [`levels`] names them all,
//! from the process's own group up to the top of the mount. It reads `/proc/self/cgroup` (which
//! group, per hierarchy) and `/proc/self/mountinfo` (where the hierarchies are mounted), and knows
//! version 1, version 2 and both at once (hybrid). What is missing, empty or malformed limits
//! nothing: a container without a mounted hierarchy is common and no error.
//!
//! Inside a container the group's path often does not exist below the mount, for the mount shows
//! only the container's part of the tree; then, and when the group is unknown, the top of the mount
//! is the group. Every path is taken below a `root` that the caller gives (`/`, or a fake tree in a
//! test).
//!
//! Refuses: to write, to cache (a group's limits change while it runs), and to judge what a limit
//! means; that is for the modules that read it.

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::path::{Component, Path, PathBuf};

/// The version of a hierarchy, which decides the names of its files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    /// A hierarchy for one or some controllers.
    One,
    /// The unified hierarchy.
    Two,
}

/// One directory of limits that bind this process.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Level {
    /// Which files to look for.
    pub(crate) version: Version,
    /// The directory, below the caller's root. It may not exist.
    pub(crate) directory: PathBuf,
}

/// Every directory that may hold a limit of `controller` (such as `cpu` or `memory`) for this
/// process: its group and that group's ancestors, in each hierarchy that carries the controller.
pub(crate) fn levels(root: &Path, controller: &str) -> Vec<Level> {
    let mounts = mounts(root, controller);
    let mut groups = groups(root, controller);
    if groups.is_empty() {
        groups = vec![(Version::One, "/".into()), (Version::Two, "/".into())];
    }
    let mut found = Vec::new();
    for (version, group) in groups {
        for top in tops(&mounts, version, &group) {
            let directories = top.relative.ancestors().map(|part| below(root, &top.point, part));
            found.extend(directories.map(|directory| Level { version, directory }));
        }
    }
    found
}

/// The number that follows `name` in a file of lines `name number [unit]`.
pub(crate) fn field(text: &str, name: &str) -> Option<u64> {
    let mut lines = text.lines().map(str::split_ascii_whitespace);
    let mut line = lines.find_map(|mut words| (words.next() == Some(name)).then_some(words))?;
    line.next()?.parse().ok()
}

/// A mounted hierarchy.
#[derive(Debug)]
struct Mount {
    version: Version,
    /// The group that is seen at the mount point.
    group: PathBuf,
    /// The mount point, absolute.
    point: PathBuf,
}

/// Where the walk up begins: a mount point and the way down from it to the process's group.
struct Top {
    point: PathBuf,
    relative: PathBuf,
}

/// The groups of this process that carry `controller`: lines `id:controllers:path`, where an id of
/// 0 without controllers is the unified hierarchy.
fn groups(root: &Path, controller: &str) -> Vec<(Version, PathBuf)> {
    let parse = |line: &[u8]| {
        let mut fields = line.splitn(3, |&byte| byte == b':');
        let (id, controllers, path) = (fields.next()?, fields.next()?, fields.next()?);
        let version = match controllers {
            b"" if id == b"0" => Version::Two,
            _ if lists(controllers, controller) => Version::One,
            _ => return None,
        };
        path.starts_with(b"/").then(|| (version, path_of(path.to_vec())))
    };
    lines(&root.join("proc/self/cgroup")).iter().filter_map(|line| parse(line)).collect()
}

/// The mounts that carry `controller`, or, where mountinfo names none, the customary places.
fn mounts(root: &Path, controller: &str) -> Vec<Mount> {
    let info = lines(&root.join("proc/self/mountinfo"));
    let mut found: Vec<_> = info.iter().filter_map(|line| mount(line, controller)).collect();
    for (version, places) in [
        (Version::Two, vec!["/sys/fs/cgroup".to_owned(), "/sys/fs/cgroup/unified".to_owned()]),
        (Version::One, vec![format!("/sys/fs/cgroup/{controller}"), joint_mount(controller)]),
    ] {
        if !found.iter().any(|mount| mount.version == version) {
            let customary =
                |point| Mount { version, group: "/".into(), point: PathBuf::from(point) };
            found.extend(places.into_iter().map(customary));
        }
    }
    found
}

/// The customary place of controllers that distributions mount in pairs.
fn joint_mount(controller: &str) -> String {
    match controller {
        "cpu" => "/sys/fs/cgroup/cpu,cpuacct".to_owned(),
        other => format!("/sys/fs/cgroup/{other}"),
    }
}

/// One line of mountinfo: `id parent device root point options [tags...] - type source options`.
fn mount(line: &[u8], controller: &str) -> Option<Mount> {
    let fields: Vec<&[u8]> = line.split(|&byte| byte == b' ').collect();
    let dash = 6 + fields.get(6..)?.iter().position(|&field| field == b"-")?;
    let version = match *fields.get(dash + 1)? {
        b"cgroup2" => Version::Two,
        b"cgroup" if lists(fields.get(dash + 3)?, controller) => Version::One,
        _ => return None,
    };
    Some(Mount { version, group: unescaped(fields[3]), point: unescaped(fields[4]) })
}

/// The mounts to start from: those that show `group`, or, when none does, the top of each.
fn tops(mounts: &[Mount], version: Version, group: &Path) -> Vec<Top> {
    let mounts = || mounts.iter().filter(move |mount| mount.version == version);
    let shown = |mount: &Mount| {
        let relative = group.strip_prefix(&mount.group).ok()?.to_owned();
        is_plain(&relative).then(|| Top { point: mount.point.clone(), relative })
    };
    let tops: Vec<_> = mounts().filter_map(shown).collect();
    if !tops.is_empty() {
        return tops;
    }
    mounts().map(|mount| Top { point: mount.point.clone(), relative: PathBuf::new() }).collect()
}

/// False for a path with `..`: a group outside the namespace of this process.
fn is_plain(path: &Path) -> bool {
    path.components().all(|part| matches!(part, Component::Normal(_)))
}

/// `root` + `point` + `part`, although `point` is absolute. An empty `part` adds nothing.
fn below(root: &Path, point: &Path, part: &Path) -> PathBuf {
    root.join(point.strip_prefix("/").unwrap_or(point)).join(part)
}

/// Whether a list separated by commas has `word`.
fn lists(list: &[u8], word: &str) -> bool {
    list.split(|&byte| byte == b',').any(|item| item == word.as_bytes())
}

/// The lines of a file, none when it cannot be read.
fn lines(file: &Path) -> Vec<Vec<u8>> {
    let content = fs::read(file).unwrap_or_default();
    content.split(|&byte| byte == b'\n').map(<[u8]>::to_vec).collect()
}

/// A path of mountinfo, where space, tab, newline and backslash are written as `\` and three octal
/// digits.
fn unescaped(field: &[u8]) -> PathBuf {
    let mut path = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&first, tail)) = rest.split_first() {
        if let (b'\\', Some(byte)) = (first, octal(tail)) {
            path.push(byte);
            rest = &tail[3..];
        } else {
            path.push(first);
            rest = tail;
        }
    }
    path_of(path)
}

/// The byte that three leading octal digits stand for.
fn octal(digits: &[u8]) -> Option<u8> {
    let digits = std::str::from_utf8(digits.get(..3)?).ok()?;
    u8::from_str_radix(digits, 8).ok()
}

fn path_of(bytes: Vec<u8>) -> PathBuf {
    PathBuf::from(OsString::from_vec(bytes))
}
