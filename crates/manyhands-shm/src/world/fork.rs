//! A fork of a process that uses a world.
//!
//! | step | by | a kill right after it leaves |
//! | --- | --- | --- |
//! | 1. its private lock: no other thread changes its table | parent | |
//! | 2. a slot, *expected* for 30 s | parent | a slot that is swept when its time is over |
//! | 3. a table in it, with a copy of every hold | parent | the same, with its holds |
//! | 4. the fork | parent | in either: as 3 |
//! | 5. expected -> live, if it still is | child | the death of a process like any other |
//! | 6. the private lock is given back | both | |
//!
//! A child that comes too late finds its slot swept: it takes another one, and a hold of every block
//! that still is there. If there is none it is *outside*: what it has works on, and it gets no more.
//! A fork that fails, and a child that is killed before 5, cost their slot and holds until 30 s are over.

use super::home::{Private, World};
use super::local::{Guard, Kept};
use super::tables::Table;
use crate::sync::Owner;

/// A fork that is about to happen; given back to the same world on both sides.
#[derive(Debug)]
#[must_use = "the world's private lock is held until it is given back"]
pub struct Fork {
    kept: Kept,
    child: Option<(Owner, Table)>,
}

impl World {
    /// Before a fork, in the thread that forks: until [`World::fork_parent`] or [`World::fork_child`]
    /// no other thread of this process takes or gives anything of this world.
    pub fn prepare_fork(&self) -> Fork {
        let local = self.local.enter();
        let child = match local.outside {
            None => self.expect_child(&local),
            Some(_) => None,
        };
        Fork { kept: local.keep(), child }
    }

    fn expect_child(&self, local: &Private) -> Option<(Owner, Table)> {
        let owner = self.ground.expect_child().ok()?;
        let table = self.enter().copy_table(&local.table, owner).ok()?;
        Some((owner, table))
    }

    /// After a fork, in the parent, and if it failed.
    pub fn fork_parent(&self, fork: Fork) {
        drop(self.local.resume(fork.kept));
    }

    /// After a fork, in the child: it is a process of its own.
    pub fn fork_child(&self, fork: Fork) {
        let local = self.local.resume(fork.kept);
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
