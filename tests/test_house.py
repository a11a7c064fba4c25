"""The rules of the house fail where they should: `tools/check_house.py` and `tools/preflight.sh`.

Each case takes a small tree that passes, breaks one rule, and expects that one finding. The checker
runs as `make check` runs it, for its exit status is what counts.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import manyhands

ROOT = Path(__file__).resolve().parent.parent
GOOD = {
    "Makefile": "# The entry.\n",
    "crates/manyhands-os/Cargo.toml": '[package]\nname = "manyhands-os"\n',
    "crates/manyhands-os/src/lib.rs": "//! The kernel.\npub mod a;\npub mod b;\n",
    "crates/manyhands-os/src/a.rs": "//! A.\nuse crate::b::B;\npub struct A(pub B);\n",
    "crates/manyhands-os/src/b.rs": "//! B.\npub struct B;\n",
    "crates/manyhands-pool/Cargo.toml": (
        '[package]\nname = "manyhands-pool"\n[dependencies]\nmanyhands-os = { path = "x" }\n'
    ),
    "crates/manyhands-pool/src/lib.rs": "//! The engine.\npub fn run() {}\n",
    "python/manyhands/__init__.py": '"""The package."""\nfrom manyhands import pool\n',
    "python/manyhands/pool.py": '"""The pool."""\nfrom . import errors\n',
    "python/manyhands/errors.py": '"""Errors."""\n',
}
OS = "crates/manyhands-os/src/"
PY = "python/manyhands/"
LATER = "fixme".upper()  # written out, it would be a finding in this very file


def lines(count):
    return "let x = 1;\n" * count


def house(root, changes):
    """Write the good tree with some files replaced, and run the checker over it."""
    for name, text in {**GOOD, **changes}.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    command = [sys.executable, ROOT / "tools/check_house.py", root]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert not done.stderr
    return done.returncode, done.stdout.splitlines()


GOOD_CHANGES = {
    "nothing changed": {},
    "comments and literals are no code": {
        OS + "b.rs": '//! B.\n// use crate::a;\nconst S: &str = "unsafe { crate::a::A }";\n'
        'const R: &str = r#"fn f(a: u8, "b", unsafe {"#;\nconst C: char = \'"\';\n'
        "/* use crate::a::A; */ pub fn f<'a>(b: &'a u8) -> &'a u8 { b }\n",
    },
    "self does not count": {
        OS
        + "b.rs": "//! B.\nimpl B { fn f(&'_ mut self, a: u8, b: u8, c: u8, d: u8, e: u8,) {} }\n",
    },
    "commas within types do not count": {
        OS + "b.rs": "//! B.\nfn f<T: Fn(u8) -> u8, U>(a: (u8, u8), b: [u8; 2], c: M<u8, Vec<u8>>,"
        " d: impl Fn(u8, u8, u8) -> u8, e: T) -> [u8; 4] { [0; 4] }\n",
    },
    "keyword-only parameters do not count": {
        PY + "errors.py": '"""E."""\ndef f(a, b, c, d, e, *, g, h): ...\n'
        "class C:\n    def f(self, a, b, c, d, e): ...\n",
    },
    "a safety note above the statement": {
        OS + "b.rs": "//! B.\n// SAFETY: zero is\n// a byte.\nlet x =\n    unsafe { z() };\n",
    },
    "a ring under TYPE_CHECKING": {
        PY + "errors.py": '"""E."""\nfrom typing import TYPE_CHECKING\nif TYPE_CHECKING:\n'
        "    from manyhands.pool import Pool\n",
    },
    "a native module with a stub": {
        PY + "_native.pyi": "# The native module.\n",
        PY + "errors.py": '"""E."""\nfrom . import _native\nfrom ._native import f\n',
    },
    "a unit test may use its module's users": {
        OS + "b.rs": "//! B.\npub struct B;\n#[cfg(test)]\nmod tests {\n    use super::*;\n"
        "    use crate::a::A;\n}\n",
    },
    "a facade names its children's items for others": {
        OS + "lib.rs": "//! K.\nmod a;\nmod b;\npub use a::A;\npub fn f() {}\n",
        OS + "a.rs": "//! A.\npub struct A;\nfn g() { crate::f() }\n",
    },
    "test folders and built files are left alone": {
        "target/debug/x.rs": "fn f() { unsafe { } }",
        ".venv/lib/x.py": "x",
    },
}


@pytest.mark.parametrize("changes", GOOD_CHANGES.values(), ids=GOOD_CHANGES)
def test_passes(tmp_path, changes):
    status, output = house(tmp_path, changes)
    assert output[-1].endswith("files, 0 findings")
    assert status == 0


BAD_CHANGES = {
    "ladder up": (
        "crates/manyhands-os/Cargo.toml:4: manyhands-os may use only rungs below its own",
        {
            "crates/manyhands-os/Cargo.toml": '[package]\nname = "manyhands-os"\n'
            '[dev-dependencies]\nmanyhands-pool = "1"\n'
        },
    ),
    "ladder up under a target and another name": (
        "crates/manyhands-os/Cargo.toml:4: manyhands-os may use only rungs below its own",
        {
            "crates/manyhands-os/Cargo.toml": '[package]\nname = "manyhands-os"\n'
            "[target.'cfg(loom)'.dependencies]\nengine = { package = \"manyhands-pool\" }\n"
        },
    ),
    "crate without a rung": (
        "manyhands-new has no rung",
        {"crates/manyhands-new/Cargo.toml": '[package]\nname = "manyhands-new"\n'},
    ),
    "system calls above the kernel's rung": (
        "rustix belongs to manyhands-os alone",
        {
            "crates/manyhands-pool/Cargo.toml": '[package]\nname = "manyhands-pool"\n'
            "[dependencies]\nrustix = { workspace = true }\n"
        },
    ),
    "unsafe in the engine": (
        "crates/manyhands-pool/src/lib.rs:3: unsafe code in more than 0 files of manyhands-pool",
        {
            "crates/manyhands-pool/src/lib.rs": "//! E.\n// SAFETY: none.\n"
            "fn f() { unsafe { g() } }\n// SAFETY: as said.\n"
        },
    ),
    "ring of modules": (
        "a ring of modules: crate::a -> crate::b -> crate::a",
        {OS + "b.rs": "//! B.\nuse crate::{c::C, a::{self, A}};\npub struct B;\n"},
    ),
    "ring by a path in code": (
        "a ring of modules: crate::a -> crate::b -> crate::a",
        {OS + "b.rs": "//! B.\npub struct B;\npub fn f() { super::a::g(1) }\n"},
    ),
    "ring through a facade": (
        "a ring of modules: crate::a -> crate::b -> crate::a",
        {
            OS + "lib.rs": "//! K.\nmod a;\nmod b;\npub use a::A;\n",
            OS + "b.rs": "//! B.\nuse crate::A;\npub struct B;\n",
        },
    ),
    "ring of parent and child": (
        "a ring of modules: crate -> crate::a -> crate",
        {
            OS + "lib.rs": "//! K.\nmod a;\nmod b;\npub use a::A;\npub fn f(a: A) {}\n",
            OS + "a.rs": "//! A.\npub struct A;\nfn g() { crate::f() }\n",
        },
    ),
    "ring of inline modules": (
        "a ring of modules: crate::b::x -> crate::b::y -> crate::b::x",
        {
            OS + "b.rs": "//! B.\npub struct B;\nmod x { use super::y::Y; }\n"
            "mod y { use super::x::X; }\n"
        },
    ),
    "ring of imports": (
        "a ring of imports: manyhands.errors -> manyhands.pool -> manyhands.errors",
        {PY + "errors.py": '"""E."""\nimport manyhands.pool\n'},
    ),
    "ring by an import in a function": (
        "a ring of imports: manyhands.errors -> manyhands.pool -> manyhands.errors",
        {PY + "errors.py": '"""E."""\ndef f():\n    from .pool import Pool\n'},
    ),
    "ring with the package itself": (
        "a ring of imports: manyhands -> manyhands.pool -> manyhands",
        {PY + "pool.py": '"""P."""\ndef f():\n    from manyhands import cpu_count\n'},
    ),
    "long file": ("501 lines, and 500", {OS + "b.rs": "//! B.\n" + "// x\n" * 500}),
    "long Rust function": (
        "b.rs:2: f has 61 lines, and 60",
        {OS + "b.rs": "//! B.\nfn f() {\n" + lines(59) + "}\n"},
    ),
    "long Python function": (
        "errors.py:2: f has 61 lines, and 60",
        {PY + "errors.py": '"""E."""\ndef f():\n' + "    x = 1\n" * 60},
    ),
    "many Rust parameters": (
        "b.rs:2: f has 6 parameters, and 5",
        {OS + "b.rs": "//! B.\nfn f<T>(a: u8, b: u8, c: u8, d: u8, e: u8, f: T) {}\n"},
    ),
    "many Python parameters": (
        "errors.py:3: f has 6 parameters, and 5",
        {
            PY + "errors.py": '"""E."""\nclass C:\n'
            "    async def f(self, a, b, c, /, d, e, f=1): ...\n"
        },
    ),
    "no Rust text": ("the file does not open with a text", {OS + "b.rs": "pub struct B;\n"}),
    "no Python text": ("the file does not open with a text", {PY + "errors.py": "x = 1\n"}),
    "empty file": ("the file does not open with a text", {PY + "errors.py": ""}),
    "no shell text": (
        "x.sh:1: the file does not open with a text",
        {"tools/x.sh": "#!/bin/sh\nset -e\n"},
    ),
    "unsafe without a note": (
        "b.rs:3: unsafe without a",
        {OS + "b.rs": "//! B.\nlet y = 1;\nlet x = unsafe { z() };\n"},
    ),
    "a note for another statement": (
        "b.rs:4: unsafe without a",
        {OS + "b.rs": "//! B.\n// SAFETY: y.\nlet y = 1;\nunsafe impl Send for X {}\n"},
    ),
    "left for later": (
        f"errors.py:2: {LATER}: do it",
        {PY + "errors.py": f'"""E."""\n# {LATER} later\n'},
    ),
}


@pytest.mark.parametrize(("expected", "changes"), BAD_CHANGES.values(), ids=BAD_CHANGES)
def test_fails(tmp_path, expected, changes):
    status, output = house(tmp_path, changes)
    assert len(output) == 2, output
    assert expected in output[0]
    assert status == 1


def test_an_empty_tree_does_not_pass(tmp_path):
    command = [sys.executable, ROOT / "tools/check_house.py", tmp_path]
    assert subprocess.run(command, capture_output=True, check=False, timeout=60).returncode == 1


def preflight(path, **tools):
    """Run the preflight where only the given programs, and what it needs itself, are found."""
    for name in ("sh", "sed"):
        (path / name).symlink_to(f"/bin/{name}")
    for name, script in tools.items():
        (path / name).write_text(f"#!/bin/sh\n{script}\n")
        (path / name).chmod(0o755)
    environment = {**os.environ, "PATH": str(path), "PYTHON": "python3"}
    command = ["/bin/sh", ROOT / "tools/preflight.sh"]
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False, timeout=60
    )


COMPLETE = {"cargo": "", "rustc": "echo 'rustc 1.88.0 (x)'", "cc": "", "python3": ""}


def test_preflight_is_silent_where_nothing_lacks(tmp_path):
    done = preflight(tmp_path, **COMPLETE)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


LACKING = {
    "all at once": ({}, ["cargo and rustc", "rustup", "C linker", "gcc", "Python 3.11", "python3"]),
    "no cargo": ({**COMPLETE, "cargo": None}, ["cargo and rustc", "https://sh.rustup.rs"]),
    "old rustc": ({**COMPLETE, "rustc": "echo 'rustc 1.70.0'"}, ["1.70.0", "rustup update"]),
    "no linker": ({**COMPLETE, "cc": None}, ["C linker", "dnf install", "gcc"]),
    "old Python": (
        {**COMPLETE, "python3": 'case "$*" in *version_info*) exit 1;; esac; echo Python 3.9.2'},
        ["Python 3.11 or later", "Python 3.9.2", "make PYTHON="],
    ),
    "no venv": (
        {**COMPLETE, "python3": 'case "$*" in *ensurepip*) exit 1;; *print*) echo 3.12;; esac'},
        ["venv module", "dnf install"],
    ),
}


@pytest.mark.parametrize(("tools", "expected"), LACKING.values(), ids=LACKING)
def test_preflight_names_what_lacks_and_how_to_install_it(tmp_path, tools, expected):
    present = {name: script for name, script in tools.items() if script is not None}
    done = preflight(tmp_path, dnf="", **present)
    assert done.returncode == 1
    for words in expected:
        assert words in done.stderr
    assert done.stderr.count("missing: ") == done.stderr.count("install it with: ") > 0


def test_make_lists_its_targets():
    done = subprocess.run(
        ["make", "-C", ROOT], capture_output=True, text=True, check=True, timeout=60
    )
    for target in ("demo", "test", "check", "bench", "deep"):
        assert f"\n{target} " in done.stdout


def test_the_tests_run_on_the_installed_wheel():
    assert ROOT / "python" not in Path(manyhands.__file__).parents
