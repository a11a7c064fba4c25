//! A world in one process: blocks, holds, pins, handles.

use std::sync::Arc;

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
