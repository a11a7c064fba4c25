//! Where workers come from: orders, and who carries them out.
//!
//! The engine orders a worker (its key, its seat, its lane). With [`Launcher::Template`] the supervisor hands
//! the order to the template process. With [`Launcher::Host`] the rung above carries it out, in a thread of
//! its own choice, and reports the process and later its exit: that is how `fork`, `spawn` and foreign
//! contexts work.
//!
//! It launches nothing itself.

use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Instant;

use manyhands_os::event::EventFd;
use manyhands_shm::hub::Hub;
use manyhands_shm::lane::Lane;

use crate::template::TemplateConfig;

/// Who makes the processes of a pool.
#[derive(Debug)]
pub enum Launcher {
    /// A template process, started with this.
    Template(TemplateConfig),
    /// The rung above.
    Host,
}

/// A worker to be launched.
#[derive(Debug, Clone)]
pub struct LaunchOrder {
    /// Names the worker in later reports.
    pub key: u64,
    /// The seat that it will sit on.
    pub seat: usize,
    pub(crate) lane: Arc<Lane>,
}

/// What a worker process needs of its pool.
#[derive(Debug, Clone)]
pub struct WorkerEnd {
    /// Its lane.
    pub lane: Arc<Lane>,
    /// The pool's page.
    pub hub: Arc<Hub>,
    /// Wakes the supervisor.
    pub event: Arc<EventFd>,
    /// The seat.
    pub seat: usize,
}

/// What the template tells and hands to each new worker.
#[derive(Debug, Clone, Default)]
pub struct Start {
    /// What the worker is told.
    pub blob: Vec<u8>,
    /// Descriptors that it gets behind those of the engine.
    pub fds: Vec<Arc<OwnedFd>>,
}

/// The descriptors that every worker of a pool gets: closed when the last worker has gone.
#[derive(Debug, Clone)]
pub(crate) struct Doors {
    pub(crate) hub: Arc<OwnedFd>,
    pub(crate) event: Arc<EventFd>,
}

/// Orders that nobody has carried out yet, and dead workers whose launcher has to say how they ended.
#[derive(Debug, Default)]
pub(crate) struct LaunchQueue {
    orders: VecDeque<LaunchOrder>,
    later: Vec<(Instant, LaunchOrder)>,
    /// Nobody is to be launched yet.
    pub(crate) held: bool,
    /// Orders go to the rung above.
    pub(crate) by_host: bool,
    /// Keys of dead workers that the host launched and has not reported.
    pub(crate) host_dead: VecDeque<u64>,
}

impl LaunchQueue {
    pub(crate) fn order(&mut self, key: u64, seat: usize, lane: Arc<Lane>) {
        self.orders.push_back(LaunchOrder { key, seat, lane });
    }

    pub(crate) fn retry(&mut self, key: u64, seat: usize, lane: Arc<Lane>, at: Instant) {
        self.later.push((at, LaunchOrder { key, seat, lane }));
    }

    /// The next order, if one is due.
    pub(crate) fn next(&mut self) -> Option<LaunchOrder> {
        if self.held {
            return None;
        }
        self.ripen(Instant::now());
        self.orders.pop_front()
    }

    /// Puts the orders that are due before the others, so that no clock waits for them any more.
    pub(crate) fn ripen(&mut self, now: Instant) {
        while let Some(due) = self.later.iter().position(|(at, _)| *at <= now) {
            let (_, order) = self.later.swap_remove(due);
            self.orders.push_front(order);
        }
    }

    /// It could not be carried out yet.
    pub(crate) fn put_back(&mut self, order: LaunchOrder) {
        self.orders.push_front(order);
    }

    pub(crate) fn retry_at(&self) -> Option<Instant> {
        self.later.iter().map(|(at, _)| *at).min()
    }

    /// Takes an order back; whether nobody had carried it out.
    pub(crate) fn cancel(&mut self, key: u64) -> bool {
        let before = self.orders.len() + self.later.len();
        self.orders.retain(|order| order.key != key);
        self.later.retain(|(_, order)| order.key != key);
        before != self.orders.len() + self.later.len()
    }

    pub(crate) fn clear(&mut self) {
        self.orders.clear();
        self.later.clear();
    }

    pub(crate) fn has_host_work(&self) -> bool {
        let due =
            || !self.orders.is_empty() || self.retry_at().is_some_and(|at| at <= Instant::now());
        self.by_host && (!self.host_dead.is_empty() || (!self.held && due()))
    }
}
