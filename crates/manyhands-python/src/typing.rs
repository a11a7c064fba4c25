//! What type checkers want of classes that are generic: `AsyncResult[int]` is the class with a note.

use pyo3::prelude::*;
use pyo3::types::PyType;

/// `cls[item]`, as the standard library's own generic classes have it.
pub(crate) fn of_types<'py>(
    cls: &Bound<'py, PyType>,
    item: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    cls.py().import("types")?.getattr("GenericAlias")?.call1((cls, item))
}
