//! How a process of this program starts another one of the same program, and how that one finds out.
//!
//! ```text
//! parent   a passport (what the child is to be) in a sealed memory file, descriptors from 3 on, and one
//!          variable in the environment that names the memory file: then the own program is executed
//! child    init(): the variable is there, and the file that it names is open at its place: so this
//!          process was started by its own kind. A grandchild that has inherited the variable lacks the file.
//! ```
//!
//! What is executed is the file that this process runs, by its path if that still leads there, else
//! through `/proc/self/exe`. The passport opens with what identifies the program ([`code::program_id`]),
//! and the child reads nothing else of it if that differs.
//!
//! It knows no pool: what a child becomes is decided in `init`.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs::metadata;
use std::io::{self, PipeReader, PipeWriter, pipe};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::OnceLock;

use manyhands_os::inherit::{identity, is_open_at, take_variable};
use manyhands_os::launch::{Child, Program, spawn_exec, spawn_member, take_inherited};
use manyhands_os::memory::{create_blob, read_blob};
use manyhands_os::process::PidFd;
use manyhands_shm::atomic::{AtomicU32, Ordering};
use serde::{Deserialize, Serialize};

use crate::{code, codec, world};

/// The variable that names the passport.
const MARKER: &str = "MANYHANDS_START";
/// Where a child finds the passport; then its parent's pidfd and line, the world, and what its role needs.
const FIRST: i32 = 3;
/// The exit code of a child that could not become what it was to be, or cannot go on.
pub(crate) const FAILED: i32 = 112;
/// The exit code of a child that runs another program than its parent.
pub(crate) const REPLACED: i32 = 113;
/// What that means.
pub(crate) const REPLACED_TEXT: &str = "the program file was replaced while the program ran: start it again (or a plugin \
                                        with a crate `manyhands` of its own started it: only the program's own can)";

static INITIALIZED: AtomicU32 = AtomicU32::new(0);

/// What a child is to be.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Role {
    /// A worker of a pool. Its descriptors: lane, hub, event.
    Worker {
        /// Its seat.
        seat: u64,
        /// The handle of the block that is its slate.
        slate: u64,
        /// How much memory it may have, in bytes: before it is replaced, and before it is ended.
        memory: (Option<u64>, Option<u64>),
    },
    /// A process that runs one function. Its descriptor: where the result goes.
    Process {
        /// The function, as a maker's place.
        place: u64,
        /// The function's name.
        name: String,
        /// Its argument.
        argument: Vec<u8>,
    },
}

/// A child that is to be started.
#[derive(Debug)]
pub(crate) struct Order<'a> {
    pub(crate) role: Role,
    /// What the role needs.
    pub(crate) fds: Vec<BorrowedFd<'a>>,
    /// Variables that differ from this process's environment.
    pub(crate) env: &'a [(OsString, OsString)],
    /// It stays in this process's group.
    pub(crate) member: bool,
}

/// What a child finds.
#[derive(Debug)]
pub(crate) struct Arrival {
    pub(crate) role: Role,
    pub(crate) parent: PidFd,
    /// It hangs up when the parent becomes another program.
    pub(crate) line: OwnedFd,
    pub(crate) world: OwnedFd,
    pub(crate) fds: Vec<OwnedFd>,
}

/// Notes that `init` was called in this process, which is not a child of its own kind.
pub(crate) fn note_initialized() {
    INITIALIZED.store(1, Ordering::Relaxed);
}

/// Whether children can be started: they begin in `init`, which this process has called as well.
pub(crate) fn is_initialized() -> bool {
    INITIALIZED.load(Ordering::Relaxed) == 1
}

/// Starts a child.
///
/// # Errors
/// What the kernel says.
pub(crate) fn launch(order: Order<'_>) -> io::Result<Child> {
    let id = code::program_id();
    let mut passport = vec![u8::try_from(id.len()).map_err(io::Error::other)?];
    passport.extend_from_slice(id);
    codec::append(&order.role, &mut passport).map_err(io::Error::other)?;
    let passport = create_blob("manyhands-start", &passport)?;
    let (device, inode) = identity(&passport)?;
    let parent = PidFd::of_self()?;
    let world = world::home()?;
    let mut fds = vec![passport.as_fd(), parent.as_fd(), line()?, world.fd()];
    fds.extend(order.fds);
    let marker = format!("{FIRST}:{}:{device}:{inode}", fds.len());
    let program = Program {
        path: own_program()?,
        args: env::args_os().skip(1).collect(),
        env: Some(environment(order.env, marker)),
        cwd: None,
    };
    let fds: Vec<_> = fds.into_iter().zip(FIRST..).collect();
    if order.member { spawn_member(&program, &fds) } else { spawn_exec(&program, &fds) }
}

/// Sets a variable in an environment.
pub(crate) fn set_env(env: &mut Vec<(OsString, OsString)>, name: &OsStr, value: &OsStr) {
    env.retain(|(other, _)| other != name);
    env.push((name.to_owned(), value.to_owned()));
}

