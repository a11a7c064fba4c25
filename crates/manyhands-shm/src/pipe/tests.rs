//! Both ends of a pipe in one process: messages against a model, large ones, the descriptor, the end.
#![expect(unsafe_code, reason = "reads what was filled")]
#![expect(clippy::unwrap_used, reason = "helpers of tests, outside of any test function")]

use core::mem::MaybeUninit;
use core::time::Duration;
use std::collections::VecDeque;
use std::sync::{Arc, OnceLock};

use manyhands_os::doorbell::{self, Heard, Listen};
use proptest::prelude::*;

use super::{Arrival, End, PINNED, Parcel, Read, Sent};
use crate::sync::Wait;
use crate::world::{Fill, World};

const NOW: Option<Duration> = Some(Duration::ZERO);
const PATIENCE: Option<Duration> = Some(Duration::from_secs(20));
const KIB: usize = 1024;

fn world() -> &'static Arc<World> {
    static WORLD: OnceLock<Arc<World>> = OnceLock::new();
    WORLD.get_or_init(|| World::create(64 << 20).unwrap())
}

fn pair() -> (End, End) {
    End::pair(world(), true).unwrap()
}

fn content(number: usize, len: usize) -> Vec<u8> {
    (0..len).map(|at| (at * 31 + number * 7 + at / 251).to_le_bytes()[0]).collect()
}

fn send(end: &End, label: u8, bytes: &[u8], limit: Option<Duration>) -> Sent {
    let split = bytes.len() / 3;
    let parcel = Parcel { label, parts: [&bytes[..split], &bytes[split..]] };
    end.send(parcel).unwrap().advance(limit)
}

fn filled(len: usize, fill: impl FnOnce(&mut [MaybeUninit<u8>]) -> Read<()>) -> Read<Vec<u8>> {
    let mut out = vec![MaybeUninit::new(0_u8); len];
    match fill(&mut out) {
        Read::Done(()) => {
            // SAFETY: all of it was made with a value.
            Read::Done(out.into_iter().map(|byte| unsafe { byte.assume_init() }).collect())
        }
        Read::TimedOut => Read::TimedOut,
        Read::Lost => Read::Lost,
        Read::End => Read::End,
        other => panic!("{other:?}"),
    }
}

/// Receives whatever comes, as often as a message is lost in the middle.
fn receive(end: &End, limit: Option<Duration>) -> Read<(u8, Vec<u8>)> {
    let mut receiving = end.receive().unwrap();
    loop {
        let Arrival { len, label } = match receiving.arrive(limit) {
            Read::Done(arrival) => arrival,
            Read::TimedOut => return Read::TimedOut,
            Read::End => return Read::End,
            other => panic!("{other:?}"),
        };
        match filled(len, |out| receiving.read(out, limit)) {
            Read::Done(bytes) => return Read::Done((label, bytes)),
            Read::Lost => {}
            Read::TimedOut => return Read::TimedOut,
            Read::End => return Read::End,
            other => panic!("{other:?}"),
        }
    }
}

fn readable(end: &End) -> bool {
    doorbell::wait(end.socket(), Listen::Bell, NOW).unwrap() != Heard::TimedOut
}

#[test]
fn messages_come_in_order_both_ways() {
    let (a, b) = pair();
    for number in 0..5_usize {
        assert_eq!(send(&a, 1, &content(number, number * 100), NOW), Sent::Done);
        assert_eq!(send(&b, 2, &content(number, number), NOW), Sent::Done);
    }
    for number in 0..5_usize {
        assert_eq!(receive(&b, NOW), Read::Done((1, content(number, number * 100))));
        assert_eq!(receive(&a, NOW), Read::Done((2, content(number, number))));
    }
    assert_eq!((receive(&a, NOW), receive(&b, NOW)), (Read::TimedOut, Read::TimedOut));
}

#[test]
fn one_direction_is_one_direction() {
    let (writer, reader) = End::pair(world(), false).unwrap();
    assert!(writer.receive().is_none());
    assert!(reader.send(Parcel { label: 0, parts: [&[], &[]] }).is_none());
    assert_eq!(send(&writer, 0, b"x", NOW), Sent::Done);
    assert_eq!(receive(&reader, NOW), Read::Done((0, b"x".to_vec())));
}

#[test]
fn a_large_message_streams_through() {
    let (a, b) = pair();
    let bytes = content(1, 3_000 * KIB + 17);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..3 {
                assert_eq!(send(&a, 9, &bytes, PATIENCE), Sent::Done);
            }
        });
        for _ in 0..3 {
            assert_eq!(receive(&b, PATIENCE), Read::Done((9, bytes.clone())));
        }
    });
}

#[test]
fn a_full_ring_waits_for_room() {
    let (a, b) = pair();
    let bytes = content(3, 30 * KIB);
    let fit = std::iter::repeat_with(|| send(&a, 0, &bytes, NOW)).take_while(|s| *s == Sent::Done);
    assert_eq!(fit.count(), 8);
    std::thread::scope(|scope| {
        scope.spawn(|| assert_eq!(send(&a, 0, &bytes, PATIENCE), Sent::Done));
        for _ in 0..9 {
            assert_eq!(receive(&b, PATIENCE), Read::Done((0, bytes.clone())));
        }
    });
}

