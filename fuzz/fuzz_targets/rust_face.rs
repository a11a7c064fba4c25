//! Values and replies of the Rust face, as they are decoded from what a worker wrote.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| manyhands::fuzzing::try_bytes(bytes));
