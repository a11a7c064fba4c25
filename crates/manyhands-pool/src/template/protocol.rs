//! The messages between a pool and its template.
//!
//! Each message is one packet of the control socket: a tag byte, then fields in the machine's own
//! byte order (both sides run on one machine), texts and bytes with a length before them. Every
//! request but `Shutdown` is answered by exactly one report, in order; `Ready` comes first and
//! `Exited` at any time.
//!
//! | request | descriptors | answered by |
//! | --- | --- | --- |
//! | `Import` | | `Imported`, `ImportFailed` or `Dropped` |
//! | `Fork` | standard output, standard error, the blob if it is not inline, the caller's own | `Forked` or `ForkFailed` |
//! | `Shutdown` | | the end |
//!
//! After `Dropped` or `Unfit` the template forks no more: it throws away what was sent meanwhile,
//! answers nothing, and reports `Exited` until its last worker is gone.
//!
//! Decoding refuses whatever is not exactly a message, so that two versions that meet find out.

use manyhands_os::process::ExitStatus;
use std::io;

use super::host::Role;

/// Changes with every change of a message.
pub(super) const VERSION: u32 = 3;
/// Where the template finds its end of the control socket.
pub(super) const CONTROL_FD: i32 = 3;
/// Where the template finds the pidfd of the pool's process.
pub(super) const PARENT_FD: i32 = 4;
/// The largest message in bytes; both sides receive into this much.
pub(super) const MESSAGE_MAX: usize = 16 << 10;
/// A larger blob travels as a descriptor.
pub(super) const INLINE_MAX: usize = 4 << 10;
/// Longer texts are cut off.
pub(super) const TEXT_MAX: usize = 4 << 10;
/// How many descriptors of its own a caller may send with a fork.
pub(super) const FDS_MAX: usize = 240;

/// What the pool asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Request {
    Import { module: String },
    Fork { id: u64, role: Role, blob: Blob },
    Shutdown,
}

/// What the host of the new worker is told.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Blob {
    Inline(Vec<u8>),
    /// The third descriptor is a sealed file with the bytes.
    Attached,
}

/// What the template says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Report {
    Ready {
        version: u32,
    },
    Imported,
    ImportFailed {
        message: String,
    },
    /// The module was imported and made the template unfit to fork.
    Dropped {
        reason: String,
    },
    /// The template is unfit to fork and no import is to blame.
    Unfit {
        reason: String,
    },
    /// With the worker's pidfd.
    Forked {
        id: u64,
        pid: i32,
    },
    ForkFailed {
        id: u64,
        message: String,
    },
    Exited {
        id: u64,
        pid: i32,
        status: ExitStatus,
        /// The most memory that it had, in bytes.
        peak: u64,
    },
}

impl Request {
    pub(super) fn encode(&self) -> Vec<u8> {
        match self {
            Self::Import { module } => Writer::new(1).bytes(module.as_bytes()).0,
            Self::Fork { id, role, blob: Blob::Inline(blob) } => {
                Writer::new(2).u64(*id).role(*role).bytes(blob).0
            }
            Self::Fork { id, role, blob: Blob::Attached } => Writer::new(3).u64(*id).role(*role).0,
            Self::Shutdown => Writer::new(4).0,
        }
    }

    pub(super) fn decode(message: &[u8]) -> io::Result<Self> {
        let mut reader = Reader(message);
        let request = match reader.u8()? {
            1 => Self::Import { module: reader.text()? },
            2 => {
                let (id, role) = (reader.u64()?, reader.role()?);
                Self::Fork { id, role, blob: Blob::Inline(reader.bytes()?.to_vec()) }
            }
            3 => Self::Fork { id: reader.u64()?, role: reader.role()?, blob: Blob::Attached },
            4 => Self::Shutdown,
            _ => return Err(malformed()),
        };
        reader.finish(request)
    }
}

