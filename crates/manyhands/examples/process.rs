//! One function in a process of its own.
#![expect(clippy::print_stdout, reason = "a program that people run")]

use manyhands::Process;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    manyhands::init();
    let words = vec!["one".to_owned(), "two".to_owned()];
    let process = Process::spawn(|words: Vec<String>| words.join(" and "), words)?;
    println!("{}", process.join()?);
    Ok(())
}
