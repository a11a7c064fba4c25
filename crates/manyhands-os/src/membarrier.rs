//! Fences in other processes: `membarrier`, for two sides of which one must not pay.
//!
//! Who stores a word and then loads another one, which somebody else does the other way round, needs a full fence in
//! between. Where one of the two does so at every step and the other hardly ever, the other may pay for both:
//! [`everywhere`] makes all threads pass a full fence that run in processes which have [`register`]ed.
//!
//! Refuses: to stand in for it where the kernel, or a filter of system calls, has none.

use std::io;

use rustix::thread::{MembarrierCommand, membarrier};

/// Lets this process be reached by [`everywhere`]. It costs least while it has one thread.
///
/// # Errors
/// Where the kernel has no such call, or does not let this process use it.
///
/// # Examples
/// ```
/// if manyhands_os::membarrier::register().is_ok() {
///     manyhands_os::membarrier::everywhere().expect("it exists");
/// }
/// ```
pub fn register() -> io::Result<()> {
    Ok(membarrier(MembarrierCommand::RegisterGlobalExpedited)?)
}

/// Every thread of a registered process has passed a full fence between the beginning of this call and its end.
///
/// # Errors
/// As of [`register`]; then nobody has passed anything.
///
/// # Examples
/// ```
/// if manyhands_os::membarrier::everywhere().is_err() {
///     println!("an old kernel, or a filter");
/// }
/// ```
pub fn everywhere() -> io::Result<()> {
    Ok(membarrier(MembarrierCommand::GlobalExpedited)?)
}
