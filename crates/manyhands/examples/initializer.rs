//! Each worker makes a context once, as one loads a model or opens a device; tasks use it.
#![expect(clippy::print_stdout, reason = "a program that people run")]

use manyhands::{Pool, worker_state};
use serde::{Deserialize, Serialize};

/// What the workers are told.
#[derive(Serialize, Deserialize)]
struct Settings {
    name: String,
    size: u16,
}

/// What is dear to make and cannot be sent.
struct Model {
    name: String,
    weights: Vec<f64>,
    calls: u64,
}

fn load(settings: &Settings) -> Model {
    let weights = (1..=settings.size).map(f64::from).collect();
    Model { name: settings.name.clone(), weights, calls: 0 }
}

fn predict(x: f64) -> (f64, String) {
    let mut model = worker_state::<Model>();
    model.calls += 1;
    (model.weights.iter().map(|weight| weight * x).sum(), model.name.clone())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    manyhands::init();
    let settings = Settings { name: "a model".to_owned(), size: 1000 };
    let pool = Pool::builder().workers(2).initializer_with(&settings, load).build()?;
    let answers = pool.map(predict, [0.5, 1.0, 2.0])?;
    for (answer, who) in answers {
        println!("{who} says {answer}");
    }
    Ok(())
}
