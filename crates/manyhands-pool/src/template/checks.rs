//! Whether this process may fork.
//!
//! A child of fork has only the thread that called it: locks that other threads held stay locked,
//! and what they were to do is never done. A GPU's driver refuses to work in such a child. The
//! template asks before every fork, and after every import to tell *which* module made it unfit.
//!
//! It sees what the kernel shows under `/proc/self`; a thread that has come and gone is not seen,
//! and need not be.

use manyhands_os::jobcontrol::ends_groups_on;
use manyhands_os::process::Signal;
use manyhands_os::signals::{Disposition, disposition};
use std::fmt;
use std::fs::{read, read_dir, read_link};
use std::io;
use std::path::{Path, PathBuf};

/// The signal that ends the template together with its workers.
pub(super) const END_SIGNAL: Signal = Signal::TERM;

/// How the device files of accelerators begin.
const ACCELERATORS: [&str; 4] = ["/dev/nvidia", "/dev/kfd", "/dev/dri/render", "/dev/accel"];

/// The library through which every program talks to an NVIDIA driver.
const CUDA_DRIVER: &[u8] = b"/libcuda.so";

/// Why this process may not fork. Reads as the end of "the module was not imported early because ...".
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// There are threads besides the main one; how many.
    Threads(usize),
    /// The device file of an accelerator is open.
    Accelerator(PathBuf),
    /// The library of the CUDA driver is loaded.
    CudaDriver,
    /// Something else than the template wants this signal.
    Signal(&'static str),
    /// The host has a reason of its own.
    Host(String),
    /// It could not be found out.
    Unknown(String),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Threads(1) => f.write_str("it starts a thread"),
            Self::Threads(count) => write!(f, "it starts {count} threads"),
            Self::Accelerator(path) => write!(f, "it opens {}", path.display()),
            Self::CudaDriver => f.write_str("it loads the CUDA driver"),
            Self::Signal(name) => write!(f, "it changes what {name} does"),
            Self::Host(reason) => f.write_str(reason),
            Self::Unknown(error) => write!(f, "it cannot be told whether forking is safe: {error}"),
        }
    }
}

/// Why a child forked now would be unsound; `None`: it would be sound.
///
/// # Examples
///
/// ```
/// use manyhands_pool::template::checks::{Reason, unsafe_to_fork};
///
/// std::thread::scope(|scope| {
///     let (sender, receiver) = std::sync::mpsc::channel::<()>();
///     scope.spawn(move || receiver.recv());
///     assert!(matches!(unsafe_to_fork(), Some(Reason::Threads(_))));
///     drop(sender);
/// });
/// ```
pub fn unsafe_to_fork() -> Option<Reason> {
    or_unknown(look())
}

/// As [`unsafe_to_fork`], and looks also for what only an import can have changed. It reads the whole
/// memory map, which takes some hundred microseconds in a large process.
pub fn unsafe_after_import() -> Option<Reason> {
    unsafe_to_fork().or_else(|| or_unknown(look_at_libraries()))
}

fn or_unknown(found: io::Result<Option<Reason>>) -> Option<Reason> {
    found.unwrap_or_else(|error| Some(Reason::Unknown(error.to_string())))
}

fn look() -> io::Result<Option<Reason>> {
    let threads = read_dir("/proc/self/task")?.count();
    if threads > 1 {
        return Ok(Some(Reason::Threads(threads - 1)));
    }
    if let Some(path) = open_accelerator()? {
        return Ok(Some(Reason::Accelerator(path)));
    }
    if disposition(Signal::CHILD)? != Disposition::Default {
        // Someone else would wait for the workers, or the kernel would bury them unasked.
        return Ok(Some(Reason::Signal("SIGCHLD")));
    }
    Ok(None)
}

/// In the template itself: whether its own handler is still in.
pub(super) fn unsafe_for_template() -> Option<Reason> {
    match ends_groups_on(END_SIGNAL) {
        Ok(true) => None,
        Ok(false) => Some(Reason::Signal("SIGTERM")),
        Err(error) => Some(Reason::Unknown(error.to_string())),
    }
}

fn open_accelerator() -> io::Result<Option<PathBuf>> {
    for entry in read_dir("/proc/self/fd")? {
        // A descriptor that is closed meanwhile (the one that reads this folder) is no accelerator.
        let Ok(target) = read_link(entry?.path()) else { continue };
        if is_accelerator(&target) {
            return Ok(Some(target));
        }
    }
    Ok(None)
}

fn is_accelerator(path: &Path) -> bool {
    path.to_str().is_some_and(|path| ACCELERATORS.iter().any(|start| path.starts_with(start)))
}

fn look_at_libraries() -> io::Result<Option<Reason>> {
    let map = read("/proc/self/maps")?;
    Ok(maps_cuda(&map).then_some(Reason::CudaDriver))
}

fn maps_cuda(map: &[u8]) -> bool {
    map.windows(CUDA_DRIVER.len()).any(|window| window == CUDA_DRIVER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_thread_is_seen() {
        // The test runner has threads of its own besides this one.
        let (sender, receiver) = std::sync::mpsc::channel::<()>();
        let thread = std::thread::spawn(move || receiver.recv());
        assert!(matches!(unsafe_to_fork(), Some(Reason::Threads(1..))));
        drop(sender);
        assert!(thread.join().unwrap().is_err());
    }

    #[test]
    fn accelerators_are_told_by_their_device_files() {
        for path in ["/dev/nvidia0", "/dev/nvidiactl", "/dev/kfd", "/dev/dri/renderD128"] {
            assert!(is_accelerator(Path::new(path)), "{path}");
        }
        for path in ["/dev/null", "/dev/dri/card0", "/home/dev/nvidia0", "socket:[1]"] {
            assert!(!is_accelerator(Path::new(path)), "{path}");
        }
        assert_eq!(open_accelerator().unwrap(), None);
    }

    #[test]
    fn the_cuda_driver_is_told_from_other_libraries() {
        assert!(maps_cuda(b"7f00-7f01 r-xp 0 08:01 7 /usr/lib/libcuda.so.1\n"));
        assert!(!maps_cuda(b"7f00-7f01 r-xp 0 08:01 7 /usr/lib/libcudart.so.12\n"));
        assert_eq!(look_at_libraries().unwrap(), None);
    }

    #[test]
    fn reasons_read_as_the_end_of_a_sentence() {
        assert_eq!(Reason::Threads(1).to_string(), "it starts a thread");
        assert_eq!(Reason::Threads(3).to_string(), "it starts 3 threads");
        assert_eq!(Reason::Accelerator("/dev/kfd".into()).to_string(), "it opens /dev/kfd");
        assert_eq!(Reason::Signal("SIGCHLD").to_string(), "it changes what SIGCHLD does");
    }
}
