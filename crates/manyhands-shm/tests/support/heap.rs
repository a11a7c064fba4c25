//! Memory for channels without a world: a few chunks in the heap, and processes that can be killed at
//! any step.
//!
//! It keeps account: a chunk that is used after it was given back, given back twice, or never, is
//! found. In a model the words of a chunk are cells that the model watches for races.

use std::mem::MaybeUninit;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

#[cfg(not(loom))]
use manyhands_shm::atomic::AtomicU64;
use manyhands_shm::atomic::{AtomicU32, Ordering};
use manyhands_shm::channel::{Chunk, ChunkHead, FIRST_ROOM, Limits, Memory, Words};
use manyhands_shm::sync::{Liveness, Owner};

#[cfg(loom)]
pub(crate) type Shared<T> = loom::sync::Arc<T>;
#[cfg(not(loom))]
pub(crate) type Shared<T> = std::sync::Arc<T>;

/// What a test process panics with when it is killed.
#[derive(Debug)]
pub(crate) struct Killed;

/// Words of a chunk.
const WORDS: usize = if cfg!(loom) { 12 } else { 10_000 };
/// Chunks that there can be at once.
const CHUNKS: usize = if cfg!(loom) { 4 } else { 100 };

#[cfg(loom)]
use super::cells::Cells;

#[cfg(not(loom))]
struct Cells<const N: usize>(Box<[AtomicU64]>);

#[cfg(not(loom))]
impl<const N: usize> Cells<N> {
    fn new() -> Self {
        Self((0..N).map(|_| AtomicU64::new(u64::MAX / 3)).collect())
    }

    fn read(&self, at: u64) -> u64 {
        self.0[usize::try_from(at).unwrap()].load(Ordering::Relaxed)
    }

    fn write(&self, at: u64, word: u64) {
        self.0[usize::try_from(at).unwrap()].store(word, Ordering::Relaxed);
    }
}

struct Place {
    head: ChunkHead,
    cells: Cells<WORDS>,
}

/// Who keeps a chunk, or another block.
#[derive(Debug, Default, Clone)]
struct Account {
    name: u64,
    pins: u64,
    holds: Vec<Owner>,
    room: u64,
}

/// The memory that all processes of a test share.
pub(crate) struct Heap {
    /// Made when they are first used.
    places: Vec<OnceLock<Place>>,
    accounts: Mutex<(u64, Vec<Account>)>,
    /// A bit for each owner's slot.
    dead: AtomicU32,
    /// Names of other blocks that items refer to, one entry for each pin.
    pub(crate) pinned: Mutex<Vec<u64>>,
}

impl Heap {
    pub(crate) fn new() -> Shared<Self> {
        Shared::new(Self {
            places: (0..CHUNKS).map(|_| OnceLock::new()).collect(),
            accounts: Mutex::new((0, vec![Account::default(); CHUNKS])),
            dead: AtomicU32::new(0),
            pinned: Mutex::new(Vec::new()),
        })
    }

    fn accounts(&self) -> MutexGuard<'_, (u64, Vec<Account>)> {
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the dead hold comes back.
    pub(crate) fn sweep(&self) {
        let dead = self.dead.load(Ordering::Acquire);
        for account in &mut self.accounts().1 {
            account.holds.retain(|owner| dead >> owner.slot() & 1 == 0);
            account.free_if_nobodys();
        }
    }

    /// Chunks that anybody keeps.
    pub(crate) fn chunks(&self) -> usize {
        self.accounts().1.iter().filter(|account| account.name != 0).count()
    }

    fn place(&self, name: u64) -> &Place {
        let make = || Place { head: ChunkHead::default(), cells: Cells::new() };
        self.places[Self::slot(name)].get_or_init(make)
    }

    fn slot(name: u64) -> usize {
        usize::try_from(name / 2).unwrap() % CHUNKS
    }
}

impl Account {
    fn free_if_nobodys(&mut self) {
        if self.pins == 0 && self.holds.is_empty() {
            self.name = 0;
        }
    }
}

/// Names of blocks that are no chunks are above this.
pub(crate) const OTHER: u64 = 1 << 40;

/// One process of a test.
pub(crate) struct Process {
    pub(crate) heap: Shared<Heap>,
    me: Owner,
    /// Steps until it is killed, and whether it was.
    life: Mutex<(Option<u64>, bool)>,
    /// Whether a waiter asks for the dead.
    pub(crate) watchful: bool,
}

impl Process {
    pub(crate) fn new(heap: &Shared<Heap>, slot: u32) -> Self {
        Self {
            heap: Shared::clone(heap),
            me: Owner::new(slot, 1).unwrap(),
            life: Mutex::new((None, false)),
            watchful: true,
        }
    }

    /// It is killed before its `steps`th step from now.
    pub(crate) fn kill_after(&self, steps: u64) {
        self.life.lock().unwrap().0 = Some(steps);
    }

    fn fresh_room(&self, room: u64) -> Option<PrivateChunk> {
        let mut accounts = self.heap.accounts();
        let index = accounts.1.iter().position(|account| account.name == 0)?;
        accounts.0 += 1;
        let name = (accounts.0 * CHUNKS as u64 + index as u64) * 2;
        assert!(room <= WORDS as u64 * 8, "a chunk of {room} bytes");
        accounts.1[index] = Account { name, pins: 0, holds: vec![self.me], room };
        Some(PrivateChunk { heap: Shared::clone(&self.heap), name, owner: self.me })
    }
}

