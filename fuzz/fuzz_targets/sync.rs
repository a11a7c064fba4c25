//! Locks, semaphores, conditions, events and barriers against a process that writes anything into their words.
//!
//! Each operation ends within its limit. Words that name a live process are left out: such a lock is held.
#![no_main]

use std::time::Duration;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use manyhands_fuzz::{BUDGET, Ink, Place, scribble, spare_locks};
use manyhands_shm::sync::{
    Barrier, Condition, Event, Liveness, Lock, Outcome, RLock, Semaphore, Taker, Visit, Wait,
};
use manyhands_shm::world::{Block, Fill, World};

const NOW: Option<Duration> = Some(Duration::ZERO);

#[derive(Debug, Arbitrary)]
enum Step {
    Lock,
    Unlock,
    RLock,
    RUnlock,
    Acquire,
    Release,
    Enter,
    Leave,
    Enrol,
    WaitNotified,
    Notify(u8),
    NotifyAll,
    Set,
    Clear,
    WaitSet,
    Meet { acts: bool },
    GiveUp,
    Abort,
    Reset,
    Look,
    Scribble(Place, Ink),
}

struct Objects {
    lock: Block,
    rlock: Block,
    semaphore: Block,
    condition: Block,
    event: Block,
    barrier: Block,
    visit: Visit,
    places: Vec<manyhands_shm::sync::Place>,
}

impl Objects {
    fn new(world: &std::sync::Arc<World>) -> Self {
        let make = |len: usize| world.alloc(len, Fill::Zero).expect("memory");
        let made = Self {
            lock: make(size_of::<Lock>()),
            rlock: make(size_of::<RLock>()),
            semaphore: make(size_of::<Semaphore>()),
            condition: make(size_of::<Condition>()),
            event: make(size_of::<Event>()),
            barrier: make(size_of::<Barrier>()),
            visit: Visit::default(),
            places: Vec::new(),
        };
        made.semaphore.get::<Semaphore>().set(2, 4);
        made.barrier.get::<Barrier>().set(2);
        made
    }

    fn run(&mut self, step: &Step, world: &World) {
        let live = world.internal();
        let me = Taker::here(live.me());
        let semaphore = self.semaphore.get::<Semaphore>();
        let condition = self.condition.get::<Condition>();
        let event = self.event.get::<Event>();
        match step {
            Step::Lock => drop(self.lock.get::<Lock>().acquire(&live, me, NOW)),
            Step::Unlock => drop(self.lock.get::<Lock>().release()),
            Step::RLock => drop(self.rlock.get::<RLock>().acquire(&live, me, NOW)),
            Step::RUnlock => drop(self.rlock.get::<RLock>().release(me)),
            Step::Acquire => drop(semaphore.acquire(&live, NOW)),
            Step::Release => drop(semaphore.release()),
            Step::Enter => drop(semaphore.enter(&live, NOW)),
            Step::Leave => drop(semaphore.leave(&live)),
            Step::Enrol => self.places.extend(condition.enrol(&live)),
            Step::WaitNotified => {
                if let Some(place) = self.places.pop() {
                    let _ = condition.wait(&place, &live, NOW);
                    let _ = condition.leave(place);
                }
            }
            Step::Notify(count) => drop(condition.notify(&live, (*count).into())),
            Step::NotifyAll => drop(condition.notify_all()),
            Step::Set => event.set(),
            Step::Clear => event.clear(),
            Step::WaitSet => drop(event.wait(event.look(), NOW)),
            _ => self.meet(step, world),
        }
    }

    fn meet(&mut self, step: &Step, world: &World) {
        let live = world.internal();
        let barrier = self.barrier.get::<Barrier>();
        match step {
            Step::Meet { acts } => {
                let outcome = barrier.wait(&mut self.visit, &live, NOW, *acts);
                if outcome == Wait::Ready(Outcome::Act) {
                    let _ = barrier.end_action(&mut self.visit, &live, true);
                }
            }
            Step::GiveUp => drop(barrier.give_up(&mut self.visit, &live)),
            Step::Abort => barrier.abort(&live),
            Step::Reset => barrier.reset(&live),
            Step::Look => {
                let condition = self.condition.get::<Condition>();
                let semaphore = self.semaphore.get::<Semaphore>();
                let _ = (barrier.waiting(), barrier.parties(), condition.waiters(&live));
                let _ = (semaphore.value(), semaphore.is_noted(), semaphore.bound());
                semaphore.recover(&live);
                condition.recover(&live);
            }
            _ => {}
        }
    }
}

fuzz_target!(|steps: Vec<Step>| {
    let world = World::create(BUDGET).expect("a world");
    let mut objects = Objects::new(&world);
    for step in steps.into_iter().take(64) {
        if let Step::Scribble(place, ink) = &step {
            scribble(&world, place, ink);
            spare_locks(&world);
        } else {
            objects.run(&step, &world);
        }
    }
});
