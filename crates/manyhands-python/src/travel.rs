//! Noting which blocks an item refers to while it is pickled.
//!
//! An object of ours pickles as the name of its block. Whoever pickles an item *collects* meanwhile: the object
//! notes its block with the innermost collector of its thread, and the collector holds it until the item
//! has arrived, or is held by something else. Where nobody collects, and no child is being started, an object
//! of ours refuses to be pickled (`manyhands._handles`).
//!
//! A collector that takes *cargo* also takes the large buffers that pickle hands out ([`stow_buffer`]): each is
//! copied into a block of its own, and the pickle only says that there is one. Where a pickle is made anew, the
//! copies are used again: the buffers of the first attempt are held until the end, so that none of their places
//! can have got another content.
//!
//! It refuses to pin: a queue pins what its item names, a pool keeps the holds themselves.

use std::cell::RefCell;
use std::sync::{Mutex, PoisonError};

use manyhands_pool::Luggage;
use manyhands_shm::world::Block;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::PyMemoryView;

use crate::ffi::View;
use crate::repeats;
use crate::window::{self, Access, Cargo, LARGE, Window};
use crate::world;

/// What a collector has met.
#[derive(Debug, Default)]
struct Met {
    luggage: Luggage,
    /// Of how many bytes buffers are at least that are taken out of the pickle; none: of no number.
    least: Option<usize>,
    /// The largest object whose buffer was copied, if somebody wants to know.
    largest: Option<(Py<PyAny>, usize)>,
    wants_largest: bool,
    /// Those of the present attempt, in order.
    cargo: Vec<Stowed>,
    /// Those of an attempt before.
    spare: Vec<Stowed>,
    /// What is being made is thrown away, perhaps, and made anew.
    trying: bool,
}

/// A buffer, and where its copy is: a block, and the offset in it.
#[derive(Debug)]
struct Stowed {
    view: View,
    block: Block,
    offset: usize,
}

/// A part of a block: offset and length.
pub(crate) type Part = (Block, usize, usize);

impl Stowed {
    fn is_of(&self, view: &View) -> bool {
        let (mine, other) = (self.view.bytes().as_ptr_range(), view.bytes().as_ptr_range());
        mine == other && self.view.is_readonly() == view.is_readonly()
    }
}

thread_local! {
    /// What each collector of this thread has met, the innermost last.
    static MET: RefCell<Vec<Met>> = const { RefCell::new(Vec::new()) };
}

/// Works on the innermost collector, if there is one.
fn innermost<T>(work: impl FnOnce(&mut Met) -> T) -> Option<T> {
    MET.with_borrow_mut(|met| met.last_mut().map(work))
}

/// Collects in this thread until it is finished or dropped. Collectors nest.
#[derive(Debug)]
#[must_use]
pub(crate) struct Collecting(());

impl Collecting {
    #[inline]
    pub(crate) fn begin() -> Self {
        MET.with_borrow_mut(|met| met.push(Met::default()));
        Self(())
    }

    /// As above, for whoever calls [`take_cargo`] after each pickle.
    #[inline]
    pub(crate) fn with_cargo() -> Self {
        MET.with_borrow_mut(|met| met.push(Met { least: Some(LARGE), ..Met::default() }));
        Self(())
    }

    /// As above, for an argument: [`take_largest`] will be asked.
    #[inline]
    pub(crate) fn argument() -> Self {
        let met = Met { least: Some(LARGE), wants_largest: true, ..Met::default() };
        MET.with_borrow_mut(|all| all.push(met));
        Self(())
    }

    /// Holds on all blocks that were met.
    #[inline]
    pub(crate) fn finish(self) -> Vec<Block> {
        std::mem::forget(self);
        MET.with_borrow_mut(Vec::pop).unwrap_or_default().luggage
    }
}

impl Drop for Collecting {
    fn drop(&mut self) {
        let met = MET.with_borrow_mut(Vec::pop);
        drop(met);
    }
}

/// What is pickled with this collector is pickled anew.
#[pyfunction]
pub(crate) fn begin_anew() {
    innermost(|met| met.spare.append(&mut met.cargo));
}

/// Where the buffers are that are not in the pickle that was just made, in order; the collector holds the blocks.
#[inline]
pub(crate) fn take_cargo() -> Vec<Part> {
    let taken = innermost(|met| {
        if met.cargo.is_empty() && met.spare.is_empty() {
            return (Vec::new(), Vec::new());
        }
        met.luggage.extend(met.cargo.iter().map(|stowed| stowed.block.clone()));
        let part =
            |stowed: &Stowed| (stowed.block.clone(), stowed.offset, stowed.view.bytes().len());
        let parts = met.cargo.iter().map(part).collect();
        // Buffers are given back when the collector is not in use: that may run Python.
        (parts, met.cargo.drain(..).chain(met.spare.drain(..)).collect())
    });
    taken.map_or_else(Vec::new, |(parts, _buffers): (_, Vec<Stowed>)| parts)
}

/// Of how many bytes cargo is at least that the innermost collector takes, if it takes any.
pub(crate) fn least_cargo() -> Option<usize> {
    innermost(|met| met.least).flatten()
}

