//! For reports: which blocks there are, where they lie, which processes are in the roster, and what they hold.
//!
//! It looks and changes nothing. What it tells may be over by the time that it is read.

use super::home::World;
use super::names::{Handle, Life};
use super::tables::TABLE_KIND;
use super::words::Word;
use crate::sync::Owner;

/// A block, as it was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sighting {
    /// Its name.
    pub handle: Handle,
    /// What it is (see [`super::register`]); 0 if nobody has said so.
    pub kind: u32,
    /// Where it begins in the world's file.
    pub offset: u64,
    /// Its length in bytes.
    pub len: usize,
    /// How many processes hold it.
    pub holders: u32,
}

impl World {
    /// All blocks but those of the world's own book-keeping.
    #[must_use]
    pub fn survey(&self) -> Vec<Sighting> {
        let inside = self.enter();
        let ground = inside.ground;
        let names = (0..ground.header().names.get()).map(|index| (index, ground.name(index)));
        let used =
            names.filter(|(_, name)| name.life() == Life::Used && name.kind.get() != TABLE_KIND);
        let seen = used.map(|(index, name)| Sighting {
            handle: Handle(u64::from(name.generation()) << 32 | u64::from(index)),
            kind: name.kind.get(),
            offset: ground.place_in_file(name.spot().offset()),
            len: name.length(),
            holders: name.holders.get(),
        });
        seen.collect()
    }

    /// Which process holds which block, as often as it holds it; without the world's own book-keeping.
    #[must_use]
    pub fn holds(&self) -> Vec<(Handle, i32)> {
        let inside = self.enter();
        let ground = inside.ground;
        let mut found = Vec::new();
        // No chain is longer than there are names, whatever is written in it.
        let mut left = ground.header().names.get();
        for owner in (0..Owner::SLOTS).filter_map(|index| ground.owner_at(index)) {
            let Some(pid) = ground.seated_pid(owner) else { continue };
            let mut link = ground.slot(owner.slot()).table.get();
            while let Some(index) = ground.linked(link) {
                let chunk = ground.chunk(index);
                let held = chunk.holds.iter().map(Word::get).filter(|handle| *handle != 0);
                found.extend(held.map(|handle| (Handle(handle), pid)));
                let Some(rest) = left.checked_sub(1) else { return found };
                left = rest;
                link = chunk.next.get();
            }
        }
        found
    }

    /// The number of the process that an owner is, if it has not gone.
    #[must_use]
    pub fn pid_of(&self, owner: Owner) -> Option<i32> {
        self.ground.seated_pid(owner)
    }

    /// The numbers of all processes in the roster.
    #[must_use]
    pub fn pids(&self) -> Vec<i32> {
        let owners = (0..Owner::SLOTS).filter_map(|index| self.ground.owner_at(index));
        owners.filter_map(|owner| self.pid_of(owner)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::Fill;

    #[test]
    fn a_block_is_seen_while_it_is_held() {
        let world = World::create(1 << 30).unwrap();
        let before = world.survey().len();
        let block = world.alloc(100, Fill::Zero).unwrap();
        block.set_kind(7);
        let seen = world.survey();
        assert_eq!(seen.len(), before + 1);
        let sighting = seen.iter().find(|seen| seen.handle == block.handle()).unwrap();
        assert_eq!((sighting.kind, sighting.len, sighting.holders), (7, 100, 1));
        let own = manyhands_os::process::own_pid();
        assert_eq!(world.holds(), [(block.handle(), own)]);
        drop(block);
        assert_eq!(world.survey().len(), before);
    }

    #[test]
    fn this_process_is_in_the_roster() {
        let world = World::create(1 << 30).unwrap();
        let own = manyhands_os::process::own_pid();
        assert_eq!(world.pids(), [own]);
        assert_eq!(world.pid_of(world.me()), Some(own));
        assert_eq!(world.pid_of(Owner::ABSENT), None);
    }
}
