//! What the doctor asks of shared memory: which locks, queues and their relatives there are, and in which
//! state. Each is looked at by itself, so a report is not one moment.

use manyhands_shm::channel::Channel;
use manyhands_shm::sync::{
    BARRIER, Barrier, CONDITION, Condition, EVENT, Event, LOCK, Lock, Owner, RLOCK, RLock,
    SEMAPHORE, Semaphore,
};
use manyhands_shm::world::{Block, Sighting, World};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::sync::Arc;

use crate::world;

/// What there is in the home world of this process: for each object a dict of its facts.
#[pyfunction]
pub(crate) fn survey(py: Python<'_>) -> PyResult<Vec<Bound<'_, PyDict>>> {
    let home = world::home(py)?;
    let (seen, holds) = py.detach(|| (home.survey(), home.holds()));
    let mut found = Vec::new();
    for sighting in seen {
        if let Some(facts) = describe(py, &home, &sighting)? {
            facts.set_item("name", sighting.handle.0)?;
            facts.set_item("offset", sighting.offset)?;
            facts.set_item("length", sighting.len)?;
            facts.set_item("processes", sighting.holders)?;
            let holders = holds.iter().filter(|(handle, _)| *handle == sighting.handle);
            facts.set_item("holders", holders.map(|(_, pid)| *pid).collect::<Vec<_>>())?;
            found.push(facts);
        }
    }
    Ok(found)
}

/// The numbers of all processes that share the home world of this one.
#[pyfunction]
pub(crate) fn relatives(py: Python<'_>) -> PyResult<Vec<i32>> {
    Ok(world::home(py)?.pids())
}

/// The facts of an object that the doctor knows; none of another one, or of one that has just gone.
fn describe<'py>(
    py: Python<'py>,
    home: &Arc<World>,
    sighting: &Sighting,
) -> PyResult<Option<Bound<'py, PyDict>>> {
    let Some(block) = home.adopt(sighting.handle) else { return Ok(None) };
    let facts = PyDict::new(py);
    let kind = match block.kind() {
        LOCK => owner(home, &facts, block.get::<Lock>().owner(), "Lock")?,
        RLOCK => owner(home, &facts, block.get::<RLock>().owner(), "RLock")?,
        SEMAPHORE => {
            let semaphore = block.get::<Semaphore>();
            facts.set_item("value", semaphore.value())?;
            "Semaphore"
        }
        CONDITION => {
            facts.set_item("waiting", block.get::<Condition>().waiters(&**home))?;
            "Condition"
        }
        EVENT => {
            facts.set_item("set", block.get::<Event>().is_set())?;
            "Event"
        }
        BARRIER => {
            let barrier = block.get::<Barrier>();
            facts.set_item("parties", barrier.parties())?;
            facts.set_item("waiting", barrier.waiting())?;
            facts.set_item("broken", barrier.is_broken())?;
            "Barrier"
        }
        _ => return queue(facts, block),
    };
    facts.set_item("kind", kind)?;
    Ok(Some(facts))
}

fn owner(
    home: &World,
    facts: &Bound<'_, PyDict>,
    owner: Option<Owner>,
    kind: &'static str,
) -> PyResult<&'static str> {
    facts.set_item("locked", owner.is_some())?;
    facts.set_item("owner", owner.and_then(|owner| home.pid_of(owner)))?;
    Ok(kind)
}

fn queue(facts: Bound<'_, PyDict>, block: Block) -> PyResult<Option<Bound<'_, PyDict>>> {
    let Some(channel) = Channel::of_block(block) else { return Ok(None) };
    let words = channel.words();
    facts.set_item("kind", "Queue")?;
    facts.set_item("items", words.len())?;
    facts.set_item("most", words.limits().items)?;
    facts.set_item("full", words.is_full())?;
    facts.set_item("shut", words.is_shut())?;
    Ok(Some(facts))
}
