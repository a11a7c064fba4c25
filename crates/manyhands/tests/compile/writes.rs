//! What is shared, or only read, is not written; a guard does not outlive its lock.

use manyhands::sync::{Mutex, RwLock, Shared};

fn main() {
    manyhands::init();
    let shared = Shared::new([1, 2]).unwrap();
    shared[0] = 2; //~

    let lock = RwLock::new(1).unwrap();
    *lock.read().unwrap() = 2; //~

    let guard = Mutex::new(1).unwrap().lock().unwrap(); //~
    drop(guard);
}
