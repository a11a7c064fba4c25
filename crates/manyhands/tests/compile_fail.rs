//! What must not compile, and how the compiler says so.

#[test]
fn functions_that_capture_do_not_compile() {
    let tests = trybuild::TestCases::new();
    // With a program that is built, the others are too: a constant assertion fails when code is made.
    tests.pass("tests/compile/plain.rs");
    tests.compile_fail("tests/compile/captures.rs");
    tests.compile_fail("tests/compile/with_captures.rs");
    tests.compile_fail("tests/compile/initializer_captures.rs");
    tests.compile_fail("tests/compile/process_captures.rs");
    tests.compile_fail("tests/compile/no_serde.rs");
    tests.compile_fail("tests/compile/borrowed.rs");
}

#[test]
fn what_may_not_be_shared_does_not_compile() {
    let tests = trybuild::TestCases::new();
    tests.pass("tests/compile/shareable.rs");
    tests.compile_fail("tests/compile/not_shareable.rs");
    tests.compile_fail("tests/compile/objects.rs");
    tests.compile_fail("tests/compile/guards.rs");
    tests.compile_fail("tests/compile/writes.rs");
}
