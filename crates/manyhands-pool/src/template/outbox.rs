//! Reports on their way to the pool.
//!
//! The template never waits for the pool: what does not fit into the socket stays here, in order,
//! until it does. A new worker's gate opens when its report has been sent, and not before.

use manyhands_os::event::EventFd;
use manyhands_os::process::PidFd;
use manyhands_os::socket;
use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;

use super::protocol::Report;
use super::server::{Host, Step};

/// A report, and for a birth the new worker's handle and gate.
struct Outgoing {
    report: Report,
    birth: Option<(Rc<PidFd>, EventFd)>,
}

/// What has not been sent yet.
#[derive(Default)]
pub(super) struct Outbox(VecDeque<Outgoing>);

impl Outbox {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn push(&mut self, report: Report) {
        self.0.push_back(Outgoing { report, birth: None });
    }

    pub(super) fn push_first(&mut self, report: Report) {
        self.0.push_front(Outgoing { report, birth: None });
    }

    pub(super) fn push_birth(&mut self, (id, pid): (u64, i32), pidfd: Rc<PidFd>, gate: EventFd) {
        let birth = Some((pidfd, gate));
        self.0.push_back(Outgoing { report: Report::Forked { id, pid }, birth });
    }

    /// Sends what fits. A birth that cannot be sent for a reason other than room (the user has too
    /// many descriptors under way) is taken out and returned with the reason.
    ///
    /// A pool that has hung up is no error here: whoever reads the socket meets it.
    pub(super) fn flush(
        &mut self,
        control: &OwnedFd,
        host: &mut dyn Host,
    ) -> io::Result<Option<(u64, io::Error)>> {
        while let Some(Outgoing { report, birth }) = self.0.pop_front() {
            let handles: Vec<_> = birth.iter().map(|(pidfd, _)| pidfd.as_fd()).collect();
            match (socket::send(control, &report.encode(), &handles), &report) {
                (Ok(()), _) => {
                    if let Some((_, gate)) = &birth {
                        host.reached(Step::Reported);
                        gate.notify();
                    }
                }
                (Err(error), _) if waits(&error) => {
                    self.0.push_front(Outgoing { report, birth });
                    return Ok(None);
                }
                (Err(error), Report::Forked { id, .. }) => return Ok(Some((*id, error))),
                (Err(error), _) => return Err(error),
            }
        }
        Ok(None)
    }
}

/// Whether a message that could not be sent is to stay: there is no room, or nobody to read it.
fn waits(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock || is_hangup(error)
}

/// Whether an error says that the other side is gone.
pub(super) fn is_hangup(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset)
}
