//! The thread that starts the workers of a pool, and learns how they ended.
//!
//! It carries out the engine's orders (`manyhands_pool::Host`): makes a slate, executes the program, reports the
//! process; and when a worker is dead, takes its exit status. A slate outlives its worker until whoever asks
//! has read what was left of a batch. The thread does not keep the pool alive, and ends with it.

use std::collections::HashMap;
use std::ffi::OsString;
use std::io;
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use manyhands_os::process::{ExitStatus, PidFd, reap_with_peak};
use manyhands_os::signals;
use manyhands_pool::{Host, LaunchOrder, WorkerEnd};
use manyhands_shm::atomic::{AtomicU32, Ordering};
use manyhands_shm::slate::{Batch, Remains, Slate};

use crate::start::{self, Order, REPLACED, Role};
use crate::world;

/// Room for the results of a batch.
pub(super) const SLATE: usize = 60 << 10;

/// A worker process that was started here.
#[derive(Debug)]
struct Started {
    pid: i32,
    pidfd: PidFd,
}

/// The slates of workers: of the living by process id, of the dead as long as somebody may ask.
#[derive(Debug, Default)]
pub(super) struct Slates {
    living: Mutex<HashMap<i32, Slate>>,
    dead: Mutex<Vec<(i32, Slate)>>,
    /// A worker has found that it is another program than this one.
    replaced: AtomicU32,
}

/// So many slates of dead workers are kept: of older ones whoever asks has asked.
const DEAD_MOST: usize = 1024;

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Slates {
    /// What a dead worker has left of a batch, if it was at it.
    pub(super) fn remains(&self, pid: Option<i32>, batch: Batch) -> Option<Remains> {
        let pid = pid?;
        let mut dead = lock(&self.dead);
        let found = |(at, slate): (usize, &(i32, Slate))| {
            let remains = slate.1.remains(batch).filter(|_| slate.0 == pid)?;
            Some((at, remains))
        };
        if let Some((at, remains)) = dead.iter().enumerate().find_map(found) {
            dead.swap_remove(at);
            return Some(remains);
        }
        drop(dead);
        // The engine was faster than this pool's thread.
        lock(&self.living).get(&pid).and_then(|slate| slate.remains(batch))
    }

    /// Takes away from whichever worker is at this batch what it has not begun: how many items are left to it.
    pub(super) fn take_away(&self, batch: Batch) -> Option<u32> {
        lock(&self.living).values().find_map(|slate| slate.words().take_away(batch))
    }

    /// Whether workers are another program than this one, whose file was replaced.
    pub(super) fn are_replaced(&self) -> bool {
        self.replaced.load(Ordering::Relaxed) == 1
    }

    fn bury(&self, pid: i32) {
        let Some(slate) = lock(&self.living).remove(&pid) else { return };
        let mut dead = lock(&self.dead);
        if dead.len() >= DEAD_MOST {
            dead.remove(0);
        }
        dead.push((pid, slate));
    }
}

/// What a worker is started with.
#[derive(Debug)]
pub(super) struct Launcher {
    pub(super) host: Host,
    pub(super) env: Vec<(OsString, OsString)>,
    pub(super) slates: Arc<Slates>,
    started: HashMap<u64, Started>,
}

impl Launcher {
    pub(super) fn start(
        host: Host,
        env: Vec<(OsString, OsString)>,
        slates: Arc<Slates>,
    ) -> io::Result<()> {
        let mut own = Self { host, env, slates, started: HashMap::new() };
        thread::Builder::new().name("manyhands-launch".into()).spawn(move || own.run()).map(drop)
    }

    fn run(&mut self) {
        let _blocked = signals::block_all();
        loop {
            let _why = self.host.wait(None);
            let mut idle = true;
            while let Some(key) = self.host.next_host_dead() {
                idle = false;
                self.bury(key);
            }
            while let Some((order, end, hub)) = self.host.next_launch() {
                idle = false;
                if let Err(error) = self.launch(&order, &end, hub.as_fd()) {
                    self.host.launch_failed(order.key, &error.to_string());
                }
            }
            if idle {
                return;
            }
        }
    }

    fn launch(
        &mut self,
        order: &LaunchOrder,
        end: &WorkerEnd,
        hub: std::os::fd::BorrowedFd<'_>,
    ) -> io::Result<()> {
        let slate = Slate::create(&world::home()?, SLATE).map_err(io::Error::other)?;
        let role = Role::Worker { seat: order.seat as u64, slate: slate.block().handle().0 };
        let fds = vec![end.lane.fd(), hub, end.event.as_fd()];
        let child = start::launch(Order { role, fds, env: &self.env, member: false })?;
        let own = PidFd::open(child.pid)?;
        lock(&self.slates.living).insert(child.pid, slate);
        self.started.insert(order.key, Started { pid: child.pid, pidfd: own });
        self.host.launched(order.key, child.pid, child.pidfd);
        Ok(())
    }

    fn bury(&mut self, key: u64) {
        let Some(Started { pid, pidfd }) = self.started.remove(&key) else { return };
        let (status, peak) = reap_with_peak(&pidfd).ok().unzip();
        self.slates.bury(pid);
        if status == Some(ExitStatus::Exited(REPLACED)) {
            self.slates.replaced.store(1, Ordering::Relaxed);
        }
        self.host.reported(key, status, peak);
    }
}
