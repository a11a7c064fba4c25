//! Runs of pages: taking them, giving them back, and when they are reserved.
//!
//! Free runs are either *warm* (reserved) or *cold*, and merge with neighbours of the same heat only.
//! Runs of one heat and of similar length are in one bin, a list through the map; a bit for each bin
//! says whether it has any. Behind the *frontier* everything is free and cold, and in no list: a world
//! that has never grown far has a short map.
//!
//! ```text
//! word of the first page   tag, and in bits 63..8 the length of the run
//! links                    the neighbours in the bin, plus one: previous in bits 63..32, next below
//! word of the last page    TAIL and the length, if the run is free and longer than a page
//! ```
//!
//! Only the first page of a run, and the last one if it is free, have a word with a meaning: a run
//! that is taken clears its last page, so that who looks back from the next one sees no stale tail.
//!
//! A run of a huge page or more begins on one, where there is room for that.
//!
//! A short run that has to be reserved is reserved together with its neighbours, a step of 64 pages,
//! under the lock. A long one is not reserved here at all: whoever asked does that without the lock.
//! Warm pages are kept up to a bound: those beyond go back to the kernel, the longest runs first.

use super::ground::Part;
use super::inside::{Heat, Inside, Shortage};
use super::words::{BINS, HUGE, PAGE, Word};
use crate::atomic::AtomicU32;

/// Tags of the first page of a run, or of the last one of a free run.
pub(super) const USED: u64 = 1;
pub(super) const SLAB: u64 = 2;
const WARM: u64 = 3;
const COLD: u64 = 4;
const TAIL: u64 = 5;
const TAG: u64 = 0xff;
const LEN_SHIFT: u32 = 8;

/// Pages that are reserved at once for short runs.
const STEP: u32 = 64;
/// Warm pages that are kept in any case: 64 MiB.
const KEPT: u64 = (64 << 20) / PAGE as u64;
/// How many runs of a bin are looked at for one that is long enough.
const LOOKS: u32 = 16;

/// A run that was taken.
#[derive(Debug, Clone, Copy)]
pub(super) struct Run {
    pub(super) page: u32,
    pub(super) state: Taken,
}

/// In which state pages are handed out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Taken {
    /// Reserved, with old content.
    Dirty,
    /// Reserved, and zero.
    Zero,
    /// Not reserved yet: the taker has to, and they are zero then.
    Unreserved,
}

fn tag_of(heat: Heat) -> u64 {
    match heat {
        Heat::Warm => WARM,
        Heat::Cold => COLD,
    }
}

/// The bin in which runs of this length are.
fn bin_of(len: u32) -> usize {
    if len < 16 {
        return len as usize - 1;
    }
    let power = len.ilog2();
    let quarter = (len >> (power - 2)) & 3;
    (15 + (power - 4) * 4 + quarter) as usize
}

/// The first bin in which every run is at least that long.
fn bin_for(len: u32) -> usize {
    if len < 16 {
        return len as usize - 1;
    }
    bin_of(len.saturating_add((1 << (len.ilog2() - 2)) - 1))
}

/// Where in free pages a run of `count` begins: on a huge page if it is as long and fits there.
fn place_in(first: u32, len: u32, count: u32) -> Option<u32> {
    let rest = len.checked_sub(count)?;
    let whole = first.checked_next_multiple_of(HUGE).filter(|whole| whole - first <= rest);
    Some(whole.filter(|_| count >= HUGE).unwrap_or(first))
}

