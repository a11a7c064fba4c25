//! Channels and pipes between processes, rivals beside them in the same run; crossbeam's between threads.

use std::hint::black_box;
use std::time::{Duration, Instant};

use ipc_channel::ipc::{self, IpcOneShotServer, IpcReceiver, IpcSender};
use manyhands::channel::{Sender, channel, sync_channel};
use manyhands::pipe::{Pipe, pipe};
use manyhands::sync::{AtomicU64, Mutex, RwLock};
use manyhands::{Buffer, Process};
use manyhands_benches::{Figure, report, rounds};
use serde_bytes::ByteBuf;

const ITEMS: u64 = 1_000_000;
const TRIPS: u32 = 50_000;
const LARGE: usize = 8 << 20;
const LARGES: usize = 100;

fn main() {
    manyhands::init();
    rounds("Locks, channels and pipes", 3, || {
        locks();
        one_thread();
        streams();
        round_trips();
        large();
    });
}

/// What a process of ours makes of ipc-channel's ends, and sends here.
fn from_child<T>(make: impl Fn(IpcSender<T>) + Copy + 'static) -> (T, Process<()>)
where
    T: serde::Serialize + for<'de> serde::Deserialize<'de> + 'static,
{
    let (server, name) = IpcOneShotServer::<T>::new().expect("a server");
    let connect = move |name: String| make(IpcSender::connect(name).expect("a connection"));
    let process = Process::spawn(connect, name).expect("a process");
    (server.accept().expect("an end").1, process)
}

fn rate(count: u64, time: Duration) -> Figure {
    (count as f64 / time.as_secs_f64() / 1e6, "M items/s")
}

fn each(count: u32, time: Duration) -> Figure {
    (time.as_secs_f64() / f64::from(count) * 1e9, "ns each")
}

fn timed(work: impl FnOnce()) -> Duration {
    let began = Instant::now();
    work();
    began.elapsed()
}

/// Nobody else wants it.
fn locks() {
    const TURNS: u32 = 5_000_000;
    let what = "lock and unlock, alone";
    let lock = Mutex::new(0_u64).expect("memory");
    let time = timed(|| (0..TURNS).for_each(|_| *lock.lock().expect("whole") += 1));
    report(what, "manyhands Mutex", each(TURNS, time));
    let lock = std::sync::Mutex::new(0_u64);
    let time = timed(|| (0..TURNS).for_each(|_| *black_box(&lock).lock().expect("whole") += 1));
    report(what, "std Mutex", each(TURNS, time));
    let lock = RwLock::new(0_u64).expect("memory");
    let time = timed(|| (0..TURNS).for_each(|_| _ = black_box(*lock.read().expect("whole"))));
    report(what, "manyhands RwLock, read", each(TURNS, time));
    let time = timed(|| (0..TURNS).for_each(|_| *lock.write().expect("whole") += 1));
    report(what, "manyhands RwLock, write", each(TURNS, time));
    let lock = std::sync::RwLock::new(0_u64);
    let time =
        timed(|| (0..TURNS).for_each(|_| _ = black_box(*black_box(&lock).read().expect("whole"))));
    report(what, "std RwLock, read", each(TURNS, time));
    let number = AtomicU64::new(0).expect("memory");
    let order = std::sync::atomic::Ordering::Relaxed;
    let time = timed(|| (0..TURNS).for_each(|_| _ = black_box(number.fetch_add(1, order))));
    report("add to a number", "manyhands AtomicU64", each(TURNS, time));
}

/// Send and receive in one thread.
fn one_thread() {
    const TURNS: u32 = 2_000_000;
    let what = "send and receive a u64 in one thread";
    let (sender, receiver) = channel::<u64>().expect("memory");
    let time = timed(|| {
        for number in 0..u64::from(TURNS) {
            sender.send(number).expect("a receiver");
            black_box(receiver.recv().expect("an item"));
        }
    });
    report(what, "manyhands", each(TURNS, time));
    let (sender, receiver) = crossbeam_channel::unbounded::<u64>();
    let time = timed(|| {
        for number in 0..u64::from(TURNS) {
            sender.send(number).expect("a receiver");
            black_box(receiver.recv().expect("an item"));
        }
    });
    report(what, "crossbeam", each(TURNS, time));
    let (sender, receiver) = ipc::channel::<u64>().expect("a channel");
    let time = timed(|| {
        for number in 0..u64::from(TURNS / 20) {
            sender.send(number).expect("a receiver");
            black_box(receiver.recv().expect("an item"));
        }
    });
    report(what, "ipc-channel", each(TURNS / 20, time));
}

/// One process sends, this one receives.
fn streams() {
    let what = "a stream of u64 from another process";
    for (name, bound) in [("manyhands channel", None), ("manyhands sync_channel(1000)", Some(1000))]
    {
        let (sender, receiver) = match bound {
            None => channel::<u64>().expect("memory"),
            Some(bound) => sync_channel(bound).expect("memory"),
        };
        let produce = |sender: Sender<u64>| {
            (0..=ITEMS).for_each(|number| sender.send(number).expect("a receiver"))
        };
        let process = Process::spawn(produce, sender).expect("a process");
        receiver.recv().expect("an item");
        let time = timed(|| assert_eq!(receiver.iter().count() as u64, ITEMS));
        report(what, name, rate(ITEMS, time));
        process.join().expect("its end");
    }
    let (receiver, process) = from_child(|parent: IpcSender<IpcReceiver<u64>>| {
        let (sender, receiver) = ipc::channel::<u64>().expect("a channel");
        parent.send(receiver).expect("a receiver");
        (0..=ITEMS / 10).for_each(|number| sender.send(number).expect("a receiver"));
    });
    receiver.recv().expect("an item");
    let time =
        timed(|| (0..ITEMS / 10).for_each(|_| _ = black_box(receiver.recv().expect("an item"))));
    report(what, "ipc-channel", rate(ITEMS / 10, time));
    process.join().expect("its end");
    let (sender, receiver) = crossbeam_channel::unbounded::<u64>();
    let thread = std::thread::spawn(move || {
        (0..=ITEMS).for_each(|number| sender.send(number).expect("a receiver"))
    });
    receiver.recv().expect("an item");
    let time = timed(|| assert_eq!(receiver.iter().count() as u64, ITEMS));
    report(what, "crossbeam (threads)", rate(ITEMS, time));
    thread.join().expect("its end");
}

/// A question and its answer.
fn round_trips() {
    let what = "round trip of a u64 with another process";
    let (here, there) = pipe::<u64, u64>().expect("memory");
    let echo = |pipe: Pipe<u64, u64>| {
        while let Ok(number) = pipe.recv() {
            pipe.send(number).expect("a receiver");
        }
    };
    let process = Process::spawn(echo, there).expect("a process");
    let trip = || {
        here.send(1).expect("a receiver");
        here.recv().expect("an item");
    };
    trip();
    let time = timed(|| (0..TRIPS).for_each(|_| trip()));
    report(what, "manyhands pipe", each(TRIPS, time));
    drop(here);
    process.join().expect("its end");
    let ((to, from), process) =
        from_child(|parent: IpcSender<(IpcSender<u64>, IpcReceiver<u64>)>| {
            let (to, receiver) = ipc::channel::<u64>().expect("a channel");
            let (sender, from) = ipc::channel::<u64>().expect("a channel");
            parent.send((to, from)).expect("a receiver");
            while let Ok(number) = receiver.recv() {
                sender.send(number).expect("a receiver");
            }
        });
    let trip = || {
        to.send(1).expect("a receiver");
        from.recv().expect("an item");
    };
    trip();
    let time = timed(|| (0..TRIPS / 10).for_each(|_| trip()));
    report(what, "ipc-channel, two", each(TRIPS / 10, time));
    drop(to);
    process.join().expect("its end");
    let (to, for_them) = crossbeam_channel::unbounded::<u64>();
    let (from_them, from) = crossbeam_channel::unbounded::<u64>();
    let thread = std::thread::spawn(move || {
        while let Ok(number) = for_them.recv() {
            from_them.send(number).expect("a receiver");
        }
    });
    let time = timed(|| {
        for _ in 0..TRIPS {
            to.send(1).expect("a receiver");
            from.recv().expect("an item");
        }
    });
    report(what, "crossbeam, two (threads)", each(TRIPS, time));
    drop(to);
    thread.join().expect("its end");
}

/// 8 MB messages.
fn large() {
    let what = "8 MB messages from another process";
    let bytes = |time: Duration| ((LARGE * LARGES) as f64 / time.as_secs_f64() / 1e9, "GB/s");
    let (sender, receiver) = sync_channel::<ByteBuf>(2).expect("memory");
    let produce = |sender: Sender<ByteBuf>| {
        for _ in 0..=LARGES {
            sender.send(ByteBuf::from(vec![7; LARGE])).expect("a receiver");
        }
    };
    let process = Process::spawn(produce, sender).expect("a process");
    receiver.recv().expect("an item");
    let time = timed(|| assert_eq!(receiver.iter().count(), LARGES));
    report(what, "manyhands sync_channel(2)", bytes(time));
    process.join().expect("its end");
    let (sender, receiver) = sync_channel::<Buffer<u8>>(2).expect("memory");
    let produce = |sender: Sender<Buffer<u8>>| {
        for _ in 0..=LARGES {
            sender.send(Buffer::filled(LARGE, 7)).expect("a receiver");
        }
    };
    let process = Process::spawn(produce, sender).expect("a process");
    receiver.recv().expect("an item");
    let time = timed(|| assert_eq!(receiver.iter().count(), LARGES));
    report(what, "manyhands sync_channel(2) of Buffer", bytes(time));
    process.join().expect("its end");
    let (receiver, process) = from_child(|parent: IpcSender<IpcReceiver<ByteBuf>>| {
        let (sender, receiver) = ipc::channel::<ByteBuf>().expect("a channel");
        parent.send(receiver).expect("a receiver");
        for _ in 0..=LARGES / 4 {
            sender.send(ByteBuf::from(vec![7; LARGE])).expect("a receiver");
        }
    });
    receiver.recv().expect("an item");
    let time =
        timed(|| (0..LARGES / 4).for_each(|_| drop(black_box(receiver.recv().expect("an item")))));
    report(what, "ipc-channel", bytes(time * 4));
    process.join().expect("its end");
    let source = vec![7_u8; LARGE];
    let time = timed(|| (0..LARGES).for_each(|_| drop(black_box(source.clone()))));
    report(what, "memcpy into fresh memory", bytes(time));
}
