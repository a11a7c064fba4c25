//! A channel in a world, used by processes that end themselves by SIGKILL before each of their steps.
#![cfg(not(loom))]
#![expect(clippy::unwrap_used, reason = "helpers of tests, outside of any test function")]

use std::env::{current_exe, var};
use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio, id};
use std::sync::Arc;
use std::time::Duration;

use manyhands_os::process::{PidFd, Signal};
use manyhands_shm::atomic::{AtomicU64, Ordering};
use manyhands_shm::channel::{
    Channel, Head, InBlock, InWorld, Item, LARGE, Limits, Memory, Tail, name_of, prepare, register,
};
use manyhands_shm::sync::{Liveness, Owner, Wait};
use manyhands_shm::world::{Block, Fill, Handle, NoMemory, World};

/// Far more than any wait here takes.
const PATIENCE: Option<Duration> = Some(Duration::from_secs(20));
/// Where a victim finds the world, the channel, another block, what it is to do, and when it ends.
const ORDERS: &str = "MANYHANDS_TEST_CHANNEL_ORDERS";
const KILLED: i32 = 9;

/// The memory of a process that ends itself before one of its steps.
struct Doomed {
    inner: InWorld,
    left: AtomicU64,
}

impl Liveness for Doomed {
    fn is_alive(&self, owner: Owner) -> bool {
        self.inner.is_alive(owner)
    }

    fn me(&self) -> Owner {
        self.inner.me()
    }
}

impl Memory for Doomed {
    type Chunk<'a> = InBlock<'a>;
    type Fresh = Block;
    type NoMemory = NoMemory;

