//! The framing of everything that workers send: records, and the names of blocks that a laden reply carries.
#![no_main]

use libfuzzer_sys::fuzz_target;
use manyhands_pool::luggage::{pack, reply_of, unpack};
use manyhands_shm::record::{Next, content, next, span};

fuzz_target!(|bytes: &[u8]| {
    let mut rest = bytes;
    let mut count = 0;
    while let Next::Record { start, end } = next(rest) {
        assert!(start <= end && end <= rest.len());
        let reply = reply_of(&rest[start..end]);
        assert!(reply.len() <= end - start);
        rest = &rest[end..];
        count += 1;
    }
    assert_eq!(span(bytes, count), Some(bytes.len() - rest.len()));
    assert_eq!(span(bytes, count + 1), None);
    if let Next::Record { start, end } = content(bytes) {
        assert!(start <= end);
    }
    if let Some((names, reply)) = unpack(bytes) {
        assert_eq!(pack(&names, reply), bytes);
    }
});
