//! What may live in shared memory.

use std::marker::PhantomData;
use std::sync::atomic::AtomicU64;

use manyhands::sync::{Mutex, RwLock, Shareable, Shared};

#[derive(Shareable)]
struct Unit;

#[derive(Shareable)]
struct Tuple(u8, [f64; 4], (i32, bool));

#[derive(Shareable)]
struct Nested {
    tuple: Tuple,
    unit: Unit,
    hits: AtomicU64,
    state: State,
}

#[derive(Clone, Copy, Shareable)]
#[repr(u8)]
enum State {
    First = 1,
    Second,
}

#[derive(Shareable)]
struct Generic<T: Copy, const N: usize>
where
    T: PartialEq,
{
    values: [T; N],
    kind: PhantomData<T>,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    manyhands::init();
    let tuple = Tuple(1, [0.5; 4], (2, true));
    let nested = Nested { tuple, unit: Unit, hits: AtomicU64::new(0), state: State::Second };
    let shared = Shared::new(nested)?;
    assert!(matches!(shared.state, State::Second));
    let lock = Mutex::new(Generic { values: [1_u16; 3], kind: PhantomData })?;
    assert_eq!(lock.lock().unwrap().values, [1; 3]);
    let lock = RwLock::from_fn(2, |_| State::First)?;
    assert_eq!(lock.read().unwrap().len(), 2);
    Ok(())
}
