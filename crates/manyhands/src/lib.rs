//! Processes that feel like threads: a pool that survives a segfault.

mod batch;
mod code;
mod codec;
mod error;
mod init;
mod panics;
mod process;
mod start;
mod task;
mod travel;
mod worker;
mod world;

pub use error::{BuildError, Item, PoolFault, ProcessError, SpawnError, TaskError};
pub use init::init;
pub use panics::Panic;
pub use process::Process;
