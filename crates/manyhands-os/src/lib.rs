//! Rung 0: the kernel, as manyhands uses it.
//!
//! Every system call of the project is made here, behind safe functions with owned types: no
//! descriptor is a bare integer, no mapping outlives its owner, no process is named by a number
//! that may have been given to another. Linux 5.10 or later.
//!
//! | module | what it wraps |
//! | --- | --- |
//! | [`budget`] | how much memory this process may use |
//! | [`clock`] | the monotonic clock |
//! | [`cpu`] | how many cores this process may use |
//! | [`disregard`] | signals that mean nothing to this process, but something to its children |
//! | [`doorbell`] | a stream socket that rings, and tells when the other side is gone |
//! | [`ending`] | ending processes that may be dead already, and what they have started |
//! | [`event`] | eventfd: waking a thread that polls |
//! | [`footprint`] | how much memory this process has for itself, and a limit of it |
//! | [`fork`] | forking a process that has one thread |
//! | [`futex`] | waiting on a word of shared memory |
//! | [`handler_stack`] | room for handlers of signals in one another |
//! | [`huge`] | huge pages |
//! | [`image`] | which loaded file an address belongs to, and what identifies the file |
//! | [`inherit`] | what a program finds that its own kind has started; before and after `main` |
//! | [`jobcontrol`] | handing stop, continue and end on to process groups |
//! | [`launch`] | starting a program with chosen descriptors |
//! | [`life`] | whether a process that is known by number still lives |
//! | [`lifeline`] | ending with the holder of a pipe |
//! | [`membarrier`] | fences in other processes |
//! | [`memory`] | sealed memfd segments, mapped and reserved in steps |
//! | [`oom`] | how often the kernel has ended processes for lack of memory |
//! | [`own`] | descriptors that know which file they were made for |
//! | [`poll`] | waiting for several descriptors at once |
//! | [`process`] | pidfds, exit states, process groups |
//! | [`room`] | how much memory the machine has, and address space the process; random numbers |
//! | [`signals`] | the signal mask of a thread, what a process does with signals |
//! | [`socket`] | messages that carry descriptors |
//! | [`stdio`] | redirecting the three standard descriptors |
//!
//! What this crate refuses to do: it holds no policy. It knows no pool, no worker and no Python,
//! starts no thread, and never retries what a caller should decide on.

pub mod budget;
pub mod clock;
pub mod cpu;
pub mod disregard;
pub mod doorbell;
pub mod ending;
pub mod event;
pub mod footprint;
pub mod fork;
pub mod futex;
pub mod handler_stack;
pub mod huge;
pub mod image;
pub mod inherit;
pub mod jobcontrol;
pub mod launch;
pub mod life;
pub mod lifeline;
pub mod membarrier;
pub mod memory;
pub mod oom;
pub mod own;
pub mod poll;
pub mod process;
pub mod room;
pub mod signals;
pub mod socket;
pub mod stdio;

mod cgroup;
#[cfg(test)]
mod testing;
