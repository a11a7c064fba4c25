//! A C function that segfaults on some inputs, run over 100,000 of them.
//!
//! ```text
//! manyhands-crash          in worker processes: every good input is answered, every bad one is named
//! manyhands-crash forks    a function that forks, and comes back twice: each input is answered once
//! manyhands-crash family   the program forks itself: the child takes nothing of the pool
//! manyhands-crash closes   a function that closes all descriptors; what is left of it when the program is killed?
//! manyhands-crash daemon   the program closes all descriptors itself, and waits for a process: that is an error
//! manyhands-crash rayon    in threads: the first bad input takes the program with it
//! ```
#![expect(unsafe_code, reason = "functions of C")]
#![expect(clippy::print_stdout, reason = "a program that people run")]

use manyhands::{Pool, Process};
use rayon::iter::{IntoParallelIterator, ParallelIterator};

const INPUTS: u64 = 100_000;

unsafe extern "C" {
    fn fragile(x: u64) -> u64;
    fn forking(x: u64) -> u64;
    fn closing(x: u64) -> u64;
}

fn call(x: u64) -> u64 {
    // SAFETY: the function takes and gives numbers. For some of them it writes to a null pointer, which is the
    // point of this program: it is run where that does no harm.
    unsafe { fragile(x) }
}

fn fork(x: u64) -> u64 {
    // SAFETY: the function takes and gives numbers. Of what a fork leaves out, the child needs nothing on its way back.
    unsafe { forking(x) }
}

fn close(x: u64) -> u64 {
    // SAFETY: the function takes and gives numbers. What owns a descriptor in a worker gets errors from now on.
    unsafe { closing(x) }
}

/// Workers close their descriptors; then this process is to be killed.
fn closed(pool: &Pool) -> Result<(), Box<dyn std::error::Error>> {
    let close = || (close(0), std::process::id());
    let pids: Result<Vec<_>, _> = pool.broadcast(close).into_iter().collect();
    println!("{:?}", pids?.into_iter().map(|(_, pid)| pid).collect::<Vec<_>>());
    std::io::stdin().read_line(&mut String::new())?;
    Ok(())
}

/// The program itself closes its descriptors while it has a process.
fn daemon() -> Result<(), Box<dyn std::error::Error>> {
    let process = Process::spawn(|(): ()| std::thread::park(), ())?;
    close(0);
    println!("{} {}", process.is_finished(), process.join().is_err());
    Ok(())
}

/// The program itself forks: the child has nothing of the pool, and takes nothing of it.
fn family(pool: &Pool) -> Result<(), Box<dyn std::error::Error>> {
    let (handle, mut results) = (pool.submit(call, 1), pool.imap(call, 0_u64..1_000));
    results.next().transpose()?;
    let own = std::process::id();
    fork(3);
    if std::process::id() != own {
        let cancelled = handle.cancel();
        println!("child: {} {cancelled} {}", handle.is_ready(), handle.join().is_err());
        println!(
            "child: {} {}",
            results.any(|result| result.is_err()),
            pool.map(call, [1]).is_err()
        );
        return Ok(());
    }
    let good = results.flatten().count();
    println!("parent: {} {good}", handle.join()?);
    Ok(())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    manyhands::init();
    if std::env::args().nth(1).as_deref() == Some("rayon") {
        let answers: Vec<u64> = (0..INPUTS).into_par_iter().map(call).collect();
        println!("{} answers", answers.len());
        return Ok(());
    }
    if std::env::args().nth(1).as_deref() == Some("daemon") {
        return daemon();
    }
    let pool = Pool::builder().workers(2).build()?;
    if std::env::args().nth(1).as_deref() == Some("closes") {
        return closed(&pool);
    }
    if std::env::args().nth(1).as_deref() == Some("family") {
        return family(&pool);
    }
    if std::env::args().nth(1).as_deref() == Some("forks") {
        let good = (0..1_000).zip(pool.map(fork, 0..1_000)?).filter(|(x, y)| x + 1 == *y).count();
        pool.join();
        println!("{good} answers");
        return Ok(());
    }
    let results = pool.map_each(call, 0..INPUTS);
    let good = results.iter().filter(|result| result.is_ok()).count();
    println!("{good} answers");
    for error in results.iter().filter_map(|result| result.as_ref().err()) {
        println!("{error}");
    }
    Ok(())
}
