//! Errors of the kernel as Python knows them: with their number, and the limit that they are about.

use std::io::{self, ErrorKind};

use manyhands_os::fork::told;
use pyo3::exceptions::{PyMemoryError, PyOSError};
use pyo3::prelude::*;

/// The number of "file too large".
const EFBIG: i32 = 27;

/// An error of the kernel with its number, by which the package tells a want of descriptors, and with the
/// limit that it is about.
pub(crate) fn numbered(error: &io::Error) -> PyErr {
    match error.raw_os_error() {
        Some(number) => PyOSError::new_err((number, told(error))),
        // A limit on memory has been told already (`room`).
        None if error.kind() == ErrorKind::OutOfMemory => PyMemoryError::new_err(error.to_string()),
        None if error.kind() == ErrorKind::FileTooLarge => {
            PyOSError::new_err((EFBIG, error.to_string()))
        }
        None => PyOSError::new_err(error.to_string()),
    }
}

/// The error of who makes shared memory, with its number where that is about the size of files.
pub(crate) fn no_segment(error: io::Error) -> PyErr {
    match error.kind() {
        ErrorKind::FileTooLarge => numbered(&error),
        _ => error.into(),
    }
}
