//! `Semaphore`: permits that anybody takes and gives, and that come back from a process that died in a
//! `with`.
//!
//! ```text
//! bit 31      SLEEPERS  somebody sleeps, or is about to: whoever gives a permit calls the kernel
//! bit 30      STEP      a step of a `with` is taken, and not yet written into the table
//! bit 29..0   value     free permits
//! ```
//!
//! A plain `acquire` or `release` is one compare-and-swap of that word, and leaves no trace of who did
//! it. A `with` also keeps books: a table says which process holds how many permits, under a mutex of
//! its own (`table.rs`, `steps.rs`). A waiter that has slept looks for dead holders and gives their permits back.
//!
//! | waiter | giver |
//! | --- | --- |
//! | 1. value > 0? take one, out | a. value + 1 |
//! | 2. set SLEEPERS, if value is 0 | b. SLEEPERS was set: futex wake of one |
//! | 3. futex wait while the word is as in 2 | c. it woke none: SLEEPERS <- 0, if nothing has changed |
//! | 4. take one, with SLEEPERS; some left: b | |
//!
//! Why no permit lies unused while somebody sleeps: a and 2 are changes of one word. If a comes first, 2
//! finds a permit. If 2 does, b sees SLEEPERS; then the kernel refuses the sleep or b ends it. One
//! sleeper is woken for a permit; who has slept cannot know whether it was the last, so it leaves
//! SLEEPERS on (4), and wakes another one if more permits came meanwhile. c clears the bit only where
//! nobody slept.
//!
//! A giver killed between a and b, and a sleeper killed between b and 4, cost a slice: 200 ms to 1.6 s, or 50 ms
//! where the table names holders.
//!
//! Not fair: who comes at the right moment gets the permit. It does not count what plain `acquire`
//! takes: nobody can say whose that is.

mod permits;
mod steps;
mod table;

pub use permits::{Semaphore, TooMany};

#[cfg(all(test, not(loom)))]
mod tests;
