//! The world of a tree of processes, as one of them sees it.

use core::ptr::NonNull;
use core::time::Duration;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};

use manyhands_os::process::own_pid;
use manyhands_os::room;

use super::ground::Ground;
use super::inside::Inside;
use super::local::Local;
use super::names::Handle;
use super::tables::Table;
use super::words::Word;
use crate::atomic::{AtomicU32, Ordering};
use crate::sync::{Gone, Liveness, Owner};

/// The most address space that a world takes.
const MOST: u64 = 256 << 30;
/// The least with which it is worth to begin.
const LEAST: u64 = 8 << 20;

/// What this process knows of itself.
#[derive(Debug, Default)]
pub(super) struct Private {
    pub(super) table: Table,
    /// Why this process has no part in the world any more, or none yet; then it takes and gives
    /// nothing.
    pub(super) outside: Option<&'static str>,
}

/// Memory that the processes of a tree share: blocks, and a roster of who uses them.
///
/// See the [module](super) for what it promises.
#[derive(Debug)]
pub struct World {
    pub(super) ground: Ground,
    me: AtomicU32,
    /// Forks that this process, or one that it was forked from, has begun. Relaxed: whoever forks counts first.
    pub(super) forks: AtomicU32,
    pub(super) local: Local<Private>,
}

/// What a world holds at this moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// Bytes that are reserved, everything included.
    pub reserved: u64,
    /// Bytes of those that are free, and kept for the next ones.
    pub warm: u64,
    /// Bytes that may be reserved.
    pub budget: u64,
    /// Blocks, with those in which the world keeps its tables.
    pub blocks: u64,
}

impl World {
    /// Makes a world that may reserve so many bytes, and gives this process a place in its roster.
    ///
    /// Its address space is a quarter of what the process has left, four times the machine's memory,
    /// as much as a file of this process may have, or 256 GiB, whichever is least, and less where the kernel
    /// gives no more.
    ///
    /// # Errors
    /// Whatever the kernel says when no memory file can be made, mapped or filled; the text names
    /// `RLIMIT_AS` or `RLIMIT_FSIZE` where that is the reason.
    pub fn create(budget: u64) -> io::Result<std::sync::Arc<Self>> {
        let memory = room::total().saturating_mul(4);
        let most = MOST.min(memory).min(room::address_space_left() / 4).min(room::file_size());
        let mut bytes = most.max(LEAST);
        loop {
            let size = usize::try_from(bytes).unwrap_or(usize::MAX);
            match Ground::create(size, budget) {
                Err(_) if bytes / 2 >= LEAST => bytes /= 2,
                outcome => return Self::join(outcome.map_err(room::name_limit)?),
            }
        }
    }

    /// Maps a world that another process made, and gives this process a place in its roster.
    ///
    /// # Errors
    /// If the file is not a world, or one of another version; if its roster is full; if the kernel
    /// cannot map it, for want of address space (`RLIMIT_AS`) for example.
    pub fn attach(fd: OwnedFd) -> io::Result<std::sync::Arc<Self>> {
        Self::join(Ground::attach(fd)?)
    }

    fn join(ground: Ground) -> io::Result<std::sync::Arc<Self>> {
        let me = AtomicU32::new(ground.take_seat()?.get());
        Ok(std::sync::Arc::new(Self {
            ground,
            me,
            forks: AtomicU32::new(0),
            local: Local::new(Private::default()),
        }))
    }

