//! Numbers in shared memory that all processes change without a lock.
#![expect(clippy::disallowed_types, reason = "what users get has std's methods")]

use std::ops::Deref;
use std::sync::atomic;

use serde::{Deserialize, Serialize};

use super::shared::Shared;
use crate::memory::NoMemory;

macro_rules! atomics {
    ($($name:ident, $number:ty, $example:literal;)*) => {$(
        #[doc = concat!("A `", stringify!($number), "` in shared memory that all processes change without a lock.")]
        ///
        /// A clone is the same number, and so is what arrives where it was sent. It has all methods of
        #[doc = concat!("[`std::sync::atomic::", stringify!($name), "`].")]
        ///
        /// ```
        /// use std::sync::atomic::Ordering;
        #[doc = concat!("use manyhands::sync::", stringify!($name), ";")]
        ///
        #[doc = concat!("let number = ", stringify!($name), "::new(", $example, ")?;")]
        /// let same = number.clone();
        #[doc = concat!("assert_eq!(same.swap(Default::default(), Ordering::Relaxed), ", $example, ");")]
        /// assert_eq!(number.load(Ordering::Relaxed), Default::default());
        /// # Ok::<(), manyhands::NoMemory>(())
        /// ```
        #[derive(Debug, Clone, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Shared<atomic::$name>);

        impl $name {
            /// Puts a number into shared memory.
            ///
            /// # Errors
            /// [`NoMemory`] without shared memory.
            ///
            /// ```
            #[doc = concat!("let number = manyhands::sync::", stringify!($name), "::new(", $example, ")?;")]
            /// # drop(number);
            /// # Ok::<(), manyhands::NoMemory>(())
            /// ```
            pub fn new(value: $number) -> Result<Self, NoMemory> {
                Shared::new(atomic::$name::new(value)).map(Self)
            }
        }

        impl Deref for $name {
            type Target = atomic::$name;

            #[inline]
            fn deref(&self) -> &atomic::$name {
                &self.0
            }
        }
    )*};
}

atomics! {
    AtomicU32, u32, "7";
    AtomicU64, u64, "7";
    AtomicUsize, usize, "7";
    AtomicI32, i32, "-7";
    AtomicI64, i64, "-7";
    AtomicIsize, isize, "-7";
    AtomicBool, bool, "true";
}
