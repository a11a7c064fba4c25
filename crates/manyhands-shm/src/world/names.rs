//! Blocks and their names.
//!
//! A name is a number and a generation; together they are a block's [`Handle`]. The number is given
//! out again when the block is gone, the generation never: a number whose generations are used up
//! (after four billion blocks) is not used any more.
//!
//! ```text
//! state of a name   bits 63..32 generation, from 1; bits 7..0: 0 free, 1 used, 2 dying
//! ```
//!
//! | step of a creation | a kill right after it leaves |
//! | --- | --- |
//! | a place is taken | caches: they are rebuilt |
//! | offset, len, kind, no pins | nothing: the name is free |
//! | `state` <- used | a block that nobody holds: the rebuilding frees it |
//! | its handle stands in a table | a block that is held by a dead process: the sweep frees it |
//!
//! | step of a destruction | |
//! | --- | --- |
//! | the handle is gone from the table | as above |
//! | `state` <- free, the next generation | caches |
//!
//! A *dying* block has its last holder, who is about to destroy it: it is not given to anyone else, and
//! whether its pages are still reserved is not known.

use super::ground::{Ground, Part};
use super::inside::{Heat, Inside, Shortage};
use super::pages::Taken;
use super::slabs::{Spot, pages_of};
use super::words::{Name, PAGE, Word};

/// The name of a block among all processes of its world; never used again for another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Handle(pub u64);

impl Handle {
    fn new(index: u32, generation: u32) -> Self {
        Self(u64::from(generation) << 32 | u64::from(index))
    }

    #[expect(clippy::cast_possible_truncation, reason = "each half is cut out on purpose")]
    pub(super) fn index(self) -> u32 {
        self.0 as u32
    }
}

/// What a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Life {
    Free = 0,
    Used = 1,
    Dying = 2,
}

impl Life {
    fn word(self, generation: u32) -> u64 {
        u64::from(generation) << 32 | self as u64
    }
}

impl Name {
    pub(super) fn life(&self) -> Life {
        match self.state.get() & 0xff {
            1 => Life::Used,
            2 => Life::Dying,
            _ => Life::Free,
        }
    }

    /// The generation; 0 of a name that was never used.
    pub(super) fn generation(&self) -> u32 {
        (self.state.get() >> 32) as u32
    }

    pub(super) fn spot(&self) -> Spot {
        Spot(self.offset.get())
    }

    pub(super) fn length(&self) -> usize {
        usize::try_from(self.len.get()).unwrap_or(usize::MAX)
    }

    /// There is no block any more; the next one has another generation.
    pub(super) fn set_free(&self) {
        self.state.commit(Life::Free.word(self.generation().saturating_add(1)));
    }

    /// From now on nobody else gets a hold of it.
    pub(super) fn set_dying(&self) {
        self.state.commit(Life::Dying.word(self.generation()));
    }
}

/// A block that was just made: nobody holds it yet.
#[derive(Debug, Clone, Copy)]
pub(super) struct Made {
    pub(super) handle: Handle,
    pub(super) spot: Spot,
    pub(super) state: Taken,
}

impl Inside<'_> {
    /// Makes a block that nobody holds.
    pub(super) fn make(&self, len: usize, kind: u32) -> Result<Made, Shortage> {
        let index = self.take_name()?;
        let (spot, state) = match self.take_room(len) {
            Ok(room) => room,
            Err(shortage) => {
                self.give_name(index);
                return Err(shortage);
            }
        };
        let name = self.ground.name(index);
        name.offset.put(spot.0);
        name.len.put(len as u64);
        name.kind.put(kind);
        name.holders.put(0);
        name.pins.put(0);
        let generation = name.generation().max(1);
        name.state.commit(Life::Used.word(generation));
        Self::count(&self.ground.header().blocks, 1);
        Ok(Made { handle: Handle::new(index, generation), spot, state })
    }

    fn take_room(&self, len: usize) -> Result<(Spot, Taken), Shortage> {
        if len > self.ground.pages() * PAGE {
            return Err(Shortage::Space);
        }
        match pages_of(len) {
            None => Ok((self.take_place(len)?, Taken::Dirty)),
            Some(count) => {
                let run = self.take_run(count)?;
                Ok((Spot::of_run(run.page), run.state))
            }
        }
    }

    /// Frees a block that nobody holds any more. `heat` is that of its pages.
    pub(super) fn unmake(&self, index: u32, heat: Heat) {
        let name = self.ground.name(index);
        let (spot, len) = (name.spot(), name.length());
        name.set_free();
        Self::count(&self.ground.header().blocks, -1);
        self.give_name(index);
        let Some(count) = pages_of(len) else { return self.give_place(spot, len) };
        if heat == Heat::Cold {
            self.count_reserved(count, false);
        }
        self.give_run(spot.page(), count, heat);
        self.cool_down();
    }

    fn take_name(&self) -> Result<u32, Shortage> {
        let header = self.ground.header();
        if let Some(index) = header.free_name.get().checked_sub(1) {
            header.free_name.put(self.ground.name(index).next.get());
            return Ok(index);
        }
        let index = header.names.get();
        if !self.ground.extend(Part::Names, index as usize + 1)? {
            return Err(Shortage::Names);
        }
        header.names.commit(index + 1);
        Ok(index)
    }

    /// Puts a free name into the list, unless all of its generations have been used.
    pub(super) fn give_name(&self, index: u32) {
        let (header, name) = (self.ground.header(), self.ground.name(index));
        if name.generation() != u32::MAX {
            name.next.put(header.free_name.get());
            header.free_name.put(index + 1);
        }
    }
}

impl Ground {
    /// The block with that handle, if there is one (a dying one included). Who has not the lock must
    /// know that the block is kept.
    pub(super) fn find_name(&self, handle: Handle) -> Option<&Name> {
        if handle.index() >= self.header().names.get() {
            return None;
        }
        let name = self.name(handle.index());
        let same = Handle::new(handle.index(), name.generation()) == handle;
        (same && name.life() != Life::Free).then_some(name)
    }
}
