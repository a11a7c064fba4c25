"""What a kill storm does: a pool is used in one way or another while its processes are killed.

A `Killer` ends random workers and templates by SIGKILL. Each function of `USES` uses a pool for one
round beside it, and checks that every item has ended exactly once: as its value, or as an error
that says why. What the rounds came to is counted in `Tally`.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import threading
import time
from collections import Counter
from pathlib import Path

import storm_tasks
import support

import manyhands
from manyhands import queues, synchronize

LIMIT = support.LIMIT
# What a pool says that has been robbed of every start: a clear end, for each item.
GIVEN_UP = (manyhands.LaunchError, manyhands.InitializerError)
LOST = (manyhands.WorkerDied, *GIVEN_UP)


class Killer:
    """Ends random workers, and now and then the template, of all pools of this process.

    A context manager. It stops after `kills`, and is `done` then. Three of four kills are of
    workers that it has seen before: a pool whose workers are killed as soon as they are born gives
    up, by design.
    """

    def __init__(self, seed, kills, pause=0.02):
        self.random = random.Random(seed)
        self.killed = Counter()
        self._left = kills
        self._pause = pause
        self._seen = set()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()

    @property
    def done(self):
        return not self._left

    def _run(self):
        while self._left and not self._stop.wait(self.random.uniform(0, self._pause)):
            templates, workers = family()
            template = self.random.randrange(20) == 0
            grown = workers & self._seen if self.random.randrange(4) else workers
            self._seen = workers
            victims = sorted(templates if template else grown)
            if victims and kill(self.random.choice(victims)):
                self.killed["templates" if template else "workers"] += 1
                self._left -= 1
                if template:
                    self._await_workers_but(workers)

    def _await_workers_but(self, old):
        """Wait for a new worker: templates that are never of use end a pool, by design."""
        deadline = time.monotonic() + 2.0
        while time.monotonic() < deadline and not self._stop.wait(0.01):
            if family()[1] - old:
                return


def family():
    """The templates of this process, and the workers that they have forked."""
    own = {pid for pid in support.descendants(os.getpid()) if b"_template" in command(pid)}
    templates = {pid for pid in own if parent(pid) == os.getpid()}
    return templates, own - templates


def command(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def parent(pid):
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return None


def kill(pid):
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


class Tally:
    """What became of the items of a storm, and that it is what may become of them."""

    def __init__(self, directory):
        self._directory = directory
        self.ended = Counter()
        self.rounds = 0

    def journal(self):
        """The path for the journal of one more round."""
        self.rounds += 1
        return self._directory / f"journal-{self.rounds}"

    def check(self, outcomes, n, journal=None):
        """Each of `n` items has ended once: as its value, or as lost."""
        places = Counter()
        for outcome in outcomes:
            if isinstance(outcome, LOST):
                places[outcome.index if isinstance(outcome, manyhands.WorkerDied) else None] += 1
                self.ended[type(outcome).__name__] += 1
            else:
                assert isinstance(outcome, tuple), repr(outcome)
                assert outcome[-1] == outcome[-2] ** 2, outcome
                places[outcome[-2]] += 1
                self.ended["value"] += 1
        places.pop(None, None)  # an item of a pool that has given up says so, and not its index
        assert len(outcomes) == n, (len(outcomes), n)
        assert all(times == 1 for times in places.values()), places
        if journal is not None:
            self._check_journal(journal, outcomes)

    def _check_journal(self, path, outcomes):
        ran = [int(line) for line in support.journal(path)]
        assert len(ran) == len(set(ran)), "an item ran twice"
        values = {outcome[0] for outcome in outcomes if isinstance(outcome, tuple)}
        assert values <= set(ran)
        path.unlink(missing_ok=True)

    def __str__(self):
        return f"{self.rounds} rounds; " + ", ".join(f"{k} {v}" for k, v in self.ended.items())


@contextlib.contextmanager
def lasting_pool(workers):
    """A function that gives a pool: the same one, until it has given up."""
    pools = []

    def pool():
        try:
            if pools:
                pools[-1]._crew.engine.check()
        except GIVEN_UP:
            pools.pop().terminate()
        if not pools:
            pools.append(manyhands.Pool(workers))
        return pools[-1]

    try:
        yield pool
    finally:
        for left in pools:
            left.terminate()
            left.join()


def whole(pool, method, n, *arguments, **options):
    """The outcomes of `n` items; the error for each of them if the pool has given up before."""
    try:
        return list(getattr(pool(), method)(*arguments, errors="return", **options))
    except GIVEN_UP as error:
        return [error] * n


def by_map(killer, workers, tally):
    """`map`, in chunks of its own choice and of ours."""
    with lasting_pool(workers) as pool:
        while not killer.done:
            log, chunk = tally.journal(), killer.random.choice([None, 1, 7])
            outcomes = whole(pool, "map", 300, storm_tasks.Noted(log), range(300), chunk)
            tally.check(outcomes, 300, log)


def by_imap(killer, workers, tally):
    """`imap`, whose source is a generator."""
    with lasting_pool(workers) as pool:
        while not killer.done:
            log = tally.journal()
            outcomes = whole(pool, "imap", 300, storm_tasks.Noted(log), iter(range(300)))
            tally.check(outcomes, 300, log)


def by_imap_unordered(killer, workers, tally):
    """`imap_unordered`, with a short window."""
    with lasting_pool(workers) as pool:
        while not killer.done:
            log = tally.journal()
            task = storm_tasks.Noted(log)
            outcomes = whole(pool, "imap_unordered", 300, task, range(300), buffersize=50)
            tally.check(outcomes, 300, log)


def by_apply_async(killer, workers, tally):
    """`apply_async`, with callbacks, of which exactly one is called for each item."""
    with lasting_pool(workers) as pool:
        while not killer.done:
            log, called = tally.journal(), []
            task = storm_tasks.Noted(log)
            results = [submit(pool(), task, x, called.append) for x in range(300)]
            tally.check([outcome_of(x, result) for x, result in enumerate(results)], 300, log)
            accepted = [x for x, result in enumerate(results) if not isinstance(result, Exception)]
            await_length(called, len(accepted))
            assert sorted(x for x, _ in called) == accepted


def await_length(called, n):
    support.wait_until(lambda: len(called) >= n, lambda: f"{len(called)} of {n} callbacks")


def submit(pool, task, x, call):
    """The result of one call; the error if the pool has given up before."""
    try:
        return pool.apply_async(
            task,
            (x,),
            callback=lambda value: call((x, value)),
            error_callback=lambda error: call((x, error)),
        )
    except GIVEN_UP as error:
        return error


def outcome_of(x, result):
    if isinstance(result, Exception):
        return result
    error = result.exception(LIMIT)
    if isinstance(error, manyhands.WorkerDied):
        error.index = x  # each call has but one item, which is number 0
    return result.get() if error is None else error


def at_initialisation(killer, workers, tally):
    """Pools that are killed while they start and initialise."""
    while not killer.done:
        tally.rounds += 1
        token = killer.random.random()
        pool = manyhands.Pool(workers, storm_tasks.prepare, (token,))
        outcomes = whole(lambda pool=pool: pool, "map", 50, storm_tasks.prepared_square, range(50))
        pool.terminate()
        pool.join()
        tally.check(outcomes, 50)
        assert all(outcome[0] == token for outcome in outcomes if isinstance(outcome, tuple))


def at_shutdown(killer, workers, tally):
    """Pools that are killed while they end, in one way after another."""
    while not killer.done:
        tally.rounds += 1
        way = ENDS[tally.rounds % len(ENDS)]
        outcomes = end_one(manyhands.Pool(workers), way, 2 * workers)
        cancelled = [x for x in outcomes if isinstance(x, manyhands.CancelledError)]
        assert not cancelled or way in (terminate, leave_at_once), way
        tally.ended["CancelledError"] += len(cancelled)
        kept = [x for x in outcomes if not isinstance(x, manyhands.CancelledError)]
        tally.check(kept, 200 - len(cancelled))


def end_one(pool, way, first):
    """Lets a pool begin, then end in its way: the outcomes of 200 items."""
    try:
        pool.map(abs, range(first), 1, errors="return")
        result = pool.map_async(storm_tasks.linger, range(200), errors="return")
    except GIVEN_UP as error:
        terminate(pool)
        return [error] * 200
    try:
        way(pool)
    except GIVEN_UP:
        terminate(pool)
    del pool
    error = result.exception(LIMIT)
    assert error is None or isinstance(error, GIVEN_UP), repr(error)
    return result.get() if error is None else [error] * 200


def close(pool):
    pool.close()
    pool.join()


def terminate(pool):
    pool.terminate()
    pool.join()


def leave(pool):
    with pool:
        pass


def leave_at_once(pool):
    pool._exit = "terminate"
    with pool:
        pass


def drop(pool):
    """Nothing: whoever calls lets go of it, and the result keeps it alive."""


ENDS = (close, terminate, leave, leave_at_once, drop)


def by_queue(killer, workers, tally):
    """Workers that take from one queue and put into another: a kill loses what it took, no more."""
    jobs, answers, put, lost, returned = queues.Queue(), queues.Queue(), 0, 0, set()
    with lasting_pool(workers) as pool:
        while not killer.done or jobs.qsize():
            tally.rounds += 1
            if not killer.done:
                jobs.put_many(range(put, put + 150))
                put += 150
            relays = [(jobs, answers)] * jobs.qsize()
            outcomes = whole(pool, "starmap", len(relays), storm_tasks.relay, relays)
            lost += sum(isinstance(outcome, LOST) for outcome in outcomes)
            returned.update(outcome for outcome in outcomes if isinstance(outcome, int))
            assert all(isinstance(outcome, (int, *LOST)) for outcome in outcomes), outcomes
    got = answers.get_many() if answers.qsize() else []
    answered = {x for x, _ in got}
    assert len(got) == len(answered), "an item was answered twice"
    assert all(y == x * x for x, y in got)
    assert returned <= answered <= set(range(put))
    assert put - len(answered) <= lost, "an item is lost that nobody had taken"
    tally.ended["value"] += len(answered)
    tally.ended["lost"] += lost


def by_lock(killer, workers, tally):
    """Workers that count under one lock, which any kill may find held."""
    lock, total = synchronize.Lock(on_death="ignore"), synchronize.Atomic(0)
    lost, returned = 0, 0
    with lasting_pool(workers) as pool:
        while not killer.done:
            tally.rounds += 1
            outcomes = whole(pool, "starmap", 200, storm_tasks.count, [(lock, total)] * 200)
            lost += sum(isinstance(outcome, LOST) for outcome in outcomes)
            returned += sum(outcome == "counted" for outcome in outcomes)
            assert all(isinstance(outcome, (str, *LOST)) for outcome in outcomes), outcomes
    assert lock.acquire(timeout=LIMIT)
    lock.release()
    assert returned <= total.load() <= returned + lost, (returned, total.load(), lost)
    tally.ended["value"] += returned
    tally.ended["lost"] += lost


USES = {
    "map": by_map,
    "imap": by_imap,
    "imap_unordered": by_imap_unordered,
    "apply_async": by_apply_async,
    "initialisation": at_initialisation,
    "shutdown": at_shutdown,
    "queue": by_queue,
    "lock": by_lock,
}
