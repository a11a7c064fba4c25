//! An argument that cannot be sent.

struct Handle(*const u8);

fn main() {
    manyhands::init();
    let pool = manyhands::Pool::new().unwrap();
    let _ = pool.map(|handle: Handle| handle.0.is_null(), [Handle(std::ptr::null())]); //~ Serialize
}
