//! The page of a pool against workers that write anything into it: it steers time, and nothing breaks.
#![no_main]

use std::os::fd::AsFd;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use manyhands_fuzz::{Ink, write};
use manyhands_shm::hub::Hub;

#[derive(Debug, Arbitrary)]
enum Step {
    Write(u16, Ink),
    Awake(usize, bool),
    ParentAwake(bool),
    Attention(bool),
    Wake,
}

fuzz_target!(|steps: Vec<Step>| {
    let (here, fd) = Hub::create(2).expect("a hub");
    let there = Hub::attach(fd.try_clone().expect("a descriptor")).expect("the same hub");
    for step in steps.into_iter().take(64) {
        match step {
            Step::Write(at, ink) => write(fd.as_fd(), u64::from(at) % 17_000, &ink),
            Step::Awake(seat, awake) => there.set_awake(seat, awake),
            Step::ParentAwake(awake) => here.set_parent_awake(awake),
            Step::Attention(wanted) => here.set_attention(wanted),
            Step::Wake => {
                let _ = there.leader().wake();
            }
        }
        let _ = (here.has_spare_core(), there.wants_attention(), here.leader().is_parked());
    }
});
