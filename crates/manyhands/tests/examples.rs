//! The examples of pools, run as a user would, and what they print.

use std::path::PathBuf;
use std::process::{Command, Output};

/// What an example prints, built by cargo with these features.
fn run(example: &str, features: &[&str]) -> String {
    let folder = std::env::current_exe()
        .expect("a path")
        .ancestors()
        .nth(2)
        .expect("target")
        .join("examples");
    let target: PathBuf = folder.ancestors().nth(2).expect("target").into();
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "--manifest-path"]);
    cargo.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"));
    cargo.args(["--example", example, "--target-dir"]).arg(target).args(features);
    if !cfg!(debug_assertions) {
        cargo.arg("--release");
    }
    assert!(cargo.status().expect("cargo").success());
    let Output { status, stdout, stderr } =
        Command::new(folder.join(example)).output().expect("the example");
    let said = String::from_utf8_lossy(&stderr);
    assert!(status.success() && stderr.is_empty(), "{example}: {status}, {said}");
    String::from_utf8(stdout).expect("text")
}

#[test]
fn squares() {
    let said = run("squares", &[]);
    let mut expected = vec!["map: [0, 1, 4, 9, 16, 25, 36, 49, 64, 81]".to_owned()];
    expected.extend([0, 1, 4, 9, 16].map(|square| format!("imap: {square}")));
    expected.push("imap_unordered, sorted: [0, 1, 4, 9, 16]".into());
    assert_eq!(said.lines().collect::<Vec<_>>(), expected);
}

#[test]
fn initializer() {
    let expected = "a model says 250250\na model says 500500\na model says 1001000\n";
    assert_eq!(run("initializer", &[]), expected);
}

#[test]
fn limits() {
    let expected = "one: 3\nendless: more than 2s\nthree: 5\nhuge: more than 100 MiB\nfifth: 5\nbroken: a crash\n\
                    seventh: 7\n";
    assert_eq!(run("limits", &[]), expected);
}

#[test]
fn a_process_of_its_own() {
    assert_eq!(run("process", &[]), "one and two\n");
}

#[test]
fn tokio() {
    assert_eq!(run("tokio", &[]), "6765\n10946\n17711\n");
}

#[test]
fn progress() {
    let bits: u64 = (0..20_000_u64)
        .map(|x| (0..x % 100_000).map(u64::count_ones).map(u64::from).sum::<u64>())
        .sum();
    assert_eq!(run("progress", &["--features", "indicatif"]), format!("{bits} bits\n"));
}
