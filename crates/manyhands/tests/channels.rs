//! Channels, selection and pipes between processes: order, counts, ends, deaths.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use manyhands::Process;
use manyhands::channel::{
    Receiver, RecvError, RecvTimeoutError, Select, Sender, TryRecvError, channel, sync_channel,
};
use manyhands::pipe::{Pipe, pipe};
use manyhands::sync::{AtomicU64, Mutex};
use std::sync::atomic::Ordering;

manyhands::test_support!();

/// Far more than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);
/// What a death takes a tenth of a second of, on a machine that does other work.
const SOON: Duration = Duration::from_secs(5);

type Pair = (u64, u64);

#[test]
fn any_operations_do_what_a_queue_does() {
    let mut random = 0x9e37_79b9_u64;
    let mut roll = |sides: u64| {
        random =
            random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) % sides
    };
    for bound in [None, Some(1), Some(5)] {
        let (sender, receiver) = match bound {
            None => channel::<Vec<u8>>().unwrap(),
            Some(bound) => sync_channel(bound).unwrap(),
        };
        let mut model = VecDeque::new();
        for number in 0..3000_u32 {
            if roll(2) == 0 {
                let len = [0, 3, 200, 5_000, 40_000][usize::try_from(roll(5)).unwrap()];
                let item = vec![number.to_le_bytes()[0]; len];
                let full = bound.is_some_and(|bound| model.len() >= bound);
                match sender.try_send(item.clone()) {
                    Ok(()) => {
                        assert!(!full);
                        model.push_back(item);
                    }
                    Err(error) => {
                        assert!(full && error.is_full());
                        assert_eq!(error.into_inner(), item);
                    }
                }
            } else {
                assert_eq!(receiver.try_recv().ok(), model.pop_front());
            }
            assert_eq!((sender.len(), receiver.len()), (model.len(), model.len()));
        }
        drop(sender);
        assert_eq!(receiver.iter().collect::<VecDeque<_>>(), model);
    }
}

/// What each producer sends comes in its order, each item once, whoever receives.
#[test]
fn many_send_and_many_receive() {
    const EACH: u64 = 3_000;
    let (items, taken) = sync_channel(7).unwrap();
    let (reports, reported) = channel().unwrap();
    let produce = |(name, items): (u64, Sender<(u64, u64)>)| {
        for number in 0..EACH {
            items.send((name, number)).unwrap();
        }
    };
    let consume = |(taken, reports): (Receiver<Pair>, Sender<Vec<Pair>>)| {
        reports.send(taken.iter().collect()).unwrap();
    };
    let producers: Vec<_> =
        (0..3).map(|name| Process::spawn(produce, (name, items.clone())).unwrap()).collect();
    let consumers: Vec<_> = (0..2)
        .map(|_| Process::spawn(consume, (taken.clone(), reports.clone())).unwrap())
        .collect();
    drop((items, taken, reports));
    for producer in producers {
        producer.join().unwrap();
    }
    for consumer in consumers {
        consumer.join().unwrap();
    }
    let mut all = HashMap::new();
    for report in &reported {
        let mut last = HashMap::new();
        for (name, number) in report {
            let before = last.insert(name, number);
            assert!(before.is_none_or(|before| before < number), "out of order");
            *all.entry((name, number)).or_insert(0) += 1;
        }
    }
    assert_eq!(all.len(), usize::try_from(3 * EACH).unwrap());
    assert!(all.values().all(|times| *times == 1));
}

#[test]
fn the_end_of_the_last_sender_is_told_at_once() {
    let (sender, receiver) = channel::<u32>().unwrap();
    let second = sender.clone();
    drop(sender);
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
    let waiter = std::thread::spawn(move || {
        let start = Instant::now();
        (receiver.recv(), start.elapsed())
    });
    drop(second);
    let (ended, _) = waiter.join().unwrap();
    assert_eq!(ended, Err(RecvError::Disconnected));
}

#[test]
fn the_end_of_the_last_receiver_wakes_a_sender() {
    let (sender, receiver) = sync_channel(1).unwrap();
    sender.send(1).unwrap();
    let waiter = std::thread::spawn(move || sender.send(2));
    drop(receiver);
    assert!(waiter.join().unwrap().unwrap_err().is_disconnected());
}

#[test]
fn a_killed_sender_is_no_sender() {
    let (sender, receiver) = channel::<u32>().unwrap();
    let hold = |sender: Sender<u32>| {
        sender.send(5).unwrap();
        loop {
            std::thread::park();
        }
    };
    let process: Process<()> = Process::spawn(hold, sender).unwrap();
    assert_eq!(receiver.recv_timeout(PATIENCE), Ok(5));
    process.kill();
    assert!(process.join().unwrap_err().is_death());
    let start = Instant::now();
    assert_eq!(receiver.recv(), Err(RecvError::Disconnected));
    assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
}

