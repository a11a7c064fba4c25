"""More uses beside those of `storms.py`, for runs that last: deadlines, large data, processes."""

from __future__ import annotations

import hang_tasks
import storms
import support

import manyhands
from manyhands import _templates, queues

METHODS = ("template", "fork")


def by_deadlines(killer, workers, tally):
    """Items of which one in twenty-five hangs, in one way after another."""
    ways = sorted(hang_tasks.HANGS)
    with storms.lasting_pool(workers) as pool:
        while not killer.done:
            tally.rounds += 1
            items = [(x, ways[x // 25 % len(ways)], x if x % 25 == 3 else -1) for x in range(100)]
            outcomes = storms.whole(pool, "starmap", 100, hang_tasks.one, items, timeout=0.2)
            for x, outcome in enumerate(outcomes):
                tally.ended[type(outcome).__name__] += 1
                if isinstance(outcome, int):
                    assert outcome == hang_tasks.answer(x)
                    assert x % 25 != 3
                else:
                    assert isinstance(outcome, (manyhands.TaskTimeout, *storms.LOST)), outcome


def by_large_data(killer, workers, tally):
    """Megabytes there and back, which go out of band."""
    blocks = [bytearray([x]) * (1 << 20) for x in range(24)]
    with storms.lasting_pool(workers) as pool:
        while not killer.done:
            tally.rounds += 1
            outcomes = storms.whole(pool, "imap", len(blocks), bytes, blocks, 1)
            for block, outcome in zip(blocks, outcomes, strict=True):
                tally.ended[type(outcome).__name__] += 1
                assert outcome == block or isinstance(outcome, storms.LOST)


def by_processes(killer, workers, tally):
    """Processes that hand on what they get, of which some are killed."""
    while not killer.done:
        tally.rounds += 1
        context = manyhands.get_context(killer.random.choice(METHODS))
        inbox, outbox = queues.Queue(), queues.Queue()
        crew = [context.Process(target=hand_on, args=(inbox, outbox)) for _ in range(workers)]
        for process in crew:
            process.start()
        inbox.put_many(range(200))
        doomed = killer.random.choice(crew)
        doomed.kill()
        inbox.shutdown()
        for process in crew:
            process.join(support.LIMIT)
            assert process.exitcode is not None
            tally.ended[f"exit code {process.exitcode}"] += 1
            process.close()
        got = outbox.get_many() if outbox.qsize() else []
        assert len(got) == len(set(got)), "an item came twice"
    _templates._forget()  # it stays until the program ends


def hand_on(inbox, outbox):
    for item in inbox:
        outbox.put(item)


USES = {
    **storms.USES,
    "deadlines": by_deadlines,
    "large data": by_large_data,
    "processes": by_processes,
}
