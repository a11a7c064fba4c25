//! Nothing is left of workers that came when their pool was about to end. Alone in its file: it looks at all children.

use std::fs::{read_dir, read_to_string};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use manyhands::Pool;

manyhands::test_support!();

/// Dead children of this process that nobody has reaped.
fn zombies() -> Vec<String> {
    let own = format!(" Z {} ", std::process::id());
    let processes = read_dir("/proc").expect("a list of processes").flatten();
    let stats = processes.filter_map(|entry| read_to_string(entry.path().join("stat")).ok());
    stats.filter(|stat| stat.contains(&own)).collect()
}

#[test]
fn workers_that_nobody_waited_for_are_reaped() {
    for round in 0..40 {
        let pool = Pool::builder().workers(3).build().unwrap();
        if round % 2 == 0 {
            pool.map(|x: u32| x, 0..10).unwrap();
        }
    }
    let (_nobody, silence) = channel::<()>();
    let deadline = Instant::now() + Duration::from_secs(20);
    while !zombies().is_empty() {
        assert!(Instant::now() < deadline, "{:?}", zombies());
        assert!(silence.recv_timeout(Duration::from_millis(20)).is_err());
    }
}