impl Inside<'_> {
    /// Takes a run of `count` pages.
    pub(super) fn take_run(&self, count: u32) -> Result<Run, Shortage> {
        Self::count(&self.ground.header().runs_taken, 1);
        if let Some(page) = self.take_free(Heat::Warm, count) {
            return Ok(Run { page, state: Taken::Dirty });
        }
        let step = (count < STEP && self.within_budget(STEP)).then(|| self.take_cold(STEP));
        if let Some(Ok(page)) = step {
            return self.reserve_step(page, count);
        }
        if !self.within_budget(count) {
            self.drop_warm(0);
            if !self.within_budget(count) {
                return Err(Shortage::Budget);
            }
        }
        let page = self.take_cold(count)?;
        if count < STEP {
            return self.reserve_run(page, count);
        }
        self.count_reserved(count, true);
        Ok(Run { page, state: Taken::Unreserved })
    }

    fn reserve_run(&self, page: u32, count: u32) -> Result<Run, Shortage> {
        if let Err(error) = self.ground.reserve(page, count) {
            self.give_run(page, count, Heat::Cold);
            return Err(error.into());
        }
        self.count_reserved(count, true);
        Ok(Run { page, state: Taken::Zero })
    }

    /// Reserves a step for a short run; the rest of it becomes warm.
    fn reserve_step(&self, page: u32, count: u32) -> Result<Run, Shortage> {
        if self.ground.reserve(page, STEP).is_ok() {
            self.count_reserved(STEP, true);
            self.set_used(page, count);
            self.give_run(page + count, STEP - count, Heat::Warm);
            return Ok(Run { page, state: Taken::Zero });
        }
        self.give_run(page, STEP, Heat::Cold);
        let page = self.take_cold(count)?;
        self.reserve_run(page, count)
    }

    /// Adds pages to what is reserved, or takes them off.
    pub(super) fn count_reserved(&self, count: u32, more: bool) {
        let reserved = &self.ground.header().reserved;
        let bytes = u64::from(count) * PAGE as u64;
        let now = reserved.get();
        reserved.put(if more { now.saturating_add(bytes) } else { now.saturating_sub(bytes) });
    }

    /// Whether so many more pages may be reserved.
    fn within_budget(&self, count: u32) -> bool {
        let header = self.ground.header();
        let after = header.reserved.get().saturating_add(u64::from(count) * PAGE as u64);
        self.lavish.get() || after <= header.budget.get()
    }

    /// Takes cold pages, from a bin or from behind the frontier.
    fn take_cold(&self, count: u32) -> Result<u32, Shortage> {
        if let Some(page) = self.take_free(Heat::Cold, count) {
            return Ok(page);
        }
        let header = self.ground.header();
        let pages = u32::try_from(self.ground.pages()).unwrap_or(u32::MAX);
        let begin = header.frontier.get();
        let Some(page) = place_in(begin, pages - begin, count) else {
            self.drop_warm(0);
            return self.take_free(Heat::Cold, count).ok_or(Shortage::Space);
        };
        let end = page + count;
        // The entry behind the run is looked at when it is given back.
        self.ground.extend(Part::Map, pages.min(end + 1) as usize)?;
        header.frontier.put(end);
        self.set_used(page, count);
        if page > begin {
            self.give_run(begin, page - begin, Heat::Cold);
        }
        Ok(page)
    }

    /// Takes pages from the bins of one heat.
    fn take_free(&self, heat: Heat, count: u32) -> Option<u32> {
        let first = self.find(heat, count)?;
        let len = self.unlink(first, heat);
        let page = place_in(first, len, count).unwrap_or(first);
        let (before, behind) = (page - first, len - count - (page - first));
        for (start, len) in [(first, before), (page + count, behind)] {
            if len > 0 {
                self.link(start, len, heat);
            }
        }
        self.set_used(page, count);
        if heat == Heat::Warm {
            Self::count(&self.ground.header().warm, -i64::from(count));
        }
        Some(page)
    }

    pub(super) fn set_used(&self, page: u32, count: u32) {
        self.ground.page(page + count - 1).word.put(0);
        self.ground.page(page).word.put(USED | u64::from(count) << LEN_SHIFT);
    }

    /// A free run of at least that length.
    fn find(&self, heat: Heat, count: u32) -> Option<u32> {
        let header = self.ground.header();
        let first = bin_for(count);
        for (half, word) in header.filled[heat as usize].iter().enumerate() {
            let below = first.saturating_sub(half * 64);
            let bits = if below >= 64 { 0 } else { word.get() & (u64::MAX << below) };
            if bits != 0 {
                let bin = half * 64 + bits.trailing_zeros() as usize;
                return header.bins[heat as usize][bin].get().checked_sub(1);
            }
        }
        let mut next = header.bins[heat as usize][bin_of(count)].get();
        for _ in 0..LOOKS {
            let page = next.checked_sub(1)?;
            if self.run_len(page) >= count {
                return Some(page);
            }
            next = self.links(page).1;
        }
        None
    }

    /// Gives pages back, and merges them with their neighbours.
    pub(super) fn give_run(&self, page: u32, count: u32, heat: Heat) {
        let header = self.ground.header();
        if heat == Heat::Warm {
            Self::count(&header.warm, i64::from(count));
        }
        let (mut start, mut len) = (page, count);
        if let Some(before) = self.free_before(page, heat) {
            len += self.unlink(before, heat);
            start = before;
        }
        let after = start + len;
        if after < header.frontier.get() && self.tag(after) == tag_of(heat) {
            len += self.unlink(after, heat);
        }
        if heat == Heat::Cold && start + len == header.frontier.get() {
            header.frontier.put(start);
            return;
        }
        self.link(start, len, heat);
    }

    /// The free run of that heat that ends right before a page.
    fn free_before(&self, page: u32, heat: Heat) -> Option<u32> {
        let last = page.checked_sub(1)?;
        let first = match self.tag(last) {
            TAIL => page - self.run_len(last),
            _ => last,
        };
        (self.tag(first) == tag_of(heat) && first + self.run_len(first) == page).then_some(first)
    }

    /// Whether so many more warm pages would be too many.
    pub(super) fn is_too_warm(&self, count: u32) -> bool {
        self.ground.header().warm.get() + u64::from(count) > self.bound()
    }

    /// How many warm pages are kept: as many as are used, and some in any case.
    fn bound(&self) -> u64 {
        let header = self.ground.header();
        let reserved = header.reserved.get() / PAGE as u64;
        KEPT.max(reserved.saturating_sub(header.warm.get()) / 2)
    }

    /// Gives warm pages beyond the bound back to the kernel.
    pub(super) fn cool_down(&self) {
        if self.is_too_warm(0) {
            self.drop_warm(self.bound());
        }
    }

    /// Gives warm pages back to the kernel until so many are left.
    pub(super) fn drop_warm(&self, keep: u64) {
        while self.ground.header().warm.get() > keep && self.drop_longest() {}
    }

    /// Gives the longest warm run back to the kernel; false if there is none.
    pub(super) fn drop_longest(&self) -> bool {
        let Some(page) = self.longest_warm() else { return false };
        let len = self.unlink(page, Heat::Warm);
        self.ground.punch(page, len);
        Self::count(&self.ground.header().warm, -i64::from(len));
        self.count_reserved(len, false);
        self.give_run(page, len, Heat::Cold);
        true
    }

    fn longest_warm(&self) -> Option<u32> {
        let header = self.ground.header();
        let filled = &header.filled[Heat::Warm as usize];
        let half = usize::from(filled[1].get() != 0);
        let bin = half * 64 + filled[half].get().checked_ilog2()? as usize;
        header.bins[Heat::Warm as usize][bin].get().checked_sub(1)
    }

    /// For tests: the heat of the free run that begins at a page.
    #[cfg(test)]
    pub(super) fn heat_at(&self, page: u32) -> Option<Heat> {
        [Heat::Warm, Heat::Cold].into_iter().find(|heat| self.tag(page) == tag_of(*heat))
    }

    pub(super) fn tag(&self, page: u32) -> u64 {
        self.ground.page(page).word.get() & TAG
    }

    #[expect(clippy::cast_possible_truncation, reason = "a run has fewer than 2^32 pages")]
    pub(super) fn run_len(&self, page: u32) -> u32 {
        (self.ground.page(page).word.get() >> LEN_SHIFT) as u32
    }

    #[expect(clippy::cast_possible_truncation, reason = "each half is cut out on purpose")]
    pub(super) fn links(&self, page: u32) -> (u32, u32) {
        let links = self.ground.page(page).links.get();
        ((links >> 32) as u32, links as u32)
    }

    pub(super) fn set_links(&self, page: u32, previous: u32, next: u32) {
        self.ground.page(page).links.put(u64::from(previous) << 32 | u64::from(next));
    }

    /// Puts an element at the head of a list through the map.
    pub(super) fn push(&self, head: &AtomicU32, page: u32) {
        let next = head.get();
        self.set_links(page, 0, next);
        if let Some(second) = next.checked_sub(1) {
            self.set_links(second, page + 1, self.links(second).1);
        }
        head.put(page + 1);
    }

    /// Takes an element out of a list through the map.
    pub(super) fn pull(&self, head: &AtomicU32, page: u32) {
        let (previous, next) = self.links(page);
        match previous.checked_sub(1) {
            Some(before) => self.set_links(before, self.links(before).0, next),
            None => head.put(next),
        }
        if let Some(after) = next.checked_sub(1) {
            self.set_links(after, previous, self.links(after).1);
        }
    }

    /// Makes pages a free run and puts it into its bin.
    fn link(&self, page: u32, len: u32, heat: Heat) {
        let header = self.ground.header();
        if len > 1 {
            self.ground.page(page + len - 1).word.put(TAIL | u64::from(len) << LEN_SHIFT);
        }
        self.ground.page(page).word.put(tag_of(heat) | u64::from(len) << LEN_SHIFT);
        let bin = bin_of(len);
        self.push(&header.bins[heat as usize][bin], page);
        let filled = &header.filled[heat as usize][bin / 64];
        filled.put(filled.get() | 1 << (bin % 64));
    }

    /// Takes a free run out of its bin; returns its length.
    fn unlink(&self, page: u32, heat: Heat) -> u32 {
        let header = self.ground.header();
        let len = self.run_len(page);
        let bin = bin_of(len);
        let first = &header.bins[heat as usize][bin];
        self.pull(first, page);
        if first.get() == 0 {
            let filled = &header.filled[heat as usize][bin / 64];
            filled.put(filled.get() & !(1 << (bin % 64)));
        }
        len
    }
}

const _: () = assert!(BINS == 128, "two words of bits");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_run_is_in_a_bin_that_is_found() {
        for len in (1..5000).chain([1 << 20, (1 << 20) + 1, u32::MAX >> 1]) {
            assert!(bin_of(len) < BINS);
            assert!(bin_for(len) >= bin_of(len), "{len}");
            assert!(bin_for(len) <= bin_of(len) + 1, "{len}");
        }
        assert_eq!(bin_for(17), bin_of(20), "17 to 19 are in the bin of 16");
    }
}
