//! Both ends of a pipe against a process that writes anything into its words and rings, and bytes into its socket.
#![no_main]

use std::mem::MaybeUninit;
use std::time::Duration;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use manyhands_fuzz::{BUDGET, Ink, Place, scribble, spare_locks};
use manyhands_shm::pipe::{End, PINNED, Parcel, Read};
use manyhands_shm::world::World;

const NOW: Option<Duration> = Some(Duration::ZERO);
/// As large as a message is believed here: a longer one is an error of memory.
const MOST: usize = 1 << 20;

#[derive(Debug, Arbitrary)]
enum Step {
    Send { second: bool, len: u16, label: u8 },
    SendLarge { second: bool },
    Receive { second: bool },
    Poll { second: bool },
    Share { second: bool },
    Rings { second: bool },
    Ring(u32, Ink),
    Scribble(Place, Ink),
}

fn send(end: &End, label: u8, bytes: &[u8]) {
    if let Some(mut sending) = end.send(Parcel { label, parts: [bytes, b"end"] }) {
        let _ = sending.advance(NOW);
    }
}

fn receive(end: &End) {
    let Some(mut receiving) = end.receive() else { return };
    for _ in 0..4 {
        let Read::Done(arrival) = receiving.arrive(NOW) else { return };
        if arrival.len > MOST {
            return;
        }
        let mut room = vec![MaybeUninit::uninit(); arrival.len];
        match receiving.read(&mut room, NOW) {
            Read::Lost => {}
            Read::Done(()) => return,
            _ => {
                if let Some(at) = receiving.suspend() {
                    drop(end.resume(&at, NOW));
                }
                return;
            }
        }
    }
}

fuzz_target!(|input: (bool, Vec<Step>)| {
    let (duplex, steps) = input;
    let world = World::create(BUDGET).expect("a world");
    let (first, second) = End::pair(&world, duplex).expect("memory and descriptors");
    let which = |flag: bool| if flag { &second } else { &first };
    for step in steps.into_iter().take(48) {
        match step {
            Step::Send { second, len, label } => {
                send(which(second), label % (PINNED + 2), &vec![label; usize::from(len) % 9000]);
            }
            Step::SendLarge { second } => send(which(second), 1, &vec![7; 100_000]),
            Step::Receive { second } => receive(which(second)),
            Step::Poll { second } => {
                let end = which(second);
                let _ = (end.has_message(), end.is_exact(), end.poll(NOW));
            }
            Step::Share { second } => which(second).share_socket(),
            Step::Rings { second } => {
                let _ = manyhands_os::doorbell::ring(&which(second).socket());
            }
            Step::Ring(at, ink) => {
                let survey = world.survey();
                let Some(block) = survey.iter().max_by_key(|block| block.len) else { continue };
                let at = u64::from(at) % (block.len as u64 - 64);
                let mut bytes = ink.bytes();
                bytes.truncate(64);
                manyhands_fuzz::write(world.fd(), block.offset + at, &Ink::Bytes(bytes));
                spare_locks(&world);
            }
            Step::Scribble(place, ink) => {
                scribble(&world, &place, &ink);
                spare_locks(&world);
            }
        }
    }
});
