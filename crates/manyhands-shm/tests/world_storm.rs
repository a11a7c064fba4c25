//! Processes that make, share, pin and end blocks as fast as they can, and are killed at random.
//!
//! After every few kills all are killed, and the world must hold what the survivor holds, and nothing
//! else but blocks that were pinned at the wrong moment. A block that two processes were given at once is
//! found by its words: whoever made it alone has written its own owner everywhere.
//!
//! It forks, so it has one thread and a `main` of its own, and speaks the little of the test runner's
//! language that cargo and nextest need. It runs for `MANYHANDS_STORM` seconds, by default three.

#[cfg(loom)]
fn main() {}

#[cfg(not(loom))]
fn main() {
    let mut arguments = std::env::args().skip(1);
    let lists = arguments.any(|argument| argument == "--list");
    if lists {
        if !std::env::args().any(|argument| argument == "--ignored") {
            say("random_kills_lose_nothing: test");
        }
        return;
    }
    storm::random_kills_lose_nothing();
    say("test random_kills_lose_nothing ... ok");
}

#[cfg(not(loom))]
#[expect(clippy::print_stdout, reason = "what a test runner reads")]
fn say(text: &str) {
    println!("{text}");
}

#[cfg(not(loom))]
mod storm {
    use std::sync::Arc;
    use std::time::{Duration, Instant};

    use manyhands_os::fork::fork_alone;
    use manyhands_os::process::{ExitStatus, PidFd, Signal, exit_now, reap};
    use manyhands_shm::atomic::{AtomicU64, Ordering};
    use manyhands_shm::world::{Block, Fill, Handle, World};

    const WORKERS: usize = 3;
    const PATIENCE: Duration = Duration::from_millis(50);
    const BOARD: usize = 16;
    /// The exit code of a worker that has found another one's words in its block.
    const SHARED: i32 = 3;

    /// Handles of pinned blocks, for whoever comes first.
    type Board = [AtomicU64; BOARD];

    /// Numbers that look random (xorshift64).
    struct Dice(u64);

    impl Dice {
        fn roll(&mut self, sides: u64) -> u64 {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            self.0 % sides
        }
    }

    /// The words of a block that this process has alone.
    fn mark(block: &Block, number: u64) {
        block.get::<AtomicU64>().store(number, Ordering::Relaxed);
    }

    fn is_marked(block: &Block, number: u64) -> bool {
        block.get::<AtomicU64>().load(Ordering::Relaxed) == number
    }

    /// What a worker does until it is killed.
    fn work(world: &Arc<World>, board: &Board, mut dice: Dice) -> ! {
        let me = u64::from(world.me().get());
        let mut mine: Vec<Block> = Vec::new();
        loop {
            match dice.roll(10) {
                0..4 if mine.len() < 300 => {
                    let len = [8, 64, 700, 3000, 20_000, 300_000]
                        [usize::try_from(dice.roll(6)).unwrap_or(0)];
                    if let Ok(block) = world.alloc(len, Fill::Dirty) {
                        mark(&block, me);
                        mine.push(block);
                    }
                }
                4..7 if !mine.is_empty() => {
                    let at = usize::try_from(dice.roll(mine.len() as u64)).unwrap_or(0);
                    let block = mine.swap_remove(at);
                    if !is_marked(&block, me) {
                        exit_now(SHARED);
                    }
                }
                7 => publish(world, board, &mut dice),
                8 => take(world, board, &mut dice),
                _ if dice.roll(40) == 0 => have_a_child(world, &mut dice),
                _ if dice.roll(20) == 0 => world.sweep(),
                _ => {}
            }
        }
    }

    /// Pins a new block and puts it on the board; takes down what was there.
    fn publish(world: &Arc<World>, board: &Board, dice: &mut Dice) {
        let Ok(block) = world.alloc(100, Fill::Zero) else { return };
        if !world.pin(block.handle()) {
            exit_now(SHARED);
        }
        let place = &board[usize::try_from(dice.roll(BOARD as u64)).unwrap_or(0)];
        let before = place.swap(block.handle().0, Ordering::AcqRel);
        world.unpin(Handle(before));
    }

