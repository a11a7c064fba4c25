#!/usr/bin/env bash
# The tests that are too slow or too hard on the machine for every change: `make deep`.
#
# Its parts, in this order, ending at the first failure; `make deep PARTS="loom load"` runs some:
#   loom     the models to three preemptions, those of the pipe also to four, as far as 100 seconds
#            for each take them
#   deny     licences, sources and versions of what the crates depend on; installs cargo-deny if need be
#   storm    the storms of the Rust face: 2,000 workers are killed, and 1,000 programs
#   musl     the tests of the Rust face as static programs, where the target for musl is installed
#   asan     the tests of the crates with AddressSanitizer, where the toolchain brings it
#   fuzz     the targets in fuzz/, so many seconds each (FUZZ_SECONDS), where cargo-fuzz is installed
#   marked   the Python tests marked `deep`, with their figures; an hour of it is the soak, which, like
#            the other storms, MANYHANDS_TEST_SOAK, _KILLS, _PARENTS, _INTERRUPTS, _STARTS and _POOLS shorten
#   torch    the tests with PyTorch, which is installed into target/ for them: 3 GB to fetch, 5 GB on the disk
#   repeat   the ordinary Python tests ten times over (REPEATS), twice as many side by side as there are processors
#   load     the same once more, while as many busy processes compete
# The time of each part is printed. Reads PYTHON, the interpreter with the installed wheel. Refuses to
# build anything but the models, the sanitized tests and the targets.

set -eu -o pipefail
cd "$(dirname "$0")/.."
python=${PYTHON:?the interpreter that has the wheel}
repeats=${REPEATS:-10}
parts=${PARTS:-loom deny storm musl asan fuzz marked torch repeat load}
load=()

stop_load() { # ends the busy processes that this script started, by their ids
    if ((${#load[@]})); then kill "${load[@]}" 2>/dev/null || true; fi
}
trap stop_load EXIT

tests() { # more patience than usual: the machine is made slow on purpose
    "$python" -P -m pytest --quiet --timeout=600 -o faulthandler_timeout=660 "$@"
}

models() { # DEPTH ARGUMENTS...: to so many preemptions, if LOOM_MAX_PREEMPTIONS says no other number
    local depth=$1
    shift
    export RUSTFLAGS='--cfg loom' LOOM_MAX_PREEMPTIONS=${LOOM_MAX_PREEMPTIONS:-$depth}
    # What is gained by optimising across crates is lost again by linking twenty programs.
    export CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16
    cargo test --locked --release --target-dir target/loom -p manyhands-shm "$@"
}

part_loom() {
    (models 3 --test 'loom*')
    # What an exact receiver waits for (`is_settled`) makes no difference before the fourth.
    (LOOM_MAX_DURATION=100 models 4 --test loom_pipe)
}

part_deny() {
    cargo deny --version >/dev/null 2>&1 || cargo install --locked --quiet cargo-deny
    cargo deny check bans licenses sources
}

part_storm() {
    MANYHANDS_TEST_KILLS=${MANYHANDS_TEST_KILLS:-2000} MANYHANDS_TEST_PARENTS=${MANYHANDS_TEST_PARENTS:-1000} \
        cargo test --locked --release -p manyhands --test storm --test parents -- --nocapture
}

part_musl() {
    local static
    static=$(uname -m)-unknown-linux-musl
    if ! [ -d "$(rustc --print target-libdir --target "$static")" ]; then
        echo "rustup target add $static brings what is missing: left out"
        return
    fi
    cargo test --locked -p manyhands --target "$static" --lib --tests
}

# Both need options that a stable compiler has and does not promise.
unstable=(env RUSTC_BOOTSTRAP=1)
target=$(rustc -vV | sed -n 's/^host: //p')

sanitizes() { # whether the compiler brings AddressSanitizer's runtime for this machine
    local probe status=0
    probe=$(mktemp -d)
    echo 'fn main() {}' >"$probe/main.rs"
    "${unstable[@]}" rustc -Zsanitizer=address --target "$target" -o "$probe/main" "$probe/main.rs" \
        2>/dev/null && "$probe/main" || status=1
    rm -r "$probe"
    return $status
}

# What the sanitizer itself makes untrue: it wants 15 TB of address space, has memory of its own in
# every process, and a handler of SIGSEGV; and what builds a program with cargo.
unsanitized=(
    little_address_space_makes_a_small_world
    a_process_is_ended_beyond_its_limit_and_not_below
    a_worker_has_no_signal_handler_of_the_template
    every_way_to_die_is_named
    a_program_whose_file_is_replaced_goes_on
)
# The programs of the Rust face that build no other program with cargo, whose parts for the build itself
# would be sanitized, too.
faces=(channels deaths memory objects pool process start storm)
# These forget a process on purpose: what it was sent is lost with it.
forgetful=(killed_while_it_holds the_dead_need_not_be_joined kills_at_any_moment_leave_no_lock_behind)

part_asan() {
    if ! sanitizes; then
        echo 'this toolchain brings no AddressSanitizer: left out'
        return
    fi
    "${unstable[@]}" RUSTFLAGS=-Zsanitizer=address cargo test --locked --target "$target" \
        --target-dir target/asan -p manyhands-os -p manyhands-shm -p manyhands-pool --lib --tests -- \
        "${unsanitized[@]/#/--skip=}"
    local known
    known=$(mktemp)
    printf 'leak:%s\n' "${forgetful[@]}" >"$known"
    # shellcheck disable=SC2086 # two words each, on purpose
    "${unstable[@]}" RUSTFLAGS=-Zsanitizer=address LSAN_OPTIONS="suppressions=$known" \
        cargo test --locked --target "$target" --target-dir target/asan -p manyhands --lib \
        ${faces[*]/#/--test } -- "${unsanitized[@]/#/--skip=}"
    rm "$known"
}

part_fuzz() {
    if ! cargo fuzz --version >/dev/null 2>&1 || ! sanitizes; then
        echo 'cargo-fuzz is not installed, or has no AddressSanitizer: left out'
        return
    fi
    local name
    for name in $(cargo fuzz list); do
        echo "-- target $name"
        "${unstable[@]}" cargo fuzz run --target-dir target/fuzz "$name" -- -timeout=30 \
            -max_total_time="${FUZZ_SECONDS:-300}" -rss_limit_mb=4096 -print_final_stats=1
    done
}

part_marked() {
    tests -m deep -rP # with the figures that they print
}

part_torch() {
    local folder
    folder=$PWD/target/torch-$("$python" -c 'import sys; print("{}.{}".format(*sys.version_info))')
    if [[ ! -e $folder/whole ]]; then
        rm -rf "$folder"
        # What torch brings for GPUs is fetched, too: its library cannot be loaded without.
        "$python" -m pip install --quiet --target "$folder" torch
        touch "$folder/whole"
    fi
    PYTHONPATH=$folder tests -m deep tests/data/test_tensors.py tests/test_examples.py
}

part_repeat() {
    for ((run = 1; run <= repeats; run++)); do
        echo "-- run $run of $repeats"
        tests -n $((2 * $(nproc)))
    done
}

part_load() {
    for ((i = 0; i < 2 * $(nproc); i++)); do
        (while :; do :; done) &
        load+=($!)
    done
    tests -n "$(nproc)"
    stop_load
}

for part in $parts; do
    if ! declare -F "part_$part" >/dev/null; then
        echo "deep: no part is named $part; loom deny storm musl asan fuzz marked torch repeat load" >&2
        exit 2
    fi
done
for part in $parts; do
    echo "== $part"
    began=$SECONDS
    "part_$part"
    echo "== $part: $((SECONDS - began)) s"
done
