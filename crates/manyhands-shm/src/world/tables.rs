//! What each process holds, listed in the world, so that it can be given back when the process dies.
//!
//! A table is a chain of chunks, blocks of their own that hang on the process's slot. An entry is a
//! handle, or 0. A block that stands in two entries is held twice.
//!
//! | step of a hold | a kill right after it leaves |
//! | --- | --- |
//! | a chunk is made, if there is no free entry | a block that nobody holds: the rebuilding frees it |
//! | it is linked to the slot | an empty chunk: the sweep frees it |
//! | the entry <- handle | a hold of a dead process: the sweep ends it |
//! | the block's count | a cache |
//!
//! | step of its end | |
//! | --- | --- |
//! | the entry <- 0 | the same without the hold |
//! | the block's count; at 0 without pins it is freed | a block that nobody holds: the rebuilding frees it |
//!
//! [`Table`] is the owner's private view of its own: which entries are free, and a copy of all, so that
//! a fork need not read the shared one.

use super::ground::Ground;
use super::inside::{Heat, Inside, Shortage};
use super::names::{Handle, Life};
use super::words::{CHUNK, Chunk, Name, Word};
use crate::sync::Owner;

/// The kind of a chunk: no user's.
pub(super) const TABLE_KIND: u32 = u32::MAX;

/// Where an entry is in the owner's table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry(u32);

/// The private view of a table. An empty one belongs to an empty table.
#[derive(Debug, Default)]
pub(super) struct Table {
    /// The names of its chunks.
    chunks: Vec<u32>,
    /// A copy of all entries.
    copy: Vec<u64>,
    free: Vec<u32>,
}

impl Table {
    /// Everything that is held.
    pub(super) fn handles(&self) -> impl Iterator<Item = Handle> + '_ {
        self.copy.iter().filter(|handle| **handle != 0).map(|handle| Handle(*handle))
    }
}

impl Ground {
    /// A chunk, by its name.
    pub(super) fn chunk(&self, name: u32) -> &Chunk {
        self.data(self.name(name).spot().offset())
    }

    /// A chunk by the word that links to it: its name plus one. Not past the names that there are.
    pub(super) fn linked(&self, link: u64) -> Option<u32> {
        let index = u32::try_from(link).ok()?.checked_sub(1)?;
        let is_chunk = index < self.header().names.get()
            && self.name(index).life() == Life::Used
            && self.name(index).kind.get() == TABLE_KIND;
        is_chunk.then_some(index)
    }
}

impl Inside<'_> {
    /// Makes sure that the table of `owner` has a free entry.
    pub(super) fn make_room(&self, owner: Owner, table: &mut Table) -> Result<(), Shortage> {
        if table.free.is_empty() {
            self.add_chunk(owner, table)?;
        }
        Ok(())
    }

    fn add_chunk(&self, owner: Owner, table: &mut Table) -> Result<(), Shortage> {
        // What is held must be listed: that is not a matter of the budget.
        self.lavish.set(true);
        let made = self.make(size_of::<Chunk>(), TABLE_KIND);
        self.lavish.set(false);
        let index = made?.handle.index();
        self.ground.name(index).holders.put(1);
        let (slot, chunk) = (self.ground.slot(owner.slot()), self.ground.chunk(index));
        for hold in &chunk.holds {
            hold.put(0);
        }
        chunk.next.put(slot.table.get());
        slot.table.commit(u64::from(index) + 1);
        let first = table.copy.len();
        table.chunks.push(index);
        table.copy.resize(first + CHUNK, 0);
        let entries = first..table.copy.len();
        table.free.extend(entries.rev().filter_map(|entry| u32::try_from(entry).ok()));
        Ok(())
    }

    /// Adds a hold; there is a free entry.
    pub(super) fn hold(&self, table: &mut Table, handle: Handle) -> Entry {
        let entry = table.free.pop().expect("the caller has made room");
        self.set_entry(table, entry, handle.0);
        let name = self.ground.name(handle.index());
        name.holders.put(name.holders.get() + 1);
        Entry(entry)
    }

    /// Ends a hold, but not the block, of which it may have been the last one.
    pub(super) fn end_hold(&self, table: &mut Table, entry: Entry) {
        self.set_entry(table, entry.0, 0);
        table.free.push(entry.0);
    }

    fn set_entry(&self, table: &mut Table, entry: u32, handle: u64) {
        let entry = entry as usize;
        let chunk = self.ground.chunk(table.chunks[entry / CHUNK]);
        chunk.holds[entry % CHUNK].commit(handle);
        table.copy[entry] = handle;
    }

    /// Copies all holds to the table of another owner; entries stay what they are. Holds of blocks
    /// that are gone are left out.
    pub(super) fn copy_table(&self, from: &Table, to: Owner) -> Result<Table, Shortage> {
        let mut table = Table::default();
        while table.copy.len() < from.copy.len() {
            self.add_chunk(to, &mut table)?;
        }
        table.free.clone_from(&from.free);
        for (entry, handle) in (0..).zip(&from.copy) {
            // A dying block has its last user in this process: none in the other.
            let name =
                self.ground.find_name(Handle(*handle)).filter(|name| name.life() == Life::Used);
            if let Some(name) = name {
                self.set_entry(&mut table, entry, *handle);
                name.holders.put(name.holders.get() + 1);
            }
        }
        Ok(table)
    }

    /// One hold of a block has ended; frees it if nobody is left.
    pub(super) fn drop_hold(&self, name: &Name, handle: Handle, heat: Heat) {
        let left = name.holders.get().saturating_sub(1);
        name.holders.put(left);
        if left == 0 && name.pins.get() == 0 {
            self.unmake(handle.index(), heat);
        }
    }

    /// Takes the first chunk out of an owner's table and frees it; false if there is none. Every hold
    /// in it must have been ended.
    pub(super) fn drop_chunk(&self, owner: Owner) -> bool {
        let slot = self.ground.slot(owner.slot());
        let Some(index) = self.ground.linked(slot.table.get()) else {
            slot.table.commit(0);
            return false;
        };
        slot.table.commit(self.ground.chunk(index).next.get());
        self.unmake(index, Heat::Warm);
        true
    }
}
