//! Which item has run for how long: deadlines without polling.
//!
//! A worker says of each item with a deadline when it began it (`started`), and wakes nobody for that. The
//! supervisor looks at a worker only when something can be overdue:
//!
//! | a worker is | until | because |
//! | --- | --- | --- |
//! | `Never` watched | an item with a deadline is sent to it | |
//! | `Called` for | it calls, once, when it begins one: an *alarm* is set | nothing with a deadline runs |
//! | looked at `At` a moment | that moment | what runs is not overdue before, and what has not begun neither |
//!
//! At such a moment, if something with a deadline runs, the next look is when that is overdue. If nothing runs but
//! something has since the last look, it is one limit later: a stream of tiny items costs one look for each
//! limit, not one for each item. Otherwise an alarm is set. An alarm is also set for items with a shorter limit
//! than the one that the next look presumes.
//!
//! It ends nothing by itself: `ending` does.

use std::time::{Duration, Instant};

use manyhands_os::clock::monotonic_ns;

use crate::call::CallId;
use crate::sentence::Reason;
use crate::state::State;
use crate::watch::Next;
use crate::worker_seat::{What, Worker};

/// The item that a worker runs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Current {
    /// Counted from 0 in the lane.
    pub(crate) number: u64,
    pub(crate) call: CallId,
    /// When it began, if it has a deadline.
    started: u64,
}

/// An item that runs and has a deadline.
struct Timed {
    number: u64,
    limit: Duration,
    started: u64,
    /// How much longer it may run; nothing: it is overdue.
    left: Duration,
}

impl Worker {
    /// The item of a call that it runs.
    pub(crate) fn current(&self) -> Option<Current> {
        let (number, started) = self.lane.running()?;
        self.call_of(number).map(|call| Current { number, call, started })
    }

    /// The item of a call that it runs, or has taken and not begun: it takes them before it says so. What it has not
    /// taken must have been taken back.
    pub(crate) fn taken_of(&self, call: CallId) -> Option<u64> {
        let number = self.lane.running().map_or_else(|| self.lane.begun(), |(number, _)| number);
        self.call_of(number).filter(|own| *own == call).map(|_| number)
    }

    /// Whose item has that number, if it is sent and not answered.
    fn call_of(&self, number: u64) -> Option<CallId> {
        match self.request(number)? {
            What::Items { call, .. } => Some(call),
            _ => None,
        }
    }

    /// Items with that limit are about to be sent to it.
    pub(crate) fn expect(&mut self, limit: Duration) {
        if limit < self.watch.presumed {
            self.watch.presumed = limit;
            self.set_alarm();
        }
        if self.watch.next == Next::Never {
            self.watch.next = Next::Called;
        }
    }

    fn set_alarm(&mut self) {
        self.watch.alarm += 1;
        self.watch.alarmed = true;
        self.lane.set_alarm(self.watch.alarm);
    }

    /// Whether an item with a deadline has begun since the last look; if so, the alarm was heard.
    fn saw_start(&mut self, timed: Option<&Timed>) -> bool {
        let started = timed.map_or_else(|| self.lane.started(), |item| item.started);
        let began = started != self.watch.seen;
        self.watch.seen = started;
        self.watch.alarmed &= !began;
        began
    }

    fn is_watched(&self) -> bool {
        self.watch.next != Next::Never && self.sentence.is_none() && self.notice.is_none()
    }

    /// When it has to be looked at.
    pub(crate) fn look_at(&self) -> Option<Instant> {
        match self.watch.next {
            Next::At(at) if self.is_watched() => Some(at),
            _ => None,
        }
    }
}

impl State {
    /// Looks at the workers whose items may be overdue.
    pub(crate) fn watch(&mut self, now: Instant) {
        for at in 0..self.seats.len() {
            let worker = &self.seats[at].worker;
            let early =
                matches!(worker.watch.next, Next::At(at) if at > now && !worker.watch.alarmed);
            if worker.is_watched() && !early {
                self.look(at, now);
            }
        }
    }