#[test]
fn a_killed_receiver_is_no_receiver() {
    let (sender, receiver) = sync_channel(1).unwrap();
    let (ready, is_ready) = channel().unwrap();
    let hold = |(receiver, ready): (Receiver<u32>, Sender<()>)| {
        ready.send(()).unwrap();
        while receiver.len() < 9 {
            std::thread::park();
        }
    };
    let process = Process::spawn(hold, (receiver, ready)).unwrap();
    is_ready.recv_timeout(PATIENCE).unwrap();
    sender.send(1).unwrap();
    assert!(sender.send_timeout(2, Duration::from_millis(1)).unwrap_err().is_timeout());
    process.kill();
    assert!(process.join().unwrap_err().is_death());
    let start = Instant::now();
    assert!(sender.send(2).unwrap_err().is_disconnected());
    assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
}

/// Nobody has learned of the death: whoever waits finds it out.
#[test]
fn the_dead_need_not_be_joined() {
    let (sender, receiver) = channel::<u32>().unwrap();
    let (_other, quiet) = channel::<u32>().unwrap();
    let hold = |sender: Sender<u32>| {
        sender.send(5).unwrap();
        loop {
            std::thread::park();
        }
    };
    for selects in [false, true] {
        let (sender, receiver) =
            if selects { channel().unwrap() } else { (sender.clone(), receiver.clone()) };
        let process: Process<()> = Process::spawn(hold, sender).unwrap();
        assert_eq!(receiver.recv_timeout(PATIENCE), Ok(5));
        process.kill();
        std::mem::forget(process);
        if selects {
            let mut select = Select::new();
            select.recv(&quiet);
            let index = select.recv(&receiver);
            assert_eq!(select.ready_timeout(PATIENCE).unwrap(), Some(index));
            assert_eq!(receiver.try_recv(), Err(TryRecvError::Disconnected));
        }
    }
    drop(sender);
    assert_eq!(receiver.recv_timeout(PATIENCE), Err(RecvTimeoutError::Disconnected));
}

/// Producers that are killed at any moment: what they had sent is there, once, in order, and nothing is stuck.
#[test]
fn kills_lose_nothing_that_was_sent() {
    let (items, taken) = channel::<(u32, u64)>().unwrap();
    let produce = |(name, items, sent): (u32, Sender<(u32, u64)>, AtomicU64)| {
        for number in 0.. {
            items.send((name, number)).unwrap();
            sent.store(number + 1, Ordering::Release);
        }
    };
    for name in 0..20 {
        let sent = AtomicU64::new(0).unwrap();
        let process: Process<()> =
            Process::spawn(produce, (name, items.clone(), sent.clone())).unwrap();
        let mut got = 0;
        let limit = 10 * u64::from(name);
        while got <= limit {
            assert_eq!(taken.recv_timeout(PATIENCE), Ok((name, got)));
            got += 1;
        }
        process.kill();
        assert!(process.join().unwrap_err().is_death());
        while let Ok(item) = taken.try_recv() {
            assert_eq!(item, (name, got));
            got += 1;
        }
        let acknowledged = sent.load(Ordering::Acquire);
        assert!(got == acknowledged || got == acknowledged + 1, "{got} of {acknowledged}");
    }
    items.send((99, 0)).unwrap();
    assert_eq!(taken.recv(), Ok((99, 0)));
}

#[test]
fn an_item_that_cannot_be_sent_comes_back() {
    #[derive(Debug)]
    struct Never;
    impl serde::Serialize for Never {
        fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(serde::ser::Error::custom("not this one"))
        }
    }
    let (sender, _receiver) = channel().unwrap();
    let error = sender.send(Never).unwrap_err();
    assert!(!error.is_disconnected() && error.to_string().contains("cannot be sent"));
    assert!(sender.is_empty());
    let Never = error.into_inner();
}

#[test]
fn large_items_pass() {
    let (sender, receiver) = sync_channel(2).unwrap();
    let produce = |sender: Sender<Vec<u8>>| {
        for len in [8 << 20, 100, 1 << 20] {
            sender.send(vec![7; len]).unwrap();
        }
    };
    let process = Process::spawn(produce, sender).unwrap();
    for len in [8 << 20, 100, 1 << 20] {
        assert!(receiver.recv_timeout(PATIENCE).unwrap() == vec![7; len]);
    }
    process.join().unwrap();
}

#[test]
fn an_end_in_an_item_outlives_its_sender() {
    let (carrier, freight) = channel().unwrap();
    let make = |carrier: Sender<Receiver<String>>| {
        let (sender, receiver) = channel().unwrap();
        carrier.send(receiver).unwrap();
        sender.send("from one that is gone".to_string()).unwrap();
        std::process::abort()
    };
    let process: Process<()> = Process::spawn(make, carrier).unwrap();
    assert!(process.join().unwrap_err().is_death());
    let receiver = freight.recv().unwrap();
    assert_eq!(receiver.recv().unwrap(), "from one that is gone");
    assert_eq!(receiver.recv(), Err(RecvError::Disconnected));
}

