//! Calling the supervisor; and what is done where nobody can, because the program has closed our
//! descriptors, or the supervisor is broken.
//!
//! A program may close whatever is open (`os.closerange`, as daemons do) while pools are in use. The
//! supervisor sleeps on files that nobody can name any more, and what was ours means other files, or
//! none. So a descriptor asks before each use whether it still is what it was (`manyhands_os::own`), and
//! *severing* ends every pool of the process:
//!
//! ```text
//! 1. noticed by whoever calls the supervisor, makes a pool, or is the supervisor, before each round
//! 2. workers and templates are killed by their numbers: the supervisor would have woken at their deaths
//! 3. results that were published count; all else ends with an error that says what has happened
//! 4. the pools leave the registry: the next one gets a supervisor of its own; this one ends when the
//!    deaths wake it, and reaps the templates
//! 5. nothing of such a pool is dropped: numbers would be closed that are others' now
//! ```
//!
//! A supervisor that panics would leave everybody waiting for ever: it is caught, and severs in the same way.
//!
//! It refuses to go on with what is left, such as workers whose lanes can still be reached.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use manyhands_os::ending::{end_group_by_number, reap_number};
use manyhands_os::{jobcontrol, signals};
use manyhands_shm::atomic::Ordering;

use crate::call::InitFailure;
use crate::registry::{Registry, registry};
use crate::shared::Shared;
use crate::state::State;
use crate::wait::unload;

/// Why pools are severed whose descriptors are gone.
pub(crate) const CLOSED: &str = "this program has closed descriptors of manyhands while the pool was in use (os.closerange, or a \
                    daemon that closes all files): end pools before, or fork before";

/// Why pools are severed whose supervisor has panicked.
pub(crate) const BROKEN: &str = "manyhands itself is at fault: the thread that looks after its workers has panicked, and \
                      standard error says where; please report it";

impl Shared {
    /// Makes the supervisor look at this pool.
    pub(crate) fn call_supervisor(&self) {
        let Some(doors) = self.doors() else { return };
        if doors.event.is_own() {
            return doors.event.notify();
        }
        if self.severed.swap(1, Ordering::Relaxed) == 0 {
            // The caller may hold the lock of the pool, which severing takes after that of the registry.
            let thread = std::thread::Builder::new().name("manyhands-severed".into());
            if thread.spawn(sever_the_reported).is_err() {
                self.severed.store(0, Ordering::Relaxed);
            }
        }
        std::mem::forget(doors);
    }

    /// Fails this pool, and ends its processes.
    fn sever(&self, why: &str) {
        let mut state = self.lock();
        state.sever(why);
        self.hub.leader().rouse();
        self.announce(&state);
        unload(state);
    }

    /// Reaps the templates that were killed by their numbers.
    pub(crate) fn reap_templates(&self) {
        let templates = std::mem::take(&mut self.lock().templates);
        for pid in templates {
            reap_number(pid);
        }
    }
}

fn sever_the_reported() {
    let _blocked = signals::block_all();
    let mut registry = registry();
    if registry.pools.iter().any(|pool| pool.severed.load(Ordering::Relaxed) == 1) {
        sever(&mut registry, CLOSED);
    }
}

/// Whether a round for each of those pools went well; false where one panicked.
pub(crate) fn all_well(pools: &[Arc<Shared>], round: impl Fn(&Shared)) -> bool {
    pools.iter().all(|pool| catch_unwind(AssertUnwindSafe(|| round(pool))).is_ok())
}

/// Fails all pools, for that reason: nobody looks after them any more.
pub(crate) fn sever(registry: &mut Registry, why: &str) {
    // What is forgotten here is never dropped.
    std::mem::forget(registry.supervisor.take());
    for pool in registry.pools.drain(..) {
        // Where a panic has left a ledger that makes this panic, too, the other pools are severed all the same.
        let _broken = catch_unwind(AssertUnwindSafe(|| pool.sever(why)));
        std::mem::forget(pool);
    }
}

impl State {
    fn sever(&mut self, why: &str) {
        self.collect_all();
        let processes = self.workers().filter_map(|worker| {
            worker
                .process
                .as_ref()
                .map(|process| (worker.key, process.pid, Arc::clone(&process.pidfd)))
        });
        let processes: Vec<_> = processes.collect();
        for (key, pid, pidfd) in processes {
            std::mem::forget(pidfd);
            jobcontrol::unregister_group(pid);
            end_group_by_number(pid);
            if self.launches.by_host {
                self.launches.host_dead.push_back(key);
            }
        }
        for pid in &self.templates {
            end_group_by_number(*pid);
        }
        self.fail_pool(InitFailure::Launch(why.into()));
        let keys: Vec<_> = self.workers().map(|worker| worker.key).collect();
        for key in keys {
            self.note_death(key, None, Some(why.into()), true);
            self.bury(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::launch::{Launcher, Start};
    use crate::pool::Pool;
    use crate::state::Config;

    #[test]
    fn pools_of_a_supervisor_that_panics_fail_and_nobody_waits() {
        let make = || Pool::new(Config::plain(2), Launcher::Host, Start::default()).unwrap();
        let pools = [make(), make()];
        let shared: Vec<_> = pools.iter().map(|pool| Arc::clone(&pool.0)).collect();
        assert!(all_well(&shared, |_| ()));
        let broken = Arc::as_ptr(&shared[0]);
        assert!(!all_well(&shared, |pool| assert!(!std::ptr::eq(pool, broken), "on purpose")));
        // Those of this test alone: others have theirs in the registry.
        let mut own = Registry { pools: shared, ..Registry::default() };
        sever(&mut own, BROKEN);
        for pool in &pools {
            let fault = pool.fault().unwrap();
            assert!(
                matches!(&fault.failure, InitFailure::Launch(text) if text.contains("report it"))
            );
            assert!(pool.0.lock().is_empty());
        }
    }
}
