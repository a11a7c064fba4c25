//! The files that this process is made of, as they lie in memory: which one an address belongs to, and
//! what identifies it.
//!
//! A program, and each shared library, is loaded as one piece: wherever it comes to lie, the distances
//! between its parts are those that the linker fixed. Two processes that were started from one file thus
//! agree on the distance between any two of its functions, though on no address. [`Image::id`] says
//! whether it is one file: the build id that the linker left in it, or a digest of its code where there
//! is none.
//!
//! It reads what the loader tells and changes nothing.
#![expect(unsafe_code, reason = "the loader's list of images, and the memory that it names")]

use std::ffi::{c_int, c_void};
use std::ops::Range;

const GNU_BUILD_ID: u32 = 3;

/// A program or shared library as it is loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    code: Vec<Range<usize>>,
    id: Vec<u8>,
}

/// What is looked for, and what was found.
struct Search {
    address: usize,
    found: Option<Image>,
}

impl Image {
    /// The image whose code holds this address.
    ///
    /// # Examples
    ///
    /// ```
    /// use manyhands_os::image::Image;
    ///
    /// fn here() {}
    /// let image = Image::holding(here as fn() as usize).expect("a function of this program");
    /// assert!(image.holds(here as fn() as usize) && !image.holds(0));
    /// ```
    #[must_use]
    pub fn holding(address: usize) -> Option<Self> {
        let mut search = Search { address, found: None };
        // SAFETY: the callback has the C signature that the call wants, keeps nothing, and gets the
        // pointer to `search` that stays valid and is used by nobody else during the call.
        unsafe { libc::dl_iterate_phdr(Some(look), (&raw mut search).cast()) };
        search.found
    }

    /// Whether this address lies in its code.
    #[must_use]
    pub fn holds(&self, address: usize) -> bool {
        self.code.iter().any(|range| range.contains(&address))
    }

    /// What identifies the file: equal in two processes that run the same one.
    #[must_use]
    pub fn id(&self) -> &[u8] {
        &self.id
    }
}

/// Looks at one image; stops the walk by a number other than 0.
extern "C" fn look(info: *mut libc::dl_phdr_info, _size: usize, search: *mut c_void) -> c_int {
    // SAFETY: the loader passes a valid description for the time of the call.
    let info = unsafe { &*info };
    // SAFETY: the pointer that `holding` gave, to which nobody else has a reference during the call.
    let search = unsafe { &mut *search.cast::<Search>() };
    if info.dlpi_phdr.is_null() {
        return 0;
    }
    // SAFETY: the loader gives the address and the count of the image's program headers, which are
    // mapped and constant as long as the image is loaded.
    let headers = unsafe { std::slice::from_raw_parts(info.dlpi_phdr, info.dlpi_phnum.into()) };
    let base = usize::try_from(info.dlpi_addr).unwrap_or(0);
    let place = |header: &libc::Elf64_Phdr| {
        let start = base.wrapping_add(usize::try_from(header.p_vaddr).unwrap_or(0));
        start..start.saturating_add(usize::try_from(header.p_memsz).unwrap_or(0))
    };
    let runs = |header: &&libc::Elf64_Phdr| {
        header.p_type == libc::PT_LOAD && header.p_flags & libc::PF_X != 0
    };
    let code: Vec<_> = headers.iter().filter(runs).map(place).collect();
    if !code.iter().any(|range| range.contains(&search.address)) {
        return 0;
    }
    let notes = headers.iter().filter(|header| header.p_type == libc::PT_NOTE).map(place);
    let id = notes.into_iter().find_map(|range| build_id(bytes(&range)));
    let id = id.unwrap_or_else(|| digest(code.iter().map(bytes)));
    search.found = Some(Image { code, id });
    1
}

/// The content of a loaded part of an image that nobody writes: code, or notes.
fn bytes(range: &Range<usize>) -> &[u8] {
    let start = std::ptr::with_exposed_provenance::<u8>(range.start);
    // SAFETY: a segment that the loader has mapped readable, and that is never written; it stays as long
    // as its image, which is at least as long as the walk that holds the loader's lock.
    unsafe { std::slice::from_raw_parts(start, range.len()) }
}

/// The build id among some notes.
fn build_id(mut notes: &[u8]) -> Option<Vec<u8>> {
    loop {
        let (head, rest) = notes.split_first_chunk::<12>()?;
        let word =
            |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        let (name_len, len) = (word(0) as usize, word(4) as usize);
        let (name, rest) = rest.split_at_checked(name_len.next_multiple_of(4))?;
        let content = rest.get(..len)?;
        if word(8) == GNU_BUILD_ID && name.starts_with(b"GNU\0") {
            return Some(content.to_vec());
        }
        notes = rest.get(len.next_multiple_of(4)..)?;
    }
}

/// A number for all of these bytes, for files without a build id (FNV-1a over words).
fn digest<'a>(parts: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut len = 0_u64;
    for part in parts {
        len = len.wrapping_add(part.len() as u64);
        let (words, rest) = part.as_chunks::<8>();
        let tail = rest.iter().map(|byte| u64::from(*byte));
        for word in words.iter().map(|word| u64::from_le_bytes(*word)).chain(tail) {
            hash = (hash ^ word).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(23);
        }
    }
    [hash.to_le_bytes(), len.to_le_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own() -> usize {
        own as fn() -> usize as usize
    }

    #[test]
    fn our_code_is_in_one_image_and_the_c_library_in_another() {
        let ours = Image::holding(own()).unwrap();
        assert!(ours.holds(build_id as fn(&'static [u8]) -> _ as usize));
        let foreign = libc::getpid as unsafe extern "C" fn() -> _ as usize;
        let theirs = Image::holding(foreign).unwrap();
        assert!(!ours.holds(foreign) && !theirs.holds(own()));
        assert_ne!(ours.id(), theirs.id());
        assert_eq!(Image::holding(own()).unwrap(), ours);
        assert!(!ours.id().is_empty());
    }

    #[test]
    fn data_is_no_code() {
        let value = Box::new(1_u8);
        assert_eq!(Image::holding((&raw const *value).addr()), None);
    }

    #[test]
    fn the_build_id_is_found_among_other_notes() {
        let note = |kind: u32, content: &[u8]| {
            let mut bytes = [4, u32::try_from(content.len()).unwrap(), kind]
                .into_iter()
                .flat_map(u32::to_le_bytes)
                .collect::<Vec<_>>();
            bytes.extend_from_slice(b"GNU\0");
            bytes.extend_from_slice(content);
            bytes.resize(bytes.len().next_multiple_of(4), 0);
            bytes
        };
        let notes = [note(1, b"abcde"), note(GNU_BUILD_ID, b"the id")].concat();
        assert_eq!(build_id(&notes), Some(b"the id".to_vec()));
        for end in 0..notes.len() - 2 {
            assert_eq!(build_id(&notes[..end]), None, "up to {end}");
        }
    }

    #[test]
    fn a_digest_knows_every_byte() {
        let whole = digest([&b"0123456789"[..]].into_iter());
        assert_ne!(whole, digest([&b"0123456788"[..]].into_iter()));
        assert_ne!(whole, digest([&b"1123456789"[..]].into_iter()));
        assert_eq!(whole, digest([&b"0123456789"[..]].into_iter()));
    }
}
