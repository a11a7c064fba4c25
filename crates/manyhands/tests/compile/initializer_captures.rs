//! An initializer that captures.

fn main() {
    manyhands::init();
    let size = 3;
    let _ = manyhands::Pool::builder().initializer(move || vec![0; size]).build(); //~ this function captures values of its surroundings, which do not exist in another process: pass them with `.with(&value)`
}