    fn look(&mut self, at: usize, now: Instant) {
        let timed = self.timed_item(&self.seats[at].worker);
        if let Some(item) = &timed
            && item.left.is_zero()
        {
            let reason = Reason::TimeUp { limit: item.limit, started: item.started };
            self.sentence(at, item.number, reason);
            return;
        }
        let least = self.least_limit(&self.seats[at].worker);
        let worker = &mut self.seats[at].worker;
        let began = worker.saw_start(timed.as_ref());
        if let Some(item) = timed {
            worker.watch.next = now.checked_add(item.left).map_or(Next::Called, Next::At);
            worker.watch.presumed = item.limit;
            if least.is_some_and(|least| least < item.limit) && !worker.watch.alarmed {
                worker.set_alarm();
            }
            return;
        }
        let limit = least.unwrap_or(worker.watch.presumed);
        if let Some(then) = now.checked_add(limit).filter(|_| began) {
            worker.watch.presumed = limit;
            worker.watch.next = Next::At(then);
        } else if worker.watch.next != Next::Called || !worker.watch.alarmed {
            worker.watch.next = Next::Called;
            worker.watch.presumed = Duration::MAX;
            worker.set_alarm();
            // Whatever began before the alarm was set may have called nobody.
            if self.timed_item(&self.seats[at].worker).is_some() {
                self.look(at, now);
            }
        }
    }

    /// What a worker runs, if that has a deadline.
    fn timed_item(&self, worker: &Worker) -> Option<Timed> {
        let Current { number, call, started } = worker.current()?;
        let limit = self.calls.get(&call.0)?.spec.limit?;
        let ran = Duration::from_nanos(monotonic_ns().saturating_sub(started));
        Some(Timed { number, limit, started, left: limit.saturating_sub(ran) })
    }

