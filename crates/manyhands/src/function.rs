//! The makers of functions that users give, and how a function runs over a batch.
//!
//! An argument that cannot be read, a value that cannot be written and a panic are the failure of one item
//! ([`Raised`]), and end the batch: the parent gives the rest to somebody again.

use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::batch::Batch;
use crate::code::{assert_no_captures, conjure};
use crate::raised::Raised;
use crate::task::{Maker, Task};
use crate::{codec, panics, state};

struct Plain<F, T, R>(PhantomData<fn(F, T) -> R>);

impl<F, T, R> Task for Plain<F, T, R>
where
    F: Fn(T) -> R + Copy,
    T: DeserializeOwned + 'static,
    R: Serialize + 'static,
{
    fn run(&mut self, batch: &mut Batch<'_>) {
        run(batch, conjure::<F>());
    }
}

struct With<F, V, T, R> {
    value: V,
    function: PhantomData<fn(F, T) -> R>,
}

impl<F, V, T, R> Task for With<F, V, T, R>
where
    F: Fn(&V, T) -> R + Copy,
    T: DeserializeOwned + 'static,
    R: Serialize + 'static,
{
    fn run(&mut self, batch: &mut Batch<'_>) {
        let (function, value) = (conjure::<F>(), &self.value);
        run(batch, |argument| function(value, argument));
    }
}

/// The loop over a batch.
#[inline]
fn run<T: DeserializeOwned + 'static, R: Serialize + 'static>(
    batch: &mut Batch<'_>,
    function: impl Fn(T) -> R,
) {
    let items = AssertUnwindSafe(|| {
        while batch.begin() {
            match batch.argument() {
                Ok(argument) => batch.finish(function(argument)),
                Err(error) => return batch.fail(Raised::Unreadable(error.to_string())),
            }
        }
    });
    // What a panic leaves half done of the batch is the item's that was begun last, and `fail` clears it away.
    if let Err(payload) = catch_unwind(items) {
        batch.fail(Raised::Panicked(panics::caught(&*payload)));
    }
}

/// The maker of a function of one argument, given a value of its type.
pub(crate) fn plain<F, T, R>(_function: F) -> Maker
where
    F: Fn(T) -> R + Copy + 'static,
    T: DeserializeOwned + 'static,
    R: Serialize + 'static,
{
    const { assert_no_captures::<F>() };
    |_nothing| Ok(Box::new(Plain::<F, T, R>(PhantomData)))
}

/// The maker of a function that gets a value besides its argument.
pub(crate) fn with<F, V, T, R>(_function: F) -> Maker
where
    F: Fn(&V, T) -> R + Copy + 'static,
    V: DeserializeOwned + 'static,
    T: DeserializeOwned + 'static,
    R: Serialize + 'static,
{
    const { assert_no_captures::<F>() };
    |mut value| {
        let value = codec::take_item::<V>(&mut value)
            .map_err(|error| Raised::Unreadable(format!("the value given by `with`: {error}")))?;
        Ok(Box::new(With::<F, V, T, R> { value, function: PhantomData }))
    }
}

/// The maker of a function without an argument.
pub(crate) fn bare<F, R>(_function: F) -> Maker
where
    F: Fn() -> R + Copy + 'static,
    R: Serialize + 'static,
{
    const { assert_no_captures::<F>() };
    plain(|(): ()| conjure::<F>()())
}

/// The maker of a function that gets a value, and no argument.
pub(crate) fn bare_with<F, V, R>(_function: F) -> Maker
where
    F: Fn(&V) -> R + Copy + 'static,
    V: DeserializeOwned + 'static,
    R: Serialize + 'static,
{
    const { assert_no_captures::<F>() };
    with(|value: &V, (): ()| conjure::<F>()(value))
}

/// The maker of an initializer: what it returns is kept as the worker's state.
pub(crate) fn initializer<F, S>(_function: F) -> Maker
where
    F: Fn() -> S + Copy + 'static,
    S: 'static,
{
    const { assert_no_captures::<F>() };
    plain(|(): ()| state::put(conjure::<F>()()))
}

/// The same for an initializer that gets a value.
pub(crate) fn initializer_with<F, V, S>(_function: F) -> Maker
where
    F: Fn(&V) -> S + Copy + 'static,
    V: DeserializeOwned + 'static,
    S: 'static,
{
    const { assert_no_captures::<F>() };
    with(|value: &V, (): ()| state::put(conjure::<F>()(value)))
}
