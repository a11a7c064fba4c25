//! A process whose function captures.

fn main() {
    manyhands::init();
    let offset = 3;
    let _ = manyhands::Process::spawn(move |x: u32| x + offset, 1); //~ this function captures values of its surroundings, which do not exist in another process: pass them with `.with(&value)`
}
