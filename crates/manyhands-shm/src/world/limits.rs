//! For tests: the limits of a world, and the end of processes that use it.

use std::env::{current_exe, var};
use std::fs::{File, read_dir};
use std::os::fd::AsRawFd;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::Arc;

use crate::atomic::{AtomicU64, Ordering};
use crate::lane::Lane;
use crate::sync::{Gone, Liveness, Locked, Owner, RawMutex, Wait};
use crate::world::{Fill, Handle, Hooks, World, register};

const ROLE: &str = "MANYHANDS_TEST_ROLE";
const FD: &str = "MANYHANDS_TEST_WORLD_FD";
const GIVEN: &str = "MANYHANDS_TEST_BLOCK";
const LOCK: u32 = 62;
const BOX: u32 = 63;

/// Runs one of these tests again, in a process of its own with limits that a shell sets.
fn again(test: &str, limits: &str, role: &str, given: Option<(&World, Handle)>) -> ExitStatus {
    let program = current_exe().unwrap();
    let script = format!("{limits} exec {} --exact world::limits::{test}", program.display());
    let mut command = Command::new("sh");
    command.args(["-c", &script]).env(ROLE, role).stdout(Stdio::null());
    if let Some((world, handle)) = given {
        let fd = format!("/proc/{}/fd/{}", std::process::id(), world.fd().as_raw_fd());
        command.env(FD, fd).env(GIVEN, handle.0.to_string());
    }
    command.status().unwrap()
}

fn inherited() -> (Arc<World>, Handle) {
    let file = File::options().read(true).write(true).open(var(FD).unwrap()).unwrap();
    (World::attach(file.into()).unwrap(), Handle(var(GIVEN).unwrap().parse().unwrap()))
}

#[test]
fn ten_thousand_locks_need_one_descriptor() {
    if var(ROLE).is_err() {
        let test = "ten_thousand_locks_need_one_descriptor";
        assert!(again(test, "ulimit -n 64;", "locks", None).success());
        return;
    }
    let world = World::create(64 << 20).unwrap();
    let before = read_dir("/proc/self/fd").unwrap().count();
    let locks: Vec<_> = (0..10_000).map(|_| world.alloc(64, Fill::Zero).unwrap()).collect();
    for lock in &locks {
        assert_eq!(lock.get::<RawMutex>().lock(&*world, None), Wait::Ready(Locked::Clean));
    }
    assert_eq!(read_dir("/proc/self/fd").unwrap().count(), before);
    assert!(world.usage().reserved < 4 << 20, "{:?}", world.usage());
}

#[test]
fn little_address_space_makes_a_small_world() {
    if var(ROLE).is_err() {
        let test = "little_address_space_makes_a_small_world";
        assert!(again(test, "ulimit -v 1000000;", "small", None).success());
        return;
    }
    let world = World::create(1 << 40).unwrap();
    drop(world.alloc(100 << 20, Fill::Dirty).unwrap());
    let error = world.alloc(1 << 30, Fill::Dirty).unwrap_err();
    assert!(error.to_string().contains("RLIMIT_AS"), "{error}");
}

#[test]
fn little_room_in_files_makes_a_small_world_or_an_error() {
    let test = "little_room_in_files_makes_a_small_world_or_an_error";
    match var(ROLE).as_deref() {
        Err(_) => {
            // Blocks of 512 or of 1,024 bytes: shells differ.
            assert!(again(test, "ulimit -f 40000;", "small", None).success());
            assert!(again(test, "ulimit -f 100;", "none", None).success());
        }
        Ok("small") => {
            let world = World::create(1 << 40).unwrap();
            drop(world.alloc(10 << 20, Fill::Dirty).unwrap());
            let error = world.alloc(100 << 20, Fill::Dirty).unwrap_err();
            assert!(error.to_string().contains("RLIMIT_FSIZE"), "{error}");
            drop(Lane::create_one_of(3).unwrap());
        }
        Ok(_) => {
            for error in [World::create(1 << 40).unwrap_err(), Lane::create().unwrap_err()] {
                assert!(error.to_string().contains("RLIMIT_FSIZE"), "{error}");
            }
        }
    }
}

