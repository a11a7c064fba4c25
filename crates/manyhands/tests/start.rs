//! The start: what is said where `init` is missing, and a program whose file goes away while it runs.

use std::path::{Path, PathBuf};
use std::process::Command;

use manyhands::{BuildError, Pool, Process, SpawnError};

// This file has no `test_support!`, on purpose.

#[test]
fn a_program_without_init_is_told_about_it() {
    let error = Pool::new().unwrap_err();
    assert!(matches!(error, BuildError::NotInitialized));
    let text = error.to_string();
    assert!(text.contains("manyhands::init()") && text.contains("test_support!"), "{text}");
    let error = Process::spawn(|x: u32| x, 1).unwrap_err();
    assert!(matches!(error, SpawnError::NotInitialized));
}

/// An example, built by cargo.
fn example(name: &str) -> PathBuf {
    let folder = std::env::current_exe().expect("a path");
    let target = folder.ancestors().nth(3).expect("target");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "--manifest-path"]);
    cargo.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"));
    cargo.args(["--example", name, "--target-dir"]).arg(target);
    assert!(cargo.status().expect("cargo").success());
    target.join("debug/examples").join(name)
}

/// A place of our own for a copy of a program.
fn place(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("manyhands-start-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    folder.join(name)
}

fn tells_bits(program: &Path, other: &Path) -> String {
    let output = Command::new(program).arg(other).output().expect("the example");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn a_program_whose_file_is_replaced_goes_on() {
    let program = place("program");
    std::fs::copy(example("replaced"), &program).expect("a copy");
    let other = place("other");
    std::fs::copy("/bin/true", &other).expect("a copy");
    assert_eq!(tells_bits(&program, &other), "before: [1, 4, 9]\nafter: [1, 4, 9]\n");
    std::fs::remove_dir_all(program.parent().expect("a folder")).expect("removed");
}

#[test]
fn init_in_another_thread_than_the_main_one_does_not_count() {
    // As in a test that calls it: children would run the whole harness.
    manyhands::init();
    assert!(matches!(Pool::new(), Err(BuildError::NotInitialized)));
}

#[test]
fn errors_are_debugged_in_words() {
    let text = format!("{:?}", Pool::new().unwrap_err());
    assert!(text.starts_with("NotInitialized(call `manyhands::init()`"), "{text}");
    let text = format!("{:?}", Process::spawn(|x: u32| x, 1).unwrap_err());
    assert!(text.starts_with("NotInitialized(call `manyhands::init()`"), "{text}");
}
