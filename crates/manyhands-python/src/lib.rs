//! `manyhands._native`: the engine as Python sees it (rung 3b).
//!
//! A file per thing: `engine` (a pool), `feed` (items out of an iterable), `map` (the blocking call),
//! `iterate` and `result_iterator` (lazy results), `result` (asynchronous results), `outcome` (replies as values and
//! exceptions), `worker` (the other side), `template` (the process that forks workers), `processes`
//! (what `Process` needs), `world` and `travel` (shared memory, and how objects in it are handed on),
//! `sync_*` (locks and their relatives), `codec` (values as bytes), `cargo` (those that are large). What decides anything is in the engine
//! crate or in the Python package; unsafe code is in `ffi` only.

mod cargo;
mod codec;
mod connection;
mod connection_content;
mod connection_receive;
mod connection_send;
mod connection_state;
mod engine;
mod exit;
mod feed;
mod ffi;
mod gate;
mod guarded;
mod held;
mod interrupt;
mod iterate;
mod kept;
mod kind;
mod lane_view;
mod launches;
mod limits;
mod listing;
mod map;
mod memory;
mod os_errors;
mod outcome;
mod pickling;
mod printed;
mod process;
mod processes;
mod progress;
mod pulling;
mod queue;
mod queue_get;
mod queue_item;
mod queue_put;
mod queue_wait;
mod repeats;
mod result;
mod result_iterator;
mod small;
mod survey;
mod sync_atomic;
mod sync_barrier;
mod sync_condition;
mod sync_death;
mod sync_event;
mod sync_mutex;
mod sync_semaphore;
mod sync_wait;
mod task;
mod template;
mod travel;
mod typing;
mod waiting;
mod window;
mod worker;
mod world;

use pyo3::prelude::*;

/// The engine of manyhands.
#[pymodule(gil_used = false)]
mod _native {
    #[pymodule_export]
    use crate::connection::{PipeEnd, PipeSeed, adopt_pipe, new_pipe};
    #[pymodule_export]
    use crate::engine::Engine;
    #[pymodule_export]
    use crate::guarded::Synchronized;
    #[pymodule_export]
    use crate::interrupt::{make_handler_stack_roomy, set_handler};
    #[pymodule_export]
    use crate::iterate::Stream;
    #[pymodule_export]
    use crate::lane_view::{LaneView, copy_fd};
    #[pymodule_export]
    use crate::launches::Launches;
    #[pymodule_export]
    use crate::limits::{core_limits, memory_limits};
    #[pymodule_export]
    use crate::memory::Memory;
    #[pymodule_export]
    use crate::pickling::watch_types;
    #[pymodule_export]
    use crate::printed::keep_printed;
    #[pymodule_export]
    use crate::process::{
        cpu_count, fork, forked, lead_group, leave_interpreter, release_owned, watch_parent,
    };
    #[pymodule_export]
    use crate::processes::{
        ProcessTemplate, end_on_hangup, end_with_creator, is_main_thread, spawn_member_of_group,
        wait_dead,
    };
    #[pymodule_export]
    use crate::queue::{QueueBase, QueueHold, QueueIterator, SimpleQueueBase, adopt_queue};
    #[pymodule_export]
    use crate::result::AsyncResult;
    #[pymodule_export]
    use crate::result_iterator::ResultIterator;
    #[pymodule_export]
    use crate::survey::{relatives, survey};
    #[pymodule_export]
    use crate::sync_atomic::Atomic;
    #[pymodule_export]
    use crate::sync_barrier::Barrier;
    #[pymodule_export]
    use crate::sync_condition::Condition;
    #[pymodule_export]
    use crate::sync_event::Event;
    #[pymodule_export]
    use crate::sync_mutex::{Lock, RLock};
    #[pymodule_export]
    use crate::sync_semaphore::{BoundedSemaphore, Semaphore};
    #[pymodule_export]
    use crate::task::Task;
    #[pymodule_export]
    use crate::template::{run_process_template, run_template};
    #[pymodule_export]
    use crate::travel::{Collector, begin_anew, collect, collecting, stow_buffer, trying};
    #[pymodule_export]
    use crate::window::{Cargo, adopt_cargo, locate_cargo, shares_anything};
    #[pymodule_export]
    use crate::worker::{PyWorkerEnd, interrupt_wanted, mark_again, run_worker, stacks_signal};
    #[pymodule_export]
    use crate::world::{attach_world, home_world, known_worlds, leave, sweep, usage};

    use pyo3::prelude::*;

    /// Locks are taken and given back by the shortest way there is.
    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        let py = module.py();
        manyhands_shm::sync::register_kinds();
        ResultIterator::install_finalizer(py)?;
        crate::ffi::install_quick::<Lock>(py, true)?;
        crate::ffi::install_quick::<RLock>(py, true)?;
        crate::ffi::install_quick::<Semaphore>(py, false)
    }
}
