//! The figures of the Rust face, rivals beside it in the same run.

use std::hint::black_box;
use std::time::{Duration, Instant};

use manyhands::Pool;
use manyhands_benches::{median, report};
use rayon::iter::{IntoParallelIterator, ParallelIterator};

const ITEMS: u64 = 10_000_000;
const TRIPS: usize = 20_000;

fn main() {
    manyhands::init();
    procspawn::init();
    let pool = Pool::builder().workers(2).build().expect("a pool");
    pool.map(|x: u64| x, 0..10_000).expect("a warm pool");
    round_trips(&pool);
    squares(&pool);
    metg(&pool);
    buffers(&pool);
}

fn micros(time: Duration) -> String {
    format!("{:.2} us", time.as_secs_f64() * 1e6)
}

fn percentiles(mut times: Vec<Duration>) -> String {
    times.sort_unstable();
    let at = |share: f64| micros(times[((times.len() - 1) as f64 * share) as usize]);
    format!("p50 {}, p99 {}", at(0.5), at(0.99))
}

fn timed(count: usize, mut trip: impl FnMut()) -> Vec<Duration> {
    (0..count)
        .map(|_| {
            let began = Instant::now();
            trip();
            began.elapsed()
        })
        .collect()
}

fn round_trips(pool: &Pool) {
    let what = "round trip of an empty task";
    let times = timed(TRIPS, || pool.submit(|(): ()| (), ()).join().expect("a result"));
    report(what, "manyhands", &percentiles(times));
    let (to, work) = crossbeam_channel::bounded::<()>(1);
    let (back, done) = crossbeam_channel::bounded::<()>(1);
    let thread = std::thread::spawn(move || {
        while work.recv().is_ok() {
            back.send(()).expect("the other end");
        }
    });
    let times = timed(TRIPS, || {
        to.send(()).expect("the other end");
        done.recv().expect("the other end");
    });
    report(what, "crossbeam", &percentiles(times));
    drop(to);
    thread.join().expect("the thread");
    let procs = procspawn::Pool::builder(1).build().expect("a pool");
    procs.spawn((), |()| ()).join().expect("a result");
    let times = timed(2_000, || procs.spawn((), |()| ()).join().expect("a result"));
    report(what, "procspawn", &percentiles(times));
    procs.kill();
    let threads = rayon::ThreadPoolBuilder::new().num_threads(2).build().expect("a pool");
    let times = timed(TRIPS, || threads.install(|| black_box(())));
    report(what, "rayon", &percentiles(times));
}

fn rate(time: Duration) -> String {
    format!(
        "{:.1} M items/s ({:.1} ms)",
        ITEMS as f64 / time.as_secs_f64() / 1e6,
        time.as_secs_f64() * 1e3
    )
}

fn squares(pool: &Pool) {
    let what = "map of x*x over 10 million integers";
    let ours = median(5, || drop(black_box(pool.map(|x: u64| x * x, 0..ITEMS).expect("results"))));
    report(what, "manyhands", &rate(ours));
    let threads = rayon::ThreadPoolBuilder::new().num_threads(2).build().expect("a pool");
    let theirs = median(5, || {
        let squares: Vec<u64> =
            threads.install(|| (0..ITEMS).into_par_iter().map(|x| x * x).collect());
        drop(black_box(squares));
    });
    report(what, "rayon", &rate(theirs));
    report(what, "ratio", &format!("{:.2} times rayon", ours.as_secs_f64() / theirs.as_secs_f64()));
    let one =
        median(3, || drop(black_box((0..ITEMS).map(|x| black_box(x) * x).collect::<Vec<_>>())));
    report(what, "one thread", &rate(one));
}

/// Works for so many nanoseconds.
fn spin(ns: u64) -> u64 {
    let began = Instant::now();
    while began.elapsed().as_nanos() < u128::from(ns) {
        std::hint::spin_loop();
    }
    ns
}

/// The smallest task at which two workers are busy with it for half of the time.
fn metg(pool: &Pool) {
    let efficiency = |ns: u64| {
        let count = (100_000_000 / ns).clamp(10_000, 400_000);
        let took = median(3, || {
            let sum: u64 = pool
                .imap_unordered(spin, vec![ns; count as usize])
                .map(|x| x.expect("a result"))
                .sum();
            black_box(sum);
        });
        let alone = median(3, || {
            black_box((0..count / 10).map(|_| spin(black_box(ns))).sum::<u64>());
        });
        alone.as_secs_f64() * 10.0 / 2.0 / took.as_secs_f64()
    };
    for ns in [100_000, 10_000, 1_000, 500, 300, 200, 100, 50] {
        report(
            "efficiency of imap_unordered",
            &format!("{ns} ns"),
            &format!("{:.0} %", 100.0 * efficiency(ns)),
        );
    }
}

const BUFFER: usize = 8 << 20;

/// Buffers of 8 MB to a worker and back.
fn buffers(pool: &Pool) {
    let what = "8 MB there and back";
    let buffer: Vec<u8> = (0..BUFFER).map(|at| at as u8).collect();
    let rate =
        |time: Duration| format!("{:.2} GB/s", 2.0 * BUFFER as f64 / time.as_secs_f64() / 1e9);
    let ours = median(20, || {
        let back = pool.submit(|own: Vec<u8>| own, buffer.clone()).join().expect("a buffer");
        assert_eq!(black_box(back).len(), BUFFER);
    });
    report(what, "manyhands", &rate(ours));
    let copies = median(20, || {
        let there = black_box(buffer.clone());
        assert_eq!(black_box(there.clone()).len(), BUFFER);
    });
    report(what, "two clones", &rate(copies));
    let mut place = vec![0; BUFFER];
    let memcpy = median(20, || {
        place.copy_from_slice(black_box(&buffer));
        place.copy_from_slice(black_box(&buffer));
        black_box(&mut place);
    });
    report(what, "memcpy", &rate(memcpy));
    let (to, from) = ipc_channel::ipc::bytes_channel().expect("a channel");
    let (back, done) = ipc_channel::ipc::bytes_channel().expect("a channel");
    let thread = std::thread::spawn(move || {
        while let Ok(bytes) = from.recv() {
            back.send(&bytes).expect("the other end");
        }
    });
    let theirs = median(20, || {
        to.send(&buffer).expect("the other end");
        assert_eq!(done.recv().expect("a buffer").len(), BUFFER);
    });
    report(what, "ipc-channel", &rate(theirs));
    drop(to);
    thread.join().expect("the thread");
}
