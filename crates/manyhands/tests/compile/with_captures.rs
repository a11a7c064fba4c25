//! A closure that is given one value and captures another.

fn main() {
    manyhands::init();
    let pool = manyhands::Pool::new().unwrap();
    let offset = 3;
    let _ = pool.with(&1).map(move |given: &u32, x: u32| x + given + offset, [1]); //~ this function captures values of its surroundings, which do not exist in another process: pass them with `.with(&value)`
}
