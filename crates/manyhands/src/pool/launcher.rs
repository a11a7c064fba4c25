//! The thread that starts the workers of a pool, and learns how they ended.
//!
//! It carries out the engine's orders (`manyhands_pool::Host`): makes a slate, executes the program, reports the
//! process; and when a worker is dead, takes its exit status, and has its slate read (`slates.rs`). The thread does
//! not keep the pool alive, and ends with it.

use std::collections::HashMap;
use std::ffi::OsString;
use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::thread;

use manyhands_os::ending::end_with_group;
use manyhands_os::process::{ExitStatus, PidFd, reap, reap_with_peak};
use manyhands_os::signals;
use manyhands_pool::{Host, LaunchOrder, MemoryLimits, WorkerEnd};
use manyhands_shm::slate::Slate;

use super::slates::Slates;
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

/// What a worker is started with.
#[derive(Debug)]
pub(super) struct Launcher {
    pub(super) host: Host,
    pub(super) env: Vec<(OsString, OsString)>,
    memory: MemoryLimits,
    pub(super) slates: Arc<Slates>,
    started: HashMap<u64, Started>,
}

impl Launcher {
    pub(super) fn start(
        host: Host,
        env: Vec<(OsString, OsString)>,
        memory: MemoryLimits,
        slates: Arc<Slates>,
    ) -> io::Result<()> {
        let mut own = Self { host, env, memory, slates, started: HashMap::new() };
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
                return self.reap_the_unwanted();
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
        let memory = (self.memory.soft, self.memory.hard);
        let role =
            Role::Worker { seat: order.seat as u64, slate: slate.block().handle().0, memory };
        let fds = vec![end.lane.fd(), hub, end.event.as_fd()];
        let child = start::launch(Order { role, fds, env: &self.env, member: false })?;
        let own = PidFd::open(child.pid).inspect_err(|_| end_unwanted(child.pid, &child.pidfd))?;
        self.slates.add(child.pid, slate);
        self.started.insert(order.key, Started { pid: child.pid, pidfd: own });
        self.host.launched(order.key, child.pid, child.pidfd);
        Ok(())
    }

    /// The pool has ended: whoever came when it was ending, and was killed at once, belongs to nobody else.
    fn reap_the_unwanted(&mut self) {
        for (_, Started { pid, pidfd }) in self.started.drain() {
            end_unwanted(pid, &pidfd);
            self.slates.bury(pid);
        }
    }

    fn bury(&mut self, key: u64) {
        let Some(Started { pid, pidfd }) = self.started.remove(&key) else { return };
        let (status, peak) = reap_with_peak(&pidfd).ok().unzip();
        self.slates.bury(pid);
        if status == Some(ExitStatus::Exited(REPLACED)) {
            self.slates.note_replaced();
        }
        self.host.reported(key, status, peak);
    }
}

/// Ends a worker that nobody wants.
fn end_unwanted(pid: i32, pidfd: &PidFd) {
    end_with_group(pid, pidfd);
    // It is dead: whether somebody else has reaped it makes no difference.
    let _status = reap(pidfd);
}