    /// The number of this world, the same in all of its processes, and of no other one; never 0.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.ground.header().id.get()
    }

    /// The file, to pass it to another process.
    #[must_use]
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.ground.fd()
    }

    /// How many forks lie behind this process. If it is more than it was, there may be another process with the same
    /// memory, which takes the same blocks for its own.
    #[must_use]
    pub fn forks(&self) -> u32 {
        self.forks.load(Ordering::Relaxed)
    }

    /// Whether this process can still hand the world to others and let it grow: not when the program has
    /// closed the file behind our back. What lies in the world works on.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.ground.has_fd()
    }

    /// This process, as an owner.
    #[inline]
    #[must_use]
    pub fn me(&self) -> Owner {
        Owner::from_word(self.me.load(Ordering::Relaxed)).unwrap_or(Owner::ABSENT)
    }

    pub(super) fn set_me(&self, me: Owner) {
        self.me.store(me.get(), Ordering::Relaxed);
    }

    /// Whether, and how, an owner went: `None` while it may still give back what it holds. In doubt it
    /// may, as every process of another pid namespace. Asks the kernel: some ten microseconds.
    #[must_use]
    pub fn gone(&self, owner: Owner) -> Option<Gone> {
        self.ground.gone(owner, self.me())
    }

    /// Whether an owner has not died. One that exited normally counts as alive for ever: what it left
    /// locked stays so until somebody else gives it back.
    #[must_use]
    pub fn is_alive(&self, owner: Owner) -> bool {
        self.gone(owner) != Some(Gone::Died)
    }

    /// This world as locks ask it that no user sees: an owner that exited is as gone as a dead one.
    #[must_use]
    pub fn internal(&self) -> Internal<'_> {
        Internal(self)
    }

    /// This process is about to exit normally. Everything goes on working; but when it is gone, what
    /// it still owns was left so and is not recovered (see [`Gone::Left`]).
    pub fn leaving(&self) {
        if self.is_seated() {
            self.ground.leave(self.me());
        }
    }

    /// Where a block is in this process, and how long it is, without a hold: for blocks that the
    /// caller knows to be pinned. `None` if it is gone.
    #[must_use]
    pub fn address(&self, handle: Handle) -> Option<(NonNull<u8>, usize)> {
        let name = self.ground.find_name(handle)?;
        let (offset, len) = (name.spot().offset(), name.length());
        if !self.ground.is_within(offset, len) {
            return None;
        }
        Some((NonNull::new(self.ground.address(offset))?, len))
    }

    /// What the world holds at this moment.
    #[must_use]
    pub fn usage(&self) -> Usage {
        let inside = self.enter();
        let header = inside.ground.header();
        Usage {
            reserved: header.reserved.get(),
            warm: header.warm.get() * super::words::PAGE as u64,
            budget: header.budget.get(),
            blocks: header.blocks.get(),
        }
    }

    /// Bytes that are free and kept for the next blocks, as somebody has just left it: without the lock.
    #[must_use]
    pub fn warm(&self) -> u64 {
        self.ground.header().warm.get() * super::words::PAGE as u64
    }

    /// Bytes that are reserved and not free, as [`World::warm`].
    #[must_use]
    pub fn in_use(&self) -> u64 {
        self.ground.header().reserved.get().saturating_sub(self.warm())
    }

    /// How often pages were taken for blocks, as [`World::warm`]: while it stays the same, nobody has
    /// used what is free.
    #[must_use]
    pub fn runs_taken(&self) -> u64 {
        self.ground.header().runs_taken.get()
    }

    /// Gives free pages back to the system until so many bytes are left, run by run: others have the
    /// lock in between.
    pub fn cool(&self, keep: u64) {
        while self.warm() > keep && self.enter().drop_longest() {}
    }

    /// How many bytes may be reserved.
    #[must_use]
    pub fn budget(&self) -> u64 {
        self.ground.header().budget.get()
    }

    /// Changes how many bytes may be reserved. What is above stays.
    pub fn set_budget(&self, budget: u64) {
        self.ground.header().budget.commit(budget);
    }

    /// Whether this process is the one that sits in its slot: a child that was forked behind our back
    /// is not.
    pub(super) fn is_seated(&self) -> bool {
        self.ground.seated_pid(self.me()) == Some(own_pid())
    }

    /// Changes for how long a forked child is expected before its place and its holds are taken back;
    /// 30 s at first.
    pub fn set_patience(&self, patience: Duration) {
        let millis = u64::try_from(patience.as_millis()).unwrap_or(u64::MAX);
        self.ground.header().patience.commit(millis.min(1 << 40));
    }

    /// Takes the world's lock. After the private one, if both are needed.
    pub(super) fn enter(&self) -> Inside<'_> {
        self.ground.enter(self.me())
    }
}

impl Liveness for World {
    fn is_alive(&self, owner: Owner) -> bool {
        self.is_alive(owner)
    }

    fn me(&self) -> Owner {
        self.me()
    }
}

/// See [`World::internal`].
#[derive(Debug, Clone, Copy)]
pub struct Internal<'w>(&'w World);

impl Liveness for Internal<'_> {
    fn is_alive(&self, owner: Owner) -> bool {
        // Nobody leaves such a lock to the absent: a word that says so was written over.
        owner != Owner::ABSENT && self.0.gone(owner).is_none()
    }

    fn me(&self) -> Owner {
        self.0.me()
    }
}

impl Drop for World {
    /// Gives the place in the roster back. (Every hold has ended: blocks keep the world.)
    fn drop(&mut self) {
        let mut local = self.local.enter();
        if local.outside.is_some() || !self.is_seated() {
            return;
        }
        local.outside = Some("it is gone");
        let inside = self.enter();
        while inside.drop_chunk(self.me()) {}
        drop(inside);
        self.ground.give_seat(self.me());
    }
}