#[test]
fn a_message_that_was_given_up_never_was() {
    let (a, b) = pair();
    let large = content(1, 2_000 * KIB);
    assert_eq!(send(&a, 1, &large, NOW), Sent::TimedOut);
    std::thread::scope(|scope| {
        let receiver = scope.spawn(|| receive(&b, PATIENCE));
        assert_eq!(send(&a, 2, b"next", PATIENCE), Sent::Done);
        assert_eq!(receiver.join().unwrap(), Read::Done((2, b"next".to_vec())));
    });
    assert_eq!(send(&a, 1, &large, NOW), Sent::TimedOut);
    drop(a);
    assert_eq!(receive(&b, PATIENCE), Read::End);
}

#[test]
fn who_gives_up_in_the_middle_goes_on_there() {
    let (a, b) = pair();
    let large = content(1, 1_000 * KIB);
    let mut sending = a.send(Parcel { label: 5, parts: [&large, &[]] }).unwrap();
    assert_eq!(sending.advance(NOW), Sent::TimedOut);
    let mut out = vec![MaybeUninit::new(0_u8); large.len()];
    let mut receiving = b.receive().unwrap();
    assert!(matches!(receiving.arrive(NOW), Read::Done(_)));
    assert_eq!(receiving.read(&mut out, NOW), Read::TimedOut);
    let at = receiving.suspend().unwrap();
    assert_eq!(at.arrival(), Arrival { len: large.len(), label: 5 });
    std::thread::scope(|scope| {
        scope.spawn(move || assert_eq!(sending.advance(PATIENCE), Sent::Done));
        let Wait::Ready(Some(mut receiving)) = b.resume(&at, PATIENCE) else {
            panic!("nobody else has read")
        };
        assert_eq!(filled(0, |_| receiving.read(&mut out, PATIENCE)), Read::Done(vec![]));
    });
    // SAFETY: all of it was made with a value.
    let bytes: Vec<_> = out.into_iter().map(|byte| unsafe { byte.assume_init() }).collect();
    assert!(bytes == large);
}

#[test]
fn who_comes_back_too_late_finds_something_else() {
    let (a, b) = pair();
    let large = content(1, 1_000 * KIB);
    assert_eq!(send(&a, 5, &large, NOW), Sent::TimedOut);
    let mut receiving = b.receive().unwrap();
    assert!(matches!(receiving.arrive(NOW), Read::Done(_)));
    let mut out = vec![MaybeUninit::new(0_u8); large.len()];
    assert_eq!(receiving.read(&mut out, NOW), Read::TimedOut);
    let at = receiving.suspend().unwrap();
    assert_eq!(send(&a, 6, b"other", NOW), Sent::Done);
    assert_eq!(receive(&b, NOW), Read::Done((6, b"other".to_vec())));
    assert!(matches!(b.resume(&at, NOW), Wait::Ready(None)));
}

#[test]
fn a_sender_steps_aside_until_it_has_begun() {
    let (a, b) = pair();
    let bytes = content(3, 30 * KIB);
    while send(&a, 0, &bytes, NOW) == Sent::Done {}
    let mut waiting = a.send(Parcel { label: 1, parts: [&bytes, &[]] }).unwrap();
    assert_eq!(waiting.advance(NOW), Sent::TimedOut);
    assert!(matches!(receive(&b, NOW), Read::Done(_)));
    assert_eq!(send(&a, 2, &bytes, NOW), Sent::TimedOut, "it has the lock");
    assert!(waiting.step_aside());
    assert_eq!(send(&a, 2, &bytes, NOW), Sent::Done);
    assert_eq!(waiting.advance(NOW), Sent::TimedOut);
    assert!(matches!(receive(&b, NOW), Read::Done(_)));
    assert_eq!(waiting.advance(NOW), Sent::Done);
    drop(waiting);
    let labels = std::iter::repeat_with(|| receive(&b, NOW)).map_while(|read| match read {
        Read::Done((label, _)) => Some(label),
        _ => None,
    });
    assert!(labels.skip_while(|label| *label == 0).eq([2, 1]));
    let large = content(1, 300 * KIB);
    let mut waiting = a.send(Parcel { label: 3, parts: [&large, &[]] }).unwrap();
    assert_eq!(waiting.advance(NOW), Sent::TimedOut);
    assert!(!waiting.step_aside(), "in the middle of a message");
    assert_eq!(send(&a, 4, b"x", NOW), Sent::TimedOut);
}

