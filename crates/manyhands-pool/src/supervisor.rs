//! The one helper thread of the process.
//!
//! It sleeps in `poll` on the event descriptor of each pool (workers and handles call it), on the templates' sockets, and
//! on the pidfd of each worker; it has no other clock than the deadlines of the pools. In one round it does, for
//! each pool: read lanes, balance, note and bury the dead, launch, let the waiting know.
//!
//! It starts with the first pool and ends with the last one, has all signals blocked, never takes the GIL,
//! never decodes a payload, and calls nothing that may wait for another process.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, PoisonError};
use std::time::Instant;

use manyhands_os::ending::end_with_group;
use manyhands_os::event::EventFd;
use manyhands_os::fork::{lacks_descriptors, told};
use manyhands_os::process::PidFd;
use manyhands_os::{jobcontrol, poll, signals};

use crate::airing::air;
use crate::launch::Doors;
use crate::registry::registry;
use crate::severed::{BROKEN, CLOSED, all_well, sever};
use crate::shared::Shared;
use crate::state::{Phase, State};
use crate::template::{Event, Role, Template};
use crate::worker_seat::Process;

/// Workers that a template makes at one time: enough that it never waits for the next order, and few
/// enough that a pool of hundreds starts within the usual limit of descriptors.
const ASKED_MAX: usize = 8;

/// Adds a pool to those that are served, and starts the thread if it is the first.
pub(crate) fn serve(shared: &Arc<Shared>) -> io::Result<()> {
    let mut registry = registry();
    if registry.supervisor.as_ref().is_some_and(|own| own.identity() != registry.known_as) {
        sever(&mut registry, CLOSED);
    }
    if let Some(supervisor) = &registry.supervisor {
        supervisor.notify();
    } else {
        let event = Arc::new(EventFd::new()?);
        let own = Arc::clone(&event);
        let thread = std::thread::Builder::new().name("manyhands".into());
        thread.spawn(move || run(&own))?;
        registry.known_as = event.identity();
        registry.supervisor = Some(event);
    }
    registry.pools.push(Arc::clone(shared));
    shared.call_supervisor();
    Ok(())
}

fn run(event: &Arc<EventFd>) {
    let _blocked = signals::block_all();
    // Without job control Ctrl-Z stops the parent alone: a loss of comfort, not of items.
    let _comfort = jobcontrol::install();
    let mut pools: Vec<Arc<Shared>> = Vec::new();
    let (mut is_whole, mut is_well) = (true, true);
    loop {
        {
            let mut registry = registry();
            let serves = |own: &Arc<EventFd>| Arc::ptr_eq(own, event);
            if !registry.supervisor.as_ref().is_some_and(serves) {
                break;
            }
            if !is_whole || !event.is_own() {
                sever(&mut registry, CLOSED);
                break;
            }
            if !is_well {
                sever(&mut registry, BROKEN);
                break;
            }
            registry.pools.retain(|pool| !pool.is_finished());
            if registry.pools.is_empty() {
                registry.supervisor = None;
                return;
            }
            pools.clone_from(&registry.pools);
        }
        is_whole = sleep(event, &pools);
        event.drain();
        if is_whole && event.is_own() {
            is_well = all_well(&pools, Shared::serve_round);
        }
    }
    // Severed, by whomever.
    for pool in pools {
        pool.reap_templates();
    }
}

/// Sleeps until some pool needs a round. False when a descriptor is no longer open.
fn sleep(event: &EventFd, pools: &[Arc<Shared>]) -> bool {
    let mut deadline: Option<Instant> = None;
    let mut pidfds: Vec<Arc<PidFd>> = Vec::new();
    for pool in pools {
        let state = pool.lock();
        deadline = [deadline, state.next_deadline()].into_iter().flatten().min();
        let alive = state.workers().filter(|worker| worker.notice.is_none());
        pidfds.extend(
            alive.filter_map(|worker| worker.process.as_ref()).map(|own| Arc::clone(&own.pidfd)),
        );
    }
    let templates: Vec<_> = pools
        .iter()
        .map(|pool| pool.template.lock().unwrap_or_else(PoisonError::into_inner))
        .collect();
    let doors: Vec<_> = pools.iter().filter_map(|pool| pool.doors()).collect();
    let mut fds: Vec<BorrowedFd<'_>> = vec![event.as_fd()];
    fds.extend(doors.iter().map(|doors| doors.event.as_fd()));
    fds.extend(pidfds.iter().map(|pidfd| pidfd.as_fd()));
    for template in templates.iter().filter_map(|template| template.as_ref()) {
        fds.extend(template.poll_fds());
        deadline = [deadline, template.deadline()].into_iter().flatten().min();
    }
    let timeout = deadline.map(|at| at.saturating_duration_since(Instant::now()));
    // A round after any other error finds out what is wrong, pool by pool.
    !poll::poll(&fds, timeout).is_err_and(|error| poll::is_closed(&error))
}

impl Shared {
    /// Nothing is left to be done for this pool.
    fn is_finished(&self) -> bool {
        let state = self.lock();
        state.phase != Phase::Open && state.is_empty() && self.doors().is_none()
    }

