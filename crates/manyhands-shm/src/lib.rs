//! Structures that live in memory shared between processes (rung 1 of the ladder).
//!
//! | file | what it is |
//! | --- | --- |
//! | [`asymmetric`] | a fence of two halves, of which one costs nearly nothing |
//! | [`park`] | one word on which one thread sleeps and others wake it |
//! | [`claim`] | one word that says which items of a lane are started, and how many there are |
//! | [`space`] | where the next record goes in a ring that grows |
//! | [`record`] | length-prefixed records, the only framing in shared memory |
//! | [`lane`] | a request stream and a reply stream between the parent and one worker |
//! | [`hub`] | one page for all workers of a pool: the parent's parking word, who is awake |
//! | [`pipe`] | messages between two ends that many processes can hold |
//! | [`futex`] | a word on which many sleep: the kernel's, or its model |
//! | [`channel`] | items in at the tail and out at the head, between processes that may be killed |
//! | `cell` | one number at the beginning of a block |
//! | [`slate`] | what a worker has done of a batch, for whoever reads it after its death |
//! | `world` | memory for all processes of a tree: blocks, who holds them, what becomes of them |
//! | `typed` | values of Rust types in blocks, shared or behind locks |
//! | [`sync`] | locks and signals that survive the death of whoever holds or rings them |
//!
//! It knows no Python, no tasks and no processes: it moves records of bytes. It never waits without
//! being asked to, and it trusts no number that the other side wrote.

pub mod asymmetric;
pub mod atomic;
#[cfg(not(loom))]
pub mod cell;
pub mod channel;
pub mod claim;
pub mod futex;
pub mod hub;
pub mod lane;
pub mod park;
pub mod pipe;
pub mod record;
pub mod slate;
pub mod space;
pub mod sync;
#[cfg(not(loom))]
pub mod typed;
#[cfg(not(loom))]
pub mod world;
