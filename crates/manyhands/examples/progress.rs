//! A progress bar: `cargo run --example progress --features indicatif`.
#![expect(clippy::print_stdout, reason = "a program that people run")]

use manyhands::Pool;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    manyhands::init();
    let pool = Pool::new()?;
    let count_bits = |x: u64| (0..x % 100_000).map(u64::count_ones).map(u64::from).sum::<u64>();
    let bits: Result<Vec<u64>, _> = pool.imap(count_bits, 0..20_000).bar().collect();
    println!("{} bits", bits?.iter().sum::<u64>());
    Ok(())
}
