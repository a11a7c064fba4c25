//! Locks, signals and values between processes: who is in, what travels, what a death leaves.

use std::time::{Duration, Instant};

use manyhands::Process;
use manyhands::channel::{Receiver, Sender, channel};
use manyhands::sync::{
    AtomicU64, Barrier, Condvar, Mutex, RwLock, Semaphore, Shareable, Shared, TryLockError,
};
use serde::{Deserialize, Serialize};
use std::sync::atomic::Ordering;

manyhands::test_support!();

/// Far more than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);
/// What a recovery takes 50 ms of, on a machine that does other work.
const SOON: Duration = Duration::from_secs(5);

/// Runs `hold` in a process until that says that it holds something, kills it, and waits until it is dead.
fn killed_while_it_holds<F, T>(hold: F, object: T)
where
    F: Fn((T, Sender<()>)) + Copy + 'static,
    T: Serialize + for<'de> Deserialize<'de> + 'static,
{
    let (sender, receiver) = channel().expect("a channel and a process");
    let process = Process::spawn(hold, (object, sender)).expect("a channel and a process");
    receiver.recv_timeout(PATIENCE).expect("a channel and a process");
    process.kill();
    assert!(process.wait_timeout(PATIENCE));
    // It is dead, and nobody has given back what it held: that is for whoever comes next.
    std::mem::forget(process);
}

fn park_after(sender: &Sender<()>) -> ! {
    sender.send(()).expect("a channel and a process");
    loop {
        std::thread::park();
    }
}

#[derive(Debug, Shareable, PartialEq, Clone, Copy)]
#[repr(u8)]
enum Phase {
    First,
    Second,
}

#[derive(Debug, Shareable, PartialEq, Clone, Copy)]
struct Pair<T> {
    left: T,
    right: [T; 2],
    phase: Phase,
}

#[test]
fn two_processes_and_this_one_count_together() {
    let total = Mutex::new(Pair { left: 0_u64, right: [0, 0], phase: Phase::First }).unwrap();
    let add = |total: Mutex<Pair<u64>>| {
        for _ in 0..20_000 {
            let mut pair = total.lock().unwrap();
            pair.left += 1;
            pair.right[1] += 2;
            pair.phase = Phase::Second;
        }
    };
    let processes = [(); 2].map(|()| Process::spawn(add, total.clone()).unwrap());
    add(total.clone());
    for process in processes {
        process.join().unwrap();
    }
    let pair = *total.lock().unwrap();
    assert_eq!(pair, Pair { left: 60_000, right: [0, 120_000], phase: Phase::Second });
}

#[test]
fn a_killed_holder_of_a_mutex_poisons_it() {
    let lock = Mutex::new(1_u64).unwrap();
    killed_while_it_holds(
        |(lock, sender): (Mutex<u64>, Sender<()>)| {
            let mut guard = lock.lock().unwrap();
            *guard = 2;
            park_after(&sender);
        },
        lock.clone(),
    );
    let start = Instant::now();
    let poisoned = lock.lock().unwrap_err();
    assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
    assert!(poisoned.is_owner_death(), "{poisoned}");
    assert_eq!(*poisoned.into_inner(), 2);
    assert!(matches!(lock.try_lock(), Err(TryLockError::Poisoned(_))));
    lock.clear_poison();
    assert_eq!(*lock.lock().unwrap(), 2);
}

#[test]
fn an_attempt_recovers_the_lock_of_the_dead() {
    let lock = Mutex::from_fn(3, |index| index).unwrap();
    killed_while_it_holds(
        |(lock, sender): (Mutex<[usize]>, Sender<()>)| {
            let _guard = lock.lock().unwrap();
            park_after(&sender);
        },
        lock.clone(),
    );
    assert!(lock.try_lock().unwrap_err().is_poisoned());
}

#[test]
fn an_exit_with_a_lock_is_a_death() {
    let lock = Mutex::new(()).unwrap();
    let exit = |lock: Mutex<()>| {
        let _guard = lock.lock().unwrap();
        std::process::exit(0)
    };
    let process: Process<()> = Process::spawn(exit, lock.clone()).unwrap();
    assert!(process.wait_timeout(PATIENCE));
    assert!(lock.lock().unwrap_err().is_owner_death());
}