    fn serve_round(&self) {
        let Some(doors) = self.doors() else { return };
        doors.event.drain();
        let mut state = self.lock();
        state.collect_all();
        state.after_collecting();
        let now = Instant::now();
        state.watch(now);
        state.watch_starts(now);
        state.balance();
        state.enforce(now);
        note_the_dead(&mut state);
        let mut buried = false;
        for key in state.ready_to_bury(now) {
            leave_group(&state, key);
            state.bury(key);
            // It may have died on its way to wake the leader.
            self.hub.leader().rouse();
            buried = true;
        }
        buried |= self.drive_template(&mut state, &doors);
        if state.phase != Phase::Open && state.is_empty() {
            self.finish();
        }
        let dropped = std::mem::take(&mut state.dropped);
        let world = state.config.world.clone();
        let airs = state.airing.is_due(now, world.as_deref());
        self.announce(&state);
        drop(state);
        drop(dropped);
        let Some(world) = world else { return };
        if buried {
            world.sweep();
        }
        if airs {
            air(&world);
        }
    }

    /// Hands orders and imports to the template, and takes its news; whether a worker was buried.
    fn drive_template(&self, state: &mut State, doors: &Doors) -> bool {
        let mut slot = self.template.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(template) = slot.as_mut() else { return false };
        let mut buried = false;
        // News first: burying the dead makes orders.
        for event in template.receive() {
            if take_news(state, event) {
                self.hub.leader().rouse();
                buried = true;
            }
        }
        let imports =
            std::mem::take(&mut *self.imports.lock().unwrap_or_else(PoisonError::into_inner));
        for module in imports {
            template.import(&module);
        }
        let start = self.start.lock().unwrap_or_else(PoisonError::into_inner);
        state.launches.ripen(Instant::now());
        while template.asked() < ASKED_MAX {
            let Some(order) = state.launches.next() else { break };
            let mut fds = vec![order.lane.fd(), doors.hub.as_fd(), doors.event.as_fd()];
            fds.extend(state.config.world.as_ref().map(|world| world.fd()));
            fds.extend(start.fds.iter().map(|fd| fd.as_fd()));
            let blob = [&(order.seat as u64).to_le_bytes()[..], &start.blob].concat();
            if let Err(error) = template.fork(order.key, Role::Worker, &blob, &fds) {
                if template.asked() > 0 && lacks_descriptors(&error) {
                    // Those in flight hold some, and give them back when they are there.
                    state.launches.put_back(order);
                    break;
                }
                state.launch_failed(
                    order.key,
                    &format!("the template cannot be asked for a worker: {}", told(&error)),
                );
            }
        }
        drop(start);
        state.templates.clear();
        state.templates.extend(template.pids());
        buried
    }

    /// Ends the template of a pool without workers, and then closes what workers were given.
    fn finish(&self) {
        let mut slot = self.template.lock().unwrap_or_else(PoisonError::into_inner);
        if slot.as_mut().is_none_or(Template::shutdown) {
            *slot = None;
            *self.doors.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
    }
}

/// Takes one piece of news; whether somebody was buried, who may have died on the way to wake the leader.
fn take_news(state: &mut State, event: Event) -> bool {
    match event {
        Event::Forked { id, pid, pidfd } => {
            adopt(state, id, Process { pid, pidfd });
        }
        Event::Exited { id, status, peak, .. } => {
            state.note_end(id, Some(status), Some(peak));
        }
        Event::ForkFailed { id, message } => state.launch_failed(id, &message),
        Event::Lost { id, reason } => state.note_death(id, None, Some(reason), true),
        Event::Failed { message } => state.fail_pool(crate::call::InitFailure::Launch(message)),
        Event::ImportFailed { module, message } => {
            state.note_not_early(format!("{module} could not be imported early: {message}"));
        }
        Event::Dropped { module, reason } => {
            let why = format!("each worker imports {module}, and not their template: {reason}");
            state.note_not_early(why);
        }
        Event::Ready | Event::Gone { .. } => {}
    }
    let dead = state.ready_to_bury(Instant::now());
    for key in &dead {
        leave_group(state, *key);
        state.bury(*key);
    }
    !dead.is_empty()
}

/// A worker process is there: it belongs to the worker that was ordered, or is not wanted any more.
pub(crate) fn adopt(state: &mut State, key: u64, process: Process) {
    let terminated = state.phase == Phase::Terminated || state.fault.is_some();
    match state.worker_mut(key) {
        Some(worker) if !terminated => {
            jobcontrol::register_group(process.pid);
            worker.process = Some(process);
            worker.press();
        }
        _ => {
            end_with_group(process.pid, &process.pidfd);
        }
    }
}

/// Marks workers whose pidfd says that they are dead. What they had started ends here where no template
/// sees to it, and before the host is told, which reaps them.
fn note_the_dead(state: &mut State) {
    let dead: Vec<_> = state
        .workers()
        .filter(|worker| worker.notice.is_none())
        .filter(|worker| worker.process.as_ref().is_some_and(|process| process.pidfd.is_dead()))
        .map(|worker| worker.key)
        .collect();
    for key in dead {
        state.note_death(key, None, None, false);
        if state.launches.by_host {
            if let Some(worker) = state.worker_mut(key) {
                worker.end_with_group();
            }
            state.launches.host_dead.push_back(key);
        }
    }
}

fn leave_group(state: &State, key: u64) {
    let process =
        state.workers().find(|worker| worker.key == key).and_then(|worker| worker.process.as_ref());
    if let Some(process) = process {
        jobcontrol::unregister_group(process.pid);
    }
}
