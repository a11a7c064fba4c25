//! `Select`: waiting for several channels at once.
//!
//! Whoever waits has a bell of his own, and puts its name on the list of each channel (`Watchers` of the
//! rung below): a sender that finds the list not empty rings what is on it. So a channel for which nobody
//! selects pays one look. Lists that are full, and channels of another world, are looked at now and then.

use std::fmt;
use std::time::Duration;

use manyhands_shm::channel::Ends;
use manyhands_shm::sync::{Bell, Deadline, SPIN, Wait, spin_until};
use manyhands_shm::world::{Block, Fill};

use super::receiver::Receiver;
use crate::handover;
use crate::memory::NoMemory;

/// How often channels are looked at that cannot tell.
const CROWDED: Duration = Duration::from_millis(10);
/// How often deaths are looked for, which may end all senders of a channel.
const PAUSE: Duration = Duration::from_millis(100);

/// Waits until one of several channels has an item, or will have none any more.
///
/// It takes nothing out: call [`Receiver::try_recv`] on the channel that it names, which may find the item taken
/// by another receiver. Where several are ready, they are named in turn.
///
/// ```
/// use std::time::Duration;
/// use manyhands::channel::{Select, channel};
///
/// let (numbers, some_numbers) = channel()?;
/// let (_words, some_words) = channel::<String>()?;
/// let mut select = Select::new();
/// let number = select.recv(&some_numbers);
/// let word = select.recv(&some_words);
///
/// assert_eq!(select.ready_timeout(Duration::from_millis(1))?, None);
/// numbers.send(7)?;
/// match select.ready()? {
///     ready if ready == number => assert_eq!(some_numbers.try_recv()?, 7),
///     ready if ready == word => println!("{}", some_words.try_recv()?),
///     _ => unreachable!(),
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Default)]
pub struct Select<'a> {
    ends: Vec<&'a Ends>,
    /// Where the next look begins.
    next: usize,
    bell: Option<Block>,
}

impl<'a> Select<'a> {
    /// Waits for nothing yet.
    ///
    /// ```
    /// assert_eq!(manyhands::channel::Select::new().try_ready(), None);
    /// ```
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a channel; returns its index, counted from 0.
    ///
    /// ```
    /// let (_sender, receiver) = manyhands::channel::channel::<u8>()?;
    /// assert_eq!(manyhands::channel::Select::new().recv(&receiver), 0);
    /// # Ok::<(), manyhands::NoMemory>(())
    /// ```
    pub fn recv<T>(&mut self, receiver: &'a Receiver<T>) -> usize {
        self.ends.push(receiver.end());
        self.ends.len() - 1
    }

    /// The index of a channel that has an item, or will have none any more; `None` if there is no such.
    ///
    /// ```
    /// let (sender, receiver) = manyhands::channel::channel()?;
    /// let mut select = manyhands::channel::Select::new();
    /// let index = select.recv(&receiver);
    /// assert_eq!(select.try_ready(), None);
    /// sender.send(1)?;
    /// assert_eq!(select.try_ready(), Some(index));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_ready(&mut self) -> Option<usize> {
        let count = self.ends.len();
        let mut order = (0..count).map(|step| (self.next + step) % count);
        let ready = order.find(|index| self.ends[*index].has_news())?;
        self.next = ready + 1;
        Some(ready)
    }

    /// Waits until a channel has an item, or will have none any more; its index.
    ///
    /// # Errors
    /// [`NoMemory`] without shared memory for its bell.
    ///
    /// # Panics
    /// If no channel was added: it would wait for ever.
    ///
    /// ```
    /// let (sender, receiver) = manyhands::channel::channel::<u8>()?;
    /// let mut select = manyhands::channel::Select::new();
    /// let index = select.recv(&receiver);
    /// drop(sender);
    /// assert_eq!(select.ready()?, index);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn ready(&mut self) -> Result<usize, NoMemory> {
        assert!(!self.ends.is_empty(), "add a channel by `recv` before you wait for one");
        Ok(self.wait(None)?.expect("a wait without a limit ends with a channel"))
    }

    /// Waits at most so long until a channel has an item, or will have none any more; `None` if the time was up.
    ///
    /// # Errors
    /// [`NoMemory`] without shared memory for its bell.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let (_sender, receiver) = manyhands::channel::channel::<u8>()?;
    /// let mut select = manyhands::channel::Select::new();
    /// select.recv(&receiver);
    /// assert_eq!(select.ready_timeout(Duration::from_millis(1))?, None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn ready_timeout(&mut self, timeout: Duration) -> Result<Option<usize>, NoMemory> {
        self.wait(Some(timeout))
    }

    fn wait(&mut self, limit: Option<Duration>) -> Result<Option<usize>, NoMemory> {
        let spin = if limit == Some(Duration::ZERO) { Duration::ZERO } else { SPIN };
        let mut ready = None;
        let look = || {
            ready = self.try_ready();
            ready.is_some()
        };
        if spin_until(look, spin) || limit == Some(Duration::ZERO) {
            return Ok(ready);
        }
        let deadline = Deadline::after(limit);
        let bell = self.bell()?;
        let watched: Vec<bool> = self.ends.iter().map(|end| end.watch(&bell)).collect();
        let slice = if watched.contains(&false) { CROWDED } else { PAUSE };
        let ready = self.sleep(&bell, deadline, slice);
        for (end, _) in self.ends.iter().zip(watched).filter(|(_, watched)| *watched) {
            end.leave(&bell);
        }
        Ok(ready)
    }

    fn sleep(&mut self, bell: &Block, deadline: Deadline, slice: Duration) -> Option<usize> {
        loop {
            let ticket = bell.get::<Bell>().ticket();
            let ready = self.try_ready();
            if ready.is_some() || deadline.is_over() {
                return ready;
            }
            let limit = deadline.slice(Some(slice));
            if bell.get::<Bell>().wait(ticket, limit, Duration::ZERO) == Wait::TimedOut {
                handover::let_go_of_the_dead();
                bell.world().sweep_now_and_then(PAUSE);
            }
        }
    }

    /// Its bell, in the world of the first channel.
    fn bell(&mut self) -> Result<Block, NoMemory> {
        if let Some(bell) = &self.bell {
            return Ok(bell.clone());
        }
        let world = match self.ends.first() {
            Some(end) => end.channel().block().world().clone(),
            None => crate::memory::world()?,
        };
        let bell = world.alloc(size_of::<Bell>(), Fill::Zero)?;
        Ok(self.bell.insert(bell).clone())
    }
}

impl fmt::Debug for Select<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Select").field("channels", &self.ends.len()).finish_non_exhaustive()
    }
}