#[test]
fn a_selection_is_told_of_every_channel() {
    let pairs: Vec<_> = (0..4).map(|_| channel::<u32>().unwrap()).collect();
    let (senders, receivers): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
    let produce = |(senders, order): (Vec<Sender<u32>>, Vec<usize>)| {
        for (number, which) in (0..).zip(order) {
            senders[which].send(number).unwrap();
        }
    };
    let order = vec![2, 0, 3, 1, 1, 0, 2, 3, 3, 0];
    let process = Process::spawn(produce, (senders, order.clone())).unwrap();
    let mut select = Select::new();
    for receiver in &receivers {
        select.recv(receiver);
    }
    let (mut got, mut ended) = (Vec::new(), [false; 4]);
    let start = Instant::now();
    while ended.contains(&false) {
        assert!(start.elapsed() < PATIENCE);
        let Some(ready) = select.ready_timeout(PATIENCE).unwrap() else { panic!("missed") };
        match receivers[ready].try_recv() {
            Ok(number) => got.push((number, ready)),
            Err(TryRecvError::Disconnected) => ended[ready] = true,
            Err(other) => panic!("{other}"),
        }
        if got.len() == order.len() && !process.is_finished() {
            assert!(process.wait_timeout(PATIENCE));
        }
    }
    got.sort_unstable();
    assert_eq!(got, (0..).zip(order).collect::<Vec<_>>());
    process.join().unwrap();
}

#[test]
fn a_selection_wakes_a_sleeper_and_keeps_its_time() {
    let (sender, receiver) = channel::<u32>().unwrap();
    let (_other, quiet) = channel::<u32>().unwrap();
    let waiter = std::thread::spawn(move || {
        let mut select = Select::new();
        select.recv(&quiet);
        let index = select.recv(&receiver);
        (0..200).all(|number| {
            select.ready_timeout(PATIENCE).unwrap() == Some(index)
                && receiver.try_recv() == Ok(number)
        }) && select.ready_timeout(Duration::from_millis(3)).unwrap().is_none()
    });
    for number in 0..200 {
        while !sender.is_empty() {
            std::thread::yield_now();
        }
        sender.send(number).unwrap();
    }
    assert!(waiter.join().unwrap());
    drop(sender);
}

#[test]
fn more_selections_than_seats_are_served() {
    let (sender, receiver) = channel::<u32>().unwrap();
    let waiters: Vec<_> = (0..20)
        .map(|_| {
            let receiver = receiver.clone();
            std::thread::spawn(move || {
                let mut select = Select::new();
                select.recv(&receiver);
                loop {
                    select.ready().unwrap();
                    match receiver.try_recv() {
                        Err(TryRecvError::Empty) => {}
                        outcome => break outcome.unwrap(),
                    }
                }
            })
        })
        .collect();
    for number in 0..20 {
        sender.send(number).unwrap();
    }
    let mut got: Vec<_> = waiters.into_iter().map(|waiter| waiter.join().unwrap()).collect();
    got.sort_unstable();
    assert_eq!(got, (0..20).collect::<Vec<_>>());
}

#[test]
fn a_pipe_is_a_conversation() {
    let (here, there) = pipe::<String, usize>().unwrap();
    let count = |pipe: Pipe<usize, String>| {
        let mut lines = 0;
        while let Ok(line) = pipe.recv() {
            lines += 1;
            pipe.send(line.len()).unwrap();
        }
        lines
    };
    let process = Process::spawn(count, there).unwrap();
    for len in [0, 1, 70_000] {
        here.send("x".repeat(len)).unwrap();
        assert_eq!(here.recv_timeout(PATIENCE), Ok(len));
    }
    drop(here);
    assert_eq!(process.join().unwrap(), 3);
}

#[test]
fn a_pipe_tells_of_a_death() {
    let (here, there) = pipe::<u32, u32>().unwrap();
    let abort = |pipe: Pipe<u32, u32>| {
        pipe.send(pipe.recv().unwrap()).unwrap();
        std::process::abort()
    };
    let process: Process<()> = Process::spawn(abort, there).unwrap();
    here.send(1).unwrap();
    assert_eq!(here.recv(), Ok(1));
    assert!(process.join().unwrap_err().is_death());
    assert_eq!(here.recv_timeout(SOON), Err(RecvTimeoutError::Disconnected));
    assert!(here.send(2).unwrap_err().is_disconnected());
}

#[test]
fn locks_travel_in_items_and_live_on() {
    let (sender, receiver) = channel().unwrap();
    let make = |sender: Sender<Mutex<u64>>| sender.send(Mutex::new(41).unwrap()).unwrap();
    Process::spawn(make, sender).unwrap().join().unwrap();
    let lock = receiver.recv().unwrap();
    *lock.lock().unwrap() += 1;
    assert_eq!(*lock.lock().unwrap(), 42);
}
