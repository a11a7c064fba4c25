//! What the fuzz targets share: a peer that writes anything anywhere into memory that it has a descriptor of.
//!
//! It writes by the descriptor, as a process can that was handed one, so no target needs unsafe code. It knows
//! no layout: where to write is the fuzzer's choice, or follows from a survey of the world.

use std::fs::File;
use std::os::fd::BorrowedFd;
use std::os::unix::fs::FileExt;

use arbitrary::Arbitrary;
use manyhands_shm::world::World;

/// Bytes of a world that is large enough for every target.
pub const BUDGET: u64 = 64 << 20;

/// One thing that a peer writes.
#[derive(Debug, Arbitrary)]
pub enum Ink {
    /// Bytes as they come.
    Bytes(Vec<u8>),
    /// A word that may look like a count, a position or a length.
    Word(u64),
    /// A small one.
    Small(u8),
    /// A half of a word, as locks and flags are.
    Half(u32),
    /// The mark of a lock whose last owner died, so that the next one mends.
    Died,
}

impl Ink {
    /// What is written.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Bytes(bytes) => bytes.clone(),
            Self::Word(word) => word.to_le_bytes().to_vec(),
            Self::Small(word) => u64::from(*word).to_le_bytes().to_vec(),
            Self::Half(half) => half.to_le_bytes().to_vec(),
            Self::Died => (1_u32 << 30).to_le_bytes().to_vec(),
        }
    }
}

/// Where a peer writes into a block of a world: which block, and where in it.
#[derive(Debug, Arbitrary)]
pub struct Place {
    block: u8,
    at: u16,
    /// At a multiple of four, where words begin.
    aligned: bool,
}

/// Writes to a file of shared memory; what would leave it is not written.
pub fn write(fd: BorrowedFd<'_>, at: u64, ink: &Ink) {
    let Ok(file) = fd.try_clone_to_owned().map(File::from) else { return };
    let _ = file.write_all_at(&ink.bytes(), at);
}

/// Writes into one of the world's blocks, and not beyond it: the world itself is not protected.
pub fn scribble(world: &World, place: &Place, ink: &Ink) {
    let blocks = world.survey();
    let Some(block) = blocks.get(usize::from(place.block) % blocks.len().max(1)) else { return };
    let at = if place.aligned { place.at & !3 } else { place.at };
    let at = usize::from(at) % block.len.max(1);
    let mut bytes = ink.bytes();
    bytes.truncate(block.len - at.min(block.len));
    write(world.fd(), block.offset + at as u64, &Ink::Bytes(bytes));
}

/// Takes the word of a live process out of a block: a lock that says it is held by one is waited for, rightly.
pub fn spare_locks(world: &World) {
    let me = world.me().get();
    let Ok(file) = world.fd().try_clone_to_owned().map(File::from) else { return };
    for block in world.survey() {
        let mut bytes = vec![0; block.len.min(8192)];
        if file.read_exact_at(&mut bytes, block.offset).is_err() {
            continue;
        }
        for (index, word) in bytes.chunks_exact(4).enumerate() {
            let word = word.try_into().map_or(0, u32::from_le_bytes);
            if word & 0x3fff_ffff == me {
                let _ = file.write_all_at(&[0; 4], block.offset + 4 * index as u64);
            }
        }
    }
}
