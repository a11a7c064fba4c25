//! The engine (rung 2): a pool of worker processes that answers every item exactly once.
//!
//! It knows bytes, not Python: what an item means, how code is serialised and how results are decoded
//! is the business of the rung above. The parts, in the order in which an item meets them:
//!
//! | file | what it does |
//! | --- | --- |
//! | [`pool`] | the handle: calls are opened, fed, waited for and taken from here |
//! | `state` | everything behind the one lock of a pool |
//! | `dispatch` | which worker gets which items; taking back, balancing, cancelling |
//! | `queue`, `span`, `enqueue` | what no lane has room for; takes a call out of its middle |
//! | `worker_seat` | a seat and its worker: lane, ledger of what was sent, process |
//! | `code` | code that calls run: registered, used, let go of |
//! | `pinned` | items of which each belongs to one seat |
//! | `collect` | replies become results of their call |
//! | [`call`] | a call: what was fed, what is settled, what waits to be taken |
//! | [`luggage`] | blocks of shared memory that requests and replies name |
//! | `shared`, `need`, `wait` | who sleeps, who wakes: one leader on the hub, followers behind it |
//! | `death` | a worker is gone: who pays, who replaces it |
//! | `starts` | workers that cannot be started, or end at once: tried again, given up |
//! | `cause` | why it ended |
//! | `deadline`, `watch` | which item has run for how long, without polling |
//! | `readiness` | how long workers may take to be ready |
//! | `ending`, `sentence` | an item that must not run on: a signal, some grace, the end |
//! | `loads` | workers that load the code of a call that was cancelled |
//! | [`retry`], `again` | items that may run again |
//! | `supervisor` | the one helper thread of the process |
//! | `report` | what workers do at this moment |
//! | `launch` | where workers come from |
//! | [`memory`] | workers that grow: replaced between items, or ended |
//! | [`template`] | the clean process that forks them |
//! | [`worker`] | the other side: the loop of a worker process |
//!
//! It never takes the GIL, never decodes a payload, and has one lock per pool, held for short copies only.
#![forbid(unsafe_code)]

mod again;
mod airing;
pub mod call;
mod cause;
mod code;
mod collect;
mod deadline;
mod death;
mod dispatch;
mod ending;
mod enqueue;
mod launch;
mod loads;
pub mod luggage;
pub mod memory;
mod need;
mod oom_kills;
mod pinned;
pub mod pool;
mod queue;
mod readiness;
mod registry;
mod report;
pub mod retry;
mod sentence;
mod severed;
mod shared;
mod span;
mod starts;
mod state;
mod supervisor;
pub mod template;
mod wait;
mod watch;
pub mod wire;
pub mod worker;
mod worker_seat;

pub use airing::Stillness;
pub use call::{Body, CallId, CallSpec, Death, Failure, Order, Overrun, Run, Status};
pub use launch::{LaunchOrder, Launcher, Start, WorkerEnd};
pub use luggage::Luggage;
pub use memory::MemoryLimits;
pub use need::{Need, Waited};
pub use pool::{Host, Pool, PushError};
pub use registry::{forked, generation};
pub use report::{Report, Running};
pub use retry::Retry;
pub use state::Config;
