//! Small blocks: slabs of equal places.
//!
//! A slab is a run of four pages that is cut into places of one of sixteen classes, from 64 to 2,048
//! bytes. Which places are free stands in the map, in the entries of its pages:
//!
//! ```text
//! page 0   word: SLAB, class in bits 15..8, free places in bits 31..16; links: its list
//! page 1   word and links: free places 0 to 127, a bit for each
//! page 2   the same for 128 to 255
//! page 3   0: who looks back from the next run sees no free one
//! ```
//!
//! Slabs with free places are in a list for each class. One that becomes empty is given back, unless
//! it is the only one in its list.

use super::inside::{Heat, Inside, Shortage};
use super::pages::{SLAB, Taken};
use super::words::{CLASSES, HUGE, PAGE, Word};
use crate::atomic::AtomicU64;

/// Pages of a slab.
const SLAB_PAGES: u32 = 4;
const SLAB_BYTES: usize = SLAB_PAGES as usize * PAGE;
/// The places' sizes, in units of 64 bytes.
const UNITS: [u8; CLASSES] = [1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24, 28, 32];
const UNIT: usize = 64;
/// Blocks above this are runs of pages.
pub(super) const SMALL: usize = 2048;
const CLASS_SHIFT: u32 = 8;
const FREE_SHIFT: u32 = 16;
const _: () = assert!(UNITS[CLASSES - 1] as usize * UNIT == SMALL, "the last class");
const _: () = assert!(SLAB_BYTES / UNIT == 256, "four words of bits");

/// Where a block is: its offset in the data, and in the lowest bits, which an offset never uses, how
/// many pages before its own page its slab begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Spot(pub(super) u64);

impl Spot {
    const BACK: u64 = 3;

    fn in_slab(slab: u32, within: usize) -> Self {
        Self((u64::from(slab) * PAGE as u64 + within as u64) | (within / PAGE) as u64)
    }

    pub(super) fn of_run(page: u32) -> Self {
        Self(u64::from(page) * PAGE as u64)
    }

    pub(super) fn offset(self) -> u64 {
        self.0 & !Self::BACK
    }

    /// The page in which it begins.
    #[expect(clippy::cast_possible_truncation, reason = "a world has fewer than 2^32 pages")]
    pub(super) fn page(self) -> u32 {
        (self.0 / PAGE as u64) as u32
    }

    /// The first page of its slab, if it is small.
    fn slab(self) -> u32 {
        self.page() - (self.0 & Self::BACK) as u32
    }

    /// Where the slab of a small block ends.
    pub(super) fn slab_end(self) -> u32 {
        self.slab() + SLAB_PAGES
    }
}

/// The class for so many bytes, at most `SMALL`.
fn class_of(len: usize) -> usize {
    let units = len.div_ceil(UNIT).max(1);
    UNITS.iter().position(|class| usize::from(*class) >= units).unwrap_or(CLASSES - 1)
}

fn place_size(class: usize) -> usize {
    usize::from(UNITS[class]) * UNIT
}

fn places(class: usize) -> usize {
    SLAB_BYTES / place_size(class)
}

/// The pages that a block of so many bytes takes, if it is not small: whole huge pages where that costs
/// no more than an eighth.
pub(super) fn pages_of(len: usize) -> Option<u32> {
    if len <= SMALL {
        return None;
    }
    let count = u32::try_from(len.div_ceil(PAGE)).ok()?;
    let whole = count.checked_next_multiple_of(HUGE).filter(|whole| whole - count <= count / 8);
    Some(whole.unwrap_or(count))
}

/// The slab of a block, and its place in it.
fn find_place(spot: Spot, class: usize) -> (u32, usize) {
    let slab = spot.slab();
    let within = spot.offset() - u64::from(slab) * PAGE as u64;
    (slab, usize::try_from(within).unwrap_or(usize::MAX) / place_size(class))
}

