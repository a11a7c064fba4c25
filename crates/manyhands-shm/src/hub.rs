//! One page for all workers of a pool: where the parent sleeps, and who is awake.
//!
//! - `leader`: the parent's one waiting thread parks here; a worker wakes it when its lane's `wake_at` is
//!   reached, or when it runs dry.
//! - `attention`: not 0 when the supervisor wants to hear of workers that run dry.
//! - `awake`: one word for each worker (and one for the parent), so that a participant that
//!   thinks of spinning can count who else is using a core. Each writes its own word; the parent clears that of
//!   a dead one. Nothing depends on it but the choice between spinning and sleeping.
//!
//! A worker that scribbles over the page can cost time, never an item: the parent re-checks lanes by
//! pidfd and by its own deadlines. A worker that dies may have been about to wake the leader: then
//! the parent calls [`Parker::rouse`](crate::park::Parker::rouse) on it.

#[cfg(not(loom))]
mod mapped;
mod page;

#[cfg(not(loom))]
pub use mapped::Hub;
pub use page::{Page, SEATS};
