//! What may not live in shared memory, as the derive sees it.

use std::cell::Cell;

use manyhands::sync::Shareable;

#[derive(Shareable)]
struct Pointers {
    number: u64,
    text: String,
}

#[derive(Shareable)]
struct Reference(&'static str);

#[derive(Shareable)]
struct Changed(Cell<u32>);

#[derive(Shareable)]
struct Torn(char);

#[derive(Shareable)]
enum Large {
    First,
    Second,
}

#[derive(Shareable)]
#[repr(u8)]
enum Fields {
    Nothing,
    Number(u32),
}

#[derive(Shareable)]
union Either {
    number: u32,
    bytes: [u8; 4],
}

#[derive(Shareable)]
struct Dropped(u8);

impl Drop for Dropped {
    fn drop(&mut self) {}
}

fn main() {
    manyhands::init();
}
