//! A program that becomes another one leaves no workers behind.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};
use std::{env, thread};

use manyhands::{Pool, Process};

manyhands::test_support!();

const LIFE: &str = "MANYHANDS_TEST_BECOMES";

/// The program that becomes another one, and says before which children it has.
#[test]
fn becomes() {
    if env::var_os(LIFE).is_none() {
        return;
    }
    let pool = Pool::builder().workers(2).build().unwrap();
    let process: Process<()> = Process::spawn(|(): ()| thread::park(), ()).unwrap();
    let mut pids: Vec<u32> = pool.broadcast(std::process::id).into_iter().flatten().collect();
    pids.extend(process.pid().map(i32::cast_unsigned));
    let words: Vec<_> = pids.iter().map(ToString::to_string).collect();
    let error = Command::new("sh").arg("-c").arg(format!("echo {}; cat", words.join(" "))).exec();
    panic!("{error}");
}

/// Whether a process runs. One that nobody has reaped has no files.
fn runs(pid: &str) -> bool {
    Path::new("/proc").join(pid).join("exe").read_link().is_ok()
}

#[test]
fn nothing_is_left_of_a_program_that_becomes_another() {
    let mut program = Command::new(env::current_exe().unwrap());
    program.args(["--exact", "becomes", "--nocapture"]).env(LIFE, "1");
    let mut program = program.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(program.stdout.take().unwrap()).lines();
    let is_list = |line: &String| line.starts_with(|first: char| first.is_ascii_digit());
    let line = lines.map_while(Result::ok).find(is_list).expect("a list of processes");
    let pids: Vec<_> = line.split_whitespace().collect();
    assert_eq!(pids.len(), 3, "{line}");
    let (_nobody, silence) = channel::<()>();
    let deadline = Instant::now() + Duration::from_secs(20);
    while pids.iter().any(|pid| runs(pid)) {
        if Instant::now() > deadline {
            let _ended = Command::new("kill").arg("-9").args(&pids).status();
            panic!("they outlive it: {line}");
        }
        assert!(silence.recv_timeout(Duration::from_millis(5)).is_err());
    }
    assert_eq!(program.try_wait().unwrap(), None, "the other program runs");
    drop(program.stdin.take());
    assert!(program.wait().unwrap().success());
}
