//! Processes that count together: with a lock, and without one.
#![expect(clippy::print_stdout, reason = "a program that people run")]

use std::sync::atomic::Ordering;

use manyhands::Process;
use manyhands::sync::{AtomicU64, Mutex, Shareable};

#[derive(Debug, Clone, Copy, Shareable)]
struct Statistics {
    count: u64,
    sum: f64,
    largest: f64,
}

fn measure((statistics, measured, seed): (Mutex<Statistics>, AtomicU64, u64)) {
    for step in 0..10_000_u32 {
        let value = f64::from((u32::try_from(seed).unwrap_or(0) * 7919 + step * 31) % 1000);
        // If another process dies in here, `lock` says so.
        let mut now = statistics.lock().expect("nobody died with the lock");
        now.count += 1;
        now.sum += value;
        now.largest = now.largest.max(value);
        drop(now);
        measured.fetch_add(1, Ordering::Relaxed);
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    manyhands::init();
    let statistics = Mutex::new(Statistics { count: 0, sum: 0.0, largest: 0.0 })?;
    let measured = AtomicU64::new(0)?;
    let processes: Vec<_> = (0..3)
        .map(|seed| Process::spawn(measure, (statistics.clone(), measured.clone(), seed)))
        .collect::<Result<_, _>>()?;
    for process in processes {
        process.join()?;
    }
    let all = *statistics.lock().expect("nobody died with the lock");
    println!("{} values, the largest {}", all.count, all.largest);
    println!("{} seen", measured.load(Ordering::Relaxed));
    Ok(())
}