    /// The shortest limit of what a worker was sent and has not answered.
    fn least_limit(&self, worker: &Worker) -> Option<Duration> {
        let limit = |what| match what {
            What::Items { call, .. } => self.calls.get(&call.0)?.spec.limit,
            _ => None,
        };
        worker.frames.iter().filter_map(|frame| limit(frame.what)).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    use manyhands_shm::hub::Hub;
    use manyhands_shm::lane::Runner;

    use crate::call::{Body, CallSpec, Failure, Order};
    use crate::retry::Retry;
    use crate::state::Config;
    use crate::wire;
    use crate::worker_seat::Parcel;

    const LIMIT: Duration = Duration::from_millis(20);

    /// A pool with one worker, which is this thread.
    struct Alone {
        state: State,
        runner: Runner,
    }

    impl Alone {
        fn new() -> Self {
            let config = Config::plain(1);
            let (hub, _fd) = Hub::create(1).unwrap();
            let mut state = State::new(Arc::new(config), Arc::new(hub));
            state.launches.held = true;
            state.add_seat().unwrap();
            let runner = Runner::new(Arc::clone(&state.seats[0].worker.lane));
            Self { state, runner }
        }

        fn call(&mut self, limit: Option<Duration>, retry: Retry, items: u64) -> CallId {
            let code = self.state.register_code(b"code", Vec::new());
            let call = self.state.open_call(CallSpec {
                function: code,
                kind: 0,
                order: Order::Index,
                stop_on_failure: false,
                whole: false,
                notify: false,
                limit,
                retry,
            });
            for first in 0..items {
                let records = b"\x01\0\0\0x".to_vec();
                self.state.accept(Parcel {
                    call,
                    first,
                    count: 1,
                    records,
                    start: 0,
                    spoiled: None,
                });
            }
            call
        }

        /// Takes the next item, code included; whether the worker would call.
        fn begin(&mut self) -> bool {
            loop {
                let item = self.runner.take_after(|lane, heading| {
                    if heading.kind & wire::TIMED != 0 {
                        lane.set_started(monotonic_ns());
                    }
                });
                let kind = item.expect("an item was offered").heading.kind;
                if kind < wire::CONTROL {
                    let alarm = self.runner.lane().alarm();
                    return kind & wire::TIMED != 0 && alarm == self.watched().alarm;
                }
                self.answer(&[0]);
            }
        }

        fn answer(&mut self, reply: &[u8]) -> bool {
            self.runner.reply(reply.len(), |room| room.copy_from_slice(reply)).unwrap();
            let replied = self.runner.publish(1);
            self.runner.lane().due(replied).held
        }

        fn watched(&self) -> &crate::watch::Watch {
            &self.state.seats[0].worker.watch
        }

        fn look(&mut self, later: Duration) {
            self.state.collect_all();
            self.state.watch(Instant::now() + later);
        }

        fn wait_over() {
            let until = Instant::now() + 2 * LIMIT;
            while Instant::now() < until {
                std::hint::spin_loop();
            }
        }

        fn failure(&mut self, call: CallId) -> Option<Failure> {
            match self.state.calls.get_mut(&call.0)?.take()?.body {
                Body::Failed(failure) => Some(failure),
                Body::Replies(_) => None,
            }
        }
    }

    #[test]
    fn a_worker_without_deadlines_is_never_looked_at() {
        let mut pool = Alone::new();
        pool.call(None, Retry::default(), 2);
        assert!(!pool.begin());
        pool.look(Duration::ZERO);
        assert_eq!((pool.watched().next, pool.watched().alarm), (Next::Never, 0));
        assert_eq!(pool.state.seats[0].worker.look_at(), None);
    }

    #[test]
    fn what_has_not_begun_is_not_watched() {
        let mut pool = Alone::new();
        pool.call(Some(LIMIT), Retry::default(), 2);
        pool.look(Duration::from_secs(60));
        assert_eq!(pool.watched().next, Next::Called);
        assert!(pool.begin(), "the worker calls when it begins");
        pool.look(Duration::ZERO);
        assert!(matches!(pool.watched().next, Next::At(_)));
        assert!(!pool.watched().alarmed, "a second call would be for nothing");
    }

    #[test]
    fn a_stream_is_looked_at_once_for_each_limit_and_then_no_more() {
        let mut pool = Alone::new();
        pool.call(Some(LIMIT), Retry::default(), 2);
        for _ in 0..2 {
            pool.begin();
            pool.answer(&[0]);
        }
        pool.look(Duration::ZERO);
        assert!(matches!(pool.watched().next, Next::At(_)), "something has begun");
        pool.look(2 * LIMIT);
        assert_eq!(pool.watched().next, Next::Called);
        assert!(pool.watched().alarmed);
    }

    #[test]
    fn an_item_that_is_overdue_is_sentenced_and_the_rest_taken_back() {
        let mut pool = Alone::new();
        let call = pool.call(Some(LIMIT), Retry::default(), 2);
        pool.begin();
        Alone::wait_over();
        pool.look(Duration::ZERO);
        assert!(pool.state.seats[0].worker.sentence.is_some());
        assert_eq!(pool.state.queued_of(call), 1);
        assert!(pool.answer(&[0]), "the worker is held");
        pool.look(Duration::ZERO);
        assert!(pool.state.seats[0].worker.sentence.is_none());
        assert!(pool.runner.lane().interrupt() == u64::MAX, "the worker is pardoned");
        assert!(matches!(pool.failure(call), Some(Failure::TimedOut(_))));
    }

    #[test]
    fn an_answer_in_time_is_no_timeout() {
        let mut pool = Alone::new();
        let call = pool.call(Some(LIMIT), Retry::default(), 1);
        pool.begin();
        Alone::wait_over();
        assert!(!pool.answer(&[0]));
        pool.state.watch(Instant::now());
        assert!(pool.state.seats[0].worker.sentence.is_none());
        pool.look(Duration::ZERO);
        assert!(pool.failure(call).is_none());
    }

    #[test]
    fn a_shorter_limit_sets_an_alarm() {
        let mut pool = Alone::new();
        pool.call(Some(Duration::from_secs(3600)), Retry::default(), 1);
        pool.begin();
        pool.look(Duration::ZERO);
        let Next::At(far) = pool.watched().next else { panic!("a timed item runs") };
        pool.call(Some(LIMIT), Retry::default(), 1);
        assert!(pool.watched().alarmed);
        pool.answer(&[0]);
        assert!(pool.begin(), "the worker calls");
        pool.look(Duration::ZERO);
        assert!(matches!(pool.watched().next, Next::At(at) if at < far));
    }

    #[test]
    fn an_item_with_retries_left_goes_back_to_the_queue() {
        let mut pool = Alone::new();
        let retry = Retry { times: 1, deaths: true, overfull: true, timeouts: true };
        let call = pool.call(Some(LIMIT), retry, 1);
        for attempt in 0..2 {
            pool.begin();
            Alone::wait_over();
            pool.look(Duration::ZERO);
            pool.answer(&[0]);
            pool.look(Duration::ZERO);
            pool.state.pump();
            assert_eq!(pool.state.calls[&call.0].settled, attempt);
        }
        assert!(matches!(pool.failure(call), Some(Failure::TimedOut(_))));
    }

    #[test]
    fn what_is_taken_and_not_begun_is_ended_too() {
        let mut pool = Alone::new();
        let call = pool.call(None, Retry::default(), 2);
        assert_eq!(pool.runner.take().map(|item| item.heading.kind), Some(wire::CODE));
        pool.answer(&[0]);
        let state = &mut pool.state;
        let item = pool.runner.take_after(|_, _| state.interrupt(call));
        assert!(item.is_some() && pool.state.seats[0].worker.sentence.is_some());
        assert!(pool.answer(&[0]), "the worker is held");
        pool.look(Duration::ZERO);
        assert!(pool.state.seats[0].worker.sentence.is_none());
        for _ in 0..2 {
            assert!(matches!(pool.failure(call), Some(Failure::Cancelled)));
        }
    }

    #[test]
    fn a_worker_that_answers_what_it_has_not_begun_holds_nobody_up() {
        let mut pool = Alone::new();
        let call = pool.call(None, Retry::default(), 2);
        pool.runner.take();
        pool.answer(&[0]);
        for answered in 2..5 {
            assert!(pool.runner.reply(0, |_| ()).is_ok());
            pool.runner.publish(answered);
        }
        let state = &mut pool.state;
        pool.runner.take_after(|_, _| state.interrupt(call));
        assert!(pool.state.seats[0].worker.sentence.is_none());
    }

    #[test]
    fn no_item_is_fixed_by_code_that_is_dropped_behind_it() {
        let mut pool = Alone::new();
        let brief = pool.state.register_brief_code(b"brief", Vec::new());
        pool.state.seats[0].worker.codes.insert(brief);
        let call = pool.call(None, Retry::default(), 3);
        pool.begin();
        pool.state.unuse_code(brief);
        let backlog = |pool: &Alone| {
            let worker = &pool.state.seats[0].worker;
            (worker.backlog(), worker.forgets)
        };
        assert_eq!(backlog(&pool), (2, 1));
        let parcels = pool.state.seats[0].worker.recall(1);
        assert_eq!(parcels.iter().map(|parcel| (parcel.first, parcel.count)).next(), Some((2, 1)));
        pool.state.seats[0].worker.recall(u32::MAX);
        assert_eq!((pool.state.queued_of(call), backlog(&pool)), (0, (0, 1)));
        pool.answer(&[0]);
        let told = pool.runner.take().map(|item| (item.heading.kind, item.heading.word));
        assert_eq!(told, Some((wire::FORGET, brief)));
        pool.answer(&[0]);
        pool.look(Duration::ZERO);
        assert_eq!((backlog(&pool), pool.state.seats[0].worker.frames.len()), ((0, 0), 0));
    }

    #[test]
    fn what_is_marked_runs_again_and_then_counts() {
        let mut pool = Alone::new();
        let retry = Retry { times: 1, ..Retry::default() };
        let call = pool.call(None, retry, 1);
        for attempt in 0..2 {
            pool.begin();
            pool.answer(&[wire::AGAIN, 7]);
            pool.look(Duration::ZERO);
            assert_eq!(pool.state.calls[&call.0].settled, attempt);
        }
        let run = pool.state.calls.get_mut(&call.0).and_then(|call| call.take());
        assert!(matches!(run.map(|run| run.body), Some(Body::Replies(_))));
    }
}
