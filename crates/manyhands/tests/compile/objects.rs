//! What cannot be done with objects between processes.

use manyhands::sync::{Mutex, Shareable, Shared};

#[derive(Shareable)]
struct Of<T>(T);

fn main() {
    manyhands::init();
    let _ = Mutex::new(vec![1, 2, 3]); //~ may not live in shared memory
    let _ = Shared::new(Of(Box::new(1))); //~ may not live in shared memory
}