#[test]
fn the_budget_is_named_and_what_comes_back_can_be_used_again() {
    let limit = 6 << 20;
    let world = World::create(limit).unwrap();
    let mut blocks = Vec::new();
    let error = loop {
        match world.alloc(100_000, Fill::Zero) {
            Ok(block) => blocks.push(block),
            Err(error) => break error,
        }
    };
    assert_eq!((error.asked, error.limit), (100_000, Some(limit)));
    assert!(error.to_string().contains("the limit of 6291456 bytes"), "{error}");
    assert!(world.usage().reserved <= limit);
    // Locks are small: the rest may be enough for some.
    while world.alloc(64, Fill::Zero).map(|block| blocks.push(block)).is_ok() {}
    blocks.clear();
    assert!(world.usage().warm > 0);
    // One that is longer than any of the free runs that are reserved.
    drop(world.alloc(5 << 20, Fill::Zero).unwrap());
    world.set_budget(20 << 20);
    drop(world.alloc(15 << 20, Fill::Zero).unwrap());
    assert!(world.usage().reserved <= 20 << 20);
}

#[test]
fn warm_pages_are_kept_up_to_a_bound() {
    let world = World::create(1 << 30).unwrap();
    let long: Vec<_> = (0..10).map(|_| world.alloc(30 << 20, Fill::Dirty).unwrap()).collect();
    assert!(world.usage().reserved > 300 << 20);
    drop(long);
    let usage = world.usage();
    assert!((30 << 20..70 << 20).contains(&usage.warm), "{usage:?}");
    assert!(usage.reserved < usage.warm + (2 << 20), "{usage:?}");
    world.enter().audit();
}

#[test]
fn a_full_roster_is_a_clear_error() {
    let world = World::create(64 << 20).unwrap();
    while world.ground.take_seat().is_ok() {}
    let fork = world.prepare_fork();
    world.fork_parent(fork);
    let error = World::attach(world.fd().try_clone_to_owned().unwrap()).unwrap_err();
    assert!(error.to_string().contains("4096 processes"), "{error}");
    // They are this process, which lives: a sweep changes nothing.
    world.sweep();
    assert!(World::attach(world.fd().try_clone_to_owned().unwrap()).is_err());
    drop(world.alloc(64, Fill::Zero).unwrap());
}

#[test]
fn a_fork_that_fails_costs_nothing() {
    let world = World::create(64 << 20).unwrap();
    let kept = world.alloc(64, Fill::Zero).unwrap();
    let before = world.usage().blocks;
    for _ in 0..2 * Owner::SLOTS {
        world.fork_failed(world.prepare_fork());
    }
    assert_eq!(world.usage().blocks, before);
    assert_eq!(world.ground.owner_at(world.me().slot() + 1), None);
    drop(kept);
    world.enter().audit();
}

#[test]
fn children_that_never_come_leave_the_roster_when_their_time_is_over() {
    let world = World::create(64 << 20).unwrap();
    let kept = world.alloc(64, Fill::Zero).unwrap();
    let taken = || (0..Owner::SLOTS).filter(|slot| world.ground.owner_at(*slot).is_some()).count();
    for _ in 0..Owner::SLOTS {
        world.fork_parent(world.prepare_fork());
    }
    assert_eq!(taken(), Owner::SLOTS as usize);
    world.ground.forget_the_expected();
    // It finds the roster full.
    world.fork_failed(world.prepare_fork());
    assert_eq!(taken(), 1);
    drop(kept);
    world.enter().audit();
    assert_eq!(world.usage().blocks, 1, "our table");
}

#[test]
fn a_process_of_another_namespace_is_taken_for_alive() {
    let world = World::create(64 << 20).unwrap();
    let owner = world.ground.take_seat_as(1 << 21, 9).unwrap();
    assert_eq!(world.gone(owner), None);
    let dead = world.ground.take_seat_as((1 << 22) - 1, 1).unwrap();
    assert_eq!(world.gone(dead), Some(Gone::Died), "no such process here");
    world.sweep();
    assert_eq!(world.gone(owner), None);
    assert_eq!(world.ground.owner_at(dead.slot()), None);
}

static DESTROYED: AtomicU64 = AtomicU64::new(0);

