"""Tests of CPython's that we fail on purpose, and why; `docs/compatibility.md` has the same list.

A test that is not here must pass. One that is here may pass: some depend on timing.
"""

from __future__ import annotations

AT_THE_CALL = "`put` of what cannot be pickled raises at the call; the test wants a feeder thread"

EXPECTED = {
    "WithProcessesTestQueue.test_queue_feeder_donot_stop_onexc": AT_THE_CALL,
    "WithProcessesTestQueue.test_queue_feeder_on_queue_feeder_error": AT_THE_CALL,
    "TestStartMethod.test_mixed_startmethod": (
        "our objects travel under every start method; the test wants those of a fork refused"
    ),
    "TestSimpleQueue.test_closed": "a SimpleQueue has no pipe whose ends could be looked at",
    "WithProcessesTestPool.test_map_no_failfast": (
        "`map` raises the first failure at once and cancels what has not begun; the test wants "
        "everything to run. It passes when the second worker is up in time"
    ),
    "WithProcessesTestPoolWorkerErrors.test_unpickleable_result": (
        "a lambda is a result like any other: it travels by value"
    ),
}
