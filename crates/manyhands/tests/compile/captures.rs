//! A closure that captures a number.

fn main() {
    manyhands::init();
    let pool = manyhands::Pool::new().unwrap();
    let offset = 3;
    let _ = pool.map(move |x: u32| x + offset, [1]); //~ this function captures values of its surroundings, which do not exist in another process: pass them with `.with(&value)`
}
