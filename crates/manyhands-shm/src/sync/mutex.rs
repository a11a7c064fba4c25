//! A lock between processes whose word also says who holds it, so that it survives its owner.
//!
//! ```text
//! bit 31      CONTENDED  somebody sleeps, or is about to: whoever unlocks calls the kernel
//! bit 30      DIED       the last owner died with it; only together with owner 0
//! bit 29..0   owner      0: free
//!
//! 0               free
//! owner           held
//! owner|CONTENDED held, with sleepers
//! DIED            free, and whoever takes it is told; may have CONTENDED
//! ```
//!
//! | step | by | a kill right after it leaves |
//! | --- | --- | --- |
//! | 1. compare-and-swap 0 -> owner | taker | a lock with a dead owner: 6 |
//! | 2. owner -> owner\|CONTENDED | waiter | a flag: one wake for nobody |
//! | 3. futex wait, 50 ms at most | waiter | nothing |
//! | 4. swap 0 | owner | sleepers that nobody wakes: they look again after their 50 ms |
//! | 5. futex wake of one, if CONTENDED was set | owner | if the woken one is killed: as 4 |
//! | 6. dead owner -> owner\|CONTENDED | waiter, after it has slept 50 ms and asked | as 1 |
//!
//! A waiter that has slept takes the lock with CONTENDED set, as it cannot know whether it was the
//! last: at worst one wake is for nobody. Before it gives up it leaves CONTENDED on the word, so that a
//! wake that it consumed is not lost to the others. The lock is not fair: who comes at the right moment
//! gets it.
//!
//! It protects what its user says; what a death leaves half done there is for the next holder to
//! repair, which [`Locked::Recovered`] asks for. Threads of one process are one owner.

use core::time::Duration;

use crate::atomic::Ordering;
use crate::futex::{Futex, Slept};

use super::owner::{Gone, Liveness, Owner};
use super::wait::{Deadline, Wait, spin_until};

const CONTENDED: u32 = 1 << 31;
const DIED: u32 = 1 << 30;
const _: () = assert!(Owner::MASK == DIED - 1, "the flags and an owner share the word");

/// How long the lock is watched before a sleep.
const SPIN: Duration = Duration::from_micros(10);

/// In which state a lock was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Locked {
    /// It was free.
    Clean,
    /// Its last owner died with it: what it protects may be half done.
    Recovered,
}

/// The lock. All-zero bytes are a free one.
#[derive(Debug, Default)]
#[repr(C)]
pub struct RawMutex {
    word: Futex,
}

impl RawMutex {
    /// A free lock.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the lock if it is free.
    #[inline]
    pub fn try_lock(&self, me: Owner) -> Option<Locked> {
        match self.change(0, me.get()) {
            Ok(()) => Some(Locked::Clean),
            Err(seen) => self.try_left(seen, me),
        }
    }

    /// Takes a lock that a dead owner left free, or that has just become free.
    #[cold]
    fn try_left(&self, mut seen: u32, me: Owner) -> Option<Locked> {
        while seen & Owner::MASK == 0 {
            match self.change(seen, me.get() | seen & CONTENDED) {
                Ok(()) => return Some(how(seen)),
                Err(now) => seen = now,
            }
        }
        None
    }

    /// Takes the lock, and waits for it if need be, at most for `limit` (`None`: without end). Without
    /// any time it still takes the lock of an owner that has died.
    #[inline]
    pub fn lock(&self, world: &impl Liveness, limit: Option<Duration>) -> Wait<Locked> {
        match self.try_lock(world.me()) {
            Some(locked) => Wait::Ready(locked),
            None => self.lock_slowly(world, limit),
        }
    }

    #[cold]
    fn lock_slowly(&self, world: &impl Liveness, limit: Option<Duration>) -> Wait<Locked> {
        let me = world.me();
        if limit == Some(Duration::ZERO) {
            return self.try_dead(world).map_or(Wait::TimedOut, Wait::Ready);
        }
        let mut taken = None;
        let free = || self.word.word.load(Ordering::Relaxed) & Owner::MASK == 0;
        let take = || {
            taken = free().then(|| self.try_lock(me)).flatten();
            taken.is_some()
        };
        spin_until(take, SPIN);
        match taken {
            Some(locked) => Wait::Ready(locked),
            None => self.sleep_until_locked(world, Deadline::after(limit)),
        }
    }

