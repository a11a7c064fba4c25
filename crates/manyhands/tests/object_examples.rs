//! The examples of objects between processes, run as a user would, and what they print.

use std::path::PathBuf;
use std::process::{Command, Output};

/// The example as cargo has built it together with this test; or, if this test was asked for alone, now.
fn built(example: &str) -> PathBuf {
    let folder = std::env::current_exe()
        .expect("a path")
        .ancestors()
        .nth(2)
        .expect("target")
        .join("examples");
    let program = folder.join(example);
    if !program.exists() {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--quiet", "--manifest-path"]);
        cargo.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"));
        cargo
            .args(["--example", example, "--target-dir"])
            .arg(folder.ancestors().nth(2).expect("target"));
        if !cfg!(debug_assertions) {
            cargo.arg("--release");
        }
        assert!(cargo.status().expect("cargo").success());
    }
    program
}

fn run(example: &str) -> String {
    let Output { status, stdout, stderr } =
        Command::new(built(example)).output().expect("the example");
    let said = String::from_utf8_lossy(&stderr);
    assert!(status.success() && stderr.is_empty(), "{example}: {status}, {said}");
    String::from_utf8(stdout).expect("text")
}

#[test]
fn producer_consumer() {
    assert_eq!(run("producer_consumer"), "MANY!\nHANDS!\nMAKE!\nLIGHT!\nWORK!\n5 words\n");
}

#[test]
fn shared_counter() {
    assert_eq!(run("shared_counter"), "30000 values, the largest 999\n30000 seen\n");
}

#[test]
fn pipe() {
    assert_eq!(run("pipe"), "Number(144)\nText(\"many hands\")\n");
}

#[test]
fn barrier() {
    let mut values = [1_u64, 2, 3];
    for _ in 0..4 {
        let last = values;
        for (me, value) in values.iter_mut().enumerate() {
            *value += last[(me + 1) % 3];
        }
    }
    assert_eq!(run("barrier"), format!("{values:?}\n"));
}