#[test]
fn a_receiver_steps_aside_until_a_message_has_come() {
    for exact in [false, true] {
        let (a, b) = pair();
        if exact {
            b.share_socket();
        }
        let mut receiving = b.receive().unwrap();
        assert_eq!(receiving.arrive(NOW), Read::TimedOut);
        assert!(receiving.step_aside());
        assert_eq!(send(&a, 1, b"first", NOW), Sent::Done);
        assert_eq!(receive(&b, NOW), Read::Done((1, b"first".to_vec())));
        assert_eq!(readable(&b), !exact, "a byte may stay where nobody looks");
        assert_eq!(receiving.arrive(NOW), Read::TimedOut);
        assert_eq!(send(&a, 2, &content(1, 300 * KIB), NOW), Sent::TimedOut);
        assert!(matches!(receiving.arrive(NOW), Read::Done(_)));
        assert!(!receiving.step_aside(), "in the middle of a message");
        assert_eq!(receive(&b, NOW), Read::TimedOut);
    }
}

#[test]
fn the_end_is_told_to_both() {
    let (a, b) = pair();
    assert_eq!(send(&a, 0, b"last", NOW), Sent::Done);
    drop(a);
    assert_eq!(send(&b, 0, b"x", NOW), Sent::Gone);
    assert_eq!(b.poll(NOW), Read::Done(()));
    assert_eq!(receive(&b, NOW), Read::Done((0, b"last".to_vec())));
    assert_eq!(receive(&b, PATIENCE), Read::End);
    assert_eq!(b.poll(NOW), Read::Done(()));
}

#[test]
fn a_sender_without_room_is_told_of_the_end() {
    let (a, b) = pair();
    std::thread::scope(|scope| {
        let sender = scope.spawn(|| send(&a, 0, &content(0, 2_000 * KIB), PATIENCE));
        while !b.has_message() {
            std::thread::yield_now();
        }
        drop(b);
        assert_eq!(sender.join().unwrap(), Sent::Gone);
    });
}

#[test]
fn the_descriptor_tells_the_truth_once_it_was_asked_for() {
    let (a, b) = pair();
    assert_eq!(send(&a, 0, b"1", NOW), Sent::Done);
    assert_eq!(receive(&b, NOW), Read::Done((0, b"1".to_vec())));
    assert_eq!(send(&a, 0, b"2", NOW), Sent::Done);
    b.share_socket();
    assert!(readable(&b) && b.is_exact());
    assert!(!readable(&a));
    for _ in 0..3 {
        assert_eq!(send(&a, 0, b"x", NOW), Sent::Done);
        assert!(readable(&b));
        while readable(&b) {
            assert!(matches!(receive(&b, NOW), Read::Done(_)), "readable, and nothing there");
        }
        assert_eq!(receive(&b, NOW), Read::TimedOut);
    }
}

#[test]
fn messages_that_nobody_received_pin_nothing_for_ever() {
    let (a, b) = pair();
    let pinned = world().alloc(100, Fill::Zero).unwrap();
    let handle = pinned.handle();
    let mut bytes = 1_u32.to_le_bytes().to_vec();
    bytes.extend(handle.0.to_le_bytes());
    assert!(world().pin(handle));
    assert_eq!(send(&a, PINNED, &bytes, NOW), Sent::Done);
    bytes.extend(content(1, 50 * KIB));
    assert!(world().pin(handle));
    assert_eq!(send(&a, PINNED, &bytes, NOW), Sent::Done);
    drop(pinned);
    assert!(world().adopt(handle).is_some());
    drop((a, b));
    assert!(world().adopt(handle).is_none());
}

/// What an end is asked to do.
#[derive(Debug, Clone)]
enum Step {
    Send(usize),
    Receive,
    Share,
    Poll,
    /// A large message that is given up.
    GiveUp,
}

fn steps() -> impl Strategy<Value = Vec<(bool, Step)>> {
    let step = prop_oneof![
        4 => (0_usize..600).prop_map(Step::Send),
        1 => (30 * KIB..40 * KIB).prop_map(Step::Send),
        5 => Just(Step::Receive),
        1 => Just(Step::Share),
        2 => Just(Step::Poll),
        1 => Just(Step::GiveUp),
    ];
    proptest::collection::vec((any::<bool>(), step), 1..200)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn it_is_a_queue_in_each_direction(steps in steps()) {
        let (a, b) = pair();
        let mut model = [VecDeque::new(), VecDeque::new()];
        for (number, (first, step)) in steps.into_iter().enumerate() {
            let (end, out, into) = if first { (&a, 0, 1) } else { (&b, 1, 0) };
            match step {
                Step::Send(len) => {
                    let bytes = content(number, len);
                    let label = number.to_le_bytes()[0];
                    if send(end, label, &bytes, NOW) == Sent::Done {
                        model[out].push_back((label, bytes));
                    }
                }
                Step::Receive => {
                    let expected = model[into].pop_front().map_or(Read::TimedOut, Read::Done);
                    prop_assert_eq!(receive(end, NOW), expected);
                }
                Step::Share => end.share_socket(),
                Step::Poll if model[into].is_empty() => {}
                Step::Poll => prop_assert_eq!(end.poll(NOW), Read::Done(())),
                Step::GiveUp => {
                    prop_assert_ne!(send(end, 0, &content(1, 300 * KIB), NOW), Sent::Done);
                }
            }
            if end.is_exact() && !model[into].is_empty() {
                prop_assert!(readable(end));
            }
        }
    }
}
