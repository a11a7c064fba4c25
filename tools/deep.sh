#!/usr/bin/env bash
# The tests that are too slow or too hard on the machine for every change: `make deep`.
#
# In this order, and ending at the first failure: the loom models to three preemptions, those of the
# pipe also to four, as far as 100 seconds for each take them; the kill storm of the Rust face; the
# Python tests marked `deep` (kill storms); the ordinary tests ten times over; the ordinary tests once
# more while twice as many busy processes as there are processors compete with them.
# Reads PYTHON, the interpreter with the installed wheel. Refuses to build anything but the models.

set -eu -o pipefail
cd "$(dirname "$0")/.."
python=${PYTHON:?the interpreter that has the wheel}
repeats=${REPEATS:-10}
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
    time cargo test --locked --release --target-dir target/loom -p manyhands-shm "$@"
}

echo '== loom models'
(models 3 --test 'loom*')
# What an exact receiver waits for (`is_settled`) makes no difference before the fourth.
(LOOM_MAX_DURATION=100 models 4 --test loom_pipe)

echo '== 2,000 kills of workers of the Rust face'
MANYHANDS_TEST_KILLS=2000 cargo test --locked --release -p manyhands --test storm

echo '== tests marked deep'
tests -m deep

for ((run = 1; run <= repeats; run++)); do
    echo "== ordinary tests, run $run of $repeats"
    tests
done

echo '== ordinary tests under load'
for ((i = 0; i < 2 * $(nproc); i++)); do
    (while :; do :; done) &
    load+=($!)
done
tests
