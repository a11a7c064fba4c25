//! A process that writes anything into a queue or a pipe: whoever uses it gets a result or an error, and no
//! operation waits longer than it may. The short form of the targets in `fuzz/`, and what they found.
//!
//! It writes through the world's descriptor, into the blocks that there are, and never into the world's own words.
#![cfg(not(loom))]
#![expect(clippy::unwrap_used, reason = "helpers of tests, outside of any test function")]

use std::fs::File;
use std::mem::MaybeUninit;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::Duration;

use manyhands_shm::channel::{Channel, Ends, Item, Limits, Refused};
use manyhands_shm::pipe::{End, Parcel, Read, Sent};
use manyhands_shm::sync::Wait;
use manyhands_shm::typed::RwLock;
use manyhands_shm::world::World;
use proptest::prelude::*;

const BUDGET: u64 = 64 << 20;
const NOW: Option<Duration> = Some(Duration::ZERO);

fn write(world: &World, at: u64, bytes: &[u8]) {
    let file = File::from(world.fd().try_clone_to_owned().unwrap());
    file.write_all_at(bytes, at).unwrap();
}

/// Writes into one of the blocks, and not beyond it.
fn scribble(world: &World, (block, at): (usize, usize), bytes: &[u8]) {
    let blocks = world.survey();
    let block = &blocks[block % blocks.len()];
    let at = at % block.len.max(1);
    let len = bytes.len().min(block.len - at.min(block.len));
    write(world, block.offset + at as u64, &bytes[..len]);
    spare_locks(world);
}

/// Takes this process's own name out of all words: a lock that it seems to hold is waited for, rightly.
fn spare_locks(world: &World) {
    let file = File::from(world.fd().try_clone_to_owned().unwrap());
    for block in world.survey() {
        let mut bytes = vec![0; block.len.min(8192)];
        file.read_exact_at(&mut bytes, block.offset).unwrap();
        for (word, at) in bytes.chunks_exact(4).zip((block.offset..).step_by(4)) {
            if u32::from_le_bytes(word.try_into().unwrap()) & 0x3fff_ffff == world.me().get() {
                file.write_all_at(&[0; 4], at).unwrap();
            }
        }
    }
}

fn ink() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 1..40),
        any::<u64>().prop_map(|word| word.to_le_bytes().to_vec()),
        (0_u64..300).prop_map(|word| word.to_le_bytes().to_vec()),
        Just(u64::MAX.to_le_bytes().to_vec()),
        // The last owner of a lock died: the next one mends.
        Just((1_u32 << 30).to_le_bytes().to_vec()),
    ]
}

#[derive(Debug, Clone)]
enum Step {
    Use(u8),
    Scribble((usize, usize), Vec<u8>),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let place = (any::<usize>(), prop_oneof![any::<usize>(), (0_usize..64).prop_map(|at| at * 4)]);
    let step = prop_oneof![
        3 => any::<u8>().prop_map(Step::Use),
        1 => (place, ink()).prop_map(|(place, ink)| Step::Scribble(place, ink)),
    ];
    prop::collection::vec(step, 1..40)
}

fn item(bytes: &[u8]) -> Item<'_> {
    Item { parts: [bytes, b"end"], pins: &[] }
}

fn get(channel: &Channel) -> Option<Vec<u8>> {
    let Wait::Ready(mut head) = channel.head(NOW) else { return None };
    let item = head.peek().ok()??;
    let (mut bytes, mut pins) = (Vec::new(), Vec::new());
    head.pins(&item, &mut pins).ok()?;
    head.append(&item, &mut bytes).ok()?;
    head.pass(&item);
    head.commit();
    Some(bytes)
}

fn use_channel(channel: &Channel, how: u8) {
    let words = channel.words();
    let bytes = vec![how; usize::from(how) * 40];
    match how % 8 {
        0 | 1 => {
            if let Wait::Ready(mut tail) = channel.tail(NOW) {
                let _ = tail.put(&item(&bytes));
            }
        }
        2 => {
            if let Wait::Ready(mut tail) = channel.tail(NOW) {
                let _ = tail.put_many(&[item(&bytes); 5]);
            }
        }
        3 => {
            let large = vec![how; 40_000];
            let mut prepared = channel.prepare(&item(&large)).unwrap();
            if let Wait::Ready(mut tail) = channel.tail(NOW) {
                let _ = tail.put_prepared(&mut prepared);
            }
        }
        4 | 5 => drop(get(channel)),
        6 => {
            let _ = (words.len(), words.is_full(), words.unfinished(), words.task_done());
            let _ =
                (words.wait_for_item(NOW), words.wait_for_room(1, NOW), words.wait_all_done(NOW));
        }
        _ if how > 240 => drop((channel.shut(how & 8 == 0, NOW), channel.finish_drop(NOW))),
        _ => {}
    }
}

