//! What the world and the robust lock cost: nanoseconds in one thread, and handovers between two.
//!
//! `cargo bench -p manyhands-shm --bench world`. Plain timing, the best of several rounds. It compares
//! with nothing and fails never: the numbers are for people.
#![expect(clippy::print_stdout, reason = "the report of a bench")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use manyhands_shm::sync::{Bell, RawMutex};
use manyhands_shm::world::{Fill, World};

const ROUNDS: u32 = 15;

/// The best time of several rounds, divided by `count`.
fn best(count: u32, mut round: impl FnMut()) -> f64 {
    let times = (0..ROUNDS).map(|_| {
        let start = Instant::now();
        round();
        start.elapsed()
    });
    times.min().unwrap_or_default().as_secs_f64() * 1e9 / f64::from(count)
}

fn lock_and_unlock(world: &Arc<World>, mutex: &RawMutex) -> f64 {
    const COUNT: u32 = 1_000_000;
    best(COUNT, || {
        for _ in 0..COUNT {
            let _ = std::hint::black_box(mutex).lock(&**world, None);
            mutex.unlock(world.me());
        }
    })
}

/// Two threads that take turns with one lock, each as often as it can.
fn contended(world: &Arc<World>, mutex: &RawMutex) -> f64 {
    const COUNT: u32 = 200_000;
    let turns = || {
        for _ in 0..COUNT / 2 {
            let _ = mutex.lock(&**world, None);
            std::hint::spin_loop();
            mutex.unlock(world.me());
        }
    };
    best(COUNT, || {
        std::thread::scope(|scope| {
            scope.spawn(turns);
            turns();
        });
    })
}

/// A round trip of two threads by two bells.
fn round_trip(spin: Duration) -> f64 {
    const COUNT: u32 = 20_000;
    let (there, back) = (Bell::new(), Bell::new());
    let mut ticket = there.ticket();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..COUNT * ROUNDS {
                let _ = there.wait(ticket, None, spin);
                ticket = there.ticket();
                back.ring(1);
            }
        });
        best(COUNT, || {
            for _ in 0..COUNT {
                let ticket = back.ticket();
                there.ring(1);
                let _ = back.wait(ticket, None, spin);
            }
        })
    })
}

fn alloc_and_free(world: &Arc<World>, len: usize, fill: Fill) -> f64 {
    const COUNT: u32 = 1000;
    best(COUNT, || {
        for _ in 0..COUNT {
            drop(std::hint::black_box(world.alloc(len, fill)));
        }
    })
}

fn alloc_many(world: &Arc<World>, len: usize) -> (f64, f64) {
    const COUNT: u32 = 10_000;
    let (mut making, mut ending) = (f64::MAX, f64::MAX);
    for _ in 0..ROUNDS {
        let start = Instant::now();
        let blocks: Vec<_> = (0..COUNT).map(|_| world.alloc(len, Fill::Zero)).collect();
        let made = Instant::now();
        drop(blocks);
        let each = |time: Duration| time.as_secs_f64() * 1e9 / f64::from(COUNT);
        making = making.min(each(made - start));
        ending = ending.min(each(made.elapsed()));
    }
    (making, ending)
}

fn adopt(world: &Arc<World>) -> f64 {
    const COUNT: u32 = 10_000;
    let block = world.alloc(64, Fill::Zero).expect("room for a block");
    best(COUNT, || {
        for _ in 0..COUNT {
            drop(std::hint::black_box(world.adopt(block.handle())));
        }
    })
}

fn main() {
    let world = World::create(1 << 30).expect("memory for a world");
    let block = world.alloc(64, Fill::Zero).expect("room for a block");
    let mutex = block.get::<RawMutex>();
    println!("lock and unlock, uncontended: {:.1} ns", lock_and_unlock(&world, mutex));
    println!("lock and unlock, two threads: {:.1} ns a turn", contended(&world, mutex));
    for micros in [0, 40] {
        let ns = round_trip(Duration::from_micros(micros));
        println!("round trip by two bells, busy wait of {micros} µs: {ns:.0} ns");
    }
    for len in [64, 1000, 4096, 1 << 20] {
        let ns = alloc_and_free(&world, len, Fill::Dirty);
        println!("make and end a block of {len} bytes: {ns:.0} ns");
    }
    let (making, ending) = alloc_many(&world, 64);
    println!("make 10,000 blocks of 64 bytes: {making:.0} ns each; end them: {ending:.0} ns");
    println!("adopt and let go: {:.0} ns", adopt(&world));
    let start = Instant::now();
    drop(World::create(1 << 30));
    println!("make a world, and end it: {:.0} µs", start.elapsed().as_secs_f64() * 1e6);
}
