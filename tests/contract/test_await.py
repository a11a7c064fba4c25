"""A result can be awaited in asyncio."""

from __future__ import annotations

import asyncio

import pytest
import tasks
from support import LIMIT, parallel

import manyhands


def test_await_gives_the_value(pool):
    async def main():
        return await pool.apply_async(tasks.square, (5,))

    assert asyncio.run(main()) == 25


def test_await_of_a_result_that_is_ready(pool):
    result = pool.apply_async(tasks.square, (5,))
    result.wait()

    async def main():
        return await result, await result

    assert asyncio.run(main()) == (25, 25)


def test_await_raises(pool):
    async def main():
        with pytest.raises(tasks.OwnError):
            await pool.apply_async(tasks.own_error, (5,))
        with pytest.raises(ValueError, match=r"item [12]"):
            await pool.map_async(tasks.boom, [1, 2])

    asyncio.run(main())


@parallel
@pytest.mark.parametrize("end", ["terminate", "cancel"])
def test_await_of_what_is_ended_before_it_was_done(make_pool, tmp_path, end):
    pool, started, release = make_pool(1), tmp_path / "started", tmp_path / "release"
    held = pool.apply_async(tasks.hold, (started, release))
    queued = pool.apply_async(tasks.square, (3,))

    async def main():
        waiting = asyncio.ensure_future(wrap(queued))
        await asyncio.sleep(0.05)
        if end == "terminate":
            pool.terminate()
        else:
            assert queued.cancel()
        with pytest.raises(manyhands.CancelledError):
            await asyncio.wait_for(waiting, LIMIT)

    asyncio.run(main())
    release.touch()
    if end == "cancel":
        assert held.get(LIMIT) == "held"


@parallel
def test_await_of_an_exception_that_ends_iterations(pool):
    async def main():
        with pytest.raises(RuntimeError):
            await asyncio.wait_for(
                wrap(pool.apply_async(tasks.raise_it, (StopIteration(5),))), LIMIT
            )

    asyncio.run(main())


def test_gather_of_many(pool):
    async def one(x):
        return await pool.apply_async(tasks.square, (x,))

    async def main():
        return await asyncio.gather(*(one(x) for x in range(100)))

    assert asyncio.run(main()) == [x * x for x in range(100)]


@parallel
def test_the_loop_goes_on_while_a_result_is_awaited(pool, tmp_path):
    started, release = tmp_path / "started", tmp_path / "release"

    async def main():
        held = asyncio.ensure_future(wrap(pool.apply_async(tasks.hold, (started, release))))
        await asyncio.get_running_loop().run_in_executor(None, tasks.await_file, started)
        assert not held.done()
        release.touch()
        return await asyncio.wait_for(held, LIMIT)

    assert asyncio.run(main()) == "held"


@parallel
def test_giving_up_an_await_does_not_stop_the_call(pool, tmp_path):
    started, release = tmp_path / "started", tmp_path / "release"
    result = pool.apply_async(tasks.hold, (started, release))

    async def main():
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(wrap(result), 0.01)

    asyncio.run(main())
    release.touch()
    assert result.get(LIMIT) == "held"


@parallel
def test_a_loop_that_closes_before_the_result_comes(pool, tmp_path, caplog):
    started, release = tmp_path / "started", tmp_path / "release"
    result = pool.apply_async(tasks.hold, (started, release))

    async def main():
        waiting = asyncio.ensure_future(wrap(result))
        await asyncio.sleep(0)
        waiting.cancel()

    asyncio.run(main())
    release.touch()
    assert result.get(LIMIT) == "held"
    pool.close()
    pool.join()
    assert not caplog.records


async def wrap(result):
    return await result
