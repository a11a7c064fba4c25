//! `Cargo`: parts of blocks of the world that Python objects lie in.
//!
//! | kind of the block | what it is | who may write |
//! | --- | --- | --- |
//! | CARGO | bytes of one item | who got them, if they are its own (`Access`) |
//! | SHARED | an array that was made shared | all who have it |
//! | FROZEN | what was shared once | nobody |
//!
//! Windows on the last two are listed (`listing`), so that what lies in them is sent as its place. So are those on
//! what a reducer has just written for one item.
//!
//! It refuses to know what lies there.

use std::sync::Arc;

use manyhands_pool::luggage::CARGO;
use manyhands_shm::world::{Block, Fill};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::ffi::{self, Buffer, Room};
use crate::listing;
use crate::world;

/// Buffers and payloads of at least so many bytes lie in blocks. Below it the copies through a lane cost less
/// than the turns under the world's lock.
pub(crate) const LARGE: usize = 16 << 10;
/// Copies of so many bytes are made without the interpreter.
pub(crate) const DETACHED: usize = 128 << 10;

const SHARED: u32 = 41;
const FROZEN: u32 = 42;

/// A new block for an item, with these bytes.
pub(crate) fn stow(py: Python<'_>, bytes: &[u8]) -> PyResult<Block> {
    let block = world::alloc(py, bytes.len(), Fill::Dirty)?;
    block.set_kind(CARGO);
    if bytes.len() < DETACHED {
        ffi::fill(&block, bytes);
    } else {
        py.detach(|| ffi::fill(&block, bytes));
    }
    Ok(block)
}

/// Whether the windows on the bytes of an item can be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    ReadOnly,
    Writable,
}

/// A part of a block.
#[derive(Debug)]
pub(crate) struct Window {
    block: Block,
    offset: usize,
    len: usize,
    access: Access,
    listed: bool,
}

impl Window {
    /// A window on a part of a block; `None` if it has no such part. `access` is for what is not shared.
    pub(crate) fn new(block: Block, (offset, len): (usize, usize), access: Access) -> Option<Self> {
        offset.checked_add(len).filter(|end| *end <= block.len())?;
        let listed = block.kind() != CARGO;
        Some(Self { block, offset, len, access, listed: false }.listed(listed))
    }

    /// A window on a new block of that kind.
    fn fresh(py: Python<'_>, (len, fill): (usize, Fill), kind: u32) -> PyResult<Self> {
        let block = world::alloc(py, len.max(1), fill)?;
        block.set_kind(kind);
        Ok(Self { block, offset: 0, len, access: Access::Writable, listed: false }.listed(true))
    }

    fn listed(mut self, listed: bool) -> Self {
        if listed {
            listing::enter(self.block.as_ptr().addr(), self.block.len(), world::name(&self.block));
        }
        self.listed = listed;
        self
    }

    /// Where a buffer of this process lies, if what it lies in is listed: the block, and the offset.
    pub(crate) fn find(bytes: &[u8]) -> Option<(Block, usize)> {
        let ((world, handle), offset) = listing::find(bytes.as_ptr().addr(), bytes.len())?;
        Some((world::adopt(world, handle, "array").ok()?, offset))
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        if self.listed {
            listing::leave(self.block.as_ptr().addr());
        }
    }
}

impl Room for Window {
    fn place(&self) -> *mut u8 {
        self.block.as_ptr().wrapping_add(self.offset)
    }

    fn len(&self) -> usize {
        self.len
    }

    fn is_readonly(&self) -> bool {
        match self.block.kind() {
            SHARED => false,
            CARGO => self.access == Access::ReadOnly,
            _ => true,
        }
    }
}

/// A piece of shared memory with the buffer protocol; it is there as long as the object lives.
#[pyclass(frozen, extends = Buffer, module = "manyhands._native")]
#[derive(Debug)]
pub(crate) struct Cargo(Arc<Window>);

impl Cargo {
    /// The Python object of a window.
    pub(crate) fn of(window: Window) -> PyClassInitializer<Self> {
        let window = Arc::new(window);
        let room: Arc<dyn Room> = Arc::<Window>::clone(&window);
        PyClassInitializer::from(Buffer(room)).add_subclass(Self(window))
    }
}

#[pymethods]
impl Cargo {
    /// A new piece of shared memory that whoever has it may write, zeroed if that is wanted.
    #[new]
    fn new(py: Python<'_>, size: usize, zeroed: bool) -> PyResult<PyClassInitializer<Self>> {
        let fill = if zeroed { Fill::Zero } else { Fill::Dirty };
        Window::fresh(py, (size, fill), SHARED).map(Self::of)
    }

    /// A new piece of memory to write what is being pickled into: whoever gets the item has it.
    #[staticmethod]
    fn passing(py: Python<'_>, size: usize) -> PyResult<Py<Self>> {
        Py::new(py, Self::of(Window::fresh(py, (size, Fill::Dirty), CARGO)?))
    }

    /// Its name for other processes: id of the world, handle, offset and length.
    fn name(&self) -> (u64, u64, usize, usize) {
        let (world, handle) = world::name(&self.0.block);
        (world, handle, self.0.offset, self.0.len)
    }

    /// Where it begins in this process, and whether it is the memory of all who have it, not of one item.
    fn place(&self) -> (usize, bool) {
        (Room::place(&*self.0).expose_provenance(), self.0.block.kind() != CARGO)
    }

    /// From now on nobody writes it: who gets it, gets it to read.
    fn freeze(&self) {
        self.0.block.set_kind(FROZEN);
    }
}

/// The object for another process's piece of the world, by its name. `access` is for what is not shared.
pub(crate) fn adopt(
    py: Python<'_>,
    (world, handle): (u64, u64),
    part: (usize, usize),
    access: Access,
) -> PyResult<Py<Cargo>> {
    let block = world::adopt(world, handle, "array")?;
    let window = Window::new(block, part, access)
        .ok_or_else(|| PyValueError::new_err("an array beyond the end of its memory"))?;
    Py::new(py, Cargo::of(window))
}

/// Another process's piece of the world, by its name; who gets it may only read it, unless it is shared to be written.
#[pyfunction]
pub(crate) fn adopt_cargo(
    py: Python<'_>,
    world: u64,
    handle: u64,
    offset: usize,
    size: usize,
) -> PyResult<Py<Cargo>> {
    adopt(py, (world, handle), (offset, size), Access::ReadOnly)
}

/// The part of shared memory in which so many bytes at an address of this process lie, if they do.
#[pyfunction]
pub(crate) fn locate_cargo(
    py: Python<'_>,
    address: usize,
    size: usize,
) -> PyResult<Option<Py<Cargo>>> {
    let Some((name, offset)) = listing::find(address, size) else { return Ok(None) };
    adopt(py, name, (offset, size), Access::ReadOnly).map(Some)
}

/// Whether this process has anything that is sent as its place.
#[pyfunction]
pub(crate) fn shares_anything() -> bool {
    !listing::is_empty()
}
