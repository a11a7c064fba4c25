//! A function that runs elsewhere: how it is made there from a few bytes, and how it runs over a batch of items.
//!
//! For each type of function there is a *maker* ([`Maker`]), which `code` names. What is sent of a function is
//! its maker's place and, if it was given one, the value that is its first argument. An argument that cannot be
//! read, a value that cannot be written and a panic are the failure of one item ([`Raised`]), and end the batch:
//! the parent gives the rest to somebody again.

use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::batch::Batch;
use crate::code::{assert_no_captures, conjure};
use crate::{codec, panics};

/// Makes a task from the value that goes with it.
pub(crate) type Maker = fn(&[u8]) -> Result<Box<dyn Task>, Raised>;

/// Runs items.
pub(crate) trait Task {
    /// Runs items of the batch until it ends.
    fn run(&mut self, batch: &mut Batch<'_>);
}

/// Why an item has no value, as its worker says it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Raised {
    /// The function panicked.
    Panicked(panics::Panic),
    /// Its argument could not be read.
    Unreadable(String),
    /// Its value could not be written.
    Unwritable(String),
    /// It was not run at all.
    Refused(String),
}

struct Plain<F, T, R>(PhantomData<fn(F, T) -> R>);

impl<F, T, R> Task for Plain<F, T, R>
where
    F: Fn(T) -> R + Copy,
    T: DeserializeOwned,
    R: Serialize,
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
    T: DeserializeOwned,
    R: Serialize,
{
    fn run(&mut self, batch: &mut Batch<'_>) {
        let (function, value) = (conjure::<F>(), &self.value);
        run(batch, |argument| function(value, argument));
    }
}

/// The loop over a batch.
#[inline]
fn run<T: DeserializeOwned, R: Serialize>(batch: &mut Batch<'_>, function: impl Fn(T) -> R) {
    while batch.begin() {
        let argument = match batch.argument() {
            Ok(argument) => argument,
            Err(error) => return batch.fail(Raised::Unreadable(error.to_string())),
        };
        // A panic leaves nothing of ours half done: the value is not there, and the batch ends.
        match catch_unwind(AssertUnwindSafe(|| function(argument))) {
            Ok(value) => batch.finish(&value),
            Err(payload) => batch.fail(Raised::Panicked(panics::caught(&*payload))),
        }
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
        let value = codec::take::<V>(&mut value)
            .map_err(|error| Raised::Unreadable(format!("the value given by `with`: {error}")))?;
        Ok(Box::new(With::<F, V, T, R> { value, function: PhantomData }))
    }
}
