//! The same where the iterator is not asked again, but dropped behind it.

fn main() {
    manyhands::init();
    let pool = manyhands::Pool::new().unwrap();
    let _results = pool.with(&1).imap(|k: &u64, x: u64| k + x, 0..);
    pool.join(); //~ cannot move out of `pool` because it is borrowed
}
