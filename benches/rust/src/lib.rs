//! What the benches share: medians of rounds, and how figures are printed and written.
//!
//! `MANYHANDS_BENCH_MARKDOWN` names a file: each bench replaces its section there, and leaves the others alone.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// A number and its unit.
pub type Figure = (f64, &'static str);

/// What was measured, of whom, and the numbers of all rounds.
struct Row {
    what: String,
    who: String,
    unit: &'static str,
    values: Vec<f64>,
}

static ROWS: Mutex<Vec<Row>> = Mutex::new(Vec::new());

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

/// Notes one figure of this round, and prints it.
pub fn report(what: &str, who: &str, (value, unit): Figure) {
    println!("{what:<44} {who:<36} {} {unit}", short(value));
    let mut rows = ROWS.lock().expect("no thread panics");
    match rows.iter_mut().find(|row| row.what == what && row.who == who) {
        Some(row) => row.values.push(value),
        None => rows.push(Row { what: what.into(), who: who.into(), unit, values: vec![value] }),
    }
}

/// Measures so many times, rivals beside each other in each round, and gives the medians.
pub fn rounds(section: &str, count: usize, mut measure: impl FnMut()) {
    for round in 1..=count {
        println!("round {round} of {count}");
        measure();
    }
    let mut table =
        String::from("| what | who | median | least to most |\n| --- | --- | --- | --- |\n");
    println!("medians of {count} rounds");
    for row in ROWS.lock().expect("no thread panics").iter_mut() {
        row.values.sort_by(f64::total_cmp);
        let median = row.values[row.values.len() / 2];
        let (least, most) = (row.values[0], row.values[row.values.len() - 1]);
        println!("{:<44} {:<36} {} {}", row.what, row.who, short(median), row.unit);
        writeln!(
            table,
            "| {} | {} | {} {} | {} to {} |",
            row.what,
            row.who,
            short(median),
            row.unit,
            short(least),
            short(most)
        )
        .expect("a string takes everything");
    }
    if let Some(path) = std::env::var_os("MANYHANDS_BENCH_MARKDOWN") {
        write_section(Path::new(&path), section, &table);
    }
}

/// Three digits that count.
fn short(value: f64) -> String {
    match value {
        value if value >= 99.95 => format!("{value:.0}"),
        value if value >= 9.995 => format!("{value:.1}"),
        value => format!("{value:.2}"),
    }
}

const HEAD: &str = "# Figures of the crate `manyhands`\n\n\
    Written by `make bench-rust`, which measures rivals in the same run: threads (rayon, crossbeam, std) for what processes \
    cost, processes (procspawn, ipc-channel) where they can do the work. Medians of the rounds.\n";

/// Replaces one section of a document, or appends it.
fn write_section(path: &Path, section: &str, table: &str) {
    let document = std::fs::read_to_string(path).unwrap_or_default();
    let title = format!("\n## {section}\n");
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let text = format!("{title}\nOn {cores} cores.\n\n{table}");
    let before = document.find(&title).map_or(document.as_str(), |at| &document[..at]);
    let rest = document.find(&title).map_or("", |at| &document[at + title.len()..]);
    let after = rest.find("\n## ").map_or("", |at| &rest[at..]);
    let before = if before.is_empty() { HEAD } else { before };
    std::fs::write(path, format!("{before}{text}{after}")).expect("a document to write");
}
