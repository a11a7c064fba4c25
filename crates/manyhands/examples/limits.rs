//! Inputs that nobody trusts: one makes its task run for ever, one take all memory, one crash. Each is told by name, and
//! all others are answered.
#![expect(clippy::print_stdout, reason = "a program that people run")]

use std::hint::black_box;
use std::time::Duration;

use manyhands::{Pool, TaskError};

/// What a library with bugs would do.
#[expect(clippy::needless_pass_by_value, reason = "a task owns its item")]
fn parse(input: String) -> usize {
    match input.as_str() {
        "endless" => loop {
            black_box(&input);
        },
        "huge" => {
            let mut all = Vec::new();
            loop {
                all.push(black_box(vec![1_u8; 1 << 20]));
            }
        }
        "broken" => std::process::abort(),
        _ => input.len(),
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    manyhands::init();
    let limit = Duration::from_secs(2);
    let pool = Pool::builder().workers(2).task_timeout(limit).memory_limit(100 << 20).build()?;
    let inputs = ["one", "endless", "three", "huge", "fifth", "broken", "seventh"];
    let results = pool.map_each(parse, inputs.map(str::to_owned));
    for (input, result) in inputs.iter().zip(results) {
        match result {
            Ok(len) => println!("{input}: {len}"),
            Err(TaskError::TimedOut { limit, .. }) => println!("{input}: more than {limit:?}"),
            Err(TaskError::MemoryLimitExceeded { limit, .. }) => {
                println!("{input}: more than {} MiB", limit >> 20);
            }
            Err(error) => println!("{input}: {}", error.signal().map_or("?", |_| "a crash")),
        }
    }
    Ok(())
}
