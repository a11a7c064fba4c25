//! For tests: whether the caches say the same as the truth.

use std::collections::BTreeMap;

use super::ground::{Ground, Part};
use super::home::World;
use super::inside::{Heat, Inside};
use super::names::{Handle, Life};
use super::pages::{SLAB, USED};
use super::slabs::pages_of;
use super::words::{BINS, Name, PAGE, Page, Word};
use crate::sync::Owner;

impl Inside<'_> {
    /// Compares every cache with the truth.
    pub(super) fn audit(&self) {
        self.audit_holders();
        let used = self.audit_blocks();
        let (free, taken) = self.audit_map(&used);
        self.audit_bins(&free);
        let header = self.ground.header();
        let pages = |heat| -> u64 {
            free.values().filter(|run| run.1 == heat).map(|run| u64::from(run.0)).sum()
        };
        assert_eq!(header.warm.get(), pages(Heat::Warm), "warm pages");
        let ready = |part| header.ready[part as usize].get();
        let parts = ready(Part::Names) * size_of::<Name>() as u64
            + ready(Part::Map) * size_of::<Page>() as u64;
        let reserved = Ground::FIXED + parts + (u64::from(taken) + pages(Heat::Warm)) * PAGE as u64;
        assert_eq!(header.reserved.get(), reserved, "reserved bytes");
    }

    fn audit_holders(&self) {
        let mut holders = BTreeMap::new();
        for slot in 0..Owner::SLOTS {
            let mut link = self.ground.slot(slot).table.get();
            while let Some(index) = self.ground.linked(link) {
                assert_eq!(holders.insert(index, 1), None, "a chunk in two places");
                let chunk = self.ground.chunk(index);
                for handle in chunk.holds.iter().map(|hold| Handle(hold.get())) {
                    if self.ground.find_name(handle).is_some() {
                        *holders.entry(handle.index()).or_insert(0) += 1;
                    } else {
                        assert_eq!(handle.0, 0, "a hold of nothing");
                    }
                }
                link = chunk.next.get();
            }
        }
        for index in 0..self.ground.header().names.get() {
            let name = self.ground.name(index);
            if name.life() != Life::Free {
                assert_eq!(name.holders.get(), holders.remove(&index).unwrap_or(0), "holders");
                assert!(name.holders.get() + name.pins.get() > 0, "a block that nobody holds");
            }
        }
        assert!(holders.is_empty());
    }

    /// The runs that blocks take, by their first page. Blocks must not overlap.
    fn audit_blocks(&self) -> BTreeMap<u32, u32> {
        let (mut used, mut places, mut count) = (BTreeMap::new(), BTreeMap::new(), 0);
        for index in 0..self.ground.header().names.get() {
            let name = self.ground.name(index);
            if name.life() == Life::Free {
                continue;
            }
            count += 1;
            places.insert(name.spot().offset(), name.length().max(1) as u64);
            match pages_of(name.length()) {
                Some(len) => assert_eq!(used.insert(name.spot().page(), len), None),
                None => {
                    used.insert(name.spot().slab_end() - 4, 4);
                }
            }
        }
        let mut end = 0;
        for (offset, len) in places {
            assert!(offset >= end, "blocks overlap");
            end = offset + len;
        }
        assert_eq!(self.ground.header().blocks.get(), count, "blocks");
        used
    }

    /// Walks the map; gives the free runs, with their length and heat, and how many pages are taken.
    fn audit_map(&self, used: &BTreeMap<u32, u32>) -> (BTreeMap<u32, (u32, Heat)>, u32) {
        let (mut page, mut free, mut seen, mut taken) = (0, BTreeMap::new(), 0, 0);
        while page < self.ground.header().frontier.get() {
            let len = match self.tag(page) {
                USED => self.run_len(page),
                SLAB => 4,
                _ => {
                    let heat = self.heat_at(page).expect("a run has a first page");
                    free.insert(page, (self.run_len(page), heat));
                    self.run_len(page)
                }
            };
            if !free.contains_key(&page) {
                // An empty slab is kept if it is the only one.
                assert!(used.get(&page) == Some(&len) || self.tag(page) == SLAB, "page {page}");
                seen += usize::from(used.contains_key(&page));
                taken += len;
            }
            page += len;
        }
        assert_eq!(page, self.ground.header().frontier.get(), "the map ends at the frontier");
        assert_eq!(seen, used.len(), "every block is on the map");
        (free, taken)
    }

    fn audit_bins(&self, free: &BTreeMap<u32, (u32, Heat)>) {
        let header = self.ground.header();
        let mut found = 0;
        for heat in [Heat::Warm, Heat::Cold] {
            for bin in 0..BINS {
                let mut next = header.bins[heat as usize][bin].get();
                let filled = header.filled[heat as usize][bin / 64].get() >> (bin % 64) & 1;
                assert_eq!(filled == 1, next != 0, "the bit of a bin");
                while let Some(page) = next.checked_sub(1) {
                    assert_eq!(free.get(&page).map(|run| run.1), Some(heat), "a run in a bin");
                    found += 1;
                    next = self.links(page).1;
                }
            }
        }
        assert_eq!(found, free.len(), "every free run is in a bin");
    }
}

impl World {
    /// Children that are expected are late from now on.
    pub(super) fn forget_the_expected(&self) {
        self.ground.forget_the_expected();
    }

    /// Takes all pins back, and frees what only they kept.
    pub(super) fn drop_pins(&self) {
        let inside = self.enter();
        for index in 0..self.ground.header().names.get() {
            let name = self.ground.name(index);
            if name.life() == Life::Used && name.pins.get() > 0 {
                name.pins.put(0);
                if name.holders.get() == 0 {
                    inside.unmake(index, Heat::Warm);
                }
            }
        }
    }
}