fn register_kinds() {
    register(
        LOCK,
        Hooks {
            recover: Some(|block, owner, how| {
                block.get::<RawMutex>().bury(owner, how);
            }),
            destroy: None,
        },
    );
    register(
        BOX,
        Hooks {
            recover: None,
            // It holds the handle of another block, which it has pinned.
            destroy: Some(|block| {
                let inner = block.get::<AtomicU64>().swap(0, Ordering::AcqRel);
                block.world().unpin(Handle(inner));
                DESTROYED.fetch_add(1, Ordering::Relaxed);
            }),
        },
    );
}

#[test]
fn a_lock_of_a_dead_process_is_recovered_by_the_sweep() {
    register_kinds();
    if let Ok(role) = var(ROLE) {
        let (world, handle) = inherited();
        let block = world.adopt(handle).unwrap();
        assert_eq!(block.get::<RawMutex>().try_lock(world.me()), Some(Locked::Clean));
        match &*role {
            "leaves" => world.leaving(),
            "retires" => world.retire(),
            _ => {}
        }
        manyhands_os::process::exit_now(0);
    }
    let world = World::create(64 << 20).unwrap();
    let block = world.alloc(64, Fill::Zero).unwrap();
    block.set_kind(LOCK);
    let mutex = block.get::<RawMutex>();
    let test = "a_lock_of_a_dead_process_is_recovered_by_the_sweep";
    for role in ["dies", "leaves", "retires"] {
        assert!(again(test, "", role, Some((&world, block.handle()))).success());
        let owner = mutex.owner().unwrap();
        assert_eq!(Liveness::is_alive(&*world, owner), role != "dies", "{role}");
        assert!(role == "retires" || !world.internal().is_alive(owner), "{role}");
        world.sweep();
        if role == "dies" {
            assert_eq!(mutex.try_lock(world.me()), Some(Locked::Recovered));
            mutex.unlock(world.me());
        } else {
            assert_eq!(mutex.owner(), Some(Owner::ABSENT), "{role}");
            assert!(mutex.release());
        }
        world.enter().audit();
    }
    assert_eq!(world.usage().blocks, 2, "the lock, and our table");
}

#[test]
fn a_block_is_destroyed_before_it_is_freed_whoever_had_it() {
    register_kinds();
    if var(ROLE).is_ok() {
        let (world, handle) = inherited();
        let _block = world.adopt(handle).unwrap();
        manyhands_os::process::exit_now(0);
    }
    let world = World::create(64 << 20).unwrap();
    for dies in [false, true] {
        let before = DESTROYED.load(Ordering::Relaxed);
        let (outer, inner) =
            (world.alloc(64, Fill::Zero).unwrap(), world.alloc(64, Fill::Zero).unwrap());
        outer.set_kind(BOX);
        assert!(world.pin(inner.handle()));
        outer.get::<AtomicU64>().store(inner.handle().0, Ordering::Release);
        let (outer_handle, inner_handle) = (outer.handle(), inner.handle());
        drop(inner);
        assert_eq!(world.address(inner_handle).unwrap().1, 64);
        if dies {
            let test = "a_block_is_destroyed_before_it_is_freed_whoever_had_it";
            assert!(again(test, "", "dies", Some((&world, outer_handle))).success());
            drop(outer);
            assert!(world.address(inner_handle).is_some());
            world.sweep();
        } else {
            drop(outer);
        }
        assert_eq!(DESTROYED.load(Ordering::Relaxed), before + 1);
        assert_eq!(world.address(inner_handle), None);
        assert_eq!(world.address(outer_handle), None);
        // Of what is gone, and has no pins, there is nothing to take back.
        world.unpin(inner_handle);
        world.enter().audit();
    }
    assert_eq!(world.usage().blocks, 1, "our table");
}

#[test]
fn another_file_is_no_world() {
    let other = manyhands_os::memory::Segment::create("other", 64 << 20).unwrap();
    assert!(World::attach(other.fd().try_clone_to_owned().unwrap()).is_err());
    let short = manyhands_os::memory::Segment::create("other", 4096).unwrap();
    assert!(World::attach(short.fd().try_clone_to_owned().unwrap()).is_err());
}
