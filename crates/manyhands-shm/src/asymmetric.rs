//! A fence of two halves: a light one for the side that passes it all the time, a heavy one for the other.
//!
//! ```text
//! one side     a <- 1;  Light::pass;     is b set?
//! the other    b <- 1;  heavy_for(..);   is a set?
//! ```
//!
//! At least one of them sees the other's store, as with two full fences. The light half only keeps the compiler from
//! moving the load; the heavy half makes the kernel put a full fence wherever a thread of a registered process has
//! come to (`membarrier`), so that its load comes after its store from the heavy side's point of view. A thread that is
//! not running has passed one. Where the kernel has no such call both halves are full fences.
//!
//! Which it is, is agreed on before: the heavy side asks [`is_possible`], the light side registers its process
//! ([`register`]), and is light only if both went well. In models both are full fences: that is what the two halves
//! together promise.

use crate::atomic::{Ordering, fence};

/// What the light side passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Light {
    /// Nothing that the processor would see: the heavy side pays.
    Free,
    /// A full fence.
    Full,
}

impl Light {
    /// A load behind this is not done before a store in front of it, for whoever passes the heavy half.
    #[inline]
    pub fn pass(self) {
        #[cfg(not(loom))]
        if self == Self::Free {
            return crate::atomic::compiler_fence(Ordering::SeqCst);
        }
        fence(Ordering::SeqCst);
    }
}

/// Light side: whether the heavy half reaches this process from now on. It costs least while it has one thread.
#[must_use]
pub fn register() -> bool {
    #[cfg(not(loom))]
    return manyhands_os::membarrier::register().is_ok();
    #[cfg(loom)]
    true
}

/// Heavy side: whether it can be the heavy half for a light one that is free.
#[must_use]
pub fn is_possible() -> bool {
    #[cfg(not(loom))]
    return manyhands_os::membarrier::everywhere().is_ok();
    #[cfg(loom)]
    true
}

/// The heavy half, towards a side that passes `light`. It fails if what [`is_possible`] said is not true any more: then
/// nothing may be concluded from what is loaded afterwards.
#[must_use]
pub fn heavy_for(light: Light) -> bool {
    fence(Ordering::SeqCst);
    light == Light::Full || is_possible()
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::sync::Arc;
    use std::thread;

    use super::*;
    use crate::atomic::AtomicU64;

    /// Both sides store, pass their half, and load: never do both find nothing.
    #[test]
    fn one_of_both_sees_the_other() {
        let light = if register() && is_possible() { Light::Free } else { Light::Full };
        let words = Arc::new([const { AtomicU64::new(0) }; 4]);
        let other = {
            let words = Arc::clone(&words);
            thread::spawn(move || {
                let [ours, theirs, seen, done] = &*words;
                for turn in 1.. {
                    ours.store(turn, Ordering::Release);
                    light.pass();
                    seen.store(theirs.load(Ordering::Relaxed), Ordering::Relaxed);
                    if done.load(Ordering::Acquire) != 0 {
                        return turn;
                    }
                }
                0
            })
        };
        let [ours, theirs, seen, done] = &*words;
        for turn in 1..=300 {
            theirs.store(turn, Ordering::Relaxed);
            assert!(heavy_for(light));
            let at = ours.load(Ordering::Relaxed);
            // The step behind the one that was seen begins after the fence, so it finds this turn.
            while ours.load(Ordering::Acquire) < at + 2 {
                crate::atomic::spin_hint();
                thread::yield_now();
            }
            assert!(seen.load(Ordering::Relaxed) >= turn);
        }
        done.store(1, Ordering::Release);
        assert!(other.join().unwrap() > 300);
    }
}
