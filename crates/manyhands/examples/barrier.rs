//! Processes that work in steps: none begins the next one before all have done the last.
#![expect(clippy::print_stdout, reason = "a program that people run")]

use manyhands::Process;
use manyhands::sync::{Barrier, RwLock};

const WORKERS: usize = 3;
const STEPS: usize = 4;

/// Adds its neighbour's value of the last step to its own, step by step.
fn work((me, barrier, values): (usize, Barrier, RwLock<[u64]>)) {
    for _ in 0..STEPS {
        let neighbour = values.read().expect("nobody died")[(me + 1) % WORKERS];
        barrier.wait().expect("nobody died"); // all have read
        values.write().expect("nobody died")[me] += neighbour;
        barrier.wait().expect("nobody died"); // all have written
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    manyhands::init();
    let barrier = Barrier::new(u32::try_from(WORKERS)?)?;
    let values = RwLock::from_fn(WORKERS, |worker| worker as u64 + 1)?;
    let workers: Vec<_> = (0..WORKERS)
        .map(|me| Process::spawn(work, (me, barrier.clone(), values.clone())))
        .collect::<Result<_, _>>()?;
    for worker in workers {
        worker.join()?;
    }
    println!("{:?}", &*values.read().expect("nobody died"));
    Ok(())
}
