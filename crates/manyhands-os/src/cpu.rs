//! How many processors this process may really use.
//!
//! The number of processors of the machine says little in a container or under a batch system.
//! What binds is the lowest of three: the affinity mask, the CPU quota of every control group
//! between this process and the top (versions 1 and 2), and what the user set in
//! `MANYHANDS_MAX_CPUS`. A quota of 1.5 processors counts as two: half a processor is better used
//! than left idle. The answer is at least one.
//!
//! Refuses: to cache (masks and quotas change at run time; a call takes some tens of
//! microseconds), and to fail on strange control groups, which limit nothing. Only a value of the
//! user's own that makes no sense is an error.

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::{env, error, fmt, fs, thread};

use crate::cgroup::{self, Level, Version};

/// The environment variable with the user's own upper limit.
pub const MAX_CPUS: &str = "MANYHANDS_MAX_CPUS";

/// The period, in microseconds, that version 2 uses where a file names none.
const DEFAULT_PERIOD: f64 = 100_000.0;

/// `MANYHANDS_MAX_CPUS` holds something else than a whole number of at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidMaxCpus {
    value: OsString,
}

impl InvalidMaxCpus {
    /// What the variable holds.
    pub fn value(&self) -> &OsStr {
        &self.value
    }
}

impl fmt::Display for InvalidMaxCpus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.value.display();
        write!(
            f,
            "{MAX_CPUS} is '{value}', which is not a whole number of at least 1: \
             set it to the most processors to use, such as {MAX_CPUS}=4, or unset it"
        )
    }
}

impl error::Error for InvalidMaxCpus {}

/// The number of processors this process may use, at least one.
///
/// An empty `MANYHANDS_MAX_CPUS` counts as unset.
///
/// # Errors
/// [`InvalidMaxCpus`] when the variable holds something that is not a whole number of at least one.
///
/// # Examples
/// ```
/// let workers = manyhands_os::cpu::available()?;
/// assert!(workers >= 1);
/// # Ok::<(), manyhands_os::cpu::InvalidMaxCpus>(())
/// ```
pub fn available() -> Result<usize, InvalidMaxCpus> {
    let own = own_limit(env::var_os(MAX_CPUS))?;
    Ok(lowest(affinity(), quota(), own))
}

/// The lowest of the three limits. A quota is rounded up.
fn lowest(affinity: usize, quota: Option<f64>, own: Option<usize>) -> usize {
    // The cast saturates, so an absurdly large quota limits nothing.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a quota is positive and whole after ceil, and the cast saturates"
    )]
    let quota = quota.map_or(usize::MAX, |cpus| cpus.ceil() as usize);
    affinity.min(quota).min(own.unwrap_or(usize::MAX)).max(1)
}

/// The number of processors in this thread's affinity mask.
#[must_use]
pub fn affinity() -> usize {
    // On a machine with more processors than the mask of the system call holds, std's answer
    // (the processors online) is the better one.
    rustix::thread::sched_getaffinity(None).map_or_else(
        |_| thread::available_parallelism().map_or(1, Into::into),
        |mask| mask.count() as usize,
    )
}

/// What the user allows: none when unset or empty.
fn own_limit(value: Option<OsString>) -> Result<Option<usize>, InvalidMaxCpus> {
    let Some(value) = value.filter(|value| !value.is_empty()) else { return Ok(None) };
    match value.to_str().and_then(|text| text.trim().parse().ok()) {
        Some(cpus) if cpus >= 1 => Ok(Some(cpus)),
        _ => Err(InvalidMaxCpus { value }),
    }
}

/// The lowest CPU quota, in processors, of this process's control groups and their ancestors.
#[must_use]
pub fn quota() -> Option<f64> {
    quota_below(Path::new("/"))
}

fn quota_below(root: &Path) -> Option<f64> {
    let levels = cgroup::levels(root, "cpu");
    levels.iter().filter_map(quota_of).min_by(f64::total_cmp)
}

/// The quota that one directory sets.
fn quota_of(level: &Level) -> Option<f64> {
    let read = |name| fs::read_to_string(level.directory.join(name)).ok();
    let (quota, period) = match level.version {
        Version::One => (number(&read("cpu.cfs_quota_us")?)?, number(&read("cpu.cfs_period_us")?)?),
        Version::Two => {
            let line = read("cpu.max")?;
            let mut words = line.split_ascii_whitespace();
            // The word `max` is no number and so no limit.
            (number(words.next()?)?, words.next().map_or(Some(DEFAULT_PERIOD), number)?)
        }
    };
    Some(quota / period)
}

/// A positive number of microseconds: -1 (version 1's word for no limit), 0, and what is too large
/// to bind any machine are none.
fn number(text: &str) -> Option<f64> {
    let number = text.trim().parse::<u32>().ok().filter(|&number| number > 0)?;
    Some(f64::from(number))
}

#[cfg(test)]
mod tests;
