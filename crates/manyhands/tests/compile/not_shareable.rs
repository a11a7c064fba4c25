//! What may not live in shared memory, as the derive sees it.

use std::cell::Cell;

use manyhands::sync::Shareable;

#[derive(Shareable)]
struct Pointers {
    number: u64,
    text: String, //~ values of `String` may not live in shared memory
}

#[derive(Shareable)]
struct Reference(&'static str); //~ may not live in shared memory

#[derive(Shareable)]
struct Changed(Cell<u32>); //~ values of `Cell<u32>` may not live in shared memory

#[derive(Shareable)]
struct Torn(char); //~ values of `char` may not live in shared memory

#[derive(Shareable)]
enum Large { //~ must be one byte, so that a kill cannot leave half of a tag: add #[repr(u8)]
    First,
    Second,
}

#[derive(Shareable)]
#[repr(u8)]
enum Fields {
    Nothing,
    Number(u32), //~ after a kill its tag may not fit its fields
}

#[derive(Shareable)]
union Either { //~ nobody knows which of its fields is there
    number: u32,
    bytes: [u8; 4],
}

#[derive(Shareable)]
struct Dropped(u8); //~ what lives in shared memory is never dropped

impl Drop for Dropped {
    fn drop(&mut self) {}
}

fn main() {
    manyhands::init();
}
