//! Compiles the C function.

fn main() {
    println!("cargo:rerun-if-changed=src/fragile.c");
    cc::Build::new().file("src/fragile.c").compile("fragile");
}