/// Whether variables can be in an environment; what is wrong with the first that cannot.
pub(crate) fn check_env(env: &[(OsString, OsString)]) -> Result<(), String> {
    for (name, value) in env {
        let (bytes, value) = (name.as_bytes(), value.as_bytes());
        let name = name.to_string_lossy();
        if bytes.is_empty() || bytes.contains(&b'=') || bytes.contains(&0) {
            return Err(format!(
                "{name:?} cannot be the name of a variable: it is empty, or has a '=' or a zero byte"
            ));
        }
        if value.contains(&0) {
            return Err(format!(
                "the value of the variable {name:?} has a zero byte, which cannot be in an environment"
            ));
        }
    }
    Ok(())
}

/// What hangs up when this process executes another program, which its pidfd does not tell. That a fork holds the other
/// end as well does no harm: a death is told by the pidfd.
fn line() -> io::Result<BorrowedFd<'static>> {
    static LINE: OnceLock<(PipeReader, PipeWriter)> = OnceLock::new();
    if let Some((reader, _)) = LINE.get() {
        return Ok(reader.as_fd());
    }
    let made = pipe()?;
    Ok(LINE.get_or_init(|| made).0.as_fd())
}

/// The file that this process runs.
fn own_program() -> io::Result<PathBuf> {
    let running = PathBuf::from("/proc/self/exe");
    let own = metadata(&running)?;
    let path = env::current_exe()?;
    let same = |found: std::fs::Metadata| (found.dev(), found.ino()) == (own.dev(), own.ino());
    Ok(if metadata(&path).is_ok_and(same) { path } else { running })
}

fn environment(changes: &[(OsString, OsString)], marker: String) -> Vec<(OsString, OsString)> {
    let differs =
        |name: &OsString| name == MARKER || changes.iter().any(|(other, _)| name == other);
    let kept = env::vars_os().filter(|(name, _)| !differs(name));
    kept.chain(changes.iter().cloned()).chain([(MARKER.into(), marker.into())]).collect()
}

/// What this process was started for, if by its own kind.
///
/// # Errors
/// Whatever keeps a child from becoming what it is to be.
pub(crate) fn arrive() -> io::Result<Option<Arrival>> {
    let Some(marker) = take_variable(MARKER) else { return Ok(None) };
    let numbers = marker.to_str().unwrap_or_default().split(':').map(str::parse::<u64>);
    let numbers: Vec<_> = numbers.map_while(Result::ok).collect();
    let [first, count, device, inode] = numbers[..] else { return Ok(None) };
    let first: i32 = first.try_into().map_err(io::Error::other)?;
    if !is_open_at(first, (device, inode)) {
        return Ok(None);
    }
    let end = first.saturating_add(count.try_into().map_err(io::Error::other)?);
    let fds: Vec<_> = (first..end).map(take_inherited).collect::<io::Result<_>>()?;
    let mut fds = fds.into_iter();
    let mut next = || fds.next().ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof));
    let (passport, parent, line, world) = (next()?, next()?, next()?, next()?);
    let role = role_of(&read_blob(passport.as_fd())?)?;
    Ok(Some(Arrival { role, parent: PidFd::from_fd(parent), line, world, fds: fds.collect() }))
}

/// Reads a passport; one of another program is refused, with an error of kind `Unsupported`.
fn role_of(passport: &[u8]) -> io::Result<Role> {
    let (id, mut rest) = passport
        .split_first()
        .and_then(|(len, rest)| rest.split_at_checked(usize::from(*len)))
        .ok_or(io::ErrorKind::InvalidData)?;
    if id != code::program_id() {
        return Err(io::Error::new(io::ErrorKind::Unsupported, REPLACED_TEXT));
    }
    codec::take(&mut rest).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_marker_and_changes_replace_what_is_there() {
        let changes = [("PATH".into(), "elsewhere".into()), ("OWN".into(), "1".into())];
        let env = environment(&changes, "marker".into());
        let of = |name: &str| {
            let found: Vec<_> = env.iter().filter(|(own, _)| own == name).collect();
            assert_eq!(found.len(), 1, "{name}");
            found[0].1.clone()
        };
        assert_eq!(of("PATH"), "elsewhere");
        assert_eq!(of("OWN"), "1");
        assert_eq!(of(MARKER), "marker");
    }

    #[test]
    fn a_passport_of_another_program_is_refused_unread() {
        let refused = role_of(&[3, 1, 2, 3, 255, 255]).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::Unsupported);
        assert_eq!(role_of(&[]).unwrap_err().kind(), io::ErrorKind::InvalidData);
        assert_eq!(role_of(&[9, 1]).unwrap_err().kind(), io::ErrorKind::InvalidData);
        let id = code::program_id();
        let mut own = vec![u8::try_from(id.len()).unwrap()];
        own.extend_from_slice(id);
        let role = Role::Worker { seat: 3, slate: 9, memory: (None, Some(7)) };
        codec::append(&role, &mut own).unwrap();
        let read = role_of(&own).unwrap();
        assert!(matches!(read, Role::Worker { seat: 3, slate: 9, memory: (None, Some(7)) }));
    }

    #[test]
    fn what_cannot_be_in_an_environment_is_named() {
        let check = |name: &str, value: &str| check_env(&[(name.into(), value.into())]);
        assert_eq!(check("A", ""), Ok(()));
        assert_eq!(check("A", "b=c"), Ok(()));
        for name in ["", "A=B", "A\0"] {
            assert!(check(name, "1").is_err_and(|text| text.contains(&format!("{name:?}"))));
        }
        assert!(check("A", "\0").is_err_and(|text| text.contains("zero byte")));
    }
}
