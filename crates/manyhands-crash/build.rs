//! Compiles the C function.
#![expect(clippy::print_stdout, reason = "how a build script speaks to cargo")]

fn main() {
    println!("cargo:rerun-if-changed=src/fragile.c");
    cc::Build::new().file("src/fragile.c").compile("fragile");
}
