//! The only unsafe code of the binding: calls for which PyO3's safe API is too slow or missing.
#![expect(unsafe_code, reason = "CPython calls that PyO3 does not wrap under the limited API")]

use std::mem::MaybeUninit;
use std::os::raw::c_int;

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

// `PyObject_Vectorcall` is exported by every CPython since 3.9 and part of the stable ABI since 3.12,
// with this signature; PyO3 hides it from limited-API builds that start below 3.12.
unsafe extern "C" {
    fn PyObject_Vectorcall(
        callable: *mut ffi::PyObject,
        args: *const *mut ffi::PyObject,
        nargsf: usize,
        kwnames: *mut ffi::PyObject,
    ) -> *mut ffi::PyObject;
}

/// The bit that lets the callee use the slot before the first argument.
const ARGUMENTS_OFFSET: usize = 1 << (usize::BITS - 1);

/// `callable(*args)` without a tuple, for up to three arguments.
#[inline]
pub(crate) fn call<'py>(
    callable: &Bound<'py, PyAny>,
    args: &[&Bound<'py, PyAny>],
) -> PyResult<Bound<'py, PyAny>> {
    debug_assert!(args.len() <= 3, "the slots below hold three arguments");
    let mut slots = [std::ptr::null_mut(); 4];
    for (slot, arg) in slots[1..].iter_mut().zip(args) {
        *slot = arg.as_ptr();
    }
    // SAFETY: `slots` has four elements, so one past the first is in bounds.
    let first = unsafe { slots.as_ptr().add(1) };
    // SAFETY: the GIL is held (`callable` is bound); `first` points to `args.len()` valid borrowed references,
    // with one writable slot before them, as ARGUMENTS_OFFSET promises; no keywords.
    let result = unsafe {
        PyObject_Vectorcall(
            callable.as_ptr(),
            first,
            args.len() | ARGUMENTS_OFFSET,
            std::ptr::null_mut(),
        )
    };
    // SAFETY: a new reference, or null with an exception set.
    unsafe { Bound::from_owned_ptr_or_err(callable.py(), result) }
}

/// The value of an exact `int` that fits 64 bits.
#[inline]
pub(crate) fn exact_int(value: &Bound<'_, PyAny>) -> Option<i64> {
    let mut overflow: c_int = 0;
    // SAFETY: the GIL is held; `value` is an exact int (the caller has checked), so no code runs and no
    // exception is set; `overflow` is a valid out parameter.
    let number = unsafe { ffi::PyLong_AsLongLongAndOverflow(value.as_ptr(), &raw mut overflow) };
    (overflow == 0).then_some(number)
}

/// `os.fork()` without its warning: with the interpreter's hooks, on our own responsibility.
///
/// The child must do nothing but Python and this crate's worker loop.
pub(crate) fn fork(_py: Python<'_>) -> std::io::Result<i32> {
    // SAFETY: the GIL is held; the hook may be called by whoever forks, and is paired below.
    unsafe { ffi::PyOS_BeforeFork() };
    // SAFETY: plain fork; the child goes on with one thread, as the hooks below repair the interpreter for.
    let pid = unsafe { libc_fork() };
    let error = std::io::Error::last_os_error();
    if pid == 0 {
        // SAFETY: the GIL was held by the forking thread, which is the child's only one.
        unsafe { ffi::PyOS_AfterFork_Child() };
    } else {
        // SAFETY: pairs with PyOS_BeforeFork, in the parent, also when fork failed.
        unsafe { ffi::PyOS_AfterFork_Parent() };
    }
    if pid < 0 { Err(error) } else { Ok(pid) }
}

unsafe extern "C" {
    #[link_name = "fork"]
    fn libc_fork() -> i32;
}

/// A descriptor that Python code holds, for the time of one call.
pub(crate) fn borrowed<'fd>(fd: i32) -> std::os::fd::BorrowedFd<'fd> {
    // SAFETY: the callers are the package's own start code, which keeps the descriptor open during the call
    // for which it passes the number; it is never -1, as it comes from an object or a call that made it.
    unsafe { std::os::fd::BorrowedFd::borrow_raw(fd) }
}

/// Takes over a descriptor that Python code has given away.
pub(crate) fn owned(fd: i32) -> std::os::fd::OwnedFd {
    use std::os::fd::FromRawFd;
    // SAFETY: the callers are the package's own start code, which received the descriptor for this one
    // purpose and does not use or close it afterwards.
    unsafe { std::os::fd::OwnedFd::from_raw_fd(fd) }
}

/// A copy of a descriptor that Python code keeps.
pub(crate) fn duplicate(fd: i32) -> std::io::Result<std::os::fd::OwnedFd> {
    // SAFETY: the callers hold the descriptor open for the time of this call; it is only copied.
    unsafe { std::os::fd::BorrowedFd::borrow_raw(fd) }.try_clone_to_owned()
}

/// Calls `function` when the interpreter has ended, after everything of Python's.
pub(crate) fn at_exit(_py: Python<'_>, function: extern "C" fn()) -> PyResult<()> {
    // SAFETY: the GIL is held; the function is one of this crate, whose library is never unloaded, and calls no
    // Python, as it must not so late.
    match unsafe { ffi::Py_AtExit(Some(function)) } {
        0 => Ok(()),
        _ => Err(pyo3::exceptions::PyRuntimeError::new_err("no room for one more exit function")),
    }
}

/// A `bytes` object that nobody has seen yet, to be filled.
#[derive(Debug)]
pub(crate) struct NewBytes<'py> {
    object: Bound<'py, PyBytes>,
    len: usize,
}

impl<'py> NewBytes<'py> {
    /// Makes one of `len` bytes; what they are is left to whoever fills [`NewBytes::room`].
    pub(crate) fn new(py: Python<'py>, len: usize) -> PyResult<Self> {
        let size = ffi::Py_ssize_t::try_from(len)
            .map_err(|_| pyo3::exceptions::PyMemoryError::new_err("too many bytes"))?;
        // SAFETY: the GIL is held; without bytes to copy CPython makes an object of that size.
        let made = unsafe { ffi::PyBytes_FromStringAndSize(std::ptr::null(), size) };
        // SAFETY: a new reference, or null with an exception set.
        let made = unsafe { Bound::from_owned_ptr_or_err(py, made) }?;
        Ok(Self { object: made.cast_into::<PyBytes>()?, len })
    }

    /// Its bytes.
    pub(crate) fn room(&mut self) -> &mut [MaybeUninit<u8>] {
        // SAFETY: the GIL is held (the object is bound), and the object is exactly `bytes`.
        let start = unsafe { ffi::PyBytes_AsString(self.object.as_ptr()) };
        // SAFETY: the object has `len` bytes there for as long as it lives; nobody else knows it (it is
        // given away by `finish` only, which consumes this) unless it is empty, when there is nothing
        // to write. Whatever they hold is valid as `MaybeUninit`.
        unsafe { std::slice::from_raw_parts_mut(start.cast(), self.len) }
    }

    /// The object, once its room was filled.
    pub(crate) fn finish(self) -> Bound<'py, PyBytes> {
        self.object
    }
}
