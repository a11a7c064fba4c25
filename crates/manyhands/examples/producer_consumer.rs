//! A process that works on what comes in one queue and puts what it makes into another.
#![expect(clippy::print_stdout, reason = "a program that people run")]

use manyhands::Process;
use manyhands::channel::{Receiver, Sender, channel, sync_channel};

/// What the other process does, until nobody sends any more.
fn shout((words, shouts): (Receiver<String>, Sender<String>)) -> usize {
    let mut count = 0;
    for word in &words {
        shouts.send(word.to_uppercase() + "!").expect("somebody listens");
        count += 1;
    }
    count
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    manyhands::init();
    let (words, for_shouting) = sync_channel(4)?;
    let (from_shouting, shouts) = channel()?;
    let process = Process::spawn(shout, (for_shouting, from_shouting))?;
    for word in ["many", "hands", "make", "light", "work"] {
        words.send(word.to_string())?;
    }
    drop(words); // that is all: the other process comes to its end
    for shout in &shouts {
        println!("{shout}");
    }
    println!("{} words", process.join()?);
    Ok(())
}
