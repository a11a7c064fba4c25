//! What a lane takes from the kernel: little at first, no more for a long stream, and a large record's
//! memory is given back.
#![cfg(not(loom))]
#![expect(clippy::unwrap_used, reason = "helpers of tests, outside of any test function")]

mod support;

use std::fs::File;
use std::os::unix::fs::MetadataExt;

use manyhands_shm::lane::{Heading, Refused};
use support::{Ends, content, contents, ends, records};

const PLAIN: Heading = Heading { kind: 1, whole: false, word: 0 };
const MIB: u64 = 1 << 20;

/// Bytes that the kernel has given to the lane.
fn allocated(ends: &Ends) -> u64 {
    let file = File::from(ends.runner.lane().fd().try_clone_to_owned().unwrap());
    file.metadata().unwrap().blocks() * 512
}

fn send(ends: &mut Ends, number: u64, len: usize) -> Result<(), Refused> {
    let bytes = records([content(number, len).as_slice()]);
    ends.feeder.append(PLAIN, 1, [&bytes, &[]])
}

/// Runs one item in full: the worker answers with so many bytes, the parent reads.
fn answer(ends: &mut Ends, number: u64, len: usize) {
    let item = ends.runner.take().unwrap();
    assert!(ends.runner.lane().bytes(&item).starts_with(&content(number, 1)));
    ends.runner.reply(len, |room| room.copy_from_slice(&content(number, len))).unwrap();
    ends.runner.publish(1);
    let mut out = Vec::new();
    ends.replies.drain(&mut out).unwrap();
    assert_eq!(contents(&out), [content(number, len)]);
    ends.feeder.confirm(1);
}

#[test]
fn a_fresh_lane_is_small() {
    assert!(allocated(&ends()) <= MIB);
}

#[test]
fn a_long_stream_reuses_its_memory() {
    let mut ends = ends();
    let mut sent = 0;
    for number in 0..20_000 {
        while sent < number + 100 && send(&mut ends, sent, 3000).is_ok() {
            sent += 1;
        }
        answer(&mut ends, number, 5000);
    }
    assert!(allocated(&ends) <= 3 * MIB, "{} bytes for a stream", allocated(&ends));
}

#[test]
fn a_large_request_is_given_back_when_it_is_answered() {
    let mut ends = ends();
    send(&mut ends, 0, 40 << 20).unwrap();
    assert!(allocated(&ends) > 40 * MIB);
    answer(&mut ends, 0, 10);
    assert!(allocated(&ends) <= MIB, "{} bytes are kept", allocated(&ends));
    send(&mut ends, 1, 40 << 20).unwrap();
    answer(&mut ends, 1, 10);
}

#[test]
fn a_large_request_that_is_taken_back_is_given_back() {
    let mut ends = ends();
    send(&mut ends, 0, 40 << 20).unwrap();
    let back = ends.feeder.recall(1);
    assert_eq!(contents(&back[0].records), [content(0, 40 << 20)]);
    assert!(allocated(&ends) <= MIB, "{} bytes are kept", allocated(&ends));
}

#[test]
fn a_large_reply_is_given_back_when_the_worker_idles() {
    let mut ends = ends();
    for round in 0..3 {
        send(&mut ends, 2 * round, 10).unwrap();
        send(&mut ends, 2 * round + 1, 10).unwrap();
        answer(&mut ends, 2 * round, 40 << 20);
        assert!(allocated(&ends) > 40 * MIB);
        ends.runner.trim();
        assert!(allocated(&ends) <= MIB, "{} bytes are kept", allocated(&ends));
        answer(&mut ends, 2 * round + 1, 100);
    }
}

#[test]
fn nothing_is_given_back_before_it_was_read() {
    let mut ends = ends();
    send(&mut ends, 0, 10).unwrap();
    ends.runner.take().unwrap();
    ends.runner.reply(40 << 20, |room| room.copy_from_slice(&content(0, 40 << 20))).unwrap();
    ends.runner.publish(1);
    ends.runner.trim();
    let mut out = Vec::new();
    ends.replies.drain(&mut out).unwrap();
    assert_eq!(contents(&out), [content(0, 40 << 20)]);
}

/// Large replies, one after the other: each waits for the one before to be read.
#[test]
fn large_replies_follow_each_other() {
    let mut ends = ends();
    let lens = [20 << 20, 30 << 20, 17 << 20, 100, 45 << 20, 2 << 20, 2 << 20];
    for (number, len) in lens.into_iter().enumerate() {
        send(&mut ends, number as u64, 10).unwrap();
        answer(&mut ends, number as u64, len);
    }
    assert!(allocated(&ends) <= 150 * MIB, "{} bytes are kept", allocated(&ends));
}

/// A batch of large items frees its memory item by item, so that more can follow before its end.
#[test]
fn a_batch_makes_room_while_it_is_answered() {
    let mut ends = ends();
    let all: Vec<_> = (0..10).map(|number| content(number, 100 << 10)).collect();
    let bytes = records(all.iter().map(Vec::as_slice));
    ends.feeder.append(PLAIN, 10, [&bytes, &[]]).unwrap();
    assert!(matches!(send(&mut ends, 10, 100 << 10), Err(Refused::Full)));
    answer(&mut ends, 0, 10);
    answer(&mut ends, 1, 10);
    send(&mut ends, 10, 100 << 10).unwrap();
    answer(&mut ends, 2, 10);
    let back = ends.feeder.recall(5);
    let numbers = back.iter().flat_map(|batch| contents(&batch.records));
    assert!(numbers.eq((6..11).map(|number| content(number, 100 << 10))), "the last five");
    (3..6).for_each(|number| answer(&mut ends, number, 10));
    assert_eq!(ends.feeder.outstanding(), 0);
}

/// Memory is given back in the middle of a stream as well; what was free before is not used after that.
#[test]
fn a_stream_goes_on_after_memory_was_given_back() {
    for when in 15..19 {
        let mut ends = ends();
        let lens = [20 << 20].into_iter().chain([1 << 20; 30]);
        for (number, len) in lens.enumerate() {
            send(&mut ends, number as u64, 10).unwrap();
            answer(&mut ends, number as u64, len);
            if number == when {
                ends.runner.trim();
            }
        }
        ends.runner.trim();
        assert!(allocated(&ends) <= 18 * MIB, "{} bytes are kept", allocated(&ends));
    }
}

/// Batches that cannot be joined: as many as there are descriptors, and more when some are answered.
#[test]
fn descriptors_are_counted_and_used_again() {
    let mut ends = ends();
    let (mut sent, mut taken) = (0, 0);
    for round in 0..5 {
        let heading = |number| Heading { word: number, ..PLAIN };
        let bytes = records([&[1][..]]);
        while ends.feeder.append(heading(sent), 1, [&bytes, &[]]).is_ok() {
            sent += 1;
        }
        assert_eq!(ends.feeder.outstanding(), 255, "all descriptors but the worker's");
        for _ in 0..100 + round {
            assert_eq!(ends.runner.take().unwrap().heading, heading(taken));
            taken += 1;
            ends.runner.reply(0, |_| ()).unwrap();
            ends.runner.publish(1);
            ends.replies.drain(&mut Vec::new()).unwrap();
            ends.feeder.confirm(1);
        }
    }
}
