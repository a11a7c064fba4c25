//! `With`: calls of functions that get a value besides their items.

use std::any::type_name;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::calls;
use super::handle::Handle;
use super::imap::Imap;
use super::shared::{Function, Shared, Value};
use crate::error::TaskError;
use crate::function as make;

/// A pool together with a value that tasks get as their first argument; made by [`Pool::with`](crate::Pool::with).
///
/// The value is serialized once, and sent to each worker once. It is kept there until this is dropped and its calls have
/// ended: then a sender in it, for example, is gone. A small one that names no object may stay for a while. So keep it
/// in a variable where many tasks use the same large value.
///
/// ```
/// use manyhands::Pool;
///
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     manyhands::init();
///     let pool = Pool::new()?;
///     let names = vec!["zero".to_owned(), "one".to_owned()];
///     let told = pool.with(&names).map(|names: &Vec<String>, n: usize| names[n].clone(), [1, 0, 1])?;
///     assert_eq!(told, ["one", "zero", "one"]);
///     Ok(())
/// }
/// ```
#[must_use = "it does nothing by itself"]
pub struct With<'p, V> {
    shared: &'p Arc<Shared>,
    value: Arc<Value>,
    of: PhantomData<fn() -> V>,
}

impl<V> fmt::Debug for With<'_, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("With").field("value", &type_name::<V>()).finish_non_exhaustive()
    }
}

impl<V> Drop for With<'_, V> {
    fn drop(&mut self) {
        self.shared.let_go(&self.value);
    }
}

impl<'p, V: Serialize + DeserializeOwned + 'static> With<'p, V> {
    pub(super) fn new(shared: &'p Arc<Shared>, value: &V) -> Self {
        Self { shared, value: Value::of(value), of: PhantomData }
    }

    fn function<F, T, R>(&self, function: F) -> Function
    where
        F: Fn(&V, T) -> R + Copy + 'static,
        T: DeserializeOwned + 'static,
        R: Serialize + 'static,
    {
        let value = Some(Arc::clone(&self.value));
        Function { maker: make::with(function), name: type_name::<F>(), value }
    }

    /// As [`Pool::map`](crate::Pool::map).
    ///
    /// # Errors
    /// The first failure in the order of items.
    ///
    /// ```
    /// # use manyhands::Pool;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # manyhands::init();
    /// let pool = Pool::new()?;
    /// assert_eq!(pool.with(&10).map(|k: &u32, x: u32| k * x, 0..3)?, [0, 10, 20]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn map<F, T, R, I>(&self, function: F, items: I) -> Result<Vec<R>, TaskError>
    where
        F: Fn(&V, T) -> R + Copy + 'static,
        T: Serialize + DeserializeOwned + 'static,
        R: Serialize + DeserializeOwned + 'static,
        I: IntoIterator<Item = T>,
    {
        calls::map(self.shared, &self.function(function), items.into_iter())
    }

    /// As [`Pool::map_each`](crate::Pool::map_each).
    ///
    /// ```
    /// # use manyhands::Pool;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # manyhands::init();
    /// let pool = Pool::new()?;
    /// let shares = pool.with(&12).map_each(|k: &u32, x: u32| k / x, [3, 0]);
    /// assert_eq!(shares[0].as_ref().ok(), Some(&4));
    /// assert!(shares[1].as_ref().is_err_and(manyhands::TaskError::is_panic));
    /// # Ok(())
    /// # }
    /// ```
    pub fn map_each<F, T, R, I>(&self, function: F, items: I) -> Vec<Result<R, TaskError>>
    where
        F: Fn(&V, T) -> R + Copy + 'static,
        T: Serialize + DeserializeOwned + 'static,
        R: Serialize + DeserializeOwned + 'static,
        I: IntoIterator<Item = T>,
    {
        calls::map_each(self.shared, &self.function(function), items.into_iter())
    }

    /// As [`Pool::imap`](crate::Pool::imap).
    ///
    /// ```
    /// # use manyhands::Pool;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # manyhands::init();
    /// let pool = Pool::new()?;
    /// let first = pool.with(&1).imap(|k: &u64, x: u64| k + x, 0..).next();
    /// assert_eq!(first.transpose()?, Some(1));
    /// # Ok(())
    /// # }
    /// ```
    pub fn imap<F, T, R, I>(&self, function: F, items: I) -> Imap<'p, I::IntoIter, R>
    where
        F: Fn(&V, T) -> R + Copy + 'static,
        T: Serialize + DeserializeOwned + 'static,
        R: Serialize + DeserializeOwned + 'static,
        I: IntoIterator<Item = T>,
    {
        Imap::start(self.shared, &self.function(function), items.into_iter(), true)
    }

    /// As [`Pool::imap_unordered`](crate::Pool::imap_unordered).
    ///
    /// ```
    /// # use manyhands::Pool;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # manyhands::init();
    /// let pool = Pool::new()?;
    /// let sum: Result<u64, _> = pool.with(&1).imap_unordered(|k: &u64, x: u64| k + x, 0..4).sum();
    /// assert_eq!(sum?, 10);
    /// # Ok(())
    /// # }
    /// ```
    pub fn imap_unordered<F, T, R, I>(&self, function: F, items: I) -> Imap<'p, I::IntoIter, R>
    where
        F: Fn(&V, T) -> R + Copy + 'static,
        T: Serialize + DeserializeOwned + 'static,
        R: Serialize + DeserializeOwned + 'static,
        I: IntoIterator<Item = T>,
    {
        Imap::start(self.shared, &self.function(function), items.into_iter(), false)
    }

    /// As [`Pool::submit`](crate::Pool::submit).
    ///
    /// ```
    /// # use manyhands::Pool;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # manyhands::init();
    /// let pool = Pool::new()?;
    /// assert_eq!(pool.with(&3).submit(|k: &u32, x: u32| k * x, 4).join()?, 12);
    /// # Ok(())
    /// # }
    /// ```
    #[expect(clippy::needless_pass_by_value, reason = "it is gone from here once it was sent")]
    pub fn submit<F, T, R>(&self, function: F, item: T) -> Handle<R>
    where
        F: Fn(&V, T) -> R + Copy + 'static,
        T: Serialize + DeserializeOwned + 'static,
        R: Serialize + DeserializeOwned + 'static,
    {
        calls::submit(self.shared, &self.function(function), &item)
    }

    /// As [`Pool::broadcast`](crate::Pool::broadcast).
    ///
    /// ```
    /// # use manyhands::Pool;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # manyhands::init();
    /// let pool = Pool::builder().workers(2).build()?;
    /// let told: Result<Vec<u32>, _> = pool.with(&7).broadcast(|x: &u32| x + 1).into_iter().collect();
    /// assert_eq!(told?, [8, 8]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn broadcast<F, R>(&self, function: F) -> Vec<Result<R, TaskError>>
    where
        F: Fn(&V) -> R + Copy + 'static,
        R: Serialize + DeserializeOwned + 'static,
    {
        let value = Some(Arc::clone(&self.value));
        let function = Function { maker: make::bare_with(function), name: type_name::<F>(), value };
        calls::broadcast(self.shared, &function)
    }
}