    fn take(world: &Arc<World>, board: &Board, dice: &mut Dice) {
        let place = &board[usize::try_from(dice.roll(BOARD as u64)).unwrap_or(0)];
        let handle = Handle(place.swap(0, Ordering::AcqRel));
        let block = world.adopt(handle);
        world.unpin(handle);
        // A block that was pinned is there, and full of zeros.
        if handle.0 != 0 && !block.is_some_and(|block| is_marked(&block, 0)) {
            exit_now(SHARED);
        }
    }

    /// A child that ends at once, one way or the other.
    fn have_a_child(world: &Arc<World>, dice: &mut Dice) {
        let fork = world.prepare_fork();
        match fork_alone() {
            Ok(None) => {
                if dice.roll(4) > 0 {
                    world.fork_child(fork);
                    drop(world.alloc(64, Fill::Zero));
                }
                exit_now(0);
            }
            Ok(Some(pid)) => {
                world.fork_parent(fork);
                let child = PidFd::open(pid).and_then(|child| reap(&child));
                assert_eq!(child.ok(), Some(ExitStatus::Exited(0)));
            }
            Err(_) => world.fork_failed(fork),
        }
    }

    fn start(world: &Arc<World>, board: &Block, seed: u64) -> PidFd {
        let fork = world.prepare_fork();
        match fork_alone().expect("one thread, and room for a process") {
            None => {
                world.fork_child(fork);
                work(world, board.get(), Dice(seed | 1))
            }
            Some(pid) => {
                world.fork_parent(fork);
                PidFd::open(pid).expect("a child that was not reaped")
            }
        }
    }

    fn kill(worker: &PidFd) {
        worker.signal(Signal::KILL).expect("a child that was not reaped");
        let end = reap(worker).expect("an own child");
        assert_eq!(end, ExitStatus::Signaled { signal: 9, core: false }, "a block was spoilt");
    }

    fn seconds() -> u64 {
        std::env::var("MANYHANDS_STORM").ok().and_then(|text| text.parse().ok()).unwrap_or(3)
    }

    pub(super) fn random_kills_lose_nothing() {
        let world = World::create(256 << 20).expect("memory for a world");
        world.set_patience(PATIENCE);
        let board = world.alloc(size_of::<Board>(), Fill::Zero).expect("room for a board");
        let kept: Vec<_> = (1..100_u64)
            .map(|number| {
                let len = usize::try_from(number * 97).unwrap_or(64);
                let block = world.alloc(len, Fill::Dirty).expect("room for a block");
                mark(&block, number);
                (block, number)
            })
            .collect();
        let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
        let (end, mut kills, mut lost) = (Instant::now() + Duration::from_secs(seconds()), 0, 0);
        while Instant::now() < end {
            kills += round(&world, &board, &mut dice);
            for place in board.get::<Board>() {
                world.unpin(Handle(place.swap(0, Ordering::AcqRel)));
            }
            assert!(kept.iter().all(|(block, number)| is_marked(block, *number)));
            // Ours, and our table; what is above was pinned by somebody who died.
            let blocks = world.usage().blocks;
            lost = blocks - (kept.len() as u64 + 2);
            assert!(lost <= kills, "{lost} blocks are lost after {kills} kills");
        }
        super::say(&format!("{kills} kills, {lost} pinned blocks lost, {:?}", world.usage()));
        assert!(kills > 10, "{kills} kills");
    }

    /// Some kills, then all. Returns how many.
    fn round(world: &Arc<World>, board: &Block, dice: &mut Dice) -> u64 {
        let mut workers: Vec<_> =
            (0..WORKERS).map(|_| start(world, board, dice.roll(u64::MAX))).collect();
        for _ in 0..20 {
            // As long as some of what a worker does takes, measured in what it does.
            let until = Instant::now() + Duration::from_micros(dice.roll(3000));
            while Instant::now() < until {
                std::thread::yield_now();
            }
            let at = usize::try_from(dice.roll(WORKERS as u64)).unwrap_or(0);
            kill(&workers[at]);
            if dice.roll(3) == 0 {
                world.sweep();
            }
            workers[at] = start(world, board, dice.roll(u64::MAX));
        }
        workers.iter().for_each(kill);
        // Children that were about to be forked are expected for a while.
        let until = Instant::now() + PATIENCE + Duration::from_millis(10);
        while Instant::now() < until {
            std::thread::yield_now();
        }
        world.sweep();
        20 + WORKERS as u64
    }
}
