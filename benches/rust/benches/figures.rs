//! The figures of the Rust face, rivals beside it in the same run.

use std::hint::black_box;
use std::time::{Duration, Instant};

use manyhands::{Buffer, Pool};
use manyhands_benches::{Figure, median, report, rounds};
use rayon::iter::{IntoParallelIterator, ParallelIterator};

const ITEMS: u64 = 10_000_000;
const TRIPS: usize = 20_000;

fn main() {
    manyhands::init();
    procspawn::init();
    let pool = Pool::builder().workers(2).build().expect("a pool");
    pool.map(|x: u64| x, 0..10_000).expect("a warm pool");
    let groups: [(&str, fn(&Pool)); 4] =
        [("round_trips", round_trips), ("squares", squares), ("metg", metg), ("buffers", buffers)];
    // Names of groups after `--`: only these.
    let only: Vec<_> = std::env::args().skip(1).filter(|name| !name.starts_with('-')).collect();
    rounds("Pools", 3, || {
        for (name, measure) in groups {
            if only.is_empty() || only.iter().any(|wanted| wanted == name) {
                measure(&pool);
            }
        }
    });
}

fn percentiles(what: &str, who: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e6;
    report(&format!("{what}, p50"), who, (at(0.5), "us"));
    report(&format!("{what}, p99"), who, (at(0.99), "us"));
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
    percentiles(what, "manyhands", times);
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
    percentiles(what, "crossbeam", times);
    drop(to);
    thread.join().expect("the thread");
    let procs = procspawn::Pool::builder(1).build().expect("a pool");
    procs.spawn((), |()| ()).join().expect("a result");
    let times = timed(2_000, || procs.spawn((), |()| ()).join().expect("a result"));
    percentiles(what, "procspawn", times);
    procs.kill();
    let threads = rayon::ThreadPoolBuilder::new().num_threads(2).build().expect("a pool");
    let times = timed(TRIPS, || threads.install(|| black_box(())));
    percentiles(what, "rayon", times);
}

fn rate(time: Duration) -> Figure {
    (ITEMS as f64 / time.as_secs_f64() / 1e6, "M items/s")
}

fn squares(pool: &Pool) {
    let what = "map of x*x over 10 million integers";
    let ours = median(5, || drop(black_box(pool.map(|x: u64| x * x, 0..ITEMS).expect("results"))));
    report(what, "manyhands", rate(ours));
    let threads = rayon::ThreadPoolBuilder::new().num_threads(2).build().expect("a pool");
    let theirs = median(5, || {
        let squares: Vec<u64> =
            threads.install(|| (0..ITEMS).into_par_iter().map(|x| x * x).collect());
        drop(black_box(squares));
    });
    report(what, "rayon", rate(theirs));
    let ratio = ours.as_secs_f64() / theirs.as_secs_f64();
    report(what, "manyhands over rayon, time", (ratio, "times"));
    let procs = procspawn::Pool::builder(2).build().expect("a pool");
    let chunk = |(from, to): (u64, u64)| (from..to).map(|x| x * x).collect::<Vec<_>>();
    let by_hand = median(3, || {
        const CHUNK: u64 = ITEMS / 20;
        let started: Vec<_> =
            (0..20).map(|at| procs.spawn((at * CHUNK, (at + 1) * CHUNK), chunk)).collect();
        let mut all = Vec::with_capacity(ITEMS as usize);
        started.into_iter().for_each(|part| all.extend(part.join().expect("results")));
        drop(black_box(all));
    });
    report(what, "procspawn, 20 chunks by hand", rate(by_hand));
    procs.kill();
    let one =
        median(3, || drop(black_box((0..ITEMS).map(|x| black_box(x) * x).collect::<Vec<_>>())));
    report(what, "one thread", rate(one));
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
    let sizes = [10_000, 1_000, 500, 300, 200, 100, 50];
    let found = sizes.map(|ns| (ns, efficiency(ns)));
    for (ns, share) in found {
        let who = format!("tasks of {ns} ns");
        report("share of the cores' time, imap_unordered", &who, (100.0 * share, "%"));
    }
    let enough = found.iter().take_while(|(_, share)| *share >= 0.5).last();
    let least = enough.map_or(f64::INFINITY, |(ns, _)| *ns as f64 / 1e3);
    report("METG(50 %) of imap_unordered", "manyhands", (least, "us"));
}

const BUFFER: usize = 8 << 20;

/// Buffers of 8 MB to a worker and back.
fn buffers(pool: &Pool) {
    let what = "8 MB there and back";
    let buffer: Vec<u8> = (0..BUFFER).map(|at| at as u8).collect();
    let rate = |time: Duration| (2.0 * BUFFER as f64 / time.as_secs_f64() / 1e9, "GB/s");
    let vector = median(20, || {
        let back = pool.submit(|own: Vec<u8>| own, buffer.clone()).join().expect("a buffer");
        assert_eq!(black_box(back).len(), BUFFER);
    });
    report(what, "manyhands, Vec<u8>", rate(vector));
    let copy = |own: Buffer<u8>| Buffer::copy_of(&own);
    let ours = median(20, || {
        let there = Buffer::copy_of(black_box(&buffer));
        let back = pool.submit(copy, there).join().expect("a buffer");
        assert_eq!(black_box(back).len(), BUFFER);
    });
    report(what, "manyhands, Buffer<u8>", rate(ours));
    let mut place = vec![0; BUFFER];
    let memcpy = median(20, || {
        place.copy_from_slice(black_box(&buffer));
        place.copy_from_slice(black_box(&buffer));
        black_box(&mut place);
    });
    report(what, "memcpy", rate(memcpy));
    let share = 100.0 * memcpy.as_secs_f64() / ours.as_secs_f64();
    report(what, "Buffer<u8> over memcpy", (share, "%"));
    let copies = median(20, || {
        let there = black_box(buffer.clone());
        assert_eq!(black_box(there.clone()).len(), BUFFER);
    });
    report(what, "two clones of a vector", rate(copies));
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
    report(what, "ipc-channel, bytes", rate(theirs));
    drop(to);
    thread.join().expect("the thread");
}