impl Report {
    pub(super) fn encode(&self) -> Vec<u8> {
        match self {
            Self::Ready { version } => Writer::new(1).u32(*version).0,
            Self::Imported => Writer::new(2).0,
            Self::ImportFailed { message } => Writer::new(3).text(message).0,
            Self::Dropped { reason } => Writer::new(4).text(reason).0,
            Self::Unfit { reason } => Writer::new(5).text(reason).0,
            Self::Forked { id, pid } => Writer::new(6).u64(*id).i32(*pid).0,
            Self::ForkFailed { id, message } => Writer::new(7).u64(*id).text(message).0,
            Self::Exited { id, pid, status, peak } => {
                Writer::new(8).u64(*id).i32(*pid).status(*status).u64(*peak).0
            }
        }
    }

    pub(super) fn decode(message: &[u8]) -> io::Result<Self> {
        let mut reader = Reader(message);
        let report = match reader.u8()? {
            1 => Self::Ready { version: reader.u32()? },
            2 => Self::Imported,
            3 => Self::ImportFailed { message: reader.text()? },
            4 => Self::Dropped { reason: reader.text()? },
            5 => Self::Unfit { reason: reader.text()? },
            6 => Self::Forked { id: reader.u64()?, pid: reader.i32()? },
            7 => Self::ForkFailed { id: reader.u64()?, message: reader.text()? },
            8 => {
                let (id, pid) = (reader.u64()?, reader.i32()?);
                Self::Exited { id, pid, status: reader.status()?, peak: reader.u64()? }
            }
            _ => return Err(malformed()),
        };
        reader.finish(report)
    }
}

/// A message under construction.
struct Writer(Vec<u8>);

impl Writer {
    fn new(tag: u8) -> Self {
        Self(vec![tag])
    }

    fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    fn u32(self, value: u32) -> Self {
        self.raw(&value.to_ne_bytes())
    }

    fn i32(self, value: i32) -> Self {
        self.raw(&value.to_ne_bytes())
    }

    fn u64(self, value: u64) -> Self {
        self.raw(&value.to_ne_bytes())
    }

    fn bytes(self, bytes: &[u8]) -> Self {
        self.u64(bytes.len() as u64).raw(bytes)
    }

    /// A text, cut off at [`TEXT_MAX`].
    fn text(self, text: &str) -> Self {
        let mut end = text.len().min(TEXT_MAX);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        self.bytes(&text.as_bytes()[..end])
    }

    fn role(self, role: Role) -> Self {
        match role {
            Role::Worker => self.raw(&[0]),
            Role::Process { group, bound } => self.raw(&[1 + u8::from(bound)]).i32(group),
        }
    }

    fn status(self, status: ExitStatus) -> Self {
        match status {
            ExitStatus::Exited(code) => self.raw(&[0]).i32(code),
            ExitStatus::Signaled { signal, core } => self.raw(&[1 + u8::from(core)]).i32(signal),
        }
    }
}

/// The rest of a message that is being read.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> io::Result<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or_else(malformed)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        self.take(N)?.try_into().map_err(|_| malformed())
    }

    fn u8(&mut self) -> io::Result<u8> {
        Ok(u8::from_ne_bytes(self.array()?))
    }

    fn u32(&mut self) -> io::Result<u32> {
        Ok(u32::from_ne_bytes(self.array()?))
    }

    fn i32(&mut self) -> io::Result<i32> {
        Ok(i32::from_ne_bytes(self.array()?))
    }

    fn u64(&mut self) -> io::Result<u64> {
        Ok(u64::from_ne_bytes(self.array()?))
    }

    fn bytes(&mut self) -> io::Result<&'a [u8]> {
        let length = self.u64()?;
        self.take(usize::try_from(length).map_err(|_| malformed())?)
    }

    fn text(&mut self) -> io::Result<String> {
        String::from_utf8(self.bytes()?.to_vec()).map_err(|_| malformed())
    }

    fn role(&mut self) -> io::Result<Role> {
        match self.u8()? {
            0 => Ok(Role::Worker),
            tag @ (1 | 2) => Ok(Role::Process { group: self.i32()?, bound: tag == 2 }),
            _ => Err(malformed()),
        }
    }

    fn status(&mut self) -> io::Result<ExitStatus> {
        let (tag, number) = (self.u8()?, self.i32()?);
        match tag {
            0 => Ok(ExitStatus::Exited(number)),
            1 | 2 => Ok(ExitStatus::Signaled { signal: number, core: tag == 2 }),
            _ => Err(malformed()),
        }
    }

    fn finish<T>(self, message: T) -> io::Result<T> {
        if self.0.is_empty() { Ok(message) } else { Err(malformed()) }
    }
}

