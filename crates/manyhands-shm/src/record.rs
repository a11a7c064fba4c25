//! Length-prefixed records: the only framing of bytes in shared memory.
//!
//! A record is a 4-byte little-endian length and that many bytes. Two lengths are special:
//! [`WRAP`] (the stream goes on at the start of its region) and `LONG` (an 8-byte length follows).
//! It gives no meaning to the bytes of a record and checks every length against what is there.

/// The length that says: the stream goes on at the start of its region.
pub const WRAP: u32 = u32::MAX;
const LONG: u32 = u32::MAX - 1;
/// Bytes of a short length prefix, and of the special lengths.
pub(crate) const SHORT_HEADER: usize = 4;
/// Bytes of a long length prefix.
pub(crate) const LONG_HEADER: usize = 12;

/// Bytes that a record with `len` bytes of content takes.
#[inline]
#[must_use]
pub const fn size(len: usize) -> usize {
    header_size(len) + len
}

#[inline]
const fn header_size(len: usize) -> usize {
    if len < LONG as usize { SHORT_HEADER } else { LONG_HEADER }
}

/// The length prefix of a record: the first `.1` bytes of `.0`.
#[inline]
#[must_use]
#[expect(clippy::cast_possible_truncation, reason = "the branch has compared the length")]
pub fn header(len: usize) -> ([u8; LONG_HEADER], usize) {
    let mut bytes = [0; LONG_HEADER];
    if header_size(len) == SHORT_HEADER {
        bytes[..SHORT_HEADER].copy_from_slice(&(len as u32).to_le_bytes());
        (bytes, SHORT_HEADER)
    } else {
        bytes[..SHORT_HEADER].copy_from_slice(&LONG.to_le_bytes());
        bytes[SHORT_HEADER..].copy_from_slice(&(len as u64).to_le_bytes());
        (bytes, LONG_HEADER)
    }
}

/// Appends a record's length prefix to `out`; its content is the caller's to append.
#[inline]
pub fn begin(out: &mut Vec<u8>, len: usize) {
    let (bytes, used) = header(len);
    out.extend_from_slice(&bytes[..used]);
}

/// What stands at the start of some bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// A record whose content is `bytes[start..end]`.
    Record {
        /// Where the content begins.
        start: usize,
        /// Where it ends; the next record begins there.
        end: usize,
    },
    /// The stream goes on at the start of its region.
    Wrap,
    /// The bytes do not begin with a whole record.
    Broken,
}

/// Reads the length prefix at the start of `bytes`, and checks that the content is there.
#[inline]
#[must_use]
pub fn next(bytes: &[u8]) -> Next {
    match content(bytes) {
        Next::Record { end, .. } if end > bytes.len() => Next::Broken,
        other => other,
    }
}

/// Reads the length prefix at the start of `bytes`; the content may lie beyond them.
#[inline]
#[must_use]
pub fn content(bytes: &[u8]) -> Next {
    let Some(prefix) = bytes.first_chunk::<SHORT_HEADER>() else { return Next::Broken };
    let (start, len) = match u32::from_le_bytes(*prefix) {
        WRAP => return Next::Wrap,
        LONG => {
            let Some(long) = bytes[SHORT_HEADER..].first_chunk::<8>() else { return Next::Broken };
            (LONG_HEADER, u64::from_le_bytes(*long))
        }
        short => (SHORT_HEADER, u64::from(short)),
    };
    match usize::try_from(len).ok().and_then(|len| start.checked_add(len)) {
        Some(end) => Next::Record { start, end },
        None => Next::Broken,
    }
}

/// Whether 8 more bytes belong to the prefix that begins with these.
#[cfg(not(loom))]
#[inline]
#[must_use]
pub(crate) const fn is_long(prefix: [u8; SHORT_HEADER]) -> bool {
    u32::from_le_bytes(prefix) == LONG
}

/// The first `count` records of `bytes`: how many bytes they take together, if they are whole.
#[must_use]
pub fn span(bytes: &[u8], count: u32) -> Option<usize> {
    let mut at = 0;
    for _ in 0..count {
        match next(&bytes[at..]) {
            Next::Record { end, .. } => at += end,
            Next::Wrap | Next::Broken => return None,
        }
    }
    Some(at)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn record(content: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        begin(&mut out, content.len());
        out.extend_from_slice(content);
        out
    }

    #[test]
    fn a_record_is_read_back() {
        let bytes = record(b"hello");
        assert_eq!(bytes.len(), size(5));
        assert_eq!(next(&bytes), Next::Record { start: 4, end: 9 });
    }

    #[test]
    fn a_long_length_is_eight_bytes() {
        let (bytes, used) = header(0xffff_ffff);
        assert_eq!(used, 12);
        assert_eq!(next(&bytes), Next::Broken, "the content is not there");
    }

    #[test]
    fn cut_or_lying_prefixes_are_broken() {
        for bytes in [
            &b""[..],
            b"\x01\0\0",
            b"\x05\0\0\0abc",
            b"\xfe\xff\xff\xff\x01\0\0",
            b"\xfe\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
        ] {
            assert_eq!(next(bytes), Next::Broken, "{bytes:?}");
        }
        assert_eq!(next(&WRAP.to_le_bytes()), Next::Wrap);
    }

    #[test]
    fn a_span_counts_whole_records() {
        let bytes = [record(b"a"), record(b""), record(b"ccc")].concat();
        assert_eq!(
            (span(&bytes, 0), span(&bytes, 2), span(&bytes, 3)),
            (Some(0), Some(9), Some(16))
        );
        assert_eq!(span(&bytes, 4), None);
    }
}
