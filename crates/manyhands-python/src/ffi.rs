//! The only unsafe code of the binding: calls for which PyO3's safe API is too slow or missing.
#![expect(unsafe_code, reason = "CPython calls that PyO3 does not wrap under the limited API")]

use std::mem::MaybeUninit;
use std::os::raw::c_int;
use std::ptr::NonNull;

use manyhands_shm::world::Block;
use pyo3::buffer::PyUntypedBuffer;
use pyo3::exceptions::{PyBufferError, PyTypeError};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyTuple};

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

/// `callable(first, second, name=third)`, with the name in a tuple.
#[inline]
pub(crate) fn call_with<'py>(
    callable: &Bound<'py, PyAny>,
    [first, second, third]: [&Bound<'py, PyAny>; 3],
    name: &Bound<'py, PyTuple>,
) -> PyResult<Bound<'py, PyAny>> {
    debug_assert!(name.len() == 1, "one of the three has a name");
    let slots = [first.as_ptr(), second.as_ptr(), third.as_ptr()];
    // SAFETY: the GIL is held (`callable` is bound); `slots` holds two valid borrowed references by position and
    // one for the one name.
    let result =
        unsafe { PyObject_Vectorcall(callable.as_ptr(), slots.as_ptr(), 2, name.as_ptr()) };
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

