//! How a function is named in one process and found in another: the only unsafe code of this crate.
//!
//! A function that runs elsewhere is a type without size: a fn item, or a closure that captures nothing. Its
//! code is in the program, which all processes of a pool run. For each such type there is a *maker*, a
//! function of one signature that makes the task that runs it. The maker is named by its *place*: its
//! distance from an anchor, a static of this crate in the same image. Wherever the loader puts the image,
//! the distance is what the linker made it (`docs/design/rust-face.md`), and [`program_id`] says that it is the
//! same image. A maker in another shared object is refused: there the distance means nothing.
//!
//! It refuses functions that capture anything, at compile time.
#![expect(
    unsafe_code,
    reason = "a function from its address, and an instance of a type without size"
)]

use std::ptr::NonNull;
use std::sync::OnceLock;

use manyhands_os::image::Image;

use crate::task::Maker;

/// What every place is counted from: a static, for there may be several copies of a function, and of a
/// static there is one.
static ANCHOR: u8 = 0;

fn anchor() -> usize {
    (&raw const ANCHOR).addr()
}

/// The image that this crate is linked into.
fn own_image() -> Option<&'static Image> {
    static OWN: OnceLock<Option<Image>> = OnceLock::new();
    // Whichever copy of this function it is, it lies where the anchor does.
    OWN.get_or_init(|| Image::holding(own_image as fn() -> _ as usize)).as_ref()
}

/// What identifies the program.
pub(crate) fn program_id() -> &'static [u8] {
    own_image().map_or(&[], Image::id)
}

/// The place of a maker; `None` if it is in another shared object than this crate.
pub(crate) fn place_of(maker: Maker) -> Option<u64> {
    let address = maker as usize;
    own_image().filter(|image| image.holds(address))?;
    Some((address as u64).wrapping_sub(anchor() as u64))
}

/// The maker at that place. It must come from [`place_of`] in a process of the same program, which
/// `start` makes sure of before it reads anything else.
pub(crate) fn maker_at(place: u64) -> Option<Maker> {
    let address = usize::try_from(place.wrapping_add(anchor() as u64)).ok()?;
    own_image().filter(|image| image.holds(address))?;
    let pointer = std::ptr::with_exposed_provenance::<()>(address);
    #[expect(
        clippy::disallowed_methods,
        reason = "there is no other way from an address to a function"
    )]
    // SAFETY: a function pointer has the size of an address. The place was taken from a `Maker` in a process
    // whose image has the same id, that is the same code at the same distances, so a function of this very
    // type begins at this address; that it lies in the image's code was checked besides.
    let maker = unsafe { std::mem::transmute::<*const (), Maker>(pointer) };
    Some(maker)
}

/// An instance of a function type without size, of which another process has one.
pub(crate) fn conjure<F: Copy>() -> F {
    const { assert_no_captures::<F>() };
    // SAFETY: a dangling pointer is aligned and not null, which is all that a read of no bytes needs. `F` has values,
    // for whoever asked for the task had one, and a maker is only taken for the type of a value; it is `Copy`, so one
    // more of it takes nothing from anybody.
    unsafe { NonNull::<F>::dangling().read() }
}

/// Fails the build for a function that has captured something.
pub(crate) const fn assert_no_captures<F>() {
    assert!(
        size_of::<F>() == 0,
        "this function captures values of its surroundings, which do not exist in another process: pass \
         them with `.with(&value)`, as the function's first argument (to a process or an initializer: as its \
         argument). Or it is a pointer to a function: name the function itself"
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raised::Raised;
    use crate::task::Task;

    fn refuse(_argument: &[u8]) -> Result<Box<dyn Task>, Raised> {
        Err(Raised::Refused("found".into()))
    }

    #[test]
    fn a_maker_is_found_again_by_its_place() {
        let place = place_of(refuse).unwrap();
        let found = maker_at(place).unwrap();
        assert!(matches!(found(&[]), Err(Raised::Refused(text)) if text == "found"));
    }

    #[test]
    fn what_lies_outside_of_the_program_is_no_maker() {
        assert!(maker_at(u64::MAX / 2).is_none());
        assert!(!program_id().is_empty());
    }

    #[test]
    fn a_closure_without_captures_can_be_conjured() {
        fn call<F: Fn(u32) -> u32 + Copy>(_function: F) -> u32 {
            conjure::<F>()(20)
        }
        assert_eq!(call(|x| x + 1), 21);
    }
}
