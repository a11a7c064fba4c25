//! How much memory this process may still use, and how much of it manyhands takes at most.
//!
//! What binds is the lowest of: the memory that the machine has available, and for every control
//! group between this process and the top (versions 1 and 2) its limit less its use. File cache
//! that the kernel gives up at once (`inactive_file`) is not counted as use: a container that has
//! read large files is not full. The budget is half of that, or what the user set in
//! `MANYHANDS_MEMORY`.
//!
//! Refuses: to cache (limits and use change at run time; a call takes some tens of microseconds),
//! and to fail on missing or strange files, which limit nothing. Only a value of the user's own
//! that makes no sense is an error.

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::{env, error, fmt, fs};

use crate::cgroup::{self, Level, Version, field};

/// The environment variable with the user's own budget.
pub const MEMORY: &str = "MANYHANDS_MEMORY";

/// Of what is available, the budget is one part in so many.
const SHARE: u64 = 2;

/// `MANYHANDS_MEMORY` holds something that is no amount of memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidMemory {
    value: OsString,
}

impl InvalidMemory {
    /// What the variable holds.
    pub fn value(&self) -> &OsStr {
        &self.value
    }
}

impl fmt::Display for InvalidMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.value.display();
        write!(
            f,
            "{MEMORY} is '{value}', which is no amount of memory: set it to a number of bytes, or \
             to a number with K, M, G or T behind it, such as {MEMORY}=2G, or unset it"
        )
    }
}

impl error::Error for InvalidMemory {}

/// The most shared memory, in bytes, that manyhands may take: `MANYHANDS_MEMORY`, else half of
/// what is [`available`]. `u64::MAX` where nothing limits it.
///
/// An empty `MANYHANDS_MEMORY` counts as unset.
///
/// # Errors
/// [`InvalidMemory`] when the variable holds something that is no amount of memory.
///
/// # Examples
/// ```
/// assert!(manyhands_os::budget::budget()? > 0);
/// # Ok::<(), manyhands_os::budget::InvalidMemory>(())
/// ```
pub fn budget() -> Result<u64, InvalidMemory> {
    let own = own_budget(env::var_os(MEMORY))?;
    Ok(own.unwrap_or_else(|| share_of(available())))
}

/// The memory, in bytes, that this process can still use: none where nothing limits it.
pub fn available() -> Option<u64> {
    lowest(Path::new("/"))
}

fn share_of(available: Option<u64>) -> u64 {
    available.map_or(u64::MAX, |bytes| bytes / SHARE)
}

/// The lowest of what the machine has and what each control group leaves.
fn lowest(root: &Path) -> Option<u64> {
    let levels = cgroup::levels(root, "memory");
    let rooms = levels.iter().filter_map(room);
    rooms.chain(machine(root)).min()
}

/// What the machine has available, by `/proc/meminfo`: a line `MemAvailable:  123 kB`.
fn machine(root: &Path) -> Option<u64> {
    let info = fs::read_to_string(root.join("proc/meminfo")).ok()?;
    let kibibytes = field(&info, "MemAvailable:")?;
    kibibytes.checked_mul(1024)
}

/// What one control group leaves of its lowest limit.
fn room(level: &Level) -> Option<u64> {
    let read = |name| fs::read_to_string(level.directory.join(name)).ok();
    let bytes = |name| read(name).and_then(|text| text.trim().parse::<u64>().ok());
    let (limit, used, cache) = match level.version {
        // `memory.high` is no wall, but a group beyond it is slowed to a crawl.
        Version::Two => {
            let limits = [bytes("memory.max"), bytes("memory.high")];
            (limits.into_iter().flatten().min()?, bytes("memory.current"), "inactive_file")
        }
        Version::One => {
            let limit = bytes("memory.limit_in_bytes")?;
            (limit, bytes("memory.usage_in_bytes"), "total_inactive_file")
        }
    };
    let spare = read("memory.stat").and_then(|stat| field(&stat, cache)).unwrap_or(0);
    Some(limit.saturating_sub(used.unwrap_or(0).saturating_sub(spare)))
}

/// What the user allows: none when unset or empty.
fn own_budget(value: Option<OsString>) -> Result<Option<u64>, InvalidMemory> {
    let Some(value) = value.filter(|value| !value.is_empty()) else { return Ok(None) };
    match value.to_str().and_then(amount) {
        Some(bytes) if bytes > 0 => Ok(Some(bytes)),
        _ => Err(InvalidMemory { value }),
    }
}

/// An amount such as `1073741824`, `512M`, `1.5 GiB`, `2gb`; the units are powers of 1024.
fn amount(text: &str) -> Option<u64> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let shift = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 10,
        "m" | "mb" | "mib" => 20,
        "g" | "gb" | "gib" => 30,
        "t" | "tb" | "tib" => 40,
        _ => return None,
    };
    if let Ok(whole) = number.parse::<u64>() {
        return whole.checked_mul(1 << shift);
    }
    let number = number.parse::<f64>().ok().filter(|number| number.is_finite())?;
    #[expect(clippy::cast_precision_loss, reason = "a power of two is exact")]
    let bytes = number * (1_u64 << shift) as f64;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "there is no sign in the text, and the cast saturates"
    )]
    Some(bytes as u64)
}

#[cfg(test)]
mod tests;
