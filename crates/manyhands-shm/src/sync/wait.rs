//! Why a wait ended, time limits, and the short busy wait before a sleep.
//!
//! A busy wait pays where the other side runs on another core at this moment: it ends after tens of
//! microseconds, lets others run now and then, and is left out on a machine with one core.
//!
//! It pays once in a wait. Whoever cuts a wait into pieces, to look at something else between them, runs
//! all but the first of them by [`resume`]: what has slept for a while goes back to sleep at once.
//!
//! In a model a limit is over at once, and a busy wait is one turn long.

use core::time::Duration;

/// The longest sleep of a wait for an owner that may have died.
pub const OWNED_SLICE: Duration = Duration::from_millis(50);
/// The first sleep of any other wait: whoever should wake us may have been killed before it did.
pub const SLICE: Duration = Duration::from_millis(200);
/// The longest sleep of such a wait.
pub const LONGEST_SLICE: Duration = SLICE.saturating_mul(8);
/// How long a word is watched before a sleep, where the other side may be about to answer.
pub const SPIN: Duration = Duration::from_micros(40);

/// How a wait ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Wait<T> {
    /// With what was waited for.
    Ready(T),
    /// The time was up.
    TimedOut,
    /// A signal arrived: the caller may want to run its handlers, and wait on.
    Interrupted,
}

impl<T> Wait<T> {
    /// Changes what was waited for.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Wait<U> {
        match self {
            Self::Ready(value) => Wait::Ready(change(value)),
            Self::TimedOut => Wait::TimedOut,
            Self::Interrupted => Wait::Interrupted,
        }
    }

    /// What was waited for, if it came.
    pub fn ready(self) -> Option<T> {
        match self {
            Self::Ready(value) => Some(value),
            Self::TimedOut | Self::Interrupted => None,
        }
    }
}

/// When a wait has to end; never, perhaps.
#[derive(Debug, Clone, Copy)]
pub struct Deadline(Limit);

#[cfg(not(loom))]
type Limit = Option<std::time::Instant>;
#[cfg(loom)]
type Limit = Option<()>;

impl Deadline {
    /// So long from now; never for `None`, and for more than a clock can count.
    #[must_use]
    pub fn after(limit: Option<Duration>) -> Self {
        #[cfg(not(loom))]
        return Self(limit.and_then(|limit| std::time::Instant::now().checked_add(limit)));
        #[cfg(loom)]
        Self(limit.map(|_| ()))
    }

    /// What is left; `None` if it never ends.
    #[must_use]
    pub fn left(self) -> Option<Duration> {
        #[cfg(not(loom))]
        return self.0.map(|end| end.saturating_duration_since(std::time::Instant::now()));
        #[cfg(loom)]
        self.0.map(|()| Duration::ZERO)
    }

    /// Whether it is over.
    #[must_use]
    pub fn is_over(self) -> bool {
        self.left() == Some(Duration::ZERO)
    }

    /// How long to sleep before looking again: what is left, at most `slice`. `None`: without end.
    #[must_use]
    pub fn slice(self, slice: Option<Duration>) -> Option<Duration> {
        match (self.left(), slice) {
            (Some(left), Some(slice)) => Some(left.min(slice)),
            (left, slice) => left.or(slice),
        }
    }
}

/// The lengths of the sleeps of one wait: [`SLICE`], then each twice as long as the one before, up to
/// [`LONGEST_SLICE`].
///
/// So a wake that a killed process owed us comes late by no more than we had waited already, and what has
/// waited long costs next to nothing. A wait that goes on (see [`resume`]) begins with the longest.
#[derive(Debug, Clone, Copy)]
pub struct Slices(Duration);

impl Default for Slices {
    fn default() -> Self {
        Self(if goes_on() { LONGEST_SLICE } else { SLICE })
    }
}

impl Slices {
    /// Those of a wait that begins, or goes on.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The length of the next sleep; `None` in a model, where nobody looks by himself.
    #[must_use]
    pub fn length(&mut self) -> Option<Duration> {
        let length = self.0;
        self.0 = (length * 2).min(LONGEST_SLICE);
        if cfg!(loom) { None } else { Some(length) }
    }

    /// The same for who would look after `owned` if there were an owner to look after: without end if
    /// that is without end. In a model that is what it does.
    #[must_use]
    pub fn beside(&mut self, owned: Option<Duration>) -> Option<Duration> {
        owned.map(|owned| self.length().unwrap_or(owned))
    }
}

