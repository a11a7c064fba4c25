//! Values on their way into a queue: their bytes, and what they refer to.
//!
//! Simple values have a tag (see `codec`), all others are pickled at the call, so that what cannot be
//! pickled is the caller's error. While one is pickled, the objects of ours in it are noted; the item
//! pins their blocks, so that they live as long as the item, whatever becomes of its producer.
//! What only `__main__` has travels inside of the item: see `manyhands._by_item`.
//!
//! Large buffers and pickles lie in blocks of their own (`cargo`), but for queues of a world in which this process
//! makes no blocks. A queue that counts bytes counts those of the item and of these blocks; what is shared already
//! counts nothing.

use manyhands_pool::luggage;
use manyhands_shm::channel::{Channel, extra_bytes, name_of};
use manyhands_shm::world::Block;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

use crate::codec::{Encoded, own};
use crate::pickling::pickle;
use crate::travel::Collecting;
use crate::world;

/// A value as an item.
pub(crate) struct Outgoing<'py> {
    pub(crate) encoded: Encoded<'py>,
    /// Names of the blocks that it refers to.
    pub(crate) pins: Vec<u64>,
    /// They are held until the item is put.
    _met: Vec<Block>,
}

impl<'py> Outgoing<'py> {
    /// Encodes a value for a queue.
    #[inline]
    pub(crate) fn new(channel: &Channel, value: &Bound<'py, PyAny>) -> PyResult<Self> {
        match Encoded::simple(value) {
            Some(encoded) => Ok(Self { encoded, pins: Vec::new(), _met: Vec::new() }),
            None => Self::pickled(channel, value),
        }
    }

    fn pickled(channel: &Channel, value: &Bound<'py, PyAny>) -> PyResult<Self> {
        static DUMPS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        let home = channel.block().world().id();
        let collecting =
            if world::is_home(home) { Collecting::with_cargo() } else { Collecting::begin() };
        let slow = || own(value.py(), &DUMPS, "manyhands._by_item", "dumps")?.call1((value,));
        let encoded = pickle(value, slow, false)?;
        let met = collecting.finish();
        if met.iter().any(|block| block.world().id() != home) {
            return Err(PyRuntimeError::new_err(
                "the item holds an object of another family of processes than the queue's: whoever \
                 takes it could not have it",
            ));
        }
        let mut pins: Vec<_> = met.iter().map(|block| name_of(block.handle())).collect();
        let stowed = luggage::bytes_of(&met) as u64;
        if stowed > 0 && channel.words().limits().bytes.is_some() {
            pins.insert(0, extra_bytes(stowed));
        }
        Ok(Self { encoded, pins, _met: met })
    }

    /// Its bytes, in two parts; `room` is for those that have no place of their own.
    #[inline]
    pub(crate) fn parts<'a>(&'a self, room: &'a mut [u8; 9]) -> [&'a [u8]; 2] {
        if let Some((tag, payload)) = self.encoded.tagged() {
            room[0] = tag;
            return [&room[..1], payload];
        }
        if let Encoded::Small(bytes) = &self.encoded {
            return [bytes, &[]];
        }
        let len = self.encoded.len().min(room.len());
        self.encoded.write(&mut room[..len]);
        [&room[..len], &[]]
    }
}
