//! A program whose file is replaced by another one while it runs, as by a new build: its pools go on.
//!
//! The first argument is the other file, which is moved over this program's own.
#![expect(clippy::print_stdout, reason = "a program that people run")]

use manyhands::Pool;

fn squares() -> Result<Vec<u64>, Box<dyn std::error::Error>> {
    let pool = Pool::builder().workers(2).build()?;
    Ok(pool.map(|x: u64| x * x, 1..4)?)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    manyhands::init();
    println!("before: {:?}", squares()?);
    if let Some(other) = std::env::args_os().nth(1) {
        std::fs::rename(other, std::env::current_exe()?)?;
    }
    println!("after: {:?}", squares()?);
    Ok(())
}
