//! A worker: serves its lane until its pool asks for the end.
//!
//! The engine's loop (`manyhands_pool::worker`) hands over requests; here code becomes tasks, and tasks run over
//! batches. It runs one item at a time, in the thread with which the process began.

use std::collections::HashMap;
use std::io;
use std::os::fd::OwnedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use manyhands_os::event::EventFd;
use manyhands_os::process::exit_now;
use manyhands_pool::luggage::pack;
use manyhands_pool::worker::{Ran, Replier, Tasks, serve_within};
use manyhands_pool::{Luggage, MemoryLimits, WorkerEnd, wire};
use manyhands_shm::hub::Hub;
use manyhands_shm::lane::{Heading, Lane, NoRoom};
use manyhands_shm::slate::Slate;
use manyhands_shm::world::Block;

use crate::batch::{Batch, Outcome, refusal, shortened};
use crate::raised::Raised;
use crate::start::FAILED;
use crate::task::Task;
use crate::{code, codec, panics, world};

/// Serves the pool from a seat, with a slate; returns when it asks for the end. `registered` is about the fences of the
/// slate.
///
/// # Errors
/// If what the parent gave is not what a worker needs.
pub(crate) fn run(
    (seat, slate): (u64, u64),
    fds: Vec<OwnedFd>,
    limits: MemoryLimits,
    registered: bool,
) -> io::Result<()> {
    let missing = || io::Error::from(io::ErrorKind::InvalidData);
    let [lane, hub, event] = <[OwnedFd; 3]>::try_from(fds).map_err(|_| missing())?;
    let end = WorkerEnd {
        lane: Arc::new(Lane::attach(lane)?),
        hub: Arc::new(Hub::attach(hub)?),
        event: Arc::new(EventFd::from_fd(event)),
        seat: usize::try_from(seat).map_err(io::Error::other)?,
    };
    let id = world::home()?.id();
    let slate = world::adopt(id, slate).and_then(|block| Slate::of(block, registered));
    let slate = slate.ok_or_else(missing)?;
    panics::note_here();
    let mut worker = Worker { codes: HashMap::new(), last: None, slate, reply: Vec::new() };
    serve_within(end, limits, &mut worker);
    Ok(())
}

type Made = Result<Box<dyn Task>, Raised>;

struct Worker {
    codes: HashMap<u64, Made>,
    /// The code that ran last, which is not among the others.
    last: Option<(u64, Made)>,
    slate: Slate,
    reply: Vec<u8>,
}

impl Worker {
    fn install(&mut self, id: u64, bytes: &[u8]) {
        let made = make(bytes);
        self.put_back();
        self.codes.insert(id, made);
    }

    fn put_back(&mut self) {
        if let Some((id, made)) = self.last.take() {
            self.codes.insert(id, made);
        }
    }

    fn task(&mut self, id: u64) -> Option<&mut Made> {
        if self.last.as_ref().is_none_or(|(last, _)| *last != id) {
            self.put_back();
            self.last = self.codes.remove_entry(&id);
        }
        self.last.as_mut().map(|(_, made)| made)
    }

    /// Runs a request; leaves the reply in `self.reply`.
    fn item(&mut self, heading: Heading, payload: &[u8]) -> Outcome {
        let mut reply = std::mem::take(&mut self.reply);
        let mut slate = self.slate.clone();
        reply.clear();
        let outcome = match (self.task(heading.word), Batch::of(payload, &mut slate)) {
            (Some(Ok(task)), Some(mut batch)) => {
                task.run(&mut batch);
                batch.reply(&mut reply)
            }
            (Some(Err(raised)), Some(_)) => refuse(raised, &mut reply),
            (None, _) => refuse(&Raised::Refused("its code never arrived".into()), &mut reply),
            (_, None) => refuse(&Raised::Refused("its request is broken".into()), &mut reply),
        };
        self.reply = reply;
        outcome
    }

