//! A conversation between two processes over a pipe.
#![expect(clippy::print_stdout, reason = "a program that people run")]

use manyhands::Process;
use manyhands::pipe::{Pipe, pipe};
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
enum Question {
    Square(i64),
    Reverse(String),
}

#[derive(Debug, Serialize, Deserialize)]
enum Answer {
    Number(i64),
    Text(String),
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "the end of the conversation is the end of the pipe"
)]
fn answer(pipe: Pipe<Answer, Question>) {
    while let Ok(question) = pipe.recv() {
        let answer = match question {
            Question::Square(number) => Answer::Number(number * number),
            Question::Reverse(text) => Answer::Text(text.chars().rev().collect()),
        };
        if pipe.send(answer).is_err() {
            break;
        }
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    manyhands::init();
    let (here, there) = pipe()?;
    let process = Process::spawn(answer, there)?;
    here.send(Question::Square(12))?;
    here.send(Question::Reverse("sdnah ynam".into()))?;
    println!("{:?}", here.recv()?);
    println!("{:?}", here.recv()?);
    drop(here); // the other one sees the end
    process.join()?;
    Ok(())
}
