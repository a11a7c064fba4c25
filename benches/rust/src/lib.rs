//! What the benches share: the median of repeated measurements, and how a figure is printed.

use std::time::{Duration, Instant};

/// The median of the times that `work` takes, over so many repetitions, after one that is not counted.
pub fn median(repetitions: usize, mut work: impl FnMut()) -> Duration {
    work();
    let mut times: Vec<_> = (0..repetitions)
        .map(|_| {
            let began = Instant::now();
            work();
            began.elapsed()
        })
        .collect();
    times.sort_unstable();
    times[times.len() / 2]
}

/// Prints one figure.
pub fn report(what: &str, who: &str, figure: &str) {
    println!("{what:<44} {who:<16} {figure}");
}
