//! The state of a worker: what its initializer returned, for the tasks that run there.

use std::any::{Any, type_name};
use std::cell::{Cell, RefCell, RefMut};
use std::fmt;
use std::ops::{Deref, DerefMut};

thread_local! {
    static STATE: Cell<Option<Held>> = const { Cell::new(None) };
}

/// The state, which is never dropped: the process ends with it.
#[derive(Clone, Copy)]
struct Held {
    value: &'static dyn Any,
    name: &'static str,
}

/// Keeps what the initializer returned.
pub(crate) fn put<S: 'static>(value: S) {
    let value: &'static RefCell<S> = Box::leak(Box::new(RefCell::new(value)));
    STATE.set(Some(Held { value, name: type_name::<S>() }));
}

/// Exclusive access to the state of a worker; see [`worker_state`].
///
/// ```
/// # use manyhands::WorkerState;
/// fn count(mut state: WorkerState<u64>) -> u64 {
///     *state += 1;
///     *state
/// }
/// ```
pub struct WorkerState<T: 'static>(RefMut<'static, T>);

impl<T> Deref for WorkerState<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> DerefMut for WorkerState<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

impl<T: fmt::Debug> fmt::Debug for WorkerState<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("WorkerState").field(&*self.0).finish()
    }
}

/// What the initializer of the pool returned in this worker, for a task to use.
///
/// It exists once in each worker and not in the parent; it is not dropped when the worker ends. If a task panics
/// while it changes the state, later tasks of this worker find it as it was left.
///
/// # Panics
/// Outside of a pool's task, in a pool without an initializer, if the initializer returned another type, and
/// while this task has it already.
///
/// ```
/// use manyhands::{Pool, worker_state};
///
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     manyhands::init();
///     let pool = Pool::builder().workers(2).initializer(|| vec![1.5_f64, 2.5]).build()?;
///     let sums = pool.map(|x: f64| worker_state::<Vec<f64>>().iter().sum::<f64>() * x, [1.0, 2.0])?;
///     assert_eq!(sums, [4.0, 8.0]);
///     Ok(())
/// }
/// ```
#[must_use]
#[track_caller]
pub fn worker_state<T: 'static>() -> WorkerState<T> {
    let wanted = type_name::<T>();
    let Some(held) = STATE.get() else {
        panic!(
            "there is no worker state here: `worker_state` is for tasks of a pool that has an initializer, in the \
             thread that runs them"
        );
    };
    let Some(cell) = held.value.downcast_ref::<RefCell<T>>() else {
        panic!("the initializer of this pool returned a {}, not a {wanted}", held.name);
    };
    let Ok(state) = cell.try_borrow_mut() else {
        panic!("this task has its worker's state already: drop that first");
    };
    WorkerState(state)
}
