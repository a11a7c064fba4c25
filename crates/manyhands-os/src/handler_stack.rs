//! Room for handlers of signals that run one in another.
//!
//! A fault handler that is to survive an overflow of the stack brings a stack of its own (`sigaltstack`), and every
//! handler of the thread that asks for such a stack then runs there, as all those of Python do. What fault handlers
//! bring is meant for one: of six handlers in one another, for signals that come together, the last ran over its
//! end, and the program crashed. Python's `faulthandler` brings such a one.
//!
//! It gives no thread a stack that has none.
#![expect(unsafe_code, reason = "the stack is the C library's to set, and memory of its own")]

use rustix::mm::{MapFlags, MprotectFlags, ProtFlags, mmap_anonymous, mprotect, munmap};
use std::io;
use std::mem::MaybeUninit;
use std::ptr;

/// More than all signals that there are need at once; pages that nobody touches cost nothing.
const ROOM: usize = 1 << 20;

/// The lowest pages, which nobody may touch, so that an overflow is a crash and harms nobody else.
const GUARD: usize = 64 << 10;

/// Replaces the calling thread's stack for handlers by a roomy one, if it has one that is smaller. It stays until the
/// thread ends or sets another, and its memory until the process ends.
///
/// # Errors
///
/// `ENOMEM`; `EPERM` in a handler that runs on the stack.
///
/// # Examples
///
/// ```
/// manyhands_os::handler_stack::make_roomy()?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn make_roomy() -> io::Result<()> {
    let present = present()?;
    if present.ss_flags & libc::SS_DISABLE != 0 || present.ss_size >= ROOM {
        return Ok(());
    }
    let (all, flags) = (GUARD + ROOM, MapFlags::PRIVATE | MapFlags::NORESERVE);
    // SAFETY: the kernel chooses where, so nothing that is in use is replaced.
    let base =
        unsafe { mmap_anonymous(ptr::null_mut(), all, ProtFlags::READ | ProtFlags::WRITE, flags) }?;
    // SAFETY: the first pages of what was just mapped, which nobody uses yet.
    let guarded = unsafe { mprotect(base, GUARD, MprotectFlags::empty()) };
    let stack = libc::stack_t { ss_sp: base.wrapping_byte_add(GUARD), ss_flags: 0, ss_size: ROOM };
    let set = guarded.map_err(io::Error::from).and_then(|()| {
        // SAFETY: memory that is readable, writable, nobody else's, and stays; the old one is not asked for.
        if unsafe { libc::sigaltstack(&raw const stack, ptr::null_mut()) } == 0 {
            return Ok(());
        }
        Err(io::Error::last_os_error())
    });
    if set.is_err() {
        // SAFETY: what was mapped above, and is in nobody's hands.
        let _freed = unsafe { munmap(base, all) };
    }
    set
}

/// The calling thread's stack for handlers.
fn present() -> io::Result<libc::stack_t> {
    let mut present = MaybeUninit::<libc::stack_t>::uninit();
    // SAFETY: a null pointer sets none; `present` has room for the answer.
    if unsafe { libc::sigaltstack(ptr::null(), present.as_mut_ptr()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: filled by the successful call above.
    Ok(unsafe { present.assume_init() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_one_is_replaced_once() {
        // Rust gives each of its threads one, for overflows of its stack.
        std::thread::spawn(|| {
            assert!(present().unwrap().ss_size < ROOM);
            make_roomy().unwrap();
            let roomy = present().unwrap();
            assert_eq!(roomy.ss_size, ROOM);
            make_roomy().unwrap();
            assert_eq!(present().unwrap().ss_sp, roomy.ss_sp);
        })
        .join()
        .unwrap();
    }

    #[test]
    fn where_there_is_none_there_is_none_afterwards() {
        std::thread::spawn(|| {
            let none =
                libc::stack_t { ss_sp: ptr::null_mut(), ss_flags: libc::SS_DISABLE, ss_size: 0 };
            // SAFETY: the thread goes without; what it had is given back at its end by whoever made it.
            assert_eq!(unsafe { libc::sigaltstack(&raw const none, ptr::null_mut()) }, 0);
            make_roomy().unwrap();
            assert_ne!(present().unwrap().ss_flags & libc::SS_DISABLE, 0);
        })
        .join()
        .unwrap();
    }
}