/// A message that the other side cannot have meant.
pub(super) fn malformed() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        "a message that is none: the pool and its template are different versions of manyhands",
    )
}

#[cfg(fuzzing)]
pub(super) fn try_decode(message: &[u8]) {
    if let Ok(request) = Request::decode(message) {
        assert_eq!(request.encode(), message, "a request has one form");
    }
    if let Ok(report) = Report::decode(message) {
        // Texts are cut where they are encoded.
        assert!(report.encode().len() <= message.len(), "a report has one form");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn requests() -> Vec<Request> {
        vec![
            Request::Import { module: "numpy".into() },
            Request::Fork { id: u64::MAX, role: Role::Worker, blob: Blob::Inline(vec![0, 255]) },
            Request::Fork { id: 7, role: process(true), blob: Blob::Attached },
            Request::Fork { id: 8, role: process(false), blob: Blob::Inline(vec![1]) },
            Request::Shutdown,
        ]
    }

    fn process(bound: bool) -> Role {
        Role::Process { group: 4711, bound }
    }

    fn reports() -> Vec<Report> {
        let dumped = ExitStatus::Signaled { signal: 11, core: true };
        let killed = ExitStatus::Signaled { signal: 9, core: false };
        vec![
            Report::Ready { version: VERSION },
            Report::Imported,
            Report::ImportFailed { message: "no module named 'x'".into() },
            Report::Dropped { reason: "it starts a thread".into() },
            Report::Unfit { reason: String::new() },
            Report::Forked { id: 1, pid: 4711 },
            Report::ForkFailed { id: 2, message: "caf\u{e9}".into() },
            Report::Exited { id: 3, pid: 1, status: ExitStatus::Exited(255), peak: 0 },
            Report::Exited { id: 3, pid: 1, status: dumped, peak: u64::MAX },
            Report::Exited { id: 3, pid: 1, status: killed, peak: 4096 },
        ]
    }

    #[test]
    fn messages_come_back() {
        for request in requests() {
            assert_eq!(Request::decode(&request.encode()).unwrap(), request);
        }
        for report in reports() {
            assert_eq!(Report::decode(&report.encode()).unwrap(), report);
        }
    }

    #[test]
    fn shortened_lengthened_and_unknown_messages_are_refused() {
        let messages = requests().iter().map(Request::encode).collect::<Vec<_>>();
        for message in &messages {
            for end in 0..message.len() {
                assert!(Request::decode(&message[..end]).is_err(), "{message:?} up to {end}");
            }
            assert!(Request::decode(&[message, &[0][..]].concat()).is_err(), "{message:?}");
        }
        for message in reports().iter().map(Report::encode) {
            for end in 0..message.len() {
                assert!(Report::decode(&message[..end]).is_err(), "{message:?} up to {end}");
            }
            assert!(Report::decode(&[&message, &[0][..]].concat()).is_err(), "{message:?}");
        }
        assert!(Request::decode(&[9]).is_err());
        assert!(Report::decode(&[99]).is_err());
    }

    #[test]
    fn a_length_beyond_the_message_is_refused() {
        let huge = Writer::new(1).u64(u64::MAX).0;
        assert!(Request::decode(&huge).is_err());
    }

    #[test]
    fn long_texts_are_cut_between_characters_and_fit() {
        let message = Report::ImportFailed { message: "\u{e9}".repeat(TEXT_MAX) }.encode();
        assert!(message.len() < MESSAGE_MAX);
        let Report::ImportFailed { message } = Report::decode(&message).unwrap() else {
            panic!("another report")
        };
        assert_eq!(message.len(), TEXT_MAX);
        let odd = Report::Unfit { reason: format!("x{}", "\u{e9}".repeat(TEXT_MAX)) }.encode();
        assert!(Report::decode(&odd).is_ok());
    }
}
