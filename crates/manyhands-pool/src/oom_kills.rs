//! The kernel's count of processes that it has ended for lack of memory, set against deaths of ours.
//!
//! The counter tells how many processes were ended so, not which: each SIGKILL of a worker that this pool
//! has not sent itself takes one of those that were counted since the pool was made. Who sent a signal is
//! in no record that the kernel lets us read.
//!
//! It refuses to guess where nobody counts.

use manyhands_os::oom;

/// The kernel's count of processes that it has ended for lack of memory, as far as it is explained.
#[derive(Debug)]
pub(crate) struct OomKills(Option<u64>);

impl OomKills {
    /// From now on.
    pub(crate) fn new() -> Self {
        Self(oom::kills())
    }

    /// Whether a death by SIGKILL can have been one of them; none if nobody counts.
    pub(crate) fn explain(&mut self, counted: Option<u64>) -> Option<bool> {
        let (explained, counted) = (self.0.as_mut()?, counted?);
        let rose = counted > *explained;
        if rose {
            *explained += 1;
        }
        Some(rose)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kill_that_was_counted_explains_one_death() {
        let mut kills = OomKills(Some(3));
        assert_eq!(kills.explain(Some(3)), Some(false));
        assert_eq!(kills.explain(Some(5)), Some(true));
        assert_eq!(kills.explain(Some(5)), Some(true));
        assert_eq!(kills.explain(Some(5)), Some(false));
    }

    #[test]
    fn without_a_counter_nothing_is_known() {
        assert_eq!(OomKills(None).explain(Some(3)), None);
        assert_eq!(OomKills(Some(3)).explain(None), None);
        // The process was moved to another group, whose count is lower.
        assert_eq!(OomKills(Some(3)).explain(Some(1)), Some(false));
    }
}
