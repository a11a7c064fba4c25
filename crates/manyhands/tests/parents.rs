//! Programs that use everything are killed at random moments: then the machine is as before.
//!
//! `MANYHANDS_TEST_PARENTS` says how many: `make deep` kills 1,000. After each kill every process of that program must
//! be gone (they inherit a mark in their environment), and with the last one its memory, which has no names. At the end
//! there must be nothing in its folder for temporary files, no new name in `/dev/shm`, and nothing new of System V.
#![expect(clippy::unwrap_used, reason = "whatever fails here fails the test")]

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher, RandomState};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use manyhands::channel::{Receiver, Sender, sync_channel};
use manyhands::pipe::{Pipe, pipe};
use manyhands::sync::{AtomicU64, Barrier, Mutex, Semaphore};
use manyhands::{Buffer, Pool, Process};

manyhands::test_support!();

const LIFE: &str = "MANYHANDS_TEST_LIFE";
const MARK: &str = "MANYHANDS_TEST_MARK";
/// Nothing of a program may be left for longer.
const PATIENCE: Duration = Duration::from_secs(60);

fn parents() -> u64 {
    env::var("MANYHANDS_TEST_PARENTS").map_or(12, |count| count.parse().expect("a number"))
}

type Life = (&'static str, fn());
const LIVES: [Life; 5] = [
    ("a pool", with_a_pool),
    ("buffers", with_buffers),
    ("processes", with_processes),
    ("locks", with_locks),
    ("a pool in a process", with_a_pool_in_a_process),
];

/// The program that is killed. It says what it does.
#[test]
fn lives() {
    let Some(number) = env::var(LIFE).ok().and_then(|life| life.parse::<usize>().ok()) else {
        return;
    };
    let (name, live) = LIVES[number];
    loop {
        writeln!(std::io::stderr(), "{name}").unwrap();
        live();
    }
}

fn with_a_pool() {
    let pool = Pool::builder().workers(3).build().unwrap();
    assert_eq!(pool.map(|x: u64| x + 1, 0..20_000).unwrap().len(), 20_000);
    assert_eq!(pool.imap_unordered(|x: u64| x.to_string(), 0..2_000).count(), 2_000);
    let _waits = pool.submit(|(): ()| thread::park(), ());
    assert_eq!(pool.imap(|x: u64| x, 0..).take(100).count(), 100);
}

fn with_buffers() {
    let pool = Pool::builder().workers(2).build().unwrap();
    let twice = |numbers: Buffer<u64>| Buffer::from_fn(numbers.len(), |at| 2 * numbers[at]);
    for len in [100_000, 500_000] {
        let back = pool.map(twice, (0..4).map(|_| Buffer::filled(len, 3))).unwrap();
        assert!(back.iter().all(|numbers| numbers[len - 1] == 6));
    }
}

fn echo((from, to): (Receiver<Vec<u8>>, Sender<Vec<u8>>)) {
    for bytes in &from {
        if to.send(bytes).is_err() {
            break;
        }
    }
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "the end of the conversation is the end of the pipe"
)]
fn answer(pipe: Pipe<u64, u64>) {
    while let Ok(number) = pipe.recv() {
        if pipe.send(number + 1).is_err() {
            break;
        }
    }
}

fn with_processes() {
    let ((to, from), (back, here)) = (sync_channel(4).unwrap(), sync_channel(4).unwrap());
    let (ours, theirs) = pipe::<u64, u64>().unwrap();
    let first = Process::spawn(echo, (from, back)).unwrap();
    let second = Process::spawn(answer, theirs).unwrap();
    for number in 0..200 {
        to.send(vec![7; 50_000]).unwrap();
        ours.send(number).unwrap();
        assert_eq!(here.recv().unwrap().len(), 50_000);
        assert_eq!(ours.recv().unwrap(), number + 1);
    }
    drop((to, ours));
    first.join().unwrap();
    second.join().unwrap();
}

fn count((lock, sum, places, together): (Mutex<u64>, AtomicU64, Semaphore, Barrier)) {
    for _ in 0..500 {
        let _place = places.acquire();
        *lock.lock().unwrap() += 1;
        sum.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    }
    let _first = together.wait().unwrap();
}

fn with_locks() {
    let lock = Mutex::new(0).unwrap();
    let sum = AtomicU64::new(0).unwrap();
    let places = Semaphore::new(2).unwrap();
    let together = Barrier::new(3).unwrap();
    let all = (lock.clone(), sum, places, together);
    let others: Vec<_> = (0..3).map(|_| Process::spawn(count, all.clone()).unwrap()).collect();
    for other in others {
        other.join().unwrap();
    }
    assert_eq!(*lock.lock().unwrap(), 1_500);
}

