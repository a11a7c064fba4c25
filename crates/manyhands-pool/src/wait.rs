//! Who sleeps and who wakes: one leader on the hub, followers behind it.
//!
//! Of all threads that wait for something of a pool, one is the leader: it parks on the hub's word, which
//! workers wake directly, and reads all lanes when it wakes. The others are followers: they sleep on a
//! condition variable, which the leader (or the supervisor) signals after it has read something. When the leader has
//! what it wants, a follower takes its place. (The leader/followers pattern: Schmidt et al., 2000.)
//! The thread that launches workers is none of them: it sleeps apart, so that no result wakes it.
//!
//! The leader says at how many replies of each lane it wants to be woken. For one result of cheap items it waits at
//! first for as many as come in 50 microseconds, then for any: a wake costs more than such an item.
//! Whoever changes which lane holds what while the leader sleeps wakes it, so that it says anew.

use std::sync::{Condvar, MutexGuard};
use std::time::{Duration, Instant};

use manyhands_shm::park::Unparked;
use manyhands_shm::sync::take_resumed;

use crate::call::CallId;
use crate::need::{Need, Waited};
use crate::shared::Shared;
use crate::state::State;

/// How long a leader watches its word before it goes to the kernel, where a core is to spare and its wait
/// has not slept for a slice already.
const SPIN: Duration = Duration::from_micros(50);
/// The same after it has woken a worker, which takes so long: otherwise a conversation that has once slept
/// would sleep at every turn.
const SPIN_AFTER_WAKING: Duration = Duration::from_micros(200);
/// How long a result that is there may wait for others, so that one wake brings them all.
const GATHER: Duration = Duration::from_micros(50);

impl State {
    pub(crate) fn satisfied(&self, call: CallId, need: Need) -> bool {
        let status = || self.calls.get(&call.0);
        match need {
            Need::Complete => status().is_none_or(|call| call.complete() || call.status().failed),
            Need::Run => status()
                .is_none_or(|call| call.has_run() || call.complete() || call.status().failed),
            Need::Settled(count) => status().is_none_or(|call| {
                call.settled >= count || call.complete() || call.status().failed
            }),
            Need::Completions => !self.completions.is_empty() || self.is_over(),
            Need::Drained => self.is_drained(),
            Need::Gone => self.is_empty(),
            Need::Launches => self.launches.has_host_work() || self.is_over(),
        }
    }

    /// Nothing will ever happen again in this pool.
    fn is_over(&self) -> bool {
        self.phase != crate::state::Phase::Open && self.is_empty() && self.completions.is_empty()
    }

    /// Says at which reply of each lane the leader is to be woken; returns how long it may wait for that.
    fn set_wake_marks(&self, call: CallId, need: Need, patient: bool) -> Option<Duration> {
        let working =
            self.seats.iter().filter(|seat| seat.worker.feeder.outstanding() > 0).count() as u64;
        let wanted = match need {
            Need::Settled(count) if self.followers == 0 => {
                let settled = self.calls.get(&call.0).map_or(count, |call| call.settled);
                count.saturating_sub(settled).div_ceil(working.max(1)).max(1)
            }
            Need::Complete if self.followers == 0 => u64::MAX,
            _ => 1,
        };
        let mut gathering = false;
        for seat in &self.seats {
            let (lane, feeder) = (&seat.worker.lane, &seat.worker.feeder);
            let mut count = wanted.min(feeder.outstanding());
            if wanted == 1 && patient && lane.item_ns() > 0 {
                let gathered = u64::try_from(GATHER.as_nanos()).unwrap_or(0) / lane.item_ns();
                count = gathered.clamp(1, feeder.outstanding().max(1));
                gathering |= count > 1;
            }
            let mark = if count == 0 { u64::MAX } else { feeder.answered() + count };
            lane.set_wake_at(mark);
        }
        gathering.then_some(GATHER)
    }

    /// Whether a lane has reached the leader's mark.
    fn mark_reached(&self) -> bool {
        self.seats.iter().any(|seat| seat.worker.lane.replied() >= seat.worker.lane.wake_at())
    }
}