#[test]
fn a_panic_in_another_process_poisons() {
    let lock = Mutex::new(5_u8).unwrap();
    let panics = |lock: Mutex<u8>| {
        let _guard = lock.lock().unwrap();
        panic!("on purpose");
    };
    assert!(Process::<()>::spawn(panics, lock.clone()).unwrap().join().unwrap_err().is_panic());
    assert!(lock.lock().unwrap_err().is_panic());
}

#[test]
fn a_killed_reader_is_forgotten_and_a_killed_writer_is_told() {
    let lock = RwLock::new([1_u32; 4]).unwrap();
    killed_while_it_holds(
        |(lock, sender): (RwLock<[u32; 4]>, Sender<()>)| {
            let _guard = lock.read().unwrap();
            park_after(&sender);
        },
        lock.clone(),
    );
    assert_eq!(*lock.read().unwrap(), [1; 4]);
    let start = Instant::now();
    lock.write().unwrap()[0] = 7;
    assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
    killed_while_it_holds(
        |(lock, sender): (RwLock<[u32; 4]>, Sender<()>)| {
            let mut guard = lock.write().unwrap();
            guard[1] = 8;
            park_after(&sender);
        },
        lock.clone(),
    );
    let poisoned = lock.read().unwrap_err();
    assert!(poisoned.is_owner_death());
    assert_eq!(*poisoned.into_inner(), [7, 8, 1, 1]);
    assert!(lock.write().is_err());
    lock.clear_poison();
    assert!(lock.write().is_ok() && lock.read().is_ok());
}

/// Killed at any moment: whoever comes next gets the lock, and is told if a change may be half done.
#[test]
fn kills_at_any_moment_leave_no_lock_behind() {
    let lock = RwLock::new([0_u64; 2]).unwrap();
    let mutex = Mutex::new([0_u64; 2]).unwrap();
    let turns = AtomicU64::new(0).unwrap();
    let work = |(lock, mutex, turns): (RwLock<[u64; 2]>, Mutex<[u64; 2]>, AtomicU64)| {
        loop {
            let seen = *lock.read().unwrap();
            assert_eq!(seen[0], seen[1]);
            let mut pair = lock.write().unwrap();
            pair[0] += 1;
            pair[1] += 1;
            drop(pair);
            let mut pair = mutex.lock().unwrap();
            pair[0] += 1;
            pair[1] += 1;
            drop(pair);
            turns.fetch_add(1, Ordering::Relaxed);
        }
    };
    for round in 0..30 {
        let start = turns.load(Ordering::Relaxed);
        let begun = Instant::now();
        let processes = [(); 2].map(|()| {
            Process::<()>::spawn(work, (lock.clone(), mutex.clone(), turns.clone())).unwrap()
        });
        while turns.load(Ordering::Relaxed) < start + 1 + 37 * round {
            assert!(begun.elapsed() < PATIENCE, "nothing goes on");
            std::thread::yield_now();
        }
        for process in processes {
            process.kill();
            assert!(process.wait_timeout(PATIENCE));
            std::mem::forget(process);
        }
        let mut whole = true;
        let mut pair = lock.try_write_for(PATIENCE).unwrap_or_else(|error| {
            whole = false;
            let TryLockError::Poisoned(poisoned) = error else { panic!("nobody gives it back") };
            assert!(poisoned.is_owner_death());
            poisoned.into_inner()
        });
        assert!(pair[0] == pair[1] || !whole && pair[0] == pair[1] + 1, "{pair:?}");
        pair[1] = pair[0];
        drop(pair);
        lock.clear_poison();
        let mut pair = mutex.try_lock_for(PATIENCE).unwrap_or_else(|error| {
            let TryLockError::Poisoned(poisoned) = error else { panic!("nobody gives it back") };
            poisoned.into_inner()
        });
        assert!(pair[0] - pair[1] <= 1, "{pair:?}");
        pair[1] = pair[0];
        drop(pair);
        mutex.clear_poison();
    }
}

#[test]
fn readers_of_other_processes_see_whole_changes() {
    let lock = RwLock::new([0_u64; 2]).unwrap();
    let read = |lock: RwLock<[u64; 2]>| {
        let mut last = 0;
        while last < 10_000 {
            let pair = *lock.read().unwrap();
            assert_eq!(pair[0], pair[1]);
            assert!(pair[0] >= last);
            last = pair[0];
        }
    };
    let readers = [(); 2].map(|()| Process::spawn(read, lock.clone()).unwrap());
    for number in 1..=10_000 {
        let mut pair = lock.write().unwrap();
        pair[0] = number;
        pair[1] = number;
    }
    for reader in readers {
        reader.join().unwrap();
    }
}

