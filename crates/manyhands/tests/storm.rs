//! Storms: workers are killed at any moment, and so is their parent; the ledger stays exact, and nobody stays behind.
//!
//! `MANYHANDS_TEST_KILLS` says how many workers are killed: `make deep` kills 2,000.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use manyhands::{Pool, TaskError};

manyhands::test_support!();

fn kills() -> usize {
    std::env::var("MANYHANDS_TEST_KILLS").map_or(60, |count| count.parse().expect("a number"))
}

/// Ends a process by its number, as an operator would.
fn kill(pid: i32) {
    let mut killing = Command::new("kill");
    // It may be dead already.
    let _status =
        killing.args(["-KILL", &pid.to_string()]).stderr(Stdio::null()).status().expect("kill");
}

/// Notes that an item was begun, in a file to which each worker appends whole lines. They have eight bytes, so that none
/// crosses a page: there the kernel cuts the write of a killed process short.
fn run(path: &String, x: u64) -> u64 {
    thread_local! {
        static LOG: std::cell::RefCell<Option<File>> = const { std::cell::RefCell::new(None) };
    }
    LOG.with_borrow_mut(|log| {
        let log = log.get_or_insert_with(|| {
            OpenOptions::new().append(true).create(true).open(path).expect("the log")
        });
        log.write_all(format!("{x:7}\n").as_bytes()).expect("the log");
    });
    x + 1
}

/// Kills workers until it is told to stop; how many.
///
/// It kills again only when an item was begun since: where starting a worker takes longer than the pauses,
/// nothing would ever be done.
fn storm(pool: &Pool, path: &str, stop: &Receiver<()>) -> usize {
    let mut count = 0;
    let mut round = 0_usize;
    let mut seen = 0;
    while stop.recv_timeout(Duration::from_millis(3 + (round % 7) as u64)).is_err() {
        let begun = std::fs::metadata(path).map_or(0, |log| log.len());
        if begun == seen {
            continue;
        }
        seen = begun;
        round += 1;
        let pids: Vec<_> = pool.pids().into_iter().flatten().collect();
        if let Some(pid) = pids.get(round % pids.len().max(1)) {
            kill(*pid);
            count += 1;
        }
    }
    count
}

#[test]
fn every_item_has_one_end_however_many_are_killed() {
    const ITEMS: u64 = 20_000;
    let path = std::env::temp_dir().join(format!("manyhands-storm-{}", std::process::id()));
    let path = path.to_str().expect("a plain path").to_owned();
    let pool = Pool::builder().workers(3).build().unwrap();
    let pool = &pool;
    let (mut killed, mut begun, mut lost) = (0, HashMap::new(), 0);
    while killed < kills() {
        // Workers hold it open over the rounds: it is emptied, not removed.
        File::create(&path).unwrap();
        let (log, (stop, stopped)) = (path.as_str(), channel());
        let results = thread::scope(|scope| {
            let operator = scope.spawn(move || storm(pool, log, &stopped));
            let results = pool.with(&path).map_each(run, 0..ITEMS);
            stop.send(()).unwrap();
            killed += operator.join().unwrap();
            results
        });
        assert_eq!(results.len() as u64, ITEMS);
        begun.clear();
        for line in BufReader::new(File::open(&path).unwrap()).lines() {
            *begun.entry(line.unwrap().trim().parse::<u64>().unwrap()).or_insert(0) += 1;
        }
        for (x, result) in (0..).zip(results) {
            match result {
                Ok(value) => {
                    assert_eq!(value, x + 1);
                    assert_eq!(begun.get(&x), Some(&1), "item {x} ran other than once");
                }
                Err(error) => {
                    lost += 1;
                    assert!(begun.get(&x).is_none_or(|times| *times == 1), "{error}: ran again");
                    assert_eq!(error.item().index(), Some(x));
                    let TaskError::WorkerDied { signal, .. } = error else { panic!("{error}") };
                    assert_eq!(signal, Some(9));
                }
            }
        }
    }
    assert!(lost <= killed, "{lost} items are lost with {killed} workers");
    std::fs::remove_file(&path).unwrap();
    assert_eq!(pool.map(|x: u64| x, [7]).unwrap(), [7]);
}

/// The child of the next test: a program whose pool works for ever. It tells its workers.
#[test]
fn parent() {
    if std::env::var_os("MANYHANDS_TEST_PARENT").is_none() {
        return;
    }
    let pool = Pool::builder().workers(2).build().unwrap();
    let stay = |x: u64| loop {
        if x == u64::MAX {
            return;
        }
        thread::park();
    };
    let _tasks = [pool.submit(stay, 0), pool.submit(stay, 1)];
    while pool.pids().iter().any(Option::is_none) {
        thread::yield_now();
    }
    let mut out = std::io::stderr();
    for pid in pool.pids().into_iter().flatten() {
        writeln!(out, "worker {pid}").unwrap();
    }
    writeln!(out, "all").unwrap();
    loop {
        thread::park();
    }
}

#[test]
fn nobody_outlives_a_killed_parent() {
    for _ in 0..5 {
        let mut program = Command::new(std::env::current_exe().unwrap());
        program.args(["--exact", "parent", "--nocapture"]).env("MANYHANDS_TEST_PARENT", "1");
        let mut program = program.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let lines = BufReader::new(program.stderr.take().unwrap()).lines().map(Result::unwrap);
        let lines: Vec<_> = lines.take_while(|line| line != "all").collect();
        let pids: Vec<u32> =
            lines.iter().filter_map(|line| line.strip_prefix("worker ")?.parse().ok()).collect();
        assert_eq!(pids.len(), 2, "{lines:?}");
        program.kill().unwrap();
        program.wait().unwrap();
        let patience = Instant::now() + Duration::from_secs(30);
        for pid in pids {
            while is_alive(pid) {
                assert!(Instant::now() < patience, "worker {pid} outlives its parent");
                thread::yield_now();
            }
        }
    }
}

/// Whether there is such a process, and it is no zombie.
fn is_alive(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit(')').next().and_then(|rest| rest.trim_start().chars().next());
    !matches!(state, None | Some('Z' | 'X'))
}