/// Watches for `done` in a short busy wait, at most for `length`; whether it came.
///
/// Does nothing but look once where only one thread can run at a time, and where a wait goes on that
/// has slept already (see [`resume`]).
pub fn spin_until(mut done: impl FnMut() -> bool, length: Duration) -> bool {
    if done() {
        return true;
    }
    // In a model one of no length, too: a loop of sleeps that are over at once must let others run.
    if length.is_zero() && !cfg!(loom) || !has_cores() || take_resumed() {
        return false;
    }
    spin(&mut done, length)
}

/// Runs a further piece of a wait that has slept already: its first busy wait is left out, and its first
/// sleep is a long one.
#[cfg(not(loom))]
pub fn resume<T>(piece: impl FnOnce() -> T) -> T {
    PIECE.set(Piece::GoesOn);
    let outcome = piece();
    PIECE.set(Piece::Begins);
    outcome
}

/// Whether the busy wait that is about to begin is the one to be left out.
#[cfg(not(loom))]
pub fn take_resumed() -> bool {
    let resumed = PIECE.get() == Piece::GoesOn;
    if resumed {
        PIECE.set(Piece::Watched);
    }
    resumed
}

#[cfg(not(loom))]
fn goes_on() -> bool {
    PIECE.get() != Piece::Begins
}

#[cfg(loom)]
fn take_resumed() -> bool {
    false
}

#[cfg(loom)]
fn goes_on() -> bool {
    false
}

/// Which piece of a wait this thread runs.
#[cfg(not(loom))]
#[derive(Clone, Copy, PartialEq, Eq)]
enum Piece {
    /// The first, or no piece at all.
    Begins,
    /// A further one.
    GoesOn,
    /// The same, and its busy wait has been left out.
    Watched,
}

#[cfg(not(loom))]
std::thread_local! {
    static PIECE: core::cell::Cell<Piece> = const { core::cell::Cell::new(Piece::Begins) };
}

#[cfg(not(loom))]
fn spin(done: &mut impl FnMut() -> bool, length: Duration) -> bool {
    /// Turns between two looks at the clock.
    const TURNS: u32 = 32;
    let until = std::time::Instant::now() + length;
    loop {
        for _ in 0..TURNS {
            if done() {
                return true;
            }
            crate::atomic::spin_hint();
        }
        if std::time::Instant::now() >= until {
            return done();
        }
        // Whoever is waited for may need this very core.
        std::thread::yield_now();
    }
}

#[cfg(loom)]
fn spin(done: &mut impl FnMut() -> bool, _length: Duration) -> bool {
    crate::atomic::spin_hint();
    done()
}

/// Whether two threads can run at once.
#[cfg(not(loom))]
fn has_cores() -> bool {
    static CORES: std::sync::OnceLock<usize> = std::sync::OnceLock::new();
    *CORES.get_or_init(|| std::thread::available_parallelism().map_or(1, Into::into)) > 1
}

#[cfg(loom)]
fn has_cores() -> bool {
    true
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_slice_is_the_shorter_of_both() {
        let second = Some(Duration::from_secs(1));
        assert_eq!(Deadline::after(None).slice(second), second);
        assert_eq!(Deadline::after(None).slice(None), None);
        assert!(Deadline::after(second).slice(Some(SLICE)) <= Some(SLICE));
        assert!(Deadline::after(Some(SLICE)).slice(None) <= Some(SLICE));
        assert_eq!(Deadline::after(Some(Duration::MAX)).left(), None);
        assert!(Deadline::after(Some(Duration::ZERO)).is_over());
    }

    #[test]
    fn a_busy_wait_ends() {
        assert!(spin_until(|| true, Duration::ZERO));
        assert!(!spin_until(|| false, Duration::from_micros(50)));
        let mut looks = 0;
        let third = || {
            looks += 1;
            looks == 3
        };
        assert!(spin_until(third, Duration::from_secs(5)) || !has_cores());
    }

    #[test]
    fn a_wait_that_goes_on_does_not_begin_with_a_busy_one() {
        let long = Duration::from_secs(600);
        resume(|| {
            assert!(!spin_until(|| false, long));
            let mut looks = 0;
            let third = || {
                looks += 1;
                looks == 3
            };
            assert!(spin_until(third, long) || !has_cores(), "only the first is left out");
        });
        resume(|| ());
        assert!(!take_resumed(), "what follows is another wait");
    }

    #[test]
    fn slices_grow_up_to_the_longest() {
        let lengths = |mut slices: Slices| [(); 5].map(|()| slices.length().unwrap().as_millis());
        assert_eq!(lengths(Slices::new()), [200, 400, 800, 1600, 1600]);
        let of_a_piece = || {
            assert!(!spin_until(|| false, SPIN));
            lengths(Slices::new())
        };
        assert_eq!(resume(of_a_piece), [1600; 5]);
        assert_eq!(of_a_piece()[0], 200, "what follows is another wait");
    }
}
