//! An argument that borrows from this process.

fn main() {
    manyhands::init();
    let pool = manyhands::Pool::new().unwrap();
    let text = String::from("here");
    let _ = pool.map(|word: &str| word.len(), [&*text]); //~ Deserialize
}