    fn control(&mut self, heading: Heading, payload: &[u8]) {
        match heading.kind {
            wire::CODE => self.install(heading.word, payload),
            wire::FORGET => {
                self.put_back();
                let made = self.codes.remove(&heading.word);
                // Nobody waits for the words of a value that panics while it is dropped. Nor is what it threw dropped.
                let dropped = catch_unwind(AssertUnwindSafe(move || drop(made)));
                dropped.unwrap_or_else(std::mem::forget);
            }
            _ => {}
        }
    }

    /// Runs the initializer; what keeps it from having done its work.
    fn initialize(&mut self, heading: Heading, payload: &[u8]) -> Option<Raised> {
        let well = self.item(heading, payload).well;
        let reply = crate::batch::Reply::of(&self.reply);
        (!well).then(|| reply.and_then(|reply| reply.failure)).flatten()
    }
}

fn refuse(raised: &Raised, reply: &mut Vec<u8>) -> Outcome {
    refusal(raised, reply);
    Outcome { luggage: Luggage::new(), well: false, loose: reply.len() }
}

/// Makes the task that a blob of code describes.
fn make(mut bytes: &[u8]) -> Made {
    let unknown = || Raised::Refused("its code is not in this program".into());
    let place = codec::take(&mut bytes).map_err(|_| unknown())?;
    let maker = code::maker_at(place).ok_or_else(unknown)?;
    // It reads the user's value.
    catch_unwind(|| maker(bytes))
        .unwrap_or_else(|payload| Err(Raised::Panicked(panics::caught(&*payload))))
}

impl Tasks for Worker {
    fn run(&mut self, heading: Heading, payload: &[u8], out: &mut Replier) -> Ran {
        if heading.kind == wire::INITIALIZE {
            if let Some(raised) = self.initialize(heading, payload) {
                let mut bytes = vec![wire::RAISED];
                // Texts and numbers alone: they can always be written.
                let _written = codec::append(&raised, &mut bytes);
                let _sent = send(out, &bytes);
                return Ran::Hopelessly;
            }
        } else if heading.kind < wire::CONTROL {
            let outcome = self.item(heading, payload);
            answer(out, &self.reply, &outcome);
            return if outcome.well { Ran::Well } else { Ran::Badly };
        } else {
            self.control(heading, payload);
        }
        let _sent = send(out, wire::DONE);
        Ran::Well
    }

    fn release(&mut self, sleep: &mut (dyn FnMut() + Send)) {
        sleep();
    }

    fn interrupted(&mut self) {}
}

/// Sends a reply; what it names is pinned until the parent has taken it over.
fn answer(out: &mut Replier, reply: &[u8], outcome: &Outcome) {
    let luggage = &outcome.luggage;
    let names: Vec<_> = luggage.iter().map(Block::handle).collect();
    for block in luggage {
        block.world().pin(block.handle());
    }
    let packed = (!luggage.is_empty()).then(|| pack(&names, reply));
    let bytes = packed.as_deref().unwrap_or(reply);
    let Err(error) = send(out, bytes) else { return };
    for block in luggage {
        block.world().unpin(block.handle());
    }
    let reason = format!("no shared memory for {} bytes: {error}", bytes.len());
    let short = shortened(reply, outcome.loose, &Raised::Unwritable(reason));
    if short.is_none_or(|short| send(out, &short).is_err()) {
        // There is no memory for anything. The parent finds on the slate what is finished; nothing is run twice.
        exit_now(FAILED);
    }
}

/// Writes a record, waiting for room if it must.
///
/// # Errors
/// If there is no memory for it.
fn send(out: &mut Replier, bytes: &[u8]) -> io::Result<()> {
    loop {
        match out.record(bytes.len(), |room| room.copy_from_slice(bytes)) {
            Ok(()) => return Ok(()),
            Err(NoRoom::Full) => out.wait_for_room(bytes.len()),
            Err(NoRoom::Memory(error)) => return Err(error),
        }
    }
}
