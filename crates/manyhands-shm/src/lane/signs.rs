//! What the two sides of a lane say to each other, apart from items and replies: the words, by name.
//!
//! Who writes each word, and what its reader may conclude, stands in [`super::words`]. It waits for nothing.

use super::memory::Lane;
use super::words::{Due, State};
use crate::atomic::AtomicU64;

impl Lane {
    /// What the worker does.
    #[must_use]
    pub fn state(&self) -> State {
        self.worker().state()
    }

    /// Worker: says what it does.
    pub fn set_state(&self, state: State) {
        self.worker().set_state(state);
    }

    /// Items that the worker has begun.
    #[must_use]
    pub fn begun(&self) -> u64 {
        self.worker().begun()
    }

    /// Items that the worker has answered.
    #[must_use]
    pub fn replied(&self) -> u64 {
        self.worker().replied()
    }

    /// The measured time of an item, in nanoseconds (0: not known yet): a moving average.
    #[must_use]
    pub fn item_ns(&self) -> u64 {
        self.worker().item_ns()
    }

    /// Worker: says what an item takes.
    pub fn set_item_ns(&self, ns: u64) {
        self.worker().set_item_ns(ns);
    }

    /// Worker, with what [`Runner::publish`](super::Runner::publish) returned: whom it must call now.
    #[inline]
    pub fn due(&self, replied: u64) -> Due {
        self.parent().due(replied)
    }

    /// When the worker's clock was read last, in nanoseconds of the monotonic one (0: never).
    #[must_use]
    pub fn since_ns(&self) -> u64 {
        self.worker().since_ns()
    }

    /// Worker: says when its clock was read.
    pub fn set_since_ns(&self, ns: u64) {
        self.worker().set_since_ns(ns);
    }

    /// The worker's process (0: it has not started).
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.worker().pid()
    }

    /// Worker: says which process it is.
    pub fn set_pid(&self, pid: u32) {
        self.worker().set_pid(pid);
    }

    /// Whether the worker has grown so much that it should be replaced.
    #[must_use]
    pub fn has_grown(&self) -> bool {
        self.worker().has_grown()
    }

    /// Worker: says that it has grown too much.
    pub fn set_grown(&self) {
        self.worker().set_grown();
    }

    /// Where the worker says how many bytes of memory were too many (0: none), before it ends itself.
    #[must_use]
    pub fn exceeded(&self) -> &AtomicU64 {
        self.worker().exceeded()
    }

    /// The reply count at which the worker wakes the parent's waiting thread (`u64::MAX`: never).
    #[must_use]
    pub fn wake_at(&self) -> u64 {
        self.parent().wake_at()
    }

    /// Parent: sets [`Lane::wake_at`], before it parks on "[`Lane::replied`] has reached it".
    pub fn set_wake_at(&self, count: u64) {
        self.parent().set_wake_at(count);
    }

    /// The reply count at which the worker asks the supervisor for more (`u64::MAX`: never).
    #[must_use]
    pub fn feed_at(&self) -> u64 {
        self.parent().feed_at()
    }

    /// Parent: sets [`Lane::feed_at`]; whether the worker had answered so many already, so that it
    /// may not call any more.
    pub fn set_feed_at(&self, count: u64) -> bool {
        self.parent().set_feed_at(count);
        self.replied() >= count
    }

    /// The item (counted from 0) that the parent wants to be interrupted (`u64::MAX`: none).
    #[must_use]
    pub fn interrupt(&self) -> u64 {
        self.parent().interrupt()
    }

    /// Items before this one (counted from 0) are to be answered without being run.
    #[must_use]
    pub fn skip_until(&self) -> u64 {
        self.parent().skip_until()
    }

    /// Parent: sets [`Lane::skip_until`].
    pub fn set_skip_until(&self, item: u64) {
        self.parent().set_skip_until(item);
    }

    /// Parent: sentences an item, for which the next SIGINT is meant and after which the worker begins nothing
    /// more; false, and nothing is done, if it is answered.
    #[must_use]
    pub fn sentence(&self, item: u64) -> bool {
        self.parent().set_interrupt(item);
        let running = self.replied() <= item;
        if !running {
            self.pardon();
        }
        running
    }

    /// Parent: the worker may go on.
    pub fn pardon(&self) {
        self.parent().set_interrupt(u64::MAX);
        let _slept = self.bell().wake();
    }

    /// Worker: says when it begins an item with a deadline, before that is begun.
    #[inline]
    pub fn set_started(&self, ns: u64) {
        self.worker().set_started(ns);
    }

    /// The last item that was begun, if it is not answered, and the start of the last one with a deadline.
    #[must_use]
    pub fn running(&self) -> Option<(u64, u64)> {
        self.worker().running()
    }

    /// When the last item with a deadline was begun, in nanoseconds of the monotonic clock (0: none yet).
    #[must_use]
    pub fn started(&self) -> u64 {
        self.worker().started()
    }

    /// Worker, after it has begun an item with a deadline: which alarm the parent has set.
    #[inline]
    #[must_use]
    pub fn alarm(&self) -> u64 {
        self.parent().alarm()
    }

    /// Parent: wants to be called at the next item with a deadline; look at [`Lane::running`] afterwards.
    pub fn set_alarm(&self, number: u64) {
        self.parent().set_alarm(number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_answered_cannot_be_sentenced() {
        let lane = Lane::create().unwrap();
        lane.worker().set_begun(3);
        lane.worker().set_replied(2);
        assert_eq!(lane.running(), Some((2, 0)));
        assert!(!lane.sentence(1) && lane.sentence(2));
        lane.worker().set_replied(3);
        assert!(lane.due(3).held && lane.running().is_none());
        lane.pardon();
        assert!(!lane.due(3).held);
    }
}