#[test]
fn a_killed_holder_gives_its_permits_back() {
    let semaphore = Semaphore::new(2).unwrap();
    killed_while_it_holds(
        |(semaphore, sender): (Semaphore, Sender<()>)| {
            let _permits = (semaphore.acquire(), semaphore.acquire());
            park_after(&sender);
        },
        semaphore.clone(),
    );
    let permit = semaphore.acquire_timeout(SOON).expect("they come back");
    assert_eq!(semaphore.available(), 1);
    drop(permit);
}

#[test]
fn a_failed_attempt_changes_no_permit() {
    let semaphore = Semaphore::new(1).unwrap();
    let permit = semaphore.acquire();
    assert!(semaphore.try_acquire().is_none());
    assert!(semaphore.acquire_timeout(Duration::from_millis(1)).is_none());
    assert_eq!(semaphore.available(), 0);
    drop(permit);
    assert_eq!(semaphore.available(), 1);
    semaphore.take();
    assert!(!semaphore.take_timeout(Duration::ZERO));
    semaphore.give().unwrap();
    assert_eq!(semaphore.available(), 1);
}

#[test]
fn a_barrier_breaks_when_one_dies_there() {
    let barrier = Barrier::new(3).unwrap();
    let wait = |barrier: Barrier| barrier.wait().is_ok();
    let process = Process::spawn(wait, barrier.clone()).unwrap();
    let start = Instant::now();
    while barrier.waiting() == 0 {
        assert!(start.elapsed() < PATIENCE, "it never comes");
        std::thread::yield_now();
    }
    process.kill();
    assert!(process.wait_timeout(PATIENCE));
    let start = Instant::now();
    assert!(barrier.wait().is_err());
    assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
    assert!(barrier.is_broken());
    barrier.reset();
    assert!(!barrier.is_broken());
    assert!(barrier.wait_timeout(Duration::from_millis(1)).is_err());
}

#[test]
fn processes_meet_again_and_again() {
    let (barrier, turns) = (Barrier::new(3).unwrap(), AtomicU64::new(0).unwrap());
    let run = |(barrier, turns): (Barrier, AtomicU64)| {
        let mut led = 0_u32;
        for turn in 0..100 {
            turns.fetch_add(1, Ordering::Relaxed);
            led += u32::from(barrier.wait().unwrap().is_leader());
            assert_eq!(turns.load(Ordering::Relaxed), 3 * (turn + 1));
            barrier.wait().unwrap();
        }
        led
    };
    let others = [(); 2].map(|()| Process::spawn(run, (barrier.clone(), turns.clone())).unwrap());
    let led = run((barrier, turns));
    let all: u32 = others.into_iter().map(|other| other.join().unwrap()).sum();
    assert_eq!(led + all, 100, "one leads each time");
}

#[test]
fn a_notification_crosses_processes() {
    let (turn, changed) = (Mutex::new(0_u32).unwrap(), Condvar::new().unwrap());
    let odd = |(turn, changed): (Mutex<u32>, Condvar)| {
        for _ in 0..200 {
            let guard = turn.lock().unwrap();
            let mut guard = changed.wait_while(guard, |turn| *turn % 2 == 0).unwrap();
            *guard += 1;
            changed.notify_one();
        }
    };
    let other = Process::spawn(odd, (turn.clone(), changed.clone())).unwrap();
    for _ in 0..200 {
        let guard = turn.lock().unwrap();
        let mut guard = changed.wait_while(guard, |turn| *turn % 2 == 1).unwrap();
        *guard += 1;
        changed.notify_one();
    }
    other.join().unwrap();
    assert_eq!(*turn.lock().unwrap(), 400);
}

#[test]
fn a_waiter_learns_of_a_death_with_the_lock() {
    let (lock, changed) = (Mutex::new(false).unwrap(), Condvar::new().unwrap());
    let guard = lock.lock().unwrap();
    let (sender, receiver) = channel::<()>().unwrap();
    let hold = |(lock, changed, sender): (Mutex<bool>, Condvar, Sender<()>)| {
        let mut guard = lock.lock().unwrap();
        *guard = true;
        changed.notify_all();
        park_after(&sender);
    };
    let process: Process<()> =
        Process::spawn(hold, (lock.clone(), changed.clone(), sender)).unwrap();
    let killer = std::thread::spawn(move || {
        receiver.recv_timeout(PATIENCE).unwrap();
        process.kill();
        process.join().unwrap_err()
    });
    let poisoned = changed.wait_while(guard, |done| !*done).unwrap_err();
    assert!(poisoned.is_owner_death() && **poisoned.get_ref());
    drop(poisoned);
    assert!(killer.join().unwrap().is_death());
}