impl Inside<'_> {
    /// Takes a place for a small block.
    pub(super) fn take_place(&self, len: usize) -> Result<Spot, Shortage> {
        let class = class_of(len);
        let head = &self.ground.header().slabs[class];
        let slab = match head.get().checked_sub(1) {
            Some(slab) => slab,
            None => self.new_slab(class)?,
        };
        let bits = self.bits(slab);
        let word = bits.iter().position(|word| word.get() != 0).expect("a listed slab has room");
        let bit = bits[word].get().trailing_zeros();
        bits[word].put(bits[word].get() & !(1 << bit));
        let place = word * 64 + bit as usize;
        if self.add_free(slab, -1) == 0 {
            self.pull(head, slab);
        }
        Ok(Spot::in_slab(slab, place * place_size(class)))
    }

    /// Gives a place back.
    pub(super) fn give_place(&self, spot: Spot, len: usize) {
        let class = class_of(len);
        let (slab, place) = find_place(spot, class);
        let head = &self.ground.header().slabs[class];
        let word = self.bits(slab)[place / 64];
        word.put(word.get() | 1 << (place % 64));
        let free = self.add_free(slab, 1);
        if free == 1 {
            self.push(head, slab);
        }
        let alone = self.links(slab) == (0, 0);
        if free == places(class) as u64 && !alone {
            self.pull(head, slab);
            self.dissolve(slab);
        }
    }

    fn new_slab(&self, class: usize) -> Result<u32, Shortage> {
        let run = self.take_run(SLAB_PAGES)?;
        debug_assert_ne!(run.state, Taken::Unreserved, "a short run is reserved");
        self.format_slab(run.page, class);
        self.push(&self.ground.header().slabs[class], run.page);
        Ok(run.page)
    }

    /// Makes the entries of four pages those of an empty slab, in no list.
    fn format_slab(&self, slab: u32, class: usize) {
        for (index, word) in self.bits(slab).into_iter().enumerate() {
            let left = places(class).saturating_sub(index * 64);
            word.put(if left >= 64 { u64::MAX } else { (1 << left) - 1 });
        }
        self.ground.page(slab + SLAB_PAGES - 1).word.put(0);
        self.set_links(slab, 0, 0);
        let free = (places(class) as u64) << FREE_SHIFT;
        self.ground.page(slab).word.put(SLAB | (class as u64) << CLASS_SHIFT | free);
    }

    fn dissolve(&self, slab: u32) {
        for word in self.bits(slab) {
            word.put(0);
        }
        self.give_run(slab, SLAB_PAGES, Heat::Warm);
    }

    fn bits(&self, slab: u32) -> [&AtomicU64; 4] {
        let (one, two) = (self.ground.page(slab + 1), self.ground.page(slab + 2));
        [&one.word, &one.links, &two.word, &two.links]
    }

    /// Changes the count of free places; returns it.
    fn add_free(&self, slab: u32, change: i64) -> u64 {
        let word = &self.ground.page(slab).word;
        word.put(word.get().wrapping_add_signed(change << FREE_SHIFT));
        word.get() >> FREE_SHIFT
    }

    /// When the map is drawn anew: a small block takes its place, in no list.
    pub(super) fn redraw_place(&self, spot: Spot, len: usize) {
        let class = class_of(len);
        let (slab, place) = find_place(spot, class);
        if self.tag(slab) != SLAB {
            self.format_slab(slab, class);
        }
        let word = self.bits(slab)[place / 64];
        word.put(word.get() & !(1 << (place % 64)));
        self.add_free(slab, -1);
    }

    /// When the map was drawn anew: lists a slab that has free places; returns its pages.
    pub(super) fn relist_slab(&self, slab: u32) -> u32 {
        let word = self.ground.page(slab).word.get();
        let class = usize::try_from(word >> CLASS_SHIFT & 0xff).unwrap_or(CLASSES);
        if word >> FREE_SHIFT != 0 {
            self.push(&self.ground.header().slabs[class], slab);
        }
        SLAB_PAGES
    }
}
