//! Squares, in the three ways to run a function over items.
#![expect(clippy::print_stdout, reason = "a program that people run")]

use manyhands::Pool;

fn square(x: u64) -> u64 {
    x * x
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    manyhands::init();
    let pool = Pool::builder().workers(4).build()?;

    let all = pool.map(square, 0..10)?;
    println!("map: {all:?}");

    for result in pool.imap(square, 0..5) {
        println!("imap: {}", result?);
    }

    let mut any: Vec<u64> = pool.imap_unordered(square, 0..5).collect::<Result<_, _>>()?;
    any.sort_unstable();
    println!("imap_unordered, sorted: {any:?}");
    pool.join();
    Ok(())
}
