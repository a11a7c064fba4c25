//! A guard stays with its thread.

use manyhands::sync::Mutex;

fn main() {
    manyhands::init();
    let lock = Mutex::new(1).unwrap();
    let guard = lock.lock().unwrap();
    std::thread::scope(|scope| scope.spawn(|| drop(guard))); //~ cannot be sent between threads safely
}
