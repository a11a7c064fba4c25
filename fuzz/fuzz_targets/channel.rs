//! A queue against a process that writes anything into its words, its chunks and its items.
//!
//! Whatever it writes, every operation ends, with a result or a refusal; none reaches beyond a block.
#![no_main]

use std::time::Duration;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use manyhands_fuzz::{BUDGET, Ink, Place, scribble};
use manyhands_shm::channel::{Channel, Item, Limits};
use manyhands_shm::sync::Wait;
use manyhands_shm::world::World;

const NOW: Option<Duration> = Some(Duration::ZERO);

#[derive(Debug, Arbitrary)]
enum Step {
    Put { len: u16, pins: u8 },
    PutMany { count: u8, len: u16 },
    PutLarge { more: u8 },
    Get,
    GetInto,
    GetMany(u8),
    Look,
    Wait,
    Done,
    Shut { drop: bool },
    FinishDrop,
    Scribble(Place, Ink),
}

fn put(channel: &Channel, item: &Item<'_>) {
    let Wait::Ready(mut tail) = channel.tail(NOW) else { return };
    let _ = tail.put(item);
}

fn put_large(channel: &Channel, more: u8) {
    let bytes = vec![3; (32 << 10) + usize::from(more)];
    let Ok(mut prepared) = channel.prepare(&Item { parts: [&bytes, &[]], pins: &[] }) else {
        return;
    };
    let Wait::Ready(mut tail) = channel.tail(NOW) else { return };
    let _ = tail.put_prepared(&mut prepared);
}

/// Takes an item as the binding does; with `into`, into room that is there.
fn get(channel: &Channel, into: bool) {
    let Wait::Ready(mut head) = channel.head(NOW) else { return };
    let Ok(Some(item)) = head.peek() else { return };
    let mut pins = Vec::new();
    if head.pins(&item, &mut pins).is_err() {
        return;
    }
    let arrival = channel.receive(&pins);
    let mut bytes = Vec::new();
    if into && !item.is_empty() {
        bytes.reserve(item.len() - 1);
        let len = item.len() - 1;
        if head.copy(&item, 1, &mut bytes.spare_capacity_mut()[..len]).is_err() {
            return;
        }
    } else if head.append(&item, &mut bytes).is_err() {
        return;
    }
    head.pass(&item);
    head.commit();
    drop(head);
    arrival.taken();
    arrival.decoded();
}

fn get_many(channel: &Channel, most: u8) {
    let Some(mut head) = channel.try_head() else { return };
    let mut bytes = Vec::new();
    for _ in 0..most {
        let Ok(Some(item)) = head.peek() else { break };
        if head.append(&item, &mut bytes).is_err() {
            break;
        }
        head.pass(&item);
    }
    head.commit();
}

fuzz_target!(|input: (u8, u16, Vec<Step>)| {
    let (items, bytes, steps) = input;
    let world = World::create(BUDGET).expect("a world");
    let some = |limit: u64| Some(limit).filter(|limit| *limit > 0);
    let limits = Limits { items: some(items.into()), bytes: some(bytes.into()) };
    let channel = Channel::create(&world, limits).expect("memory");
    for step in steps.into_iter().take(64) {
        let words = channel.words();
        match step {
            Step::Put { len, pins } => {
                let bytes = vec![1; usize::from(len) % 5000];
                let pins = vec![
                    manyhands_shm::channel::name_of(channel.block().handle());
                    usize::from(pins) % 4
                ];
                put(&channel, &Item { parts: [&bytes, b"end"], pins: &pins });
            }
            Step::PutMany { count, len } => {
                let bytes = vec![2; usize::from(len) % 1000];
                let items = vec![Item { parts: [&bytes, &[]], pins: &[] }; usize::from(count)];
                if let Wait::Ready(mut tail) = channel.tail(NOW) {
                    let _ = tail.put_many(&items);
                }
            }
            Step::PutLarge { more } => put_large(&channel, more),
            Step::Get => get(&channel, false),
            Step::GetInto => get(&channel, true),
            Step::GetMany(most) => get_many(&channel, most),
            Step::Look => {
                let _ = (words.len(), words.is_full(), words.is_shut(), words.unfinished());
                let _ = (words.is_half_dropped(), words.has_room(7), format!("{channel:?}"));
            }
            Step::Wait => {
                let _ = (words.wait_for_item(NOW), words.wait_for_room(3, NOW));
                let _ = (words.wait_for_get(NOW), words.wait_all_done(NOW));
            }
            Step::Done => drop(words.task_done()),
            Step::Shut { drop } => drop_wait(channel.shut(drop, NOW)),
            Step::FinishDrop => drop_wait(channel.finish_drop(NOW)),
            Step::Scribble(place, ink) => scribble(&world, &place, &ink),
        }
    }
});

fn drop_wait(_wait: Wait<()>) {}
