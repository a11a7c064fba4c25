//! A channel that shuts itself, against a process that writes anything into its words, tokens and watchers.
//!
//! The ends are dropped in any order: what is done at the last one's end, and by whom, must end as well.
#![no_main]

use std::time::Duration;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use manyhands_fuzz::{BUDGET, Ink, Place, scribble, spare_locks};
use manyhands_shm::channel::{Ends, Item, Limits, Side};
use manyhands_shm::sync::{Bell, Wait};
use manyhands_shm::world::{Fill, World};

const NOW: Option<Duration> = Some(Duration::ZERO);

#[derive(Debug, Arbitrary)]
enum Step {
    Put { pinned: bool },
    Get,
    Watch,
    Leave,
    Adopt { sender: bool },
    DropSender,
    DropReceiver,
    Scribble(Place, Ink),
}

fuzz_target!(|steps: Vec<Step>| {
    let world = World::create(BUDGET).expect("a world");
    let (sender, receiver) = Ends::create(&world, Limits::default()).expect("memory");
    let bell = world.alloc(size_of::<Bell>(), Fill::Zero).expect("memory");
    let (mut senders, mut receivers) = (vec![sender], vec![receiver]);
    for step in steps.into_iter().take(64) {
        match step {
            Step::Put { pinned } => {
                let Some(end) = senders.last() else { continue };
                let pins = end.blocks().map(Ends::pin_of);
                let pins = if pinned { &pins[..] } else { &[] };
                if let Wait::Ready(mut tail) = end.channel().tail(NOW) {
                    let _ = tail.put(&Item { parts: [b"x", &[]], pins });
                }
                end.tell();
            }
            Step::Get => {
                let Some(end) = receivers.last() else { continue };
                let Wait::Ready(mut head) = end.channel().head(NOW) else { continue };
                let Ok(Some(item)) = head.peek() else { continue };
                let mut bytes = Vec::new();
                if head.append(&item, &mut bytes).is_ok() {
                    head.pass(&item);
                    head.commit();
                }
            }
            Step::Watch => drop(receivers.last().map(|end| (end.watch(&bell), end.has_news()))),
            Step::Leave => drop(receivers.last().map(|end| end.leave(&bell))),
            Step::Adopt { sender } => {
                let (side, ends) = if sender {
                    (Side::Sender, &mut senders)
                } else {
                    (Side::Receiver, &mut receivers)
                };
                let Some(end) = ends.last() else { continue };
                let [token, channel] = end.blocks().map(|block| world.adopt(block.handle()));
                if let (Some(token), Some(channel)) = (token, channel) {
                    ends.extend(Ends::of_blocks(side, token, channel));
                }
            }
            Step::DropSender => drop(senders.pop()),
            Step::DropReceiver => drop(receivers.pop()),
            Step::Scribble(place, ink) => {
                scribble(&world, &place, &ink);
                spare_locks(&world);
            }
        }
    }
});