/// How many references there are to an object at this moment, that of `value` among them.
#[inline]
pub(crate) fn references(value: &Bound<'_, PyAny>) -> ffi::Py_ssize_t {
    // SAFETY: `value` is a live object, and the interpreter is attached.
    unsafe { ffi::Py_REFCNT(value.as_ptr()) }
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

/// The low 64 bits of an int of any size.
#[inline]
pub(crate) fn wrapped_int(value: &Bound<'_, PyAny>) -> PyResult<u64> {
    // SAFETY: the GIL is held; `value` is an int (the caller has checked).
    let bits = unsafe { ffi::PyLong_AsUnsignedLongLongMask(value.as_ptr()) };
    if bits == u64::MAX
        && let Some(error) = PyErr::take(value.py())
    {
        return Err(error);
    }
    Ok(bits)
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

/// What a lock does when it is free, or to be given back, without anything else to care for.
pub(crate) trait Quick {
    /// The texts of `acquire` and `release`, which begin with their signatures.
    const TEXTS: [&'static std::ffi::CStr; 2];
    /// Takes it, if that needs neither a wait nor a word to the caller.
    fn acquire_quickly(&self) -> bool;
    /// Gives it back, if the caller may.
    fn release_quickly(&self) -> bool;
}

/// Gives a class the methods `acquire` and `release`, and `with`, by the cheapest calling convention. What is not
/// quick is done by the methods `_acquire` and `_release`, which take the same arguments.
pub(crate) fn install_quick<T>(py: Python<'_>, with: bool) -> PyResult<()>
where
    T: pyo3::PyClass<Frozen = pyo3::pyclass::boolean_struct::True> + Quick + Sync,
{
    let class = py.get_type::<T>();
    let (take, give) = (acquire_raw::<T>, release_raw::<T>);
    add_method(&class, c"acquire", T::TEXTS[0], take)?;
    add_method(&class, c"release", T::TEXTS[1], give)?;
    if with {
        add_method(&class, c"__enter__", c"__enter__($self, /)\n--\n\n", take)?;
        let text = c"__exit__($self, kind=None, value=None, traceback=None, /)\n--\n\n";
        add_method(&class, c"__exit__", text, exit_raw::<T>)?;
    }
    Ok(())
}

type Fast = unsafe extern "C" fn(
    *mut ffi::PyObject,
    *const *mut ffi::PyObject,
    ffi::Py_ssize_t,
    *mut ffi::PyObject,
) -> *mut ffi::PyObject;

/// Adds a method to a class of ours; its text begins with its signature, as CPython reads it.
fn add_method(
    class: &Bound<'_, pyo3::types::PyType>,
    name: &'static std::ffi::CStr,
    text: &'static std::ffi::CStr,
    function: Fast,
) -> PyResult<()> {
    let definition = ffi::PyMethodDef {
        ml_name: name.as_ptr(),
        ml_meth: ffi::PyMethodDefPointer { PyCFunctionFastWithKeywords: function },
        ml_flags: ffi::METH_FASTCALL | ffi::METH_KEYWORDS,
        ml_doc: text.as_ptr(),
    };
    // The descriptor refers to it as long as the class lives, which is for ever.
    let definition = Box::leak(Box::new(definition));
    // SAFETY: the GIL is held (`class` is bound); the definition and what it refers to live for ever, and its
    // function has the convention that its flags promise.
    let descriptor = unsafe { ffi::PyDescr_NewMethod(class.as_type_ptr(), definition) };
    // SAFETY: a new reference, or null with an exception set.
    let descriptor = unsafe { Bound::from_owned_ptr_or_err(class.py(), descriptor) }?;
    class.setattr(name.to_string_lossy(), descriptor)
}

/// The Rust side of a method's `self`.
///
/// # Safety
///
/// `slf` is a living object of the class `T` or of one that extends it, and outlives the result; the interpreter
/// is attached.
unsafe fn own<'a, T>(slf: *mut ffi::PyObject) -> &'a T
where
    T: pyo3::PyClass<Frozen = pyo3::pyclass::boolean_struct::True> + Sync,
{
    // SAFETY: the caller's promise.
    let py = unsafe { Python::assume_attached() };
    // SAFETY: the caller's promise.
    let object = unsafe { pyo3::Borrowed::from_ptr(py, slf) };
    // SAFETY: the caller's promise: the class is `T`.
    let object = unsafe { object.cast_unchecked::<T>() };
    let contents: *const T = object.get();
    // SAFETY: the contents of a frozen object stay where they are as long as the object lives.
    unsafe { &*contents }
}

/// The same method by name, the long way.
///
/// # Safety
///
/// As for a function that CPython calls by the fast convention.
#[cold]
unsafe fn slowly(
    slf: *mut ffi::PyObject,
    name: &'static str,
    args: (*const *mut ffi::PyObject, ffi::Py_ssize_t, *mut ffi::PyObject),
) -> *mut ffi::PyObject {
    // SAFETY: CPython calls us attached.
    let py = unsafe { Python::assume_attached() };
    // SAFETY: `slf` is a living object, borrowed for this call.
    let object = unsafe { pyo3::Borrowed::from_ptr(py, slf) };
    match object.getattr(name) {
        // SAFETY: `args` are what CPython gave us by the same convention.
        Ok(method) => unsafe {
            PyObject_Vectorcall(method.as_ptr(), args.0, args.1.unsigned_abs(), args.2)
        },
        Err(error) => {
            error.restore(py);
            std::ptr::null_mut()
        }
    }
}

/// # Safety
///
/// Called by CPython as the method that `install_quick` defines.
unsafe extern "C" fn acquire_raw<T>(
    slf: *mut ffi::PyObject,
    args: *const *mut ffi::PyObject,
    count: ffi::Py_ssize_t,
    names: *mut ffi::PyObject,
) -> *mut ffi::PyObject
where
    T: pyo3::PyClass<Frozen = pyo3::pyclass::boolean_struct::True> + Quick + Sync,
{
    // SAFETY: the descriptor has checked that `slf` is a `T`.
    if count == 0 && names.is_null() && unsafe { own::<T>(slf) }.acquire_quickly() {
        // SAFETY: attached.
        let result = unsafe { ffi::Py_True() };
        // SAFETY: attached; `True` lives for ever.
        return unsafe { ffi::Py_NewRef(result) };
    }
    // SAFETY: the arguments are CPython's.
    unsafe { slowly(slf, "_acquire", (args, count, names)) }
}

/// # Safety
///
/// Called by CPython as the method that `install_quick` defines.
unsafe extern "C" fn release_raw<T>(
    slf: *mut ffi::PyObject,
    args: *const *mut ffi::PyObject,
    count: ffi::Py_ssize_t,
    names: *mut ffi::PyObject,
) -> *mut ffi::PyObject
where
    T: pyo3::PyClass<Frozen = pyo3::pyclass::boolean_struct::True> + Quick + Sync,
{
    // SAFETY: the descriptor has checked that `slf` is a `T`.
    if count == 0 && names.is_null() && unsafe { own::<T>(slf) }.release_quickly() {
        // SAFETY: attached.
        let result = unsafe { ffi::Py_None() };
        // SAFETY: attached; `None` lives for ever.
        return unsafe { ffi::Py_NewRef(result) };
    }
    // SAFETY: the arguments are CPython's.
    unsafe { slowly(slf, "_release", (args, count, names)) }
}

/// # Safety
///
/// Called by CPython as the method that `install_quick` defines.
unsafe extern "C" fn exit_raw<T>(
    slf: *mut ffi::PyObject,
    _args: *const *mut ffi::PyObject,
    _count: ffi::Py_ssize_t,
    _names: *mut ffi::PyObject,
) -> *mut ffi::PyObject
where
    T: pyo3::PyClass<Frozen = pyo3::pyclass::boolean_struct::True> + Quick + Sync,
{
    // SAFETY: the caller's convention; no arguments.
    unsafe { release_raw::<T>(slf, std::ptr::null(), 0, std::ptr::null_mut()) }
}

/// A `bytes` object that nobody has seen yet, and its room.
#[derive(Debug)]
pub(crate) struct NewBytes {
    object: Py<PyBytes>,
    room: NonNull<MaybeUninit<u8>>,
    len: usize,
}

// SAFETY: `Py` may be sent, and the room is memory of the object, which belongs to no thread and is written through
// `&mut` only.
unsafe impl Send for NewBytes {}
// SAFETY: `&NewBytes` gives nothing but the length.
unsafe impl Sync for NewBytes {}

impl NewBytes {
    /// Room for `len` bytes, with any content.
    pub(crate) fn new(py: Python<'_>, len: usize) -> PyResult<Self> {
        let size = ffi::Py_ssize_t::try_from(len)?;
        // SAFETY: the GIL is held; a null pointer asks for a new object with room of that size.
        let made = unsafe { ffi::PyBytes_FromStringAndSize(std::ptr::null(), size) };
        // SAFETY: a new reference, or null with an exception set.
        let object = unsafe { Bound::from_owned_ptr_or_err(py, made) }?.cast_into::<PyBytes>()?;
        // SAFETY: it is a bytes object, whose buffer does not move.
        let room = unsafe { ffi::PyBytes_AsString(object.as_ptr()) };
        let room = NonNull::new(room.cast()).ok_or_else(|| PyErr::fetch(py))?;
        Ok(Self { object: object.unbind(), room, len })
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Where the bytes go.
    pub(crate) fn room(&mut self) -> &mut [MaybeUninit<u8>] {
        // SAFETY: the object has `len` bytes from `room` on, lives as long as `self`, and is known to nobody else, so
        // nobody reads it while it is written. (The one empty object has no bytes.)
        unsafe { std::slice::from_raw_parts_mut(self.room.as_ptr(), self.len) }
    }

    /// Fills it with as many bytes as it has room for.
    pub(crate) fn fill(&mut self, bytes: &[u8]) {
        let room = self.room();
        assert_eq!(room.len(), bytes.len(), "bytes for another object");
        // SAFETY: the room has as many bytes (just checked) and is known to nobody else, so they do not overlap.
        unsafe {
            room.as_mut_ptr().cast::<u8>().copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
        };
    }

    /// The object, once all of its room is filled.
    pub(crate) fn finish(self, py: Python<'_>) -> Bound<'_, PyBytes> {
        self.object.into_bound(py)
    }
}

/// Bytes all of which were made with a value.
pub(crate) fn filled<const N: usize>(bytes: [MaybeUninit<u8>; N]) -> [u8; N] {
    // SAFETY: the callers made each with a value, and filling them has only replaced it by another.
    bytes.map(|byte| unsafe { byte.assume_init() })
}

/// The memory of a bytes-like object, contiguous, as long as the view lives.
#[derive(Debug)]
pub(crate) struct View(PyUntypedBuffer);

impl View {
    pub(crate) fn of(object: &Bound<'_, PyAny>) -> PyResult<Self> {
        let buffer = PyUntypedBuffer::get(object)?;
        if !buffer.is_c_contiguous() {
            return Err(PyBufferError::new_err(
                "memoryview: underlying buffer is not C-contiguous",
            ));
        }
        Ok(Self(buffer))
    }

    /// The memory of an object whose bytes lie together, in whatever order of its dimensions.
    pub(crate) fn whole(object: &Bound<'_, PyAny>) -> PyResult<Self> {
        let buffer = PyUntypedBuffer::get(object)?;
        if !buffer.is_c_contiguous() && !buffer.is_fortran_contiguous() {
            return Err(PyBufferError::new_err("a buffer whose bytes do not lie together"));
        }
        Ok(Self(buffer))
    }

    pub(crate) fn is_readonly(&self) -> bool {
        self.0.readonly()
    }

    pub(crate) fn writable(object: &Bound<'_, PyAny>) -> PyResult<Self> {
        let view = Self::of(object)?;
        if view.0.readonly() {
            return Err(PyTypeError::new_err("cannot modify read-only memory"));
        }
        Ok(view)
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        if self.0.len_bytes() == 0 {
            return &[];
        }
        let (place, len) = (self.0.buf_ptr().cast::<u8>(), self.0.len_bytes());
        // SAFETY: the exporter keeps that many bytes there while the buffer is held, and it is contiguous. Another
        // thread may write them meanwhile, as with every buffer of Python's: then what is copied is a mixture.
        unsafe { std::slice::from_raw_parts(place, len) }
    }

    /// Writes `content` at `offset`; `false` and nothing if it does not fit.
    pub(crate) fn put(&mut self, offset: usize, content: &[u8]) -> bool {
        if offset.checked_add(content.len()).is_none_or(|end| end > self.0.len_bytes()) {
            return false;
        }
        let target = self.0.buf_ptr().cast::<u8>().wrapping_add(offset);
        // SAFETY: the target lies inside the buffer (just checked), which is writable (`writable`) and held; `content`
        // is a bytes object, whose memory nobody else has given to this buffer.
        unsafe { target.copy_from(content.as_ptr(), content.len()) };
        true
    }
}

/// What lies in a block of the world, for whoever knows that nobody writes there meanwhile.
pub(crate) fn bytes_of(block: &Block) -> &[u8] {
    // SAFETY: a block's address is valid for its length as long as it is held, and what is cargo is written before
    // its name is given away. A reader that was given it to write does so under Python's rules for buffers.
    unsafe { std::slice::from_raw_parts(block.as_ptr(), block.len()) }
}

/// Copies bytes to the beginning of a block that nobody else knows yet; it has room for them.
pub(crate) fn fill(block: &Block, bytes: &[u8]) {
    assert!(bytes.len() <= block.len(), "a block that is too small");
    // SAFETY: the block has room for as many bytes (just checked), is reserved, and was made by the caller, so
    // that it overlaps with nothing that somebody has a reference to.
    unsafe { block.as_ptr().copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
}

/// Memory that an object gives to be used as a buffer.
pub(crate) trait Room: std::fmt::Debug + Send + Sync {
    /// Where it begins: valid for its length as long as the object lives, whose place it says.
    fn place(&self) -> *mut u8;
    /// How many bytes it has.
    fn len(&self) -> usize;
    /// Whether nobody may write it.
    fn is_readonly(&self) -> bool;
}

/// The buffer protocol, for classes that are made of it.
#[pyclass(frozen, subclass, weakref, module = "manyhands._native")]
#[derive(Debug)]
pub(crate) struct Buffer(pub(crate) std::sync::Arc<dyn Room>);

#[pymethods]
impl Buffer {
    fn __len__(&self) -> usize {
        self.0.len()
    }

    /// # Safety
    ///
    /// Called by CPython, which gives a view that is to be filled.
    unsafe fn __getbuffer__(
        slf: &Bound<'_, Self>,
        view: *mut ffi::Py_buffer,
        flags: c_int,
    ) -> PyResult<()> {
        let room = &slf.get().0;
        let (place, len) = (room.place().cast(), ffi::Py_ssize_t::try_from(room.len())?);
        let readonly = c_int::from(room.is_readonly());
        // SAFETY: attached; the view is the caller's; the place is valid for that many bytes as long as the room
        // lives, which the object holds, to which the view gets a reference.
        match unsafe { ffi::PyBuffer_FillInfo(view, slf.as_ptr(), place, len, readonly, flags) } {
            0 => Ok(()),
            _ => Err(PyErr::fetch(slf.py())),
        }
    }
}