/// A hold on a chunk.
pub(crate) struct PrivateChunk {
    heap: Shared<Heap>,
    pub(crate) name: u64,
    owner: Owner,
}

impl Drop for PrivateChunk {
    fn drop(&mut self) {
        if self.heap.dead.load(Ordering::Acquire) >> self.owner.slot() & 1 != 0 {
            return; // killed: swept later
        }
        let mut accounts = self.heap.accounts();
        let account = &mut accounts.1[Heap::slot(self.name)];
        assert_eq!(account.name, self.name, "a hold on something that is gone");
        let held = account.holds.iter().position(|owner| *owner == self.owner);
        account.holds.remove(held.expect("it is held"));
        account.free_if_nobodys();
    }
}

#[derive(Clone, Copy)]
pub(crate) struct Seen<'a> {
    place: &'a Place,
    room: u64,
}

impl Chunk for Seen<'_> {
    fn head(&self) -> &ChunkHead {
        &self.place.head
    }

    fn room(&self) -> u64 {
        self.room
    }

    fn word(&self, at: u64) -> u64 {
        assert!(at.is_multiple_of(8) && at + 8 <= self.room);
        self.place.cells.read(at / 8)
    }

    fn set_word(&self, at: u64, word: u64) {
        assert!(at.is_multiple_of(8) && at + 8 <= self.room);
        self.place.cells.write(at / 8, word);
    }

    fn write(&self, at: u64, bytes: &[u8]) {
        for (byte, at) in bytes.iter().zip(at..) {
            let mut word = self.word(at & !7).to_ne_bytes();
            word[usize::try_from(at & 7).unwrap()] = *byte;
            self.set_word(at & !7, u64::from_ne_bytes(word));
        }
    }

    fn read(&self, at: u64, out: &mut [MaybeUninit<u8>]) {
        for (byte, at) in out.iter_mut().zip(at..) {
            byte.write(self.word(at & !7).to_ne_bytes()[usize::try_from(at & 7).unwrap()]);
        }
    }

    fn append(&self, at: u64, len: usize, out: &mut Vec<u8>) {
        for at in at..at + len as u64 {
            out.push(self.word(at & !7).to_ne_bytes()[usize::try_from(at & 7).unwrap()]);
        }
    }
}

impl Liveness for Process {
    fn is_alive(&self, owner: Owner) -> bool {
        self.heap.dead.load(Ordering::Acquire) >> owner.slot() & 1 == 0
    }

    fn me(&self) -> Owner {
        self.me
    }

    fn slice(&self) -> Option<std::time::Duration> {
        self.watchful.then_some(std::time::Duration::from_millis(1))
    }
}

impl Memory for Process {
    type Chunk<'a> = Seen<'a>;
    type Fresh = PrivateChunk;
    type NoMemory = ();

    fn chunk(&self, name: u64) -> Option<Seen<'_>> {
        let accounts = self.heap.accounts();
        let account = &accounts.1[Heap::slot(name)];
        assert_eq!(account.name, name, "a chunk that is gone");
        Some(Seen { place: self.heap.place(name), room: account.room })
    }

    fn fresh(&self, room: u64) -> Result<PrivateChunk, ()> {
        self.fresh_room(room).ok_or(())
    }

    fn name(fresh: &PrivateChunk) -> u64 {
        fresh.name
    }

    fn pin(&self, name: u64) {
        if name > OTHER {
            self.heap.pinned.lock().unwrap().push(name);
            return;
        }
        let mut accounts = self.heap.accounts();
        let account = &mut accounts.1[Heap::slot(name)];
        assert_eq!(account.name, name, "pinning something that is gone");
        account.pins += 1;
    }

    fn unpin(&self, name: u64) {
        if name > OTHER {
            let mut pinned = self.heap.pinned.lock().unwrap();
            let at = pinned.iter().position(|known| *known == name);
            pinned.remove(at.expect("pinned before"));
            return;
        }
        let mut accounts = self.heap.accounts();
        let account = &mut accounts.1[Heap::slot(name)];
        if account.name == name {
            account.pins = account.pins.saturating_sub(1);
            account.free_if_nobodys();
        }
    }

    fn step(&self) {
        let mut life = self.life.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut life.0 {
            Some(0) => {
                life.1 = true;
                drop(life);
                self.heap.dead.fetch_or(1 << self.me.slot(), Ordering::AcqRel);
                std::panic::resume_unwind(Box::new(Killed));
            }
            Some(left) => *left -= 1,
            None => {}
        }
    }

    fn is_killed(&self) -> bool {
        self.life.lock().unwrap_or_else(PoisonError::into_inner).1
    }
}

/// The words of an empty channel, and the chunk that it begins with.
pub(crate) fn channel(maker: &Process, limits: Limits) -> Words {
    let Ok(fresh) = maker.fresh(FIRST_ROOM) else { panic!("no chunk for an empty channel") };
    maker.pin(fresh.name);
    Words::new(limits, fresh.name)
}

/// Runs something that may be killed; whether it was.
pub(crate) fn mortal(act: impl FnOnce()) -> bool {
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(act));
    match outcome {
        Ok(()) => false,
        Err(panic) if panic.is::<Killed>() => true,
        Err(panic) => std::panic::resume_unwind(panic),
    }
}
