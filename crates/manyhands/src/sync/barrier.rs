//! `Barrier`: a meeting of so many, between processes, that breaks when one of them dies there.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use manyhands_shm::sync::{self, Deadline, Outcome, Visit, Wait};
use manyhands_shm::world::Block;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::memory::{self, NoMemory};
use crate::travel;

/// The kind of its block.
const KIND: u32 = 39;

/// A meeting of so many: all wait until the last one has come.
///
/// A clone is the same barrier, and so is what arrives where it was sent. It can be used again and again. If a
/// process dies while it waits there, the barrier breaks within some 50 ms: everybody gets
/// [`BrokenBarrier`] until [`Barrier::reset`]. One that dies elsewhere is missed by nobody: use
/// [`Barrier::wait_timeout`] where that may be.
///
/// ```
/// use manyhands::Process;
/// use manyhands::sync::Barrier;
///
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     manyhands::init();
///     let start = Barrier::new(3)?;
///     let run = |start: Barrier| start.wait().unwrap().is_leader();
///     let runners = [Process::spawn(run, start.clone())?, Process::spawn(run, start.clone())?];
///     let mut leaders = u32::from(start.wait()?.is_leader());
///     for runner in runners {
///         leaders += u32::from(runner.join()?);
///     }
///     assert_eq!(leaders, 1);
///     Ok(())
/// }
/// ```
#[derive(Clone)]
pub struct Barrier(Block);

/// That all have come.
///
/// ```
/// let barrier = manyhands::sync::Barrier::new(1)?;
/// let passed = barrier.wait()?;
/// assert!(passed.is_leader() && passed.index() == 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BarrierWaitResult(u32);

impl BarrierWaitResult {
    /// Whether this is the one among all that was told so.
    ///
    /// ```
    /// let barrier = manyhands::sync::Barrier::new(1)?;
    /// assert!(barrier.wait()?.is_leader());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn is_leader(self) -> bool {
        self.0 == 0
    }

    /// How many came before this one.
    ///
    /// ```
    /// let barrier = manyhands::sync::Barrier::new(1)?;
    /// assert_eq!(barrier.wait()?.index(), 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn index(self) -> u32 {
        self.0
    }
}

/// The barrier is broken: one who waited there died, or gave up, or broke it on purpose.
///
/// ```
/// let barrier = manyhands::sync::Barrier::new(2)?;
/// barrier.abort();
/// assert!(barrier.wait().is_err());
/// # Ok::<(), manyhands::NoMemory>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BrokenBarrier;

impl fmt::Display for BrokenBarrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "the barrier is broken: one who waited there died, or its time was up, or it was aborted; reset() makes \
             it as new",
        )
    }
}

impl Error for BrokenBarrier {}

impl Barrier {
    /// A barrier for so many; 0 is as 1.
    ///
    /// # Errors
    /// [`NoMemory`] without shared memory: it takes 4 KiB.
    ///
    /// # Panics
    /// For more than 1,016.
    ///
    /// ```
    /// assert_eq!(manyhands::sync::Barrier::new(4)?.parties(), 4);
    /// # Ok::<(), manyhands::NoMemory>(())
    /// ```
    pub fn new(parties: u32) -> Result<Self, NoMemory> {
        let most = sync::Barrier::MOST;
        assert!(parties <= most, "a barrier is for at most {most} parties, not {parties}");
        let block = memory::block::<sync::Barrier>(KIND)?;
        block.get::<sync::Barrier>().set(parties.max(1));
        Ok(Self(block))
    }

    fn raw(&self) -> &sync::Barrier {
        self.0.get()
    }

    /// Waits until all have come.
    ///
    /// # Errors
    /// [`BrokenBarrier`].
    ///
    /// ```
    /// assert!(manyhands::sync::Barrier::new(1)?.wait()?.is_leader());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn wait(&self) -> Result<BarrierWaitResult, BrokenBarrier> {
        self.visit(None)
    }

    /// Waits until all have come, at most so long; when the time is up, the barrier breaks for all.
    ///
    /// # Errors
    /// [`BrokenBarrier`].
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let barrier = manyhands::sync::Barrier::new(2)?;
    /// assert!(barrier.wait_timeout(Duration::from_millis(1)).is_err());
    /// assert!(barrier.is_broken());
    /// # Ok::<(), manyhands::NoMemory>(())
    /// ```
    pub fn wait_timeout(&self, timeout: Duration) -> Result<BarrierWaitResult, BrokenBarrier> {
        self.visit(Some(timeout))
    }

    fn visit(&self, limit: Option<Duration>) -> Result<BarrierWaitResult, BrokenBarrier> {
        let (mut visit, deadline, world) =
            (Visit::default(), Deadline::after(limit), self.0.world());
        let outcome = loop {
            match self.raw().wait(&mut visit, &world.internal(), deadline.left(), false) {
                Wait::Ready(outcome) => break Some(outcome),
                Wait::TimedOut => break self.raw().give_up(&mut visit, &world.internal()),
                Wait::Interrupted => {}
            }
        };
        match outcome {
            Some(Outcome::Passed(index)) => Ok(BarrierWaitResult(index)),
            Some(Outcome::Broken | Outcome::Act) | None => Err(BrokenBarrier),
        }
    }

    /// Breaks the barrier until it is reset.
    ///
    /// ```
    /// let barrier = manyhands::sync::Barrier::new(2)?;
    /// barrier.abort();
    /// assert!(barrier.is_broken());
    /// # Ok::<(), manyhands::NoMemory>(())
    /// ```
    pub fn abort(&self) {
        self.raw().abort(&self.0.world().internal());
    }

    /// Makes the barrier as new; whoever waits there gets [`BrokenBarrier`].
    ///
    /// ```
    /// let barrier = manyhands::sync::Barrier::new(1)?;
    /// barrier.abort();
    /// barrier.reset();
    /// assert!(barrier.wait().is_ok());
    /// # Ok::<(), manyhands::NoMemory>(())
    /// ```
    pub fn reset(&self) {
        self.raw().reset(&self.0.world().internal());
    }

    /// Whether it is broken.
    ///
    /// ```
    /// assert!(!manyhands::sync::Barrier::new(2)?.is_broken());
    /// # Ok::<(), manyhands::NoMemory>(())
    /// ```
    #[must_use]
    pub fn is_broken(&self) -> bool {
        self.raw().is_broken()
    }

    /// How many have to come.
    ///
    /// ```
    /// assert_eq!(manyhands::sync::Barrier::new(2)?.parties(), 2);
    /// # Ok::<(), manyhands::NoMemory>(())
    /// ```
    #[must_use]
    pub fn parties(&self) -> u32 {
        self.raw().parties()
    }

    /// How many wait at this moment.
    ///
    /// ```
    /// assert_eq!(manyhands::sync::Barrier::new(2)?.waiting(), 0);
    /// # Ok::<(), manyhands::NoMemory>(())
    /// ```
    #[must_use]
    pub fn waiting(&self) -> u32 {
        self.raw().waiting()
    }
}

impl fmt::Debug for Barrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Barrier")
            .field("parties", &self.parties())
            .field("waiting", &self.waiting())
            .field("broken", &self.is_broken())
            .finish()
    }
}

impl Serialize for Barrier {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        travel::serialize(&self.0, serializer)
    }
}

impl<'de> Deserialize<'de> for Barrier {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        travel::object(deserializer, "Barrier", |block| {
            memory::is::<sync::Barrier>(&block, KIND).then_some(Self(block))
        })
    }
}
