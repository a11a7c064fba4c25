//! The pool's queue: parcels that no lane has room for, oldest first.
//!
//! Parcels have consecutive places, which grow towards the back and fall towards the front. Each call
//! knows a span of places outside of which nothing of it lies, so that a call is taken out of a queue of many
//! thousands without a walk over the others. What is taken from the middle leaves a gap; gaps at both ends
//! are dropped at once, and when they are more than half, the queue is packed.
//!
//! It decides nothing: dispatch does.

use std::collections::VecDeque;

use crate::call::CallId;
use crate::span::Span;
use crate::worker_seat::Parcel;

/// So many gaps are never worth packing.
const FEW_GAPS: usize = 64;

/// Parcels that wait, and how many items they hold.
#[derive(Debug)]
pub(crate) struct Queue {
    slots: VecDeque<Option<Parcel>>,
    /// The place of the first slot: half-way at the start, so that it can fall.
    first: u64,
    gaps: usize,
    items: u64,
}

impl Queue {
    pub(crate) const fn new() -> Self {
        Self { slots: VecDeque::new(), first: 1 << 63, gaps: 0, items: 0 }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Items of all parcels.
    pub(crate) const fn items(&self) -> u64 {
        self.items
    }

    /// The oldest parcel.
    pub(crate) fn front(&self) -> Option<&Parcel> {
        // There is never a gap at an end.
        self.slots.front().and_then(Option::as_ref)
    }

    fn range(&self) -> (u64, u64) {
        (self.first, self.first + self.slots.len() as u64)
    }

    pub(crate) fn push_back(&mut self, parcel: Parcel, span: &mut Span) {
        span.add(self.first + self.slots.len() as u64, self.range());
        self.items += u64::from(parcel.count);
        self.slots.push_back(Some(parcel));
    }

    pub(crate) fn push_front(&mut self, parcel: Parcel, span: &mut Span) {
        span.add(self.first - 1, self.range());
        self.first -= 1;
        self.items += u64::from(parcel.count);
        self.slots.push_front(Some(parcel));
    }

    /// Takes the oldest parcel.
    pub(crate) fn pop_front(&mut self) -> Option<Parcel> {
        let parcel = self.slots.pop_front()??;
        self.first += 1;
        self.items -= u64::from(parcel.count);
        self.trim();
        Some(parcel)
    }

    fn trim(&mut self) {
        while matches!(self.slots.front(), Some(None)) {
            self.slots.pop_front();
            self.first += 1;
            self.gaps -= 1;
        }
        while matches!(self.slots.back(), Some(None)) {
            self.slots.pop_back();
            self.gaps -= 1;
        }
    }

    /// The slots in which parcels of a call can lie.
    fn part(&self, span: Span) -> std::ops::Range<usize> {
        let (first, end) = self.range();
        let from = span.0.clamp(first, end) - first;
        let to = span.1.saturating_add(1).clamp(first, end) - first;
        let place = |at: u64| usize::try_from(at).unwrap_or(self.slots.len());
        place(from)..place(to.max(from))
    }

    /// How many items of a call wait.
    pub(crate) fn count_of(&self, id: CallId, span: Span) -> u64 {
        let parcels = self.slots.range(self.part(span)).flatten();
        parcels.filter(|parcel| parcel.call == id).map(|parcel| u64::from(parcel.count)).sum()
    }

    /// Takes all parcels of a call, oldest first.
    pub(crate) fn take_of(&mut self, id: CallId, span: Span) -> Vec<Parcel> {
        let part = self.part(span);
        let mut taken = Vec::new();
        for slot in self.slots.range_mut(part) {
            if let Some(parcel) = slot.take_if(|parcel| parcel.call == id) {
                taken.push(parcel);
            }
        }
        self.gaps += taken.len();
        self.items -= taken.iter().map(|parcel| u64::from(parcel.count)).sum::<u64>();
        self.trim();
        taken
    }

    /// Takes everything, oldest first.
    pub(crate) fn take_all(&mut self) -> Vec<Parcel> {
        // Places are not used again, so that no old span seems to be a present one.
        let empty = Self { first: self.range().1, ..Self::new() };
        let all = std::mem::replace(self, empty);
        all.slots.into_iter().flatten().collect()
    }

    pub(crate) fn needs_packing(&self) -> bool {
        self.gaps > FEW_GAPS && self.gaps * 2 > self.slots.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parcel(call: u64, first: u64) -> Parcel {
        Parcel { call: CallId(call), first, count: 2, records: Vec::new(), start: 0, spoiled: None }
    }

    fn firsts(parcels: &[Parcel]) -> Vec<u64> {
        parcels.iter().map(|parcel| parcel.first).collect()
    }

    #[test]
    fn a_call_is_taken_from_the_middle() {
        let (mut queue, mut spans) = (Queue::new(), [Span::NONE; 2]);
        for first in 0..6 {
            let call = first % 2;
            queue.push_back(parcel(call, first), &mut spans[usize::from(call == 1)]);
        }
        assert_eq!(queue.count_of(CallId(1), spans[1]), 6);
        assert_eq!(firsts(&queue.take_of(CallId(1), spans[1])), [1, 3, 5]);
        assert_eq!((queue.items(), queue.slots.len(), queue.gaps), (6, 5, 2));
        let left: Vec<_> = std::iter::from_fn(|| queue.pop_front()).collect();
        assert_eq!(firsts(&left), [0, 2, 4]);
        assert_eq!((queue.items(), queue.is_empty(), queue.gaps), (0, true, 0));
    }

    #[test]
    fn a_call_of_one_parcel_has_a_span_of_one_place() {
        let (mut queue, mut spans) = (Queue::new(), vec![Span::NONE; 1000]);
        for call in 0..1000 {
            queue.push_back(parcel(call, 0), &mut spans[usize::try_from(call).unwrap()]);
        }
        for _ in 0..100 {
            assert!(queue.pop_front().is_some());
        }
        for call in (0..100).rev() {
            queue.push_front(parcel(call, 0), &mut spans[usize::try_from(call).unwrap()]);
        }
        for (call, span) in spans.iter().enumerate() {
            assert_eq!(queue.part(*span).len(), 1, "call {call}");
            assert_eq!(queue.take_of(CallId(call as u64), *span).len(), 1);
        }
        assert!(queue.is_empty());
    }

    /// Random changes against a plain list.
    #[test]
    fn it_is_a_list_of_parcels() {
        let (mut queue, mut spans, mut model) = (Queue::new(), [Span::NONE; 7], VecDeque::new());
        let mut random: u64 = 1;
        for step in 0..20_000_u64 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(step | 1);
            let call = (random >> 40) % 7;
            let span = &mut spans[usize::try_from(call).unwrap()];
            match (random >> 33) % 8 {
                0..=2 => {
                    queue.push_back(parcel(call, step), span);
                    model.push_back((call, step));
                }
                3 => {
                    queue.push_front(parcel(call, step), span);
                    model.push_front((call, step));
                }
                4 => {
                    let taken = firsts(&queue.take_of(CallId(call), *span));
                    let expected = model.iter().filter(|own| own.0 == call).map(|own| own.1);
                    assert_eq!(taken, expected.collect::<Vec<_>>());
                    model.retain(|own| own.0 != call);
                }
                5 if step % 64 == 0 => {
                    let all = firsts(&queue.take_all());
                    assert_eq!(all, model.drain(..).map(|own| own.1).collect::<Vec<_>>());
                }
                _ => {
                    let popped = queue.pop_front().map(|parcel| (parcel.call.0, parcel.first));
                    assert_eq!(popped, model.pop_front());
                }
            }
            assert_eq!(queue.items(), 2 * model.len() as u64);
            assert_eq!(queue.front().map(|parcel| parcel.first), model.front().map(|own| own.1));
        }
    }
}
