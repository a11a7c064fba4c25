//! A pool within an async program: whatever waits for it stands in `spawn_blocking`.
#![expect(clippy::print_stdout, reason = "a program that people run")]

use std::sync::Arc;

use manyhands::Pool;
use tokio::task::spawn_blocking;

fn fibonacci(n: u64) -> u64 {
    if n < 2 { n } else { fibonacci(n - 1) + fibonacci(n - 2) }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Before the runtime has threads.
    manyhands::init();
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let pool = Arc::new(Pool::builder().workers(2).build()?);
    runtime.block_on(async {
        let tasks = [20, 21, 22].map(|n| {
            let pool = Arc::clone(&pool);
            spawn_blocking(move || pool.submit(fibonacci, n).join())
        });
        for task in tasks {
            println!("{}", task.await??);
        }
        Ok(())
    })
}
