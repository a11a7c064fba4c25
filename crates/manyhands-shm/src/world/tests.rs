//! A world in one process: blocks, holds, pins, handles.

use std::collections::HashSet;
use std::env::{current_exe, var, var_os};
use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::sync::Arc;

use proptest::prelude::*;

use super::steps::die_at;
use super::*;
use crate::atomic::{AtomicU64, Ordering};

const PLENTY: u64 = 1 << 30;

fn world() -> Arc<World> {
    World::create(PLENTY).unwrap()
}

#[test]
fn a_block_is_found_by_its_handle_until_its_last_hold_ends() {
    let world = world();
    let block = world.alloc(100, Fill::Zero).unwrap();
    let handle = block.handle();
    block.get::<AtomicU64>().store(7, Ordering::Relaxed);
    let other = world.adopt(handle).unwrap();
    drop(block);
    assert_eq!(other.get::<AtomicU64>().load(Ordering::Relaxed), 7);
    assert_eq!(other.len(), 100);
    let clone = other.clone();
    drop(other);
    assert!(world.adopt(handle).is_some());
    drop(clone);
    assert!(world.adopt(handle).is_none());
    assert_ne!(world.alloc(100, Fill::Zero).unwrap().handle(), handle);
}

#[test]
fn a_pin_keeps_a_block_alive() {
    let world = world();
    let block = world.alloc(5000, Fill::Zero).unwrap();
    let handle = block.handle();
    assert!(world.pin(handle));
    drop(block);
    let again = world.adopt(handle).unwrap();
    drop(again);
    world.unpin(handle);
    assert!(world.adopt(handle).is_none());
    assert!(!world.pin(handle));
}

#[test]
fn blocks_of_all_sizes_are_zero_and_apart() {
    let world = world();
    let sizes = [0, 1, 64, 65, 2048, 2049, 4096, 5000, 300_000, 3 << 20];
    for _ in 0..3 {
        let blocks: Vec<_> =
            sizes.iter().map(|size| world.alloc(*size, Fill::Zero).unwrap()).collect();
        for (block, mark) in blocks.iter().zip(1..) {
            assert_eq!(block.as_ptr() as usize % 64, 0);
            assert!(bytes(block).iter().all(|byte| *byte == 0), "{} bytes", block.len());
            fill(block, mark);
        }
        for (block, mark) in blocks.iter().zip(1..) {
            assert!(bytes(block).iter().all(|byte| *byte == mark), "{} bytes", block.len());
        }
    }
}

#[expect(unsafe_code, reason = "the blocks of a test are used by one thread")]
fn bytes(block: &Block) -> Vec<u8> {
    let mut copy = vec![0; block.len()];
    // SAFETY: both are valid for the block's length and do not overlap; no other thread uses the block.
    unsafe { block.as_ptr().copy_to_nonoverlapping(copy.as_mut_ptr(), block.len()) };
    copy
}

#[expect(unsafe_code, reason = "the blocks of a test are used by one thread")]
fn fill(block: &Block, byte: u8) {
    // SAFETY: the block is valid for its length; no other thread uses it.
    unsafe { block.as_ptr().write_bytes(byte, block.len()) };
}

/// What a test does to a world.
#[derive(Debug, Clone)]
enum Act {
    Alloc(usize),
    Drop(usize),
    Adopt(usize),
    Pin(usize),
    Cool(u64),
    Fork,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let len = prop_oneof![
        6 => 0_usize..300,
        3 => 300_usize..3000,
        2 => 3000_usize..100_000,
        1 => 100_000_usize..900_000,
    ];
    let act = prop_oneof![
        6 => len.prop_map(Act::Alloc),
        5 => (0_usize..100).prop_map(Act::Drop),
        2 => (0_usize..100).prop_map(Act::Adopt),
        1 => (0_usize..100).prop_map(Act::Pin),
        1 => (0_u64..300).prop_map(Act::Cool),
        1 => Just(Act::Fork),
    ];
    prop::collection::vec(act, 1..200)
}

/// A block, and the byte that fills it.
type Marked = (Block, u8);

