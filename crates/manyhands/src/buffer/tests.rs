//! Buffers between processes: what arrives, who may change it, and that the memory comes back, however processes end.
#![expect(clippy::cast_possible_truncation, reason = "the numbers are small")]

use std::time::{Duration, Instant};

use manyhands_pool::luggage::CARGO;

use super::*;
use crate::channel::{Receiver, Sender, channel};
use crate::{Pool, Process, world};

/// Some megabytes.
const LONG: usize = 1 << 20;
/// What precedes the values in a block.
const LABEL: usize = 16;

fn pool(workers: usize) -> Pool {
    Pool::builder().workers(workers).build().expect("a pool")
}

/// The blocks of cargo that some process holds, of so many bytes.
fn blocks(len: usize) -> usize {
    let seen = world::home().expect("a world").survey();
    seen.iter().filter(|seen| seen.kind == CARGO && seen.len == LABEL + len).count()
}

/// Waits until none of those is left: what the dead held is given back by another thread.
fn all_back(len: usize) {
    let patience = Instant::now() + Duration::from_secs(60);
    while blocks(len) > 0 {
        world::sweep();
        assert!(Instant::now() < patience, "{} blocks of {len} bytes are left", blocks(len));
        std::thread::yield_now();
    }
}

fn sum(buffer: &Buffer<u32>) -> u64 {
    buffer.iter().copied().map(u64::from).sum()
}

#[test]
fn it_is_a_slice_that_can_be_changed() {
    for len in [0, 5, LONG] {
        let mut buffer = Buffer::from_fn(len, |index| index);
        assert_eq!(buffer.len(), len);
        let clone = buffer.clone();
        buffer.make_mut().reverse();
        assert!(buffer.iter().rev().copied().eq(0..len));
        assert!(clone.iter().copied().eq(0..len), "a clone keeps its values");
        assert_eq!(Vec::from(clone), (0..len).collect::<Vec<_>>());
    }
    assert!(Buffer::<u8>::default().is_empty());
    assert_eq!(Buffer::from(&[1, 2][..]), Buffer::from(vec![1, 2]));
    assert_eq!(format!("{:?}", (0..3).collect::<Buffer<u8>>()), "[0, 1, 2]");
}

#[test]
fn arguments_and_results_of_every_length_arrive() {
    let pool = pool(2);
    let double = |mut own: Buffer<u32>| {
        own.make_mut().iter_mut().for_each(|x| *x *= 2);
        own
    };
    let lens = [0, 1, 4095, 4096, 4097, 100_000];
    let buffers = lens.map(|len| Buffer::from_fn(len, |index| index as u32));
    for (results, vectors) in [
        (pool.map(double, buffers.clone()).unwrap(), false),
        (pool.map(double, buffers.map(|own| Buffer::from(own.to_vec()))).unwrap(), true),
    ] {
        for (len, result) in lens.iter().zip(results) {
            assert!(result.iter().copied().eq((0..*len as u32).map(|x| 2 * x)), "{len} {vectors}");
        }
    }
}

#[test]
fn plain_vectors_go_the_same_way() {
    let pool = pool(2);
    let reverse = |mut own: Vec<f64>| {
        own.reverse();
        own
    };
    let own: Vec<f64> = (0..54_321).map(f64::from).collect();
    let back = pool.map(reverse, vec![own.clone(); 3]).unwrap();
    assert!(back.iter().all(|back| back.iter().rev().eq(&own)));
    let with = pool.with(&own).map(|own: &Vec<f64>, at: usize| own[at], 0..10).unwrap();
    assert_eq!(with, own[..10]);
    all_back(54_321 * 8);
}

#[test]
fn values_that_are_no_numbers_travel_too() {
    let work = |own: Buffer<(u8, [f32; 2])>| own.iter().map(|x| (x.0 + 1, x.1)).collect();
    let items = [0, 3, 30_000].map(|len| Buffer::filled(len, (1, [0.5, 2.5])));
    let results: Vec<Buffer<(u8, [f32; 2])>> = pool(1).map(work, items.clone()).unwrap();
    for (item, result) in items.iter().zip(results) {
        assert_eq!(result, Buffer::filled(item.len(), (2, [0.5, 2.5])));
    }
}