    /// Takes the lock of an owner that has died.
    fn try_dead(&self, world: &impl Liveness) -> Option<Locked> {
        let seen = self.word.word.load(Ordering::Relaxed);
        let Some(owner) = Owner::from_word(seen) else { return self.try_left(seen, world.me()) };
        let mine = world.me().get() | seen & CONTENDED;
        let dead = owner != world.me() && !world.is_alive(owner);
        (dead && self.change(seen, mine).is_ok()).then_some(Locked::Recovered)
    }

    fn sleep_until_locked(&self, world: &impl Liveness, deadline: Deadline) -> Wait<Locked> {
        let contended = world.me().get() | CONTENDED;
        loop {
            let seen = self.word.word.load(Ordering::Relaxed);
            let Some(owner) = Owner::from_word(seen) else {
                if self.change(seen, contended).is_ok() {
                    return Wait::Ready(how(seen));
                }
                continue;
            };
            let asleep = seen | CONTENDED;
            if seen != asleep && self.change(seen, asleep).is_err() {
                continue;
            }
            if deadline.is_over() {
                return Wait::TimedOut;
            }
            match self.word.wait(asleep, deadline.slice(world.slice())) {
                Slept::Awake => {}
                Slept::Interrupted => return Wait::Interrupted,
                Slept::TimedOut => {
                    if !world.is_alive(owner) && self.change(asleep, contended).is_ok() {
                        return Wait::Ready(Locked::Recovered);
                    }
                }
            }
        }
    }

    /// Gives the lock back, which `me` holds.
    #[inline]
    pub fn unlock(&self, me: Owner) {
        debug_assert_eq!(self.owner(), Some(me), "unlocking what one does not hold");
        if self.word.word.swap(0, Ordering::Release) & CONTENDED != 0 {
            self.wake_one();
        }
    }

    /// Gives the lock back, whoever holds it. (A lock that another one may unlock, as CPython's.)
    /// False, and nothing changes, if nobody does.
    #[inline]
    pub fn release(&self) -> bool {
        // Looked at first, so that a mark of a death stays.
        if self.owner().is_none() {
            return false;
        }
        let before = self.word.word.swap(0, Ordering::Release);
        if before & CONTENDED != 0 {
            self.wake_one();
        }
        before & Owner::MASK != 0
    }

    /// Gives back a lock that was recovered, for the next taker to be told in its turn.
    #[cold]
    pub fn abandon(&self) {
        if self.word.word.swap(DIED, Ordering::Release) & CONTENDED != 0 {
            self.wake_one();
        }
    }

    #[cold]
    fn wake_one(&self) {
        self.word.wake(1);
    }

    /// Who holds it: for reports.
    #[inline]
    #[must_use]
    pub fn owner(&self) -> Option<Owner> {
        Owner::from_word(self.word.word.load(Ordering::Relaxed))
    }

    /// Whether it is free, and nothing is to be told to its next taker. Sees what the last holder did.
    #[inline]
    #[must_use]
    pub fn is_free(&self) -> bool {
        self.word.word.load(Ordering::Acquire) & !CONTENDED == 0
    }

    /// Takes the lock away from an owner that has gone, if it is that one's: after a death it is free
    /// and the next taker is told, after an exit it stays locked by [`Owner::ABSENT`]. Whether it was.
    pub fn bury(&self, gone: Owner, how: Gone) -> bool {
        loop {
            let seen = self.word.word.load(Ordering::Relaxed);
            if Owner::from_word(seen) != Some(gone) {
                return false;
            }
            let left = match how {
                Gone::Died => DIED,
                Gone::Left => Owner::ABSENT.get() | seen & CONTENDED,
            };
            // The release continues what the dead one may have published; its own death was seen.
            if self.change(seen, left).is_ok() {
                if how == Gone::Died && seen & CONTENDED != 0 {
                    self.wake_one();
                }
                return true;
            }
        }
    }

    /// In a model: an owner that is killed between its swap and its system call.
    #[cfg(loom)]
    pub fn unlock_and_die(&self) {
        self.word.word.swap(0, Ordering::Release);
    }

    /// In a model: a waiter that is killed after it has said that it waits; it eats a wake, as one
    /// does that is killed between its wake and its next step.
    #[cfg(loom)]
    pub fn wait_and_die(&self) {
        let seen = self.word.word.load(Ordering::Relaxed);
        if seen & Owner::MASK != 0 && self.change(seen, seen | CONTENDED).is_ok() {
            let _ = self.word.wait(seen | CONTENDED, None);
        }
    }

