//! What must not compile, and what the compiler says then.
//!
//! In a file of `compile/` a comment `//~ words` means: this line is an error, and the compiler's text has these words.
//! Words are ours, or so old that they will stay, so that any compiler will do. A file without such comments compiles.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Builds the programs of `compile/` as packages that depend on this one, as users' programs do.
struct Programs {
    folder: PathBuf,
    target: PathBuf,
}

/// A program, and what is expected of it: line numbers and words.
type Expected<'a> = Vec<(usize, &'a str)>;

impl Programs {
    fn new(test: &str) -> Self {
        // Where this test lies: what was built for it is not built again.
        let own = std::env::current_exe().expect("a path");
        let target: PathBuf = own.ancestors().nth(3).expect("target").into();
        let folder = target.join("compile").join(test);
        std::fs::create_dir_all(&folder).expect("a folder for the programs");
        let crate_folder = env!("CARGO_MANIFEST_DIR");
        let manifest = format!(
            "[package]\nname = \"compile-{test}\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[workspace]\n\n\
             [dependencies]\nmanyhands = {{ path = {crate_folder:?} }}\n"
        );
        std::fs::write(folder.join("Cargo.toml"), manifest).expect("a manifest");
        // The same versions as the project's, so that nothing has to be fetched.
        let locks =
            ["Cargo.lock", "../../Cargo.lock"].map(|lock| Path::new(crate_folder).join(lock));
        let lock = locks.iter().find(|lock| lock.exists()).expect("a lock file");
        std::fs::copy(lock, folder.join("Cargo.lock")).expect("a lock file");
        std::fs::create_dir_all(folder.join("src/bin")).expect("a folder for the programs");
        Self { folder, target }
    }

    /// Builds one; whether it was built, and what the compiler said.
    fn build(&self, name: &str, source: &str) -> (bool, String) {
        // The compiler quotes lines: not those words.
        let bare = source.lines().map(|line| line.split("//~").next().unwrap_or(line));
        let source = bare.collect::<Vec<_>>().join("\n");
        std::fs::write(self.folder.join("src/bin").join(name).with_extension("rs"), source)
            .expect("a program");
        let mut cargo = Command::new(env!("CARGO"));
        // A constant assertion fails when code is made, so that a check is not enough.
        cargo.args(["build", "--offline", "--quiet", "--bin", name, "--target-dir"]);
        cargo.arg(&self.target).current_dir(&self.folder).env("CARGO_TERM_COLOR", "never");
        if !cfg!(debug_assertions) {
            cargo.arg("--release");
        }
        let output = cargo.output().expect("cargo");
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

fn expected(source: &str) -> Expected<'_> {
    let lines = (1..).zip(source.lines());
    lines.filter_map(|(line, text)| Some((line, text.split_once("//~")?.1.trim()))).collect()
}

fn check(test: &str, names: &[&str]) {
    let programs = Programs::new(test);
    for name in names {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/compile");
        let path = Path::new(folder).join(name).with_extension("rs");
        let source = std::fs::read_to_string(path).expect("a program");
        let expected = expected(&source);
        let (built, said) = programs.build(name, &source);
        assert_eq!(built, expected.is_empty(), "{name}:\n{said}");
        for (line, words) in expected {
            assert!(said.contains(&format!("{name}.rs:{line}:")), "{name}, line {line}:\n{said}");
            assert!(said.contains(words), "{name}: {words:?} is missing in\n{said}");
        }
    }
}

#[test]
fn functions_that_capture_do_not_compile() {
    check(
        "functions",
        &[
            "plain",
            "captures",
            "with_captures",
            "initializer_captures",
            "process_captures",
            "no_serde",
            "borrowed",
        ],
    );
}

#[test]
fn waiting_for_a_pool_whose_iterator_is_alive_does_not_compile() {
    check("iterators", &["joined", "joined_before_drop"]);
}

#[test]
fn what_may_not_be_shared_does_not_compile() {
    check("objects", &["shareable", "not_shareable", "objects", "guards", "writes"]);
}
