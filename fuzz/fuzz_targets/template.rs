//! The messages between a pool and its template: whatever comes, it is a message or an error.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|message: &[u8]| manyhands_pool::template::try_messages(message));