    #[inline]
    fn change(&self, seen: u32, new: u32) -> Result<(), u32> {
        let outcome =
            self.word.word.compare_exchange(seen, new, Ordering::AcqRel, Ordering::Relaxed);
        outcome.map(|_| ())
    }
}

/// How a lock was taken whose word was this.
fn how(free: u32) -> Locked {
    if free & DIED == 0 { Locked::Clean } else { Locked::Recovered }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    struct Fake {
        me: u32,
        dead: u32,
    }

    impl Liveness for Fake {
        fn is_alive(&self, owner: Owner) -> bool {
            owner.slot() != self.dead
        }

        fn me(&self) -> Owner {
            owner(self.me)
        }
    }

    fn owner(slot: u32) -> Owner {
        Owner::new(slot, 1).expect("a small slot")
    }

    const NOBODY: u32 = 99;
    const SHORT: Option<Duration> = Some(Duration::from_millis(1));

    #[test]
    fn one_at_a_time() {
        let mutex = RawMutex::new();
        assert_eq!(mutex.try_lock(owner(0)), Some(Locked::Clean));
        assert_eq!(mutex.try_lock(owner(1)), None);
        assert_eq!(mutex.owner(), Some(owner(0)));
        let other = Fake { me: 1, dead: NOBODY };
        assert_eq!(mutex.lock(&other, SHORT), Wait::TimedOut);
        mutex.unlock(owner(0));
        assert_eq!(mutex.owner(), None);
        assert_eq!(mutex.lock(&other, SHORT), Wait::Ready(Locked::Clean));
    }

    #[test]
    fn a_dead_owner_is_recovered_within_two_slices() {
        let mutex = RawMutex::new();
        let _ = mutex.try_lock(owner(0));
        let other = Fake { me: 1, dead: 0 };
        let limit = Some(Duration::from_secs(10));
        assert_eq!(mutex.lock(&other, limit), Wait::Ready(Locked::Recovered));
        mutex.unlock(owner(1));
        assert_eq!(mutex.lock(&other, limit), Wait::Ready(Locked::Clean));
    }

    #[test]
    fn the_next_taker_of_a_buried_lock_is_told_once() {
        let mutex = RawMutex::new();
        let _ = mutex.try_lock(owner(0));
        assert!(!mutex.bury(owner(1), Gone::Died));
        assert!(mutex.bury(owner(0), Gone::Died));
        assert_eq!(mutex.owner(), None);
        assert_eq!(mutex.try_lock(owner(1)), Some(Locked::Recovered));
        mutex.unlock(owner(1));
        assert_eq!(mutex.try_lock(owner(1)), Some(Locked::Clean));
    }

    #[test]
    fn who_leaves_leaves_it_locked() {
        let mutex = RawMutex::new();
        let _ = mutex.try_lock(owner(0));
        assert!(mutex.bury(owner(0), Gone::Left));
        assert_eq!(mutex.owner(), Some(Owner::ABSENT));
        assert_eq!(mutex.try_lock(owner(1)), None);
        mutex.release();
        assert_eq!(mutex.try_lock(owner(1)), Some(Locked::Clean));
    }

    #[test]
    fn threads_count_together() {
        let (mutex, mut count) = (RawMutex::new(), 0_u64);
        let total = &raw mut count as usize;
        std::thread::scope(|scope| {
            for slot in 0..4 {
                let mutex = &mutex;
                scope.spawn(move || {
                    let world = Fake { me: slot, dead: NOBODY };
                    for _ in 0..20_000 {
                        assert_eq!(mutex.lock(&world, None), Wait::Ready(Locked::Clean));
                        add_one(total);
                        mutex.unlock(owner(slot));
                    }
                });
            }
        });
        assert_eq!(count, 80_000);
    }

    /// Not atomic, so that a lock that lets two in loses some.
    #[expect(unsafe_code, reason = "the lock under test is what makes it sound")]
    fn add_one(total: usize) {
        let total = total as *mut u64;
        // SAFETY: it points to the caller's count, which lives; only the holder of the lock gets here.
        let now = unsafe { total.read_volatile() };
        // SAFETY: as above.
        unsafe { total.write_volatile(now + 1) };
    }
}
