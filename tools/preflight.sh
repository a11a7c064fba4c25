#!/bin/sh
# What the machine must have before anything is built: a Rust toolchain, a C linker and a Python
# with its venv module.
#
# Names everything that is missing at once, each with the command that installs it, and ends with
# status 1. It installs nothing itself: whether and how is for the owner of the machine to say.
# Reads PYTHON, the interpreter to use (default python3).

set -u
python=${PYTHON:-python3}
missing=0

lacking() { # what, how to get it
    missing=1
    printf 'missing: %s\n   install it with: %s\n' "$1" "$2" >&2
}

packages() { # Debian's, Fedora's and Arch's names for the same thing
    if command -v apt-get >/dev/null 2>&1; then
        echo "sudo apt-get install --yes $1"
    elif command -v dnf >/dev/null 2>&1; then
        echo "sudo dnf install --assumeyes $2"
    elif command -v pacman >/dev/null 2>&1; then
        echo "sudo pacman -S --needed $3"
    else
        echo "the package manager of this system (Debian's name: $1)"
    fi
}

rustup="curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y && . ~/.cargo/env"
if ! command -v cargo >/dev/null 2>&1 || ! command -v rustc >/dev/null 2>&1; then
    lacking 'cargo and rustc, 1.88 or later' "$rustup"
else
    minor=$(rustc --version | sed -n 's/^rustc 1\.\([0-9]*\).*/\1/p')
    if [ "${minor:-0}" -lt 88 ]; then
        lacking "rustc 1.88 or later (this one is: $(rustc --version))" "rustup update stable, or $rustup"
    fi
fi

if ! command -v cc >/dev/null 2>&1; then
    lacking 'cc, the C linker that Rust calls' "$(packages build-essential gcc base-devel)"
fi

if ! command -v "$python" >/dev/null 2>&1; then
    lacking "$python, Python 3.11 or later" "$(packages 'python3 python3-venv' python3 python)"
elif ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    lacking "Python 3.11 or later ($python is: $("$python" --version 2>&1))" \
        "$(packages 'python3.11 python3.11-venv' python3.11 python), then: make PYTHON=python3.11"
elif ! "$python" -c 'import venv, ensurepip' 2>/dev/null; then
    version=$("$python" -c 'import sys; print(f"{sys.version_info[0]}.{sys.version_info[1]}")')
    lacking "the venv module of $python" "$(packages "python$version-venv" python3 python)"
fi

exit "$missing"
