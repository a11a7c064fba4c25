//! Memory that the processes of a tree share, and who uses it.
//!
//! A [`World`] is one sealed memory file, mapped once in each process: no name, no more descriptors
//! however many objects there are, gone with the last process. It holds a roster of processes and
//! *blocks*. A process has a block by holding it ([`Block`]); what each holds is listed in the world, so
//! that a process may be killed at any instruction: what it held is given back by whoever sweeps, and
//! who finds the world's lock left by it puts right what was half done. `docs/design/world.md` tells it
//! step by step.
//!
//! | file | what it is |
//! | --- | --- |
//! | `words.rs` | the words in shared memory, and which are the truth |
//! | `ground.rs` | the mapping, and the casts |
//! | `inside.rs`, `rebuild.rs` | the world's lock; repair after a death in it |
//! | `pages.rs`, `slabs.rs`, `names.rs` | the allocator: runs of pages, small blocks, blocks and their names |
//! | `roster.rs`, `tables.rs` | the processes, and what each holds |
//! | `local.rs` | the lock that protects this process's view of its table |
//! | `home.rs`, `alloc.rs`, `block.rs`, `release.rs` | what users call: worlds, making blocks, holding and ending them |
//! | `arrival.rs` | blocks that came with a message |
//! | `kinds.rs`, `sweep.rs` | recovery of what dead processes held |
//! | `survey.rs` | what there is, for reports |
//! | `audit.rs`, `steps.rs` | for tests: caches compared with the truth; a death at any store |
//! | `fork.rs` | a fork of a process that uses a world |
//!
//! Its lock is on no hot path: a block is made and ended, adopted and pinned under it, and nothing else.
//!
//! It does not believe that other processes of the tree are honest: they share memory as threads do. A
//! process that scribbles over the world can break it for all, as it can with the standard library's
//! shared memory.

mod alloc;
mod arrival;
#[cfg(test)]
mod audit;
mod block;
mod fork;
mod ground;
mod home;
mod inside;
mod kinds;
mod local;
mod names;
mod pages;
mod rebuild;
mod release;
mod roster;
mod slabs;
#[cfg(test)]
mod steps;
mod survey;
mod sweep;
mod tables;
mod words;

pub use alloc::{Fill, NoMemory};
pub use arrival::Arrival;
pub use block::Block;
pub use fork::Fork;
pub use home::{Internal, Usage, World};
pub use kinds::{Hooks, register};
pub use names::Handle;
pub use survey::Sighting;
pub use words::Plain;

#[cfg(test)]
mod limits;
#[cfg(test)]
mod tests;