fn with_a_pool_in_a_process() {
    let inner = |count: u64| {
        let pool = Pool::builder().workers(2).build().unwrap();
        pool.map(|x: u64| x, 0..count).unwrap().len()
    };
    assert_eq!(Process::spawn(inner, 5_000).unwrap().join().unwrap(), 5_000);
}

/// Chance enough for a test: another number at each call.
fn dice(seed: &mut u64, sides: u64) -> u64 {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*seed >> 33) % sides
}

/// The processes that have a mark in their environment, zombies left out: these have none.
fn marked(mark: &str) -> Vec<String> {
    let wanted = format!("{MARK}={mark}");
    let has = |path: &Path| {
        let environment = fs::read(path.join("environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|entry| entry == wanted.as_bytes())
    };
    let processes = fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
    let numbers = processes.filter(|path| {
        path.file_name().is_some_and(|name| name.as_encoded_bytes()[0].is_ascii_digit())
    });
    numbers.filter(|path| has(path)).map(|path| path.display().to_string()).collect()
}

/// Names in shared memory, and what the kernel knows of System V.
fn kernel_objects() -> BTreeSet<String> {
    let names = fs::read_dir("/dev/shm").into_iter().flatten().flatten();
    let mut found: BTreeSet<_> = names.map(|entry| entry.path().display().to_string()).collect();
    for kind in ["sem", "shm", "msg"] {
        let table = fs::read_to_string(format!("/proc/sysvipc/{kind}")).unwrap_or_default();
        let ids = table.lines().skip(1).map(|row| {
            let words: Vec<_> = row.split_whitespace().take(2).collect();
            format!("{kind} {words:?}")
        });
        found.extend(ids);
    }
    found
}

/// Starts a program and kills it: what it did, and how long anything of it was left.
fn kill_one(number: u64, seed: &mut u64, folder: &Path) -> (String, Duration) {
    let mark = format!("{}-{number}", std::process::id());
    let life = dice(seed, LIVES.len() as u64);
    let mut program = Command::new(env::current_exe().unwrap());
    program.args(["--exact", "lives", "--nocapture"]).env(LIFE, life.to_string());
    program.env(MARK, &mark).env("TMPDIR", folder).stderr(Stdio::piped()).stdout(Stdio::null());
    let mut program = program.spawn().unwrap();
    let mut errors = BufReader::new(program.stderr.take().unwrap());
    let mut said = String::new();
    // One in five is killed while it starts, which takes a few milliseconds.
    let mut within = 4_000;
    if dice(seed, 5) > 0 {
        errors.read_line(&mut said).unwrap();
        within = 300_000;
    }
    let (_nobody, never) = channel::<()>();
    let moment = Duration::from_micros(dice(seed, within));
    assert_eq!(never.recv_timeout(moment), Err(RecvTimeoutError::Timeout));
    program.kill().unwrap();
    let killed = Instant::now();
    program.wait().unwrap();
    while !marked(&mark).is_empty() {
        assert!(killed.elapsed() < PATIENCE, "{:?} outlive their parent", marked(&mark));
        thread::yield_now();
    }
    let took = killed.elapsed();
    errors.read_to_string(&mut said).unwrap();
    assert!(!said.contains("panicked"), "{said}");
    (said.lines().next().unwrap_or("start").to_owned(), took)
}

#[test]
fn nothing_is_left_of_a_killed_program() {
    let folder = env::temp_dir().join(format!("manyhands-parents-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let before = kernel_objects();
    let seed = RandomState::new().hash_one(0);
    let mut dice = seed;
    let (mut times, mut lives) = (Vec::new(), BTreeMap::<String, u64>::new());
    for number in 0..parents() {
        let (life, took) = kill_one(number, &mut dice, &folder);
        times.push(took);
        *lives.entry(life).or_default() += 1;
    }
    let patience = Instant::now() + PATIENCE;
    while !kernel_objects().is_subset(&before) {
        let left = &kernel_objects() - &before;
        assert!(Instant::now() < patience, "left with seed {seed}: {left:?}");
        thread::yield_now();
    }
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 0, "seed {seed}");
    fs::remove_dir(&folder).unwrap();
    times.sort_unstable();
    let at = |percent: usize| times[(times.len() - 1) * percent / 100];
    writeln!(
        std::io::stderr(),
        "{} programs killed, seed {seed}: {lives:?}; until nothing was left: median {:?}, 99 % {:?}, longest {:?}",
        times.len(),
        at(50),
        at(99),
        at(100)
    )
    .unwrap();
}