fn act(world: &Arc<World>, held: &mut Vec<Marked>, seen: &mut HashSet<Handle>, act: &Act) {
    match *act {
        Act::Alloc(len) => {
            let mark = u8::try_from(seen.len() % 251).unwrap();
            let block = world.alloc(len, Fill::Zero).unwrap();
            assert!(bytes(&block).iter().all(|byte| *byte == 0));
            assert!(seen.insert(block.handle()), "a handle is used again");
            fill(&block, mark);
            held.push((block, mark));
        }
        Act::Drop(at) if !held.is_empty() => {
            let (block, mark) = held.swap_remove(at % held.len());
            assert!(bytes(&block).iter().all(|byte| *byte == mark), "somebody wrote here");
        }
        Act::Adopt(at) if !held.is_empty() => {
            let (block, mark) = &held[at % held.len()];
            held.push((world.adopt(block.handle()).unwrap(), *mark));
        }
        Act::Pin(at) if !held.is_empty() => {
            let (block, mark) = held.swap_remove(at % held.len());
            let handle = block.handle();
            assert!(world.pin(handle));
            drop(block);
            held.push((world.adopt(handle).unwrap(), mark));
            world.unpin(handle);
        }
        Act::Cool(keep) => world.enter().drop_warm(keep),
        Act::Fork => world.fork_parent(world.prepare_fork()),
        _ => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 64, ..ProptestConfig::default() })]

    /// No two blocks overlap, handles are never used again, caches say what the truth says at every
    /// moment, and in the end everything has come back.
    #[test]
    fn blocks_are_apart_and_come_back(steps in acts(), rebuilds in 0_usize..50) {
        let world = world();
        let (mut held, mut seen) = (Vec::new(), HashSet::new());
        for (number, step) in steps.iter().enumerate() {
            act(&world, &mut held, &mut seen, step);
            let inside = world.enter();
            inside.audit();
            if rebuilds == number {
                inside.rebuild();
                inside.audit();
            }
        }
        drop(held);
        // What forks that came to nothing held.
        world.forget_the_expected();
        world.sweep();
        for handle in seen {
            prop_assert!(world.adopt(handle).is_none());
        }
        let inside = world.enter();
        inside.audit();
        inside.rebuild();
        inside.audit();
    }
}

const FD: &str = "MANYHANDS_TEST_WORLD";
const STEP: &str = "MANYHANDS_TEST_STEP";
const GIVEN: &str = "MANYHANDS_TEST_GIVEN";

/// In a process that is to die at some store: everything that a process does to a world.
fn live_and_die() {
    let file = File::options().read(true).write(true).open(var_os(FD).unwrap()).unwrap();
    let given = Handle(var(GIVEN).unwrap().parse().unwrap());
    die_at(var(STEP).unwrap().parse().unwrap());
    let world = World::attach(file.into()).unwrap();
    let adopted = world.adopt(given).unwrap();
    let small: Vec<_> = (0..130).map(|_| world.alloc(64, Fill::Dirty).unwrap()).collect();
    let long = world.alloc(70 * 4096, Fill::Dirty).unwrap();
    let short = world.alloc(5 * 4096, Fill::Dirty).unwrap();
    assert!(world.pin(short.handle()));
    world.unpin(short.handle());
    drop((long, short));
    world.fork_parent(world.prepare_fork());
    world.enter().drop_warm(0);
    world.sweep();
    drop(adopted);
    drop(small);
    drop(world);
}

/// A process is killed before every single store that it makes to a world: survivors lose nothing, and
/// what it had is given back.
#[test]
fn a_death_at_any_store_is_survived() {
    if var_os(STEP).is_some() {
        return live_and_die();
    }
    let world = world();
    let given = world.alloc(1000, Fill::Zero).unwrap();
    let others = [70, 5000, 400_000].map(|len| world.alloc(len, Fill::Zero).unwrap());
    for (block, mark) in others.iter().zip(1..) {
        fill(block, mark);
    }
    let blocks = world.usage().blocks;
    let fd = format!("/proc/{}/fd/{}", std::process::id(), world.fd().as_raw_fd());
    let (mut step, mut deaths) = (1_u64, 0);
    loop {
        let status = Command::new(current_exe().unwrap())
            .args(["--exact", "world::tests::a_death_at_any_store_is_survived"])
            .envs([(FD, &fd), (STEP, &step.to_string()), (GIVEN, &given.handle().0.to_string())])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .unwrap();
        world.forget_the_expected();
        world.sweep();
        let inside = world.enter();
        inside.audit();
        drop(inside);
        // A kill between a pin and its end leaves the pinned block: that is all.
        let lost = world.usage().blocks - blocks;
        assert!(lost <= 1, "step {step}: {lost} blocks are lost");
        world.drop_pins();
        assert_eq!(world.usage().blocks, blocks, "step {step}");
        for (block, mark) in others.iter().zip(1..) {
            assert!(bytes(block).iter().all(|byte| *byte == mark));
        }
        assert!(world.adopt(given.handle()).is_some());
        if status.signal().is_none() {
            assert!(status.success(), "step {step}: {status}");
            break;
        }
        deaths += 1;
        // Filling tables is the same store many times.
        step += if deaths % 7 == 0 { 5 } else { 1 };
    }
    assert!(deaths > 300, "{deaths} deaths");
}
