//! Values and tasks that do what nobody expects of them: panics in `Drop` and `Deserialize`, children that
//! never come to life.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use manyhands::channel::{Receiver, Select, Sender, channel, sync_channel};
use manyhands::{BuildError, Pool, Process, TaskError};
use serde::{Deserialize, Deserializer, Serialize};

manyhands::test_support!();

fn pool(workers: usize) -> Pool {
    Pool::builder().workers(workers).build().expect("a pool")
}

/// Its drop panics in workers.
#[derive(Debug, Serialize, Deserialize)]
struct Bad(u32);

impl Drop for Bad {
    fn drop(&mut self) {
        assert!(self.0 % 7 != 3 || std::env::var_os("BAD_DROP").is_none(), "drop of {}", self.0);
    }
}

#[test]
fn a_result_that_panics_while_it_is_dropped_costs_just_this_item() {
    let pool = Pool::builder().workers(2).env("BAD_DROP", "1").build().unwrap();
    let check = |index: u32, result: Result<Bad, TaskError>| match result {
        Ok(value) => assert!(value.0 == index && index % 7 != 3, "{value:?} for {index}"),
        Err(error) => {
            assert_eq!(index % 7, 3, "{error}");
            assert_eq!(error.item().index(), Some(index.into()));
            assert!(error.to_string().contains(&format!("drop of {index}")), "{error}");
        }
    };
    let mut indices = 0..2_000;
    for result in pool.map_each(Bad, 0..2_000) {
        check(indices.next().unwrap(), result);
    }
    assert!(indices.is_empty());
    for (index, result) in (0..2_000).zip(pool.imap(Bad, 0..2_000)) {
        check(index, result);
    }
    assert_eq!(pool.imap_unordered(Bad, 0..2_000).count(), 2_000);
    assert!(pool.submit(Bad, 3).join().unwrap_err().is_panic());
    assert_eq!(pool.submit(Bad, 4).join().unwrap().0, 4);
}

/// Reading it panics.
#[derive(Debug, Serialize)]
struct Unread(u32);

impl<'de> Deserialize<'de> for Unread {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let own = u32::deserialize(deserializer)?;
        assert!(own % 5 != 2, "reading {own}");
        Ok(Self(own))
    }
}

#[test]
fn a_result_that_panics_while_it_is_read_here_is_passed_over() {
    let pool = Pool::builder().workers(2).buffer(8).build().unwrap();
    let mut results = pool.imap(Unread, 0..500_u32);
    let mut given = 0;
    for index in 0..500 {
        let next = catch_unwind(AssertUnwindSafe(|| results.next()));
        match next {
            Ok(Some(Ok(value))) => assert!(value.0 == index && index % 5 != 2, "{index}"),
            Err(_) => assert_eq!(index % 5, 2),
            other => panic!("{index}: {other:?}"),
        }
        given += 1;
    }
    assert_eq!(given, 500);
    assert!(results.next().is_none());
}

#[test]
fn a_given_value_that_panics_while_it_is_read_says_so() {
    let pool = pool(2);
    let error = pool.with(&Unread(2)).map(|_: &Unread, x: u32| x, 0..3).unwrap_err();
    assert!(error.is_panic() && error.to_string().contains("reading 2"), "{error}");
    let pool = Pool::builder().workers(1).initializer_with(&Unread(7), |_: &Unread| ()).build();
    let error = pool.unwrap().map(|x: u32| x, [1]).unwrap_err();
    assert!(error.to_string().contains("reading 7"), "{error}");
}

#[test]
fn a_sender_that_its_child_cannot_read_is_gone() {
    let (sender, receiver) = channel::<u32>().unwrap();
    let send = |(sender, _): (Sender<u32>, Unread)| sender.send(1).unwrap();
    let process = Process::spawn(send, (sender, Unread(2))).unwrap();
    assert_eq!(receiver.iter().count(), 0, "nobody can send");
    assert!(process.join().unwrap_err().is_panic());
}

#[test]
fn ends_on_their_way_to_a_child_that_dies_first_are_gone() {
    for round in 0..10_u32 {
        let (sender, receiver) = channel::<u32>().unwrap();
        let process = Process::spawn(|sender: Sender<u32>| drop(sender), sender).unwrap();
        process.kill();
        if round % 2 == 0 {
            assert_eq!(receiver.iter().count(), 0);
        } else {
            let mut select = Select::new();
            select.recv(&receiver);
            assert_eq!(select.ready().unwrap(), 0);
            assert_eq!(receiver.iter().count(), 0);
        }
        drop(process);
        let (sender, receiver) = sync_channel::<u32>(1).unwrap();
        let process = Process::spawn(|end: Receiver<u32>| drop(end), receiver).unwrap();
        process.kill();
        while sender.send(1).is_ok() {}
        drop(process);
    }
}

#[test]
fn who_waits_for_a_child_learns_that_another_cannot_take_its_end() {
    for _ in 0..10 {
        let (sender, receiver) = sync_channel::<u64>(4).unwrap();
        let send = |sender: Sender<u64>| while sender.send(1).is_ok() {};
        let producer = Process::spawn(send, sender).unwrap();
        let consumer = Process::spawn(|end: Receiver<u64>| drop(end), receiver).unwrap();
        consumer.kill();
        producer.join().unwrap();
        assert!(consumer.wait_timeout(Duration::from_secs(60)));
    }
}

#[test]
fn a_pool_is_waited_for_as_long_as_one_likes() {
    let pool = pool(1);
    let handle = pool.submit(|x: u32| x, 1);
    assert!(pool.join_timeout(Duration::MAX));
    assert_eq!(handle.join_timeout(Duration::MAX).unwrap(), 1);
}

#[test]
fn variables_that_no_environment_can_have_are_refused() {
    for (name, value) in [("", "x"), ("A=B", "x"), ("A\0", "x"), ("A", "x\0y")] {
        let built = Pool::builder().workers(1).env(name, value).build();
        assert!(matches!(built, Err(BuildError::Setting(_))), "{name:?}");
    }
}

#[test]
fn an_item_that_cannot_be_read_is_not_passed_over_in_silence() {
    #[derive(Debug, Serialize, Deserialize)]
    #[serde(untagged)]
    enum Either {
        Number(u64),
        Text(String),
    }
    let (sender, receiver) = channel().unwrap();
    for item in [Either::Number(1), Either::Text("two".into()), Either::Number(3)] {
        sender.send(item).unwrap();
    }
    drop(sender);
    assert!(receiver.recv().is_err());
    for instead in ["`recv`", "`try_recv`"] {
        let next = || {
            if instead == "`recv`" { receiver.iter().next() } else { receiver.try_iter().next() }
        };
        let panic = catch_unwind(AssertUnwindSafe(next)).unwrap_err();
        let said = panic.downcast_ref::<String>().expect("words");
        assert!(said.contains("lost") && said.contains(instead), "{said}");
    }
    assert_eq!(receiver.iter().count(), 0, "the channel goes on, to its end");
}