fn receive(end: &End) {
    let Some(mut receiving) = end.receive() else { return };
    let Read::Done(arrival) = receiving.arrive(NOW) else { return };
    if arrival.len < 1 << 20 {
        let mut room = vec![MaybeUninit::uninit(); arrival.len];
        let _ = receiving.read(&mut room, NOW);
    }
}

fn use_pipe(end: &End, how: u8) {
    match how % 8 {
        0..=2 => {
            let bytes = vec![how; usize::from(how) * 30];
            let _ = end.send(Parcel { label: how % 7, parts: [&bytes, &[]] }).unwrap().advance(NOW);
        }
        3 => {
            let bytes = vec![how; 100_000];
            let _ = end.send(Parcel { label: 1, parts: [&bytes, &[]] }).unwrap().advance(NOW);
        }
        4 | 5 => receive(end),
        6 => drop((end.has_message(), end.poll(NOW))),
        _ if how > 240 => end.share_socket(),
        _ => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_written_into_a_queue_every_use_ends(
        (items, bytes) in (0_u64..9, 0_u64..9000),
        steps in steps(),
    ) {
        let world = World::create(BUDGET).unwrap();
        let some = |limit: u64| Some(limit).filter(|limit| *limit > 0);
        let limits = Limits { items: some(items), bytes: some(bytes) };
        let channel = Channel::create(&world, limits).unwrap();
        for step in steps {
            match step {
                Step::Use(how) => use_channel(&channel, how),
                Step::Scribble(place, ink) => scribble(&world, place, &ink),
            }
        }
    }

    #[test]
    fn whatever_is_written_into_a_pipe_every_use_ends(steps in steps()) {
        let world = World::create(BUDGET).unwrap();
        let (first, second) = End::pair(&world, true).unwrap();
        for step in steps {
            match step {
                Step::Use(how) => use_pipe(if how & 8 == 0 { &first } else { &second }, how),
                Step::Scribble(place, ink) => scribble(&world, place, &ink),
            }
        }
    }
}

/// A queue, and where its words and its first chunk lie in the file.
fn queue(limits: Limits) -> (Arc<World>, Channel, u64, u64) {
    let world = World::create(BUDGET).unwrap();
    let channel = Channel::create(&world, limits).unwrap();
    let find = |wanted: bool| {
        let seen = world.survey();
        let own = channel.block().handle();
        seen.iter().find(|seen| (seen.handle == own) == wanted).unwrap().offset
    };
    let (words, chunk) = (find(true), find(false));
    (world, channel, words, chunk)
}

const TAIL_PUT: u64 = 8;
const HEAD: u64 = 64;
const TAKEN: u64 = HEAD + 8;
const STATE: u64 = 128 + 16;

fn put(channel: &Channel, bytes: &[u8]) -> Result<(), Refused<()>> {
    channel.try_tail().unwrap().put(&item(bytes)).map_err(|refused| match refused {
        Refused::Broken => Refused::Broken,
        Refused::Full => Refused::Full,
        _ => Refused::Shut,
    })
}

#[test]
fn a_chain_of_chunks_that_is_bent_into_a_ring_is_broken() {
    let (world, channel, words, chunk) = queue(Limits::default());
    put(&channel, b"one").unwrap();
    // The chunk is over before its first item, and goes on with itself.
    write(&world, chunk + 64, &u64::MAX.to_le_bytes());
    let file = File::from(world.fd().try_clone_to_owned().unwrap());
    let mut name = [0; 8];
    file.read_exact_at(&mut name, words + HEAD + 24).unwrap();
    write(&world, chunk, &name);
    assert!(channel.try_head().unwrap().peek().is_err());
    assert!(channel.words().is_broken());
    assert_eq!(put(&channel, b"two"), Err(Refused::Broken));
}

#[test]
fn more_taken_than_was_put_is_no_queue_that_is_full_for_ever() {
    let limits = Limits { items: Some(2), bytes: None };
    let (world, channel, words, _) = queue(limits);
    put(&channel, b"one").unwrap();
    put(&channel, b"two").unwrap();
    write(&world, words + TAKEN, &7_u64.to_le_bytes());
    assert_eq!(put(&channel, b"three"), Err(Refused::Broken));
    assert_eq!(channel.words().len(), 0);
}

#[test]
fn a_queue_that_throws_away_is_shut() {
    let (world, channel, words, _) = queue(Limits::default());
    put(&channel, b"one").unwrap();
    write(&world, words + STATE, &2_u32.to_le_bytes());
    assert_eq!(get(&channel), None);
    // Who waits for an item is told by this that there will be none.
    assert!(channel.words().is_shut());
}

#[test]
fn a_lock_that_is_all_ones_is_recovered() {
    let (world, channel, words, _) = queue(Limits::default());
    put(&channel, b"one").unwrap();
    write(&world, words, &[0xff; 4]);
    write(&world, words + HEAD, &[0xff; 4]);
    let limit = Some(Duration::from_secs(20));
    assert!(matches!(channel.tail(limit), Wait::Ready(_)));
    assert!(matches!(channel.head(limit), Wait::Ready(_)));
    assert_eq!(get(&channel).unwrap(), b"oneend");
}

#[test]
fn an_offset_beyond_its_chunk_is_broken() {
    let (world, channel, words, _) = queue(Limits::default());
    for offset in [u64::MAX - 40, 1 << 50, 12] {
        write(&world, words + TAIL_PUT + 16, &offset.to_le_bytes());
        write(&world, words + STATE, &[0; 4]);
        assert_eq!(put(&channel, b"one"), Err(Refused::Broken));
    }
}

#[test]
fn the_end_of_a_token_does_not_wait_for_ever() {
    let world = World::create(BUDGET).unwrap();
    let (sender, receiver) = Ends::create(&world, Limits::default()).unwrap();
    let own = sender.channel().block().handle();
    let words = world.survey().iter().find(|seen| seen.handle == own).unwrap().offset;
    // Both locks are held by a process that lives, as they say.
    for lock in [words, words + HEAD] {
        write(&world, lock, &world.me().get().to_le_bytes());
    }
    drop(sender);
    assert!(receiver.channel().words().is_shut());
}

/// A pipe, and where its block lies in the file.
fn pipe() -> (Arc<World>, End, End, u64) {
    let world = World::create(BUDGET).unwrap();
    let (first, second) = End::pair(&world, false).unwrap();
    let block = world.survey().iter().max_by_key(|seen| seen.len).unwrap().offset;
    (world, first, second, block)
}

fn send(end: &End, bytes: &[u8]) -> Sent {
    end.send(Parcel { label: 0, parts: [bytes, &[]] }).unwrap().advance(NOW)
}

const PIPE_TAIL: u64 = 128;
const PIPE_HEAD: u64 = 384;
const PIPE_BELL: u64 = 512;

#[test]
fn seats_of_readers_that_say_millions_are_counted() {
    let world = World::create(BUDGET).unwrap();
    let lock = RwLock::<u64>::create(&world, 5).unwrap();
    let own = lock.block().handle();
    let block = *world.survey().iter().find(|seen| seen.handle == own).unwrap();
    write(&world, block.offset + 16, &vec![0xff; block.len - 16]);
    assert_eq!(lock.holders().0, u32::MAX);
}

#[test]
fn a_doorbell_that_means_nothing_rings_anew() {
    let (world, first, second, block) = pipe();
    write(&world, block + PIPE_BELL, &77_u32.to_le_bytes());
    assert_eq!(send(&first, b"one"), Sent::Done);
    assert_eq!(second.poll(Some(Duration::from_secs(20))), Read::Done(()));
}

#[test]
fn positions_that_cannot_be_are_damage_for_both_sides() {
    let (world, first, second, block) = pipe();
    for (tail, head) in [(8_u64, 16_u64), (1 << 40, 0), (12, 0), (3, 3)] {
        write(&world, block + PIPE_TAIL, &tail.to_le_bytes());
        write(&world, block + PIPE_HEAD, &head.to_le_bytes());
        assert_eq!(send(&first, b"one"), Sent::Damaged, "{tail} {head}");
        if tail != head {
            let arrived = second.receive().unwrap().arrive(NOW);
            assert_eq!(arrived, Read::Damaged, "{tail} {head}");
        }
    }
}

#[test]
fn positions_may_wrap_around() {
    let (world, first, second, block) = pipe();
    let almost = (u64::MAX - 23).to_le_bytes();
    write(&world, block + PIPE_TAIL, &almost);
    write(&world, block + PIPE_HEAD, &almost);
    for _ in 0..3 {
        assert_eq!(send(&first, b"a message"), Sent::Done);
        let mut room = [MaybeUninit::uninit(); 9];
        let mut receiving = second.receive().unwrap();
        assert!(matches!(receiving.arrive(NOW), Read::Done(_)));
        assert_eq!(receiving.read(&mut room, NOW), Read::Done(()));
    }
}