impl Shared {
    /// Waits until `need` is there.
    pub(crate) fn wait(&self, call: CallId, need: Need, timeout: Option<Duration>) -> Waited {
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let mut state = self.lock();
        let mut patient = true;
        loop {
            self.refresh(&mut state);
            if state.satisfied(call, need) {
                unload(state);
                return Waited::Ready;
            }
            let left = deadline.map(|at| at.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                return Waited::TimedOut;
            }
            if need == Need::Launches {
                state = wait_on(&self.launching, state, left);
                continue;
            }
            if state.led {
                state = self.follow(state, left);
                continue;
            }
            if !state.dropped.is_empty() {
                self.call_supervisor();
            }
            let outcome;
            (state, outcome) = self.lead(state, (call, need), patient, left);
            match outcome {
                Unparked::Interrupted => return Waited::Interrupted,
                Unparked::TimedOut => patient = false,
                Unparked::Awake => patient = true,
            }
        }
    }

    /// Reads all lanes, sends what has room now, and tells followers.
    pub(crate) fn refresh(&self, state: &mut State) {
        if state.seats.iter().any(|seat| seat.worker.replies.has_news()) {
            state.collect_all();
            state.after_collecting();
            self.tell_followers(state);
        }
        if state.take_nudge() {
            self.call_supervisor();
        }
    }

    /// Looks at the state after all lanes were read; then lets go of what has ended.
    pub(crate) fn reading<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.lock();
        self.refresh(&mut state);
        let seen = look(&mut state);
        unload(state);
        seen
    }

    fn lead<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        (call, need): (CallId, Need),
        patient: bool,
        left: Option<Duration>,
    ) -> (MutexGuard<'a, State>, Unparked) {
        state.led = true;
        let gather = state.set_wake_marks(call, need, patient);
        let timeout = [gather, left].into_iter().flatten().min();
        self.hub.set_parent_awake(false);
        let woke =
            state.seats.iter_mut().fold(false, |woke, seat| seat.worker.feeder.take_woke() | woke);
        let spin = match self.hub.has_spare_core() && !take_resumed() {
            true if woke => SPIN_AFTER_WAKING,
            true => SPIN,
            false => Duration::ZERO,
        };
        let ready = move || state.mark_reached();
        let outcome = self.hub.leader().park(ready, spin, timeout);
        self.hub.set_parent_awake(true);
        let mut state = self.lock();
        state.led = false;
        self.tell_followers(&state);
        (state, outcome)
    }

    fn follow<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        left: Option<Duration>,
    ) -> MutexGuard<'a, State> {
        if state.followers == 0 && state.led {
            // The leader set its marks for itself alone.
            let _slept = self.hub.leader().wake();
        }
        state.followers += 1;
        let mut state = wait_on(&self.changed, state, left);
        state.followers -= 1;
        state
    }

    /// After a change by someone who is not the leader: lets those look again whom it may concern.
    pub(crate) fn announce(&self, state: &State) {
        if state.led {
            let _slept = self.hub.leader().wake();
        }
        self.tell_followers(state);
    }

    fn tell_followers(&self, state: &State) {
        if state.followers > 0 {
            self.changed.notify_all();
        }
        if state.launches.has_host_work() || (state.launches.by_host && state.is_over()) {
            self.launching.notify_all();
        }
    }
}

/// Unlocks, and drops the holds that have ended: that takes the world's lock.
pub(crate) fn unload(mut state: MutexGuard<'_, State>) {
    let dropped = std::mem::take(&mut state.dropped);
    drop(state);
    drop(dropped);
}

fn wait_on<'a>(
    changed: &Condvar,
    state: MutexGuard<'a, State>,
    left: Option<Duration>,
) -> MutexGuard<'a, State> {
    use std::sync::PoisonError;
    match left {
        None => changed.wait(state).unwrap_or_else(PoisonError::into_inner),
        Some(left) => changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0,
    }
}