    fn chunk(&self, name: u64) -> Option<InBlock<'_>> {
        self.inner.chunk(name)
    }

    fn fresh(&self, room: u64) -> Result<Block, NoMemory> {
        self.inner.fresh(room)
    }

    fn name(fresh: &Block) -> u64 {
        InWorld::name(fresh)
    }

    fn pin(&self, name: u64) {
        self.inner.pin(name);
    }

    fn unpin(&self, name: u64) {
        self.inner.unpin(name);
    }

    fn step(&self) {
        if self.left.fetch_sub(1, Ordering::Relaxed) == 0 {
            PidFd::of_self().unwrap().signal(Signal::KILL).unwrap();
            loop {
                std::hint::spin_loop();
            }
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Act {
    Put,
    PutLarge,
    PutMany,
    Get,
    GetMany,
    Shut,
}

const ACTS: [Act; 6] = [Act::Put, Act::PutLarge, Act::PutMany, Act::Get, Act::GetMany, Act::Shut];

fn content(number: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![number.to_le_bytes()[0]; len.max(8)];
    bytes[..8].copy_from_slice(&number.to_le_bytes());
    bytes
}

fn number_of(bytes: &[u8]) -> u64 {
    let number = u64::from_le_bytes(*bytes.first_chunk().unwrap());
    assert!(bytes == content(number, bytes.len()), "the bytes of item {number} are damaged");
    number
}

fn ready<T>(wait: Wait<T>) -> T {
    match wait {
        Wait::Ready(value) => value,
        Wait::TimedOut | Wait::Interrupted => panic!("nobody gives the lock back"),
    }
}

fn put<M: Memory>(channel: &Channel, memory: &M, (number, len): (u64, usize), pins: &[u64]) {
    let bytes = content(number, len);
    let item = Item { parts: [&bytes, &[]], pins };
    let outcome = if item.len() >= LARGE {
        let mut prepared = prepare(memory, &item).ok().unwrap();
        ready(Tail::lock(channel.words(), memory, PATIENCE)).put_prepared(&mut prepared)
    } else {
        ready(Tail::lock(channel.words(), memory, PATIENCE)).put(&item)
    };
    assert!(outcome.is_ok());
}

fn take<M: Memory>(channel: &Channel, memory: &M, most: usize) -> Vec<u64> {
    let (mut got, mut pins) = (Vec::new(), Vec::new());
    let mut head = ready(Head::lock(channel.words(), memory, PATIENCE));
    while got.len() < most {
        let Some(item) = head.peek().unwrap() else { break };
        let mut bytes = Vec::new();
        head.append(&item, &mut bytes).unwrap();
        head.pins(&item, &mut pins).unwrap();
        got.push(number_of(&bytes));
        head.pass(&item);
    }
    head.commit();
    drop(head);
    for name in pins {
        memory.unpin(name);
    }
    got
}

/// In a victim: does what it is told, to the step at which it ends.
fn obey(orders: &str) {
    let orders: Vec<_> = orders.split(' ').collect();
    let number = |at: usize| orders[at].parse::<u64>().unwrap();
    let file = File::options().read(true).write(true).open(orders[0]).unwrap();
    register();
    let world = World::attach(OwnedFd::from(file)).unwrap();
    let channel = Channel::of_block(world.adopt(Handle(number(1))).unwrap()).unwrap();
    let memory = Doomed { inner: channel.memory().clone(), left: AtomicU64::new(number(5)) };
    let (pins, first) = ([name_of(Handle(number(2)))], number(4));
    match ACTS[usize::try_from(number(3)).unwrap()] {
        Act::Put => put(&channel, &memory, (first, 100), &pins),
        Act::PutLarge => put(&channel, &memory, (first, 40_000), &pins),
        Act::PutMany => {
            let all: Vec<_> = (first..first + 300).map(|number| content(number, 100)).collect();
            let items: Vec<_> =
                all.iter().map(|bytes| Item { parts: [bytes, &[]], pins: &[] }).collect();
            let mut tail = ready(Tail::lock(channel.words(), &memory, PATIENCE));
            assert_eq!(tail.put_many(&items).0, 300);
        }
        Act::Get => drop(take(&channel, &memory, 1)),
        Act::GetMany => drop(take(&channel, &memory, 60)),
        Act::Shut => ready(channel.words().shut(&memory, true, PATIENCE)),
    }
}

/// A world with a channel of 70 items, and another block that some of them refer to.
struct Scene {
    world: Arc<World>,
    channel: Channel,
    other: Block,
}

impl Scene {
    fn new(world: &Arc<World>) -> Self {
        let channel = Channel::create(world, Limits::default()).unwrap();
        let other = world.alloc(64, Fill::Zero).unwrap();
        let scene = Self { world: Arc::clone(world), channel, other };
        for number in 0..70 {
            let pins = [name_of(scene.other.handle())];
            let pins = if number % 10 == 0 { &pins[..] } else { &[] };
            put(&scene.channel, scene.channel.memory(), (number, 100), pins);
        }
        scene
    }

    /// Whether a process that did this was killed at that step.
    fn kill(&self, act: Act, steps: u64) -> bool {
        let place = format!("/proc/{}/fd/{}", id(), self.world.fd().as_raw_fd());
        let at = ACTS.iter().position(|known| *known == act).unwrap();
        let (channel, other) = (self.channel.block().handle().0, self.other.handle().0);
        let status = Command::new(current_exe().unwrap())
            .args(["--exact", "a_process_killed_at_any_step_damages_nothing"])
            .env(ORDERS, format!("{place} {channel} {other} {at} 100 {steps}"))
            .stdout(Stdio::null())
            .status()
            .unwrap();
        assert!(status.success() || status.signal() == Some(KILLED), "{act:?} {steps}: {status}");
        !status.success()
    }

    /// What is in the channel after such a process: the items before, less some at the head, more
    /// some at the tail, and whatever comes after it works.
    fn check(&self, act: Act) {
        let shut = self.channel.words().is_shut();
        if !shut {
            put(&self.channel, self.channel.memory(), (999, 8), &[]);
        }
        let mut got = take(&self.channel, self.channel.memory(), usize::MAX);
        assert!(shut || got.pop() == Some(999));
        let gone = match act {
            Act::Get => 1,
            Act::GetMany => 60,
            Act::Shut => 70,
            Act::Put | Act::PutLarge | Act::PutMany => 0,
        };
        let came = match act {
            Act::Put | Act::PutLarge => 1,
            Act::PutMany => 300,
            Act::Get | Act::GetMany | Act::Shut => 0,
        };
        let old: Vec<_> = got.iter().copied().filter(|number| *number < 100).collect();
        let new: Vec<_> = got.iter().copied().filter(|number| *number >= 100).collect();
        let first = 70 - old.len() as u64;
        assert!(first <= gone && old == (first..70).collect::<Vec<_>>(), "{old:?}");
        assert!(
            new.len() as u64 <= came && new == (100..100 + new.len() as u64).collect::<Vec<_>>()
        );
    }
}

#[test]
fn a_process_killed_at_any_step_damages_nothing() {
    if let Ok(orders) = var(ORDERS) {
        return obey(&orders);
    }
    register();
    let world = World::create(1 << 30).unwrap();
    drop(world.alloc(1, Fill::Zero).unwrap());
    let mut kills = 0;
    for act in ACTS {
        for steps in 0.. {
            let before = world.usage().blocks;
            let scene = Scene::new(&world);
            let killed = scene.kill(act, steps);
            world.sweep();
            scene.check(act);
            drop(scene);
            // Pins of items that were on their way keep the one block that they name.
            let left = world.usage().blocks - before;
            assert!(left <= u64::from(killed), "{act:?} {steps}: {left} blocks are left");
            kills += u64::from(killed);
            if !killed {
                break;
            }
        }
    }
    assert!(kills > 40, "{kills} kills");
}
