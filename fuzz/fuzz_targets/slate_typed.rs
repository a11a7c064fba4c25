//! What a dead worker left on its slate, and blocks that claim to hold a value of some Rust type.
#![no_main]

use std::time::Duration;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use manyhands_fuzz::{BUDGET, Ink, Place, scribble, spare_locks};
use manyhands_shm::slate::{Batch, Hand, Slate};
use manyhands_shm::typed::{Held, Mutex, RwLock};
use manyhands_shm::world::World;

const NOW: Option<Duration> = Some(Duration::ZERO);

#[derive(Debug, Arbitrary)]
enum Step {
    Open { call: u8, group: u8, count: u32 },
    Begin,
    Finish(u32, u32),
    Remains { call: u8, group: u8 },
    TakeAway { call: u8, group: u8 },
    Typed,
    Lock,
    Scribble(Place, Ink),
}

fuzz_target!(|steps: Vec<Step>| {
    let world = World::create(BUDGET).expect("a world");
    let slate = Slate::create(&world, 500).expect("memory");
    let slice = Held::create_slice(&world, 9, |index| index as u64).expect("memory");
    let mutex = Mutex::<u64>::create(&world, 5).expect("memory");
    let lock = RwLock::<u64>::create(&world, 5).expect("memory");
    let batch = |call: u8, group: u8| Batch { call: call.into(), group: group.into() };
    let mut hand: Option<Hand> = None;
    for step in steps.into_iter().take(64) {
        match step {
            Step::Open { call, group, count } => {
                hand = Some(slate.open(batch(call, group), count));
            }
            Step::Begin => drop(hand.as_mut().map(|hand| slate.words().begin(hand))),
            Step::Finish(finished, bytes) => slate.words().finish(finished, bytes),
            Step::Remains { call, group } => {
                if let Some(remains) = slate.remains(batch(call, group)) {
                    assert!(remains.results.len() <= 500);
                }
            }
            Step::TakeAway { call, group } => drop(slate.words().take_away(batch(call, group))),
            Step::Typed => {
                let again = |handle| world.adopt(handle).expect("it is held here");
                let other = Held::<[u64]>::of_block(again(slice.block().handle()));
                let _ = other.map(|other| other.iter().fold(0_u64, |sum, one| sum ^ one));
                let _ = Mutex::<u64>::of_block(again(mutex.block().handle()));
                let _ = RwLock::<u64>::of_block(again(lock.block().handle()));
                let _ = Held::<[u8]>::of_block(again(slate.block().handle()));
            }
            Step::Lock => {
                let _ = (mutex.lock(NOW).map(|guard| *guard), mutex.poison(), mutex.is_locked());
                let _ = (lock.read(NOW).map(|guard| *guard), lock.write(NOW).map(|guard| *guard));
                let _ = lock.holders();
            }
            Step::Scribble(place, ink) => {
                scribble(&world, &place, &ink);
                spare_locks(&world);
            }
        }
    }
});
