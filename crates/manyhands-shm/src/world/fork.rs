//! A fork of a process that uses a world.
//!
//! | step | by | a kill right after it leaves |
//! | --- | --- | --- |
//! | 1. its private locks: no other thread changes its table, or asks who lives | parent | |
//! | 2. a slot, *expected* for 30 s | parent | a slot that is swept when its time is over |
//! | 3. a table in it, with a copy of every hold | parent | the same, with its holds |
//! | 4. the fork | parent | in either: as 3 |
//! | 5. expected -> live, if it still is | child | the death of a process like any other |
//! | 6. the private locks are given back; the child closes the descriptors of the processes that its parent knew | both | |
//!
//! A child that comes too late finds its slot swept: it takes another one, and a hold of every block
//! that still is there. If there is none it is *outside*: what it has works on, and it gets no more.
//! A fork that is known to have failed gives the slot back at once ([`World::fork_failed`]; if there is a
//! child after all, it comes too late). One that is not known to, and a child that is killed before 5, cost
//! their slot and holds until 30 s are over and somebody sweeps: a process that finds no slot for its child
//! does.

use std::sync::Arc;

use super::home::{Private, World};
use super::local::{Guard, Kept};
use super::tables::Table;
use crate::atomic::Ordering;
use crate::sync::{Gone, Owner};

/// A fork that is about to happen; given back to the same world on both sides.
#[derive(Debug)]
#[must_use = "the world's private locks are held until it is given back"]
pub struct Fork {
    kept: [Kept; 2],
    child: Option<(Owner, Table)>,
}

impl World {
    /// Before a fork, in the thread that forks: until [`World::fork_parent`] or [`World::fork_child`]
    /// no other thread of this process takes or gives anything of this world.
    pub fn prepare_fork(self: &Arc<Self>) -> Fork {
        self.forks.fetch_add(1, Ordering::Relaxed);
        let mut local = self.local.enter();
        let mut child = self.expect_child(&local);
        if child.is_none() && local.outside.is_none() {
            drop(local);
            self.sweep();
            local = self.local.enter();
            child = self.expect_child(&local);
        }
        Fork { kept: [local.keep(), self.ground.known.enter().keep()], child }
    }

    fn expect_child(&self, local: &Private) -> Option<(Owner, Table)> {
        if local.outside.is_some() {
            return None;
        }
        let owner = self.ground.expect_child().ok()?;
        let table = self.enter().copy_table(&local.table, owner).ok()?;
        Some((owner, table))
    }

    /// After a fork, in the parent; also if it may have failed.
    pub fn fork_parent(&self, fork: Fork) {
        let [local, known] = fork.kept;
        drop(self.ground.known.resume(known));
        drop(self.local.resume(local));
    }

    /// After a fork that has failed: gives the child's slot and holds back.
    pub fn fork_failed(self: &Arc<Self>, mut fork: Fork) {
        let child = fork.child.take();
        self.fork_parent(fork);
        if let Some((owner, _)) = child
            && self.ground.expect_no_more(owner, self.me())
        {
            self.bury(owner, Gone::Died);
        }
    }

    /// After a fork, in the child: it is a process of its own.
    pub fn fork_child(&self, fork: Fork) {
        let [local, known] = fork.kept;
        self.ground.known.resume(known).forget();
        let local = self.local.resume(local);
        match fork.child {
            Some((owner, table)) if self.ground.arrive(owner) => {
                let mut local = local;
                self.set_me(owner);
                local.table = table;
            }
            _ => self.come_late(local),
        }
    }

    fn come_late(&self, mut local: Guard<'_, Private>) {
        if local.outside.is_some() {
            return self.set_me(Owner::ABSENT);
        }
        let Ok(owner) = self.ground.take_seat() else {
            self.set_me(Owner::ABSENT);
            local.outside = Some("there was no place for this forked process in its world");
            return;
        };
        self.set_me(owner);
        let copy = self.enter().copy_table(&local.table, owner);
        match copy {
            Ok(table) => local.table = table,
            Err(_) => local.outside = Some("there was no memory for this forked process"),
        }
    }
}