/// Lets the innermost collector hold a block.
pub(crate) fn hold(block: Block) {
    innermost(|met| met.luggage.push(block));
}

/// The largest object of which a buffer was copied, and how many bytes.
pub(crate) fn take_largest() -> Option<(Py<PyAny>, usize)> {
    innermost(|met| met.largest.take()).flatten()
}

/// Notes whose buffer it is, if it is the largest one.
fn note_largest(buffer: &Bound<'_, PyAny>, len: usize) -> PyResult<()> {
    let wanted = |met: &mut Met| {
        met.wants_largest && met.largest.as_ref().is_none_or(|(_, largest)| *largest < len)
    };
    if len >= repeats::NOTED && innermost(wanted) == Some(true) {
        let owner = PyMemoryView::from(buffer)?.getattr("obj")?.unbind();
        let before = innermost(|met| met.largest.replace((owner, len)));
        drop(before);
    }
    Ok(())
}

/// For pickle: takes a buffer out of the pickle if it is worth it, or lies in shared memory already; else (true) it
/// stays in.
#[pyfunction]
pub(crate) fn stow_buffer(buffer: &Bound<'_, PyAny>) -> PyResult<bool> {
    let Some(least) = least_cargo() else { return Ok(true) };
    let Ok(view) = View::whole(buffer) else { return Ok(true) };
    let stowed = if let Some((block, offset)) = Window::find(view.bytes()) {
        Stowed { view, block, offset }
    } else if view.bytes().len() < least {
        return Ok(true);
    } else {
        let known = innermost(|met| {
            let at = met.spare.iter().position(|stowed| stowed.is_of(&view))?;
            Some(met.spare.remove(at))
        });
        if let Some(stowed) = known.flatten() {
            stowed
        } else {
            note_largest(buffer, view.bytes().len())?;
            Stowed { block: window::stow(buffer.py(), view.bytes())?, view, offset: 0 }
        }
    };
    innermost(|met| met.cargo.push(stowed));
    Ok(false)
}

/// Notes a block with this thread's collector; whether there is one.
#[pyfunction]
pub(crate) fn collect(world: u64, handle: u64) -> PyResult<bool> {
    if MET.with_borrow(Vec::is_empty) {
        return Ok(false);
    }
    let block = world::adopt(world, handle, "object")?;
    innermost(|met| met.luggage.push(block));
    Ok(true)
}

/// Whether somebody collects in this thread.
#[pyfunction]
pub(crate) fn collecting() -> bool {
    !MET.with_borrow(Vec::is_empty)
}

/// Whether the innermost collector of this thread sees an attempt, whose pickle will be thrown away, perhaps: what
/// would be left behind by that refuses to be pickled then.
#[pyfunction]
pub(crate) fn trying() -> bool {
    innermost(|met| met.trying).unwrap_or(false)
}

/// Says whether what comes next is an attempt.
pub(crate) fn set_trying(trying: bool) {
    innermost(|met| met.trying = trying);
}

/// Collects while its `with` block pickles; keeps what was met alive as long as it lives itself.
#[pyclass(frozen, module = "manyhands._native")]
#[derive(Debug, Default)]
pub(crate) struct Collector {
    takes_cargo: bool,
    met: Mutex<Luggage>,
    /// What of it are buffers that are not in the pickle.
    cargo: Mutex<Vec<Part>>,
}

impl Collector {
    /// Holds on what was met.
    pub(crate) fn luggage(&self) -> Luggage {
        self.met.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[pymethods]
impl Collector {
    #[new]
    #[pyo3(signature = (cargo=false))]
    fn new(cargo: bool) -> Self {
        Self { takes_cargo: cargo, ..Self::default() }
    }

    fn __enter__(slf: Py<Self>) -> Py<Self> {
        std::mem::forget(if slf.get().takes_cargo {
            Collecting::with_cargo()
        } else {
            Collecting::begin()
        });
        slf
    }

    #[pyo3(signature = (*_args))]
    fn __exit__(&self, _args: &Bound<'_, PyAny>) -> PyResult<()> {
        let cargo = take_cargo();
        let met = MET.with_borrow_mut(Vec::pop);
        let met = met.ok_or_else(|| PyRuntimeError::new_err("this collector was not entered"))?;
        self.met.lock().unwrap_or_else(PoisonError::into_inner).extend(met.luggage);
        self.cargo.lock().unwrap_or_else(PoisonError::into_inner).extend(cargo);
        Ok(())
    }

    /// The buffers that are not in the pickle that was made, in order.
    fn cargo(&self, py: Python<'_>) -> PyResult<Vec<Py<Cargo>>> {
        let cargo = self.cargo.lock().unwrap_or_else(PoisonError::into_inner);
        let window = |(block, offset, len): &Part| {
            Window::new(block.clone(), (*offset, *len), Access::ReadOnly)
        };
        cargo.iter().filter_map(window).map(|window| Py::new(py, Cargo::of(window))).collect()
    }

    /// The names of what was met: id of the world, and handle.
    fn names(&self) -> Vec<(u64, u64)> {
        self.luggage().iter().map(world::name).collect()
    }
}
