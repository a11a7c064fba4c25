//! Taking the world's lock, and putting right what a holder that died left behind.
//!
//! The truth is whole at every instruction (`words.rs` says what is truth). Everything else is computed
//! anew: who holds what from the tables, which blocks are left over, the map, the lists, the counts.
//! Free pages go back to the kernel, for nobody knows which of them are reserved. Whoever dies in the
//! middle of this leaves the lock in the same way: the next one begins again.
//!
//! It takes time with the number of blocks there are: some ten milliseconds for a hundred thousand.

use core::time::Duration;

use super::ground::{Ground, Part};
use super::inside::{Heat, Inside};
use super::names::{Handle, Life};
use super::pages::{SLAB, USED};
use super::slabs::pages_of;
use super::words::{Name, PAGE, Page, Word};
use crate::sync::{Liveness, Locked, Owner};

struct Watch<'g> {
    ground: &'g Ground,
    me: Owner,
}

impl Liveness for Watch<'_> {
    fn is_alive(&self, owner: Owner) -> bool {
        self.ground.gone(owner, self.me).is_none()
    }

    fn me(&self) -> Owner {
        self.me
    }
}

impl Ground {
    /// Takes the world's lock, for the process `me`.
    pub(super) fn enter(&self, me: Owner) -> Inside<'_> {
        let watch = Watch { ground: self, me };
        loop {
            // A signal is no reason to give up: the lock is held for microseconds.
            let Some(locked) = self.header().lock.0.lock(&watch, None).ready() else { continue };
            return self.entered(me, locked);
        }
    }

    /// Takes the world's lock from a dead process at once, instead of after a slice, and puts things
    /// right: for those who know that somebody has died.
    pub(super) fn relieve(&self, me: Owner) {
        let watch = Watch { ground: self, me };
        let at_once = Some(Duration::ZERO);
        if let Some(locked) = self.header().lock.0.lock(&watch, at_once).ready() {
            drop(self.entered(me, locked));
        }
    }

    fn entered(&self, me: Owner, locked: Locked) -> Inside<'_> {
        let inside = Inside::new(self, me);
        if locked == Locked::Recovered {
            inside.rebuild();
        }
        inside
    }
}

impl Inside<'_> {
    /// Computes every cache anew from the truth.
    pub(super) fn rebuild(&self) {
        self.count_holders();
        self.free_leftovers();
        self.clear_lists();
        let frontier = self.find_frontier();
        self.draw_map(frontier);
        let used = self.collect_gaps(frontier);
        self.list_names();
        let header = self.ground.header();
        let ready = |part| header.ready[part as usize].get();
        let parts = ready(Part::Names) * size_of::<Name>() as u64
            + ready(Part::Map) * size_of::<Page>() as u64;
        header.reserved.put(Ground::FIXED + parts + u64::from(used) * PAGE as u64);
    }

    fn names(&self) -> impl Iterator<Item = (u32, &Name)> {
        (0..self.ground.header().names.get()).map(|index| (index, self.ground.name(index)))
    }

    fn used_names(&self) -> impl Iterator<Item = &Name> {
        self.names().map(|(_, name)| name).filter(|name| name.life() != Life::Free)
    }

    /// Counts the entries of all tables, and drops those that name nothing.
    fn count_holders(&self) {
        for (_, name) in self.names() {
            name.holders.put(0);
        }
        for index in 0..Owner::SLOTS {
            let mut link = self.ground.slot(index).table.get();
            while let Some(chunk) = self.ground.linked(link) {
                self.ground.name(chunk).holders.put(1);
                let chunk = self.ground.chunk(chunk);
                for hold in chunk.holds.iter().filter(|hold| hold.get() != 0) {
                    match self.ground.find_name(Handle(hold.get())) {
                        Some(name) => name.holders.put(name.holders.get() + 1),
                        None => hold.commit(0),
                    }
                }
                link = chunk.next.get();
            }
        }
    }

    /// Frees what nobody holds: a creation or a destruction that was not finished.
    fn free_leftovers(&self) {
        for name in self.used_names() {
            if name.holders.get() == 0 && name.pins.get() == 0 {
                name.set_free();
            }
        }
    }

    fn clear_lists(&self) {
        let header = self.ground.header();
        for word in header.bins.iter().flatten().chain(&header.slabs) {
            word.put(0);
        }
        for word in header.filled.iter().flatten().chain([&header.warm]) {
            word.put(0);
        }
    }

    /// Where the last block ends; what is behind goes back to the kernel.
    fn find_frontier(&self) -> u32 {
        let end = |name: &Name| match pages_of(name.length()) {
            Some(count) => name.spot().page() + count,
            None => name.spot().slab_end(),
        };
        let frontier = self.used_names().map(end).max().unwrap_or(0);
        let rest = self.ground.pages() - frontier as usize;
        if let Some(rest) = u32::try_from(rest).ok().filter(|rest| *rest > 0) {
            self.ground.punch(frontier, rest);
        }
        self.ground.header().frontier.put(frontier);
        frontier
    }

    /// Writes the used runs and slabs into an empty map.
    fn draw_map(&self, frontier: u32) {
        for index in 0..frontier {
            let page = self.ground.page(index);
            page.word.put(0);
            page.links.put(0);
        }
        for name in self.used_names() {
            match pages_of(name.length()) {
                Some(count) => self.set_used(name.spot().page(), count),
                None => self.redraw_place(name.spot(), name.length()),
            }
        }
    }

    /// Makes everything between the used runs free and cold, and lists the slabs. Returns how many
    /// pages are used.
    fn collect_gaps(&self, frontier: u32) -> u32 {
        let (mut page, mut used) = (0, 0);
        while page < frontier {
            let len = match self.tag(page) {
                USED => self.run_len(page),
                SLAB => self.relist_slab(page),
                _ => {
                    let gap = (page..frontier).take_while(|page| self.tag(*page) == 0).count();
                    let gap = u32::try_from(gap).unwrap_or(u32::MAX);
                    self.ground.punch(page, gap);
                    self.give_run(page, gap, Heat::Cold);
                    page += gap;
                    continue;
                }
            };
            page += len;
            used += len;
        }
        used
    }

    fn list_names(&self) {
        let header = self.ground.header();
        header.free_name.put(0);
        let mut blocks = 0;
        for index in (0..header.names.get()).rev() {
            if self.ground.name(index).life() == Life::Free {
                self.give_name(index);
            } else {
                blocks += 1;
            }
        }
        header.blocks.put(blocks);
    }
}
