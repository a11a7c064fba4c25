//! Where in the pool's queue the items of a call can be.
//!
//! It only grows while something of the call is queued; `queue` says what a place is.

/// Between which places the parcels of a call lie, if there are any: first and last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span(pub(crate) u64, pub(crate) u64);

impl Span {
    /// Nothing was ever queued.
    pub(crate) const NONE: Self = Self(u64::MAX, 0);

    /// Adds a place; those before, if they are no longer in the queue, which begins at `first`, are forgotten.
    pub(crate) fn add(&mut self, place: u64, (first, end): (u64, u64)) {
        let present = self.0 < end && self.1 >= first;
        *self =
            if present { Self(self.0.min(place), self.1.max(place)) } else { Self(place, place) };
    }
}