#[test]
fn buffers_may_be_parts_of_values() {
    let pool = pool(2);
    let split = |(name, own): (String, Buffer<u8>)| {
        let half = own.len() / 2;
        vec![(name.clone(), Buffer::copy_of(&own[..half])), (name, Buffer::copy_of(&own[half..]))]
    };
    let items = (0..20_u8).map(|at| (at.to_string(), Buffer::filled(70_000, at)));
    for (at, result) in (0..20).zip(pool.imap(split, items)) {
        for (name, half) in result.unwrap() {
            assert_eq!((name, half), (at.to_string(), Buffer::filled(35_000, at)));
        }
    }
    all_back(70_000);
    all_back(35_000);
}

#[test]
fn a_value_given_by_with_is_read_where_it_lies() {
    let pool = pool(2);
    let table = Buffer::from_fn(333_333, |index| index as u32);
    let found = pool.with(&table).map(|table: &Buffer<u32>, at: usize| table[at], 0..5000).unwrap();
    assert!(found.into_iter().eq(0..5000));
    assert_eq!(blocks(333_333 * 4), 1);
    drop(table);
    all_back(333_333 * 4);
}

#[test]
fn they_go_through_channels_and_to_processes() {
    let (sender, receiver) = channel().unwrap();
    let work = |(own, sender): (Buffer<u32>, Sender<Buffer<u32>>)| {
        sender.send(own.clone()).unwrap();
        sender.send(own.iter().map(|x| x + 1).collect()).unwrap();
        Buffer::copy_of(&own[1..])
    };
    let own = Buffer::from_fn(222_222, |index| index as u32);
    let process = Process::spawn(work, (own, sender)).unwrap();
    let receiver: Receiver<Buffer<u32>> = receiver;
    let (same, more) = (receiver.recv().unwrap(), receiver.recv().unwrap());
    assert_eq!(sum(&more), sum(&same) + 222_222);
    assert_eq!(*process.join().unwrap(), same[1..]);
    drop((same, more));
    all_back(222_222 * 4);
}

#[test]
fn the_memory_comes_back_when_workers_die() {
    const LEN: usize = 777_777;
    let pool = pool(2);
    let work = |own: Buffer<u32>| {
        let result = Buffer::from_fn(own.len(), |index| own[index] + 1);
        if own[0] % 5 == 3 {
            std::process::abort();
        }
        result
    };
    let items = (0..40_u32).map(|at| Buffer::from_fn(LEN, |index| at + index as u32));
    for (at, result) in (0..40).zip(pool.imap(work, items)) {
        match result {
            Ok(result) => assert!(at % 5 != 3 && result[LEN - 1] == at + LEN as u32, "{at}"),
            Err(error) => {
                assert!(at % 5 == 3 && error.is_worker_death(), "{error}");
                assert_eq!(error.item().index(), Some(u64::from(at)));
            }
        }
    }
    all_back(LEN * 4);
}

#[test]
fn the_memory_comes_back_when_a_call_is_dropped() {
    const LEN: usize = 555_555;
    let pool = pool(2);
    let mut results =
        pool.imap(|own: Buffer<u8>| own, (0..=255).cycle().map(|at| Buffer::filled(LEN, at)));
    assert_eq!(results.next().unwrap().unwrap()[0], 0);
    let kept = results.next().unwrap().unwrap();
    drop(results);
    // Not dropped: a worker that is killed between the pin of a result and its publication leaves that pinned.
    pool.join();
    assert_eq!(kept[LEN - 1], 1, "what was given out is good when its pool has gone");
    drop(kept);
    all_back(LEN);
}

#[test]
fn outside_of_processes_it_has_no_form() {
    let error = crate::codec::append(&Buffer::copy_of(&[1_u8]), &mut Vec::new());
    assert!(error.is_err());
}

#[test]
fn a_buffer_of_another_type_is_refused() {
    let (packed, luggage) = crate::codec::pack(&Buffer::filled(10_000, 1_u64)).unwrap();
    let wrong = crate::codec::take::<Buffer<i64>>(&mut &packed[..]).unwrap_err();
    assert!(wrong.to_string().contains("something else than a Buffer"), "{wrong}");
    let right = crate::codec::take::<Buffer<u64>>(&mut &packed[..]).unwrap();
    drop(luggage);
    assert_eq!(right[9_999], 1);
    drop(right);
    let gone = crate::codec::take::<Buffer<u64>>(&mut &packed[..]).unwrap_err();
    assert!(gone.to_string().contains("is gone"), "{gone}");
}
