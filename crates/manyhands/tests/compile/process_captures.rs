//! A process whose function captures.

fn main() {
    manyhands::init();
    let offset = 3;
    let _ = manyhands::Process::spawn(move |x: u32| x + offset, 1);
}
