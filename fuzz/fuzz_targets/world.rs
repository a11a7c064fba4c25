//! A world against names of blocks that came in messages, and a file that only looks like one.
//!
//! The words of a world itself are not written here: its processes trust each other with them (`world.md`).
#![no_main]

use std::os::fd::AsFd;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use manyhands_fuzz::{BUDGET, Ink, write};
use manyhands_os::memory::Segment;
use manyhands_shm::channel::{Channel, handle_of};
use manyhands_shm::sync::Owner;
use manyhands_shm::world::{Block, Fill, Handle, World};

#[derive(Debug, Arbitrary)]
enum Step {
    Alloc(u32),
    Drop(u8),
    Adopt(u64),
    /// A name with a generation that may be right.
    Near {
        index: u8,
        generation: u8,
    },
    Pin(u64),
    Unpin(u64),
    Receive(Vec<u64>),
    Kind(u8, u16),
    AsChannel(u64),
    Owner(u32),
}

fn run(world: &std::sync::Arc<World>, blocks: &mut Vec<Block>, step: Step) {
    match step {
        Step::Alloc(len) => blocks.extend(world.alloc(len as usize % (1 << 20), Fill::Dirty)),
        Step::Drop(at) if !blocks.is_empty() => drop(blocks.remove(usize::from(at) % blocks.len())),
        Step::Adopt(name) => blocks.extend(world.adopt(Handle(name))),
        Step::Near { index, generation } => {
            let handle = Handle(u64::from(generation) << 32 | u64::from(index));
            let _ = world.address(handle);
            blocks.extend(world.adopt(handle));
        }
        Step::Pin(name) => drop(world.pin(Handle(name))),
        Step::Unpin(name) => world.unpin(Handle(name)),
        Step::Receive(names) => {
            let arrival = world.receive(names.into_iter().map(handle_of));
            arrival.taken();
            arrival.decoded();
        }
        Step::Kind(at, kind) if !blocks.is_empty() => {
            blocks[usize::from(at) % blocks.len()].set_kind(kind.into());
        }
        Step::AsChannel(name) => drop(world.adopt(Handle(name)).and_then(Channel::of_block)),
        Step::Owner(word) => {
            let Some(owner) = Owner::from_word(word) else { return };
            let _ = (world.is_alive(owner), world.gone(owner), world.pid_of(owner));
        }
        Step::Drop(_) | Step::Kind(..) => {}
    }
}

fuzz_target!(|input: (Vec<(u16, Ink)>, Vec<Step>)| {
    let (file, steps) = input;
    let segment = Segment::create("no world", 4 << 20).expect("memory");
    for (at, ink) in &file {
        write(segment.fd(), u64::from(*at) % 4096, ink);
    }
    drop(World::attach(segment.fd().as_fd().try_clone_to_owned().expect("a descriptor")));
    let world = World::create(BUDGET).expect("a world");
    let mut blocks = Vec::new();
    for step in steps.into_iter().take(64) {
        run(&world, &mut blocks, step);
    }
    let _ = (world.survey(), world.usage(), world.pids());
});
