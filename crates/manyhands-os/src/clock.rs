//! The monotonic clock, in nanoseconds.
//!
//! One number that two processes on one machine can compare: shared memory carries deadlines and
//! starting times of this clock. It does not tell the time of day and stands still while the
//! machine is suspended.

use rustix::time::{ClockId, clock_gettime};

const NANOSECONDS_PER_SECOND: u64 = 1_000_000_000;

/// Nanoseconds since some fixed moment (usually the start of the machine); never goes backwards.
///
/// # Examples
///
/// ```
/// let before = manyhands_os::clock::monotonic_ns();
/// assert!(manyhands_os::clock::monotonic_ns() >= before);
/// ```
pub fn monotonic_ns() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    // The monotonic clock counts up from zero: neither part is ever negative.
    now.tv_sec.unsigned_abs() * NANOSECONDS_PER_SECOND + now.tv_nsec.unsigned_abs()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    #[test]
    fn counts_the_same_nanoseconds_as_std() {
        let (ours, std) = (monotonic_ns(), Instant::now());
        while std.elapsed().as_nanos() < 1_000_000 {}
        let elapsed = u128::from(monotonic_ns() - ours);
        assert!(elapsed >= 1_000_000, "one millisecond passed, counted {elapsed} ns");
    }
}
