//! The template: a clean process that forks workers, and processes that are none of a pool's.
//!
//! Forking a program with threads is unsound, and a program with a GPU cannot be forked at all;
//! starting a fresh interpreter for each worker is slow. So the pool executes one *template*: a
//! process with a single thread that has imported what the workers will need, and forks when told.
//! The workers are its children: it watches them, ends what they leave behind and reports how they
//! ended.
//!
//! ```text
//! pool's process                                   template                           worker
//! client::Template  --- control socket (requests) --> server::run --- Host::fork --->  Outcome::Child
//!                   <-- control socket (reports) ----             <-- pidfd, wait ---
//!                   <---------- pidfd --------------              (parent-death signal)
//!                   ---------- pidfd -------------->
//! ```
//!
//! | module | what it is |
//! | --- | --- |
//! | [`client`] | the pool's side: requests and events |
//! | [`processes`] | the side of who starts processes one by one and waits for them: no thread drives it |
//! | `tending` | the pool's side: answers, deaths, replacement, bounds |
//! | `connection` | one template process as the pool sees it |
//! | [`host`] | what the template asks of the language that it runs |
//! | [`server`] | the template's side: the loop, imports, forks, burying the dead |
//! | `workers` | the template's children: watched, ended, reaped |
//! | `outbox` | reports on their way to the pool |
//! | `membership` | a template of processes in their process group |
//! | `offspring` | a forked child on its way to being a worker |
//! | [`checks`] | whether this process may fork |
//! | `resting` | threads that are stopped before a fork |
//! | `protocol` | the messages |
//!
//! The steps, and what holds when either side is killed at each of them, are told in
//! `docs/design/template.md`; [`host::Step`] names them, and the tests kill at every one.
//!
//! It refuses to know what a module or a worker is: the [`host::Host`] imports and forks, and what
//! a worker is told is an opaque blob.

pub mod checks;
pub mod client;
mod connection;
pub mod host;
mod membership;
mod offspring;
mod outbox;
pub mod processes;
mod protocol;
mod resting;
pub mod server;
mod tending;
mod workers;

/// Decodes bytes as messages of both directions, for the fuzz target: what is decoded comes back as it was.
#[cfg(fuzzing)]
pub fn try_messages(message: &[u8]) {
    protocol::try_decode(message);
}

pub use client::{Event, IMPORT_LIMIT, Template, TemplateConfig};
pub use host::{Fork, Host, Role, Step, WorkerStart};
pub use processes::{Processes, Started};
pub use server::{Outcome, inherited, run};
