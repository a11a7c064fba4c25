//! Items whose bytes tell their number.

use manyhands_shm::record;

/// The content of an item or of its reply: its number, as far as there is room, then one byte again and
/// again.
pub(crate) fn content(number: u64, len: usize) -> Vec<u8> {
    let mut out = vec![number.to_le_bytes()[0] ^ 0x5a; len];
    let known = len.min(8);
    out[..known].copy_from_slice(&number.to_le_bytes()[..known]);
    out
}

/// The contents of some records.
pub(crate) fn contents(mut bytes: &[u8]) -> Vec<&[u8]> {
    let mut out = Vec::new();
    while !bytes.is_empty() {
        let record::Next::Record { start, end } = record::next(bytes) else {
            panic!("{} bytes do not begin with a whole record", bytes.len())
        };
        out.push(&bytes[start..end]);
        bytes = &bytes[end..];
    }
    out
}