#[test]
fn what_is_shared_is_one_and_the_same() {
    let table = Shared::from_fn(100_000, |index| index as u64).unwrap();
    let hits = AtomicU64::new(0).unwrap();
    let sum = |(table, hits): (Shared<[u64]>, AtomicU64)| {
        hits.fetch_add(table.len() as u64, Ordering::Relaxed);
        table.iter().sum::<u64>()
    };
    let process = Process::spawn(sum, (table.clone(), hits.clone())).unwrap();
    assert_eq!(process.join().unwrap(), 99_999 * 50_000);
    assert_eq!(hits.load(Ordering::Relaxed), 100_000);
    let copied = Shared::copy_of(&table[..10]).unwrap();
    assert_eq!(copied.to_vec(), (0..10).collect::<Vec<_>>());
}

#[test]
fn objects_come_back_as_results_and_travel_in_items() {
    let make = |value: u64| {
        let lock = Mutex::new(value).unwrap();
        (lock.clone(), Shared::new(value + 1).unwrap())
    };
    let (lock, shared) = Process::spawn(make, 7).unwrap().join().unwrap();
    assert_eq!((*lock.lock().unwrap(), *shared), (7, 8));
    let (sender, receiver) = channel().unwrap();
    sender.send((lock, shared, Semaphore::new(1).unwrap())).unwrap();
    let take = |items: Receiver<(Mutex<u64>, Shared<u64>, Semaphore)>| {
        let (lock, shared, semaphore) = items.recv().unwrap();
        let _permit = semaphore.acquire();
        *lock.lock().unwrap() + *shared
    };
    assert_eq!(Process::spawn(take, receiver).unwrap().join().unwrap(), 15);
}

#[test]
fn elsewhere_they_do_not_travel() {
    #[derive(Serialize)]
    struct Note {
        lock: Mutex<u8>,
    }
    let note = Note { lock: Mutex::new(0).unwrap() };
    let error = postcard::to_allocvec(&note).unwrap_err();
    assert!(matches!(error, postcard::Error::SerdeSerCustom), "{error}");
}

/// The reader of an item that has its type wrong is told so, and gets no reference to what is not there.
#[test]
fn a_lock_is_not_taken_for_another() {
    #[derive(Serialize, Deserialize)]
    enum Item {
        Lock(Mutex<u64>),
        Wrong(Wrong),
    }
    /// Writes one type and reads another.
    struct Wrong(Mutex<u64>);
    impl Serialize for Wrong {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            self.0.serialize(serializer)
        }
    }
    impl<'de> Deserialize<'de> for Wrong {
        fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            let lock = Mutex::<[u8; 100_000]>::deserialize(deserializer)?;
            Mutex::new(u64::from(lock.lock().unwrap()[99_999]))
                .map(Wrong)
                .map_err(serde::de::Error::custom)
        }
    }
    let (sender, receiver) = channel().unwrap();
    sender.send(Item::Wrong(Wrong(Mutex::new(1).unwrap()))).unwrap();
    sender.send(Item::Lock(Mutex::new(2).unwrap())).unwrap();
    assert!(matches!(receiver.recv(), Err(manyhands::channel::RecvError::Unreadable(_))));
    let Item::Lock(lock) = receiver.recv().unwrap() else { panic!("the second one") };
    assert_eq!(*lock.lock().unwrap(), 2);
}

#[test]
fn a_value_given_to_tasks_ends_with_its_calls() {
    let pool = manyhands::Pool::builder().workers(2).build().unwrap();
    let (sender, receiver) = channel().unwrap();
    let count = |sender: &Sender<u64>, x: u64| sender.send(x).unwrap();
    pool.with(&sender).map(count, 0..100).unwrap();
    let given = pool.with(&sender);
    let handles: Vec<_> = (0..10).map(|x| given.submit(count, x)).collect();
    drop(given);
    drop(sender);
    // The pool lives on; the workers and the calls no longer have the sender.
    let sum: u64 = receiver.iter().take(110).sum();
    assert_eq!(sum, 99 * 50 + 45);
    for handle in handles {
        handle.join().unwrap();
    }
    assert!(receiver.recv_timeout(PATIENCE).unwrap_err().is_disconnected());
}
