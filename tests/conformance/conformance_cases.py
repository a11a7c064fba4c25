"""The test classes, in a module that spawned children can import."""

from conformance_view import populate

populate(globals())
