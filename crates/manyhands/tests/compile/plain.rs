//! Functions and closures that capture nothing.

fn main() {
    manyhands::init();
    let pool = manyhands::Pool::builder().workers(1).build().unwrap();
    assert_eq!(pool.map(|x: u32| x + 1, [1]).unwrap(), [2]);
    assert_eq!(pool.map(u32::is_power_of_two, [1]).unwrap(), [true]);
}
