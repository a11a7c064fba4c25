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

use super::host::{Host, Step};
use super::protocol::Report;

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template::host::Fork;
    use crate::template::protocol::Report;
    use manyhands_os::memory::create_log;

    /// Counts the steps that it is told of.
    #[derive(Default)]
    struct Observer(usize);

    impl Host for Observer {
        fn import(&mut self, _: &str) -> Result<(), String> {
            Err("not in this test".into())
        }

        fn fork(&mut self) -> io::Result<Fork> {
            Err(io::ErrorKind::Unsupported.into())
        }

        fn reached(&mut self, step: Step) {
            assert_eq!(step, Step::Reported);
            self.0 += 1;
        }
    }

    fn birth(outbox: &mut Outbox, id: u64) -> EventFd {
        let gate = EventFd::new().unwrap();
        let ours = EventFd::from_fd(gate.as_fd().try_clone_to_owned().unwrap());
        outbox.push_birth((id, 4711), Rc::new(PidFd::of_self().unwrap()), gate);
        ours
    }

    #[test]
    fn a_gate_opens_when_its_report_is_out_and_not_before() {
        let (ours, theirs) = socket::pair().unwrap();
        let (mut outbox, mut observer) = (Outbox::default(), Observer::default());
        while socket::send(&ours, &[0; 4096], &[]).is_ok() {}
        let gate = birth(&mut outbox, 1);
        assert!(outbox.flush(&ours, &mut observer).unwrap().is_none());
        assert!(!gate.drain(), "there was no room");
        assert!(!outbox.is_empty());
        while socket::recv(&theirs, &mut [0; 4096], 1).is_ok() {}
        assert!(outbox.flush(&ours, &mut observer).unwrap().is_none());
        assert!(gate.drain());
        assert!(outbox.is_empty());
        assert_eq!(observer.0, 1);
    }

    #[test]
    fn a_birth_that_cannot_be_told_comes_back_and_the_rest_stays_in_order() {
        let (ours, theirs) = socket::pair().unwrap();
        let (mut outbox, mut observer) = (Outbox::default(), Observer::default());
        let no_socket = OwnedFd::from(create_log("test").unwrap());
        let gate = birth(&mut outbox, 7);
        outbox.push(Report::Imported);
        let (id, _) = outbox.flush(&no_socket, &mut observer).unwrap().unwrap();
        assert_eq!(id, 7);
        assert!(!gate.drain());
        let failed = Report::ForkFailed { id, message: "why".into() };
        outbox.push_first(Report::ForkFailed { id, message: "why".into() });
        assert!(outbox.flush(&ours, &mut observer).unwrap().is_none());
        for expected in [failed, Report::Imported] {
            let mut buffer = [0; 64];
            let (length, _) = socket::recv(&theirs, &mut buffer, 0).unwrap();
            assert_eq!(Report::decode(&buffer[..length]).unwrap(), expected);
        }
    }

    #[test]
    fn other_errors_are_passed_on_and_a_hangup_is_left_to_the_reader() {
        let (mut outbox, mut observer) = (Outbox::default(), Observer::default());
        outbox.push(Report::Imported);
        let (ours, theirs) = socket::pair().unwrap();
        drop(theirs);
        assert!(outbox.flush(&ours, &mut observer).unwrap().is_none());
        assert!(!outbox.is_empty());
        let no_socket = OwnedFd::from(create_log("test").unwrap());
        assert!(outbox.flush(&no_socket, &mut observer).is_err());
    }
}
