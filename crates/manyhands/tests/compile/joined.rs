//! A pool whose end is waited for while nobody can pull the items of its iterator.

fn main() {
    manyhands::init();
    let pool = manyhands::Pool::new().unwrap();
    let mut results = pool.imap(|x: u64| x, 0..);
    pool.join(); //~ cannot move out of `pool` because it is borrowed
    let _ = results.next();
}
