//! `Number`: a 64-bit number that any process changes without a lock: a whole one, or a `float`.
//!
//! Which of the two a word holds is its users' business, as with any memory; all changes are
//! read-modify-writes, so none is lost. An addition of whole numbers that would leave the range changes
//! nothing and says so: a counter that silently jumps to its other end is of no use.
//!
//! A `float` is compared by its bits: 0.0 and -0.0 differ, and a NaN equals itself.

use crate::atomic::{AtomicU64, Ordering};

/// The word. All-zero bytes are 0 and 0.0.
#[derive(Debug, Default)]
#[repr(transparent)]
pub struct Number(AtomicU64);

/// What the 64 bits are.
pub trait Bits: Copy {
    /// The number in these bits.
    fn from_bits(bits: u64) -> Self;
    /// The bits of this number.
    fn to_bits(self) -> u64;
    /// The sum; `None` if it cannot be written.
    fn sum(self, other: Self) -> Option<Self>;
}

impl Bits for i64 {
    fn from_bits(bits: u64) -> Self {
        bits.cast_signed()
    }

    fn to_bits(self) -> u64 {
        self.cast_unsigned()
    }

    fn sum(self, other: Self) -> Option<Self> {
        self.checked_add(other)
    }
}

impl Bits for f64 {
    fn from_bits(bits: u64) -> Self {
        Self::from_bits(bits)
    }

    fn to_bits(self) -> u64 {
        self.to_bits()
    }

    fn sum(self, other: Self) -> Option<Self> {
        Some(self + other)
    }
}

impl Number {
    /// The number 0.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Its value; sees what was done before it was stored.
    #[inline]
    #[must_use]
    pub fn load<T: Bits>(&self) -> T {
        T::from_bits(self.0.load(Ordering::Acquire))
    }

    /// Changes its value.
    #[inline]
    pub fn store<T: Bits>(&self, value: T) {
        self.0.store(value.to_bits(), Ordering::Release);
    }

    /// Changes its value and returns the one before.
    #[inline]
    pub fn swap<T: Bits>(&self, value: T) -> T {
        T::from_bits(self.0.swap(value.to_bits(), Ordering::AcqRel))
    }

    /// Adds, and returns the value before. `None`, and nothing changes, if the sum is out of range.
    #[inline]
    pub fn add<T: Bits>(&self, other: T) -> Option<T> {
        let mut seen = self.0.load(Ordering::Relaxed);
        loop {
            let before = T::from_bits(seen);
            let sum = before.sum(other)?.to_bits();
            let order = (Ordering::AcqRel, Ordering::Relaxed);
            match self.0.compare_exchange_weak(seen, sum, order.0, order.1) {
                Ok(_) => return Some(before),
                Err(now) => seen = now,
            }
        }
    }

    /// Changes its value if it is `expected`.
    ///
    /// # Errors
    /// The value that it has instead.
    #[inline]
    pub fn compare_exchange<T: Bits>(&self, expected: T, value: T) -> Result<(), T> {
        let (expected, value) = (expected.to_bits(), value.to_bits());
        let outcome = self.0.compare_exchange(expected, value, Ordering::AcqRel, Ordering::Acquire);
        outcome.map(|_| ()).map_err(T::from_bits)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_count_and_refuse_to_overflow() {
        let number = Number::new();
        assert_eq!(number.add(5_i64), Some(0));
        assert_eq!(number.add(-7_i64), Some(5));
        assert_eq!(number.swap(i64::MAX), -2);
        assert_eq!(number.add(1_i64), None);
        assert_eq!(number.load::<i64>(), i64::MAX);
        assert_eq!(number.compare_exchange(0_i64, 1), Err(i64::MAX));
        assert_eq!(number.compare_exchange(i64::MAX, i64::MIN), Ok(()));
        assert_eq!(number.add(-1_i64), None);
    }

    #[test]
    fn floats_add_and_compare_by_their_bits() {
        let number = Number::new();
        assert_eq!(number.add(1.5_f64), Some(0.0));
        assert_eq!(number.load::<f64>().to_bits(), 1.5_f64.to_bits());
        number.store(-0.0_f64);
        assert!(number.compare_exchange(0.0_f64, 1.0).is_err());
        number.store(f64::NAN);
        assert!(number.compare_exchange(f64::NAN, 1.0).is_ok());
    }

    #[test]
    fn no_addition_is_lost() {
        let number = Number::new();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..10_000).for_each(|_| assert!(number.add(1_i64).is_some())));
            }
        });
        assert_eq!(number.load::<i64>(), 40_000);
    }
}
