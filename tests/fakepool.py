"""A pool in a hundred lines of Python, to test how code and values travel without the engine.

One worker: a fresh interpreter that reads frames from its standard input and answers on its
standard output. It prepares its namespace as the template's workers do, loads the blobs that the
shipper required, and runs items one by one. Each side uses the fast path and the slow path exactly
as the engine does.
"""

from __future__ import annotations

import json
import os
import pickle
import struct
import subprocess
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Self

_LENGTH = struct.Struct("<cQ")


class FakePool:
    """`map` and `call` in one worker process; `blobs` counts what was sent."""

    def __init__(self, initializer: Callable[..., Any] | None = None, *initargs: Any) -> None:
        from manyhands import _code

        self._command = [sys.executable, "-c", "import fakepool; fakepool.work()"]
        path = [p for p in sys.path if p]
        path.insert(0, str(Path(__file__).resolve().parent))
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path)}
        self._worker = subprocess.Popen(
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
        )
        self._known: dict[bytes, int] = {}
        self._delivered: set[int] = set()
        self.names: list[str] = []
        self.codebook = _code.Codebook()
        if initializer is not None:
            self.call(initializer, *initargs)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> int:
        """End the worker; its exit status."""
        assert self._worker.stdin is not None
        assert self._worker.stdout is not None
        self._worker.stdin.close()
        self._worker.stdout.close()
        return self._worker.wait(30)

    def shipper(self) -> Any:
        """A shipper whose blobs go to the worker."""
        from manyhands import _code

        return _code.Shipper(self._register, self._deliver, codebook=self.codebook)

    def call(self, func: Callable[..., Any], *args: Any) -> Any:
        """One call, as `Pool.apply` does it."""
        return self._run(func, [(args, True)])[0]

    def map(self, func: Callable[..., Any], items: Iterable[Any]) -> list[Any]:
        """Several items with one shipper, as `Pool.map` does it."""
        return self._run(func, [(item, False) for item in items])

    def _run(self, func: Callable[..., Any], items: Iterable[tuple[Any, bool]]) -> list[Any]:
        from manyhands import _pickling, _remote

        shipper = self.shipper()
        number = shipper.function(func)
        results = []
        for item, spread in items:
            data = _fast(item)
            if data is None:
                data = shipper.dumps(item)
            self._send(b"s" if spread else b"i", struct.pack("<I", number) + data)
            kind, answer = self._receive()
            if kind == b"e":
                raise _remote.loads_exception(answer)
            results.append(_pickling.loads(answer, "the result"))
        return results

    def _register(self, data: bytes, name: str, met: Any) -> int:
        number = self._known.setdefault(data, len(self._known))
        if number == len(self.names):
            self.names.append(name)
        return number

    def _deliver(self, number: int) -> None:
        """Send a blob unless the worker has it."""
        if number not in self._delivered:
            self._delivered.add(number)
            data = next(d for d, n in self._known.items() if n == number)
            self._send(b"c", struct.pack("<I", number) + data)

    def _send(self, kind: bytes, data: bytes) -> None:
        assert self._worker.stdin is not None
        self._worker.stdin.write(_LENGTH.pack(kind, len(data)) + data)
        self._worker.stdin.flush()

    def _receive(self) -> tuple[bytes, bytes]:
        assert self._worker.stdout is not None
        head = self._worker.stdout.read(_LENGTH.size)
        if not head:
            raise EOFError("the worker died")
        kind, size = _LENGTH.unpack(head)
        return kind, self._worker.stdout.read(size)


def run_checks(names: dict[str, Any]) -> None:
    """Run the functions called `check_...` of a script; print how many, and what failed."""
    checks = [f for name, f in list(names.items()) if name.startswith("check_")]
    failures = {}
    for check in checks:
        try:
            check()
        except BaseException:
            failures[check.__name__] = traceback.format_exc()
    print(json.dumps({"checks": len(checks), "failures": failures}))


def _fast(obj: Any) -> bytes | None:
    """What the engine does first: plain pickle, unless it must not be trusted."""
    from manyhands import _pickling

    if _pickling.needs_forking_pickler():
        return None
    try:
        data = pickle.dumps(obj, 5)
    except (KeyboardInterrupt, MemoryError):
        raise
    except BaseException:
        return None
    return None if _pickling.SUSPECT in data else data


def work() -> None:
    """The worker's side."""
    from manyhands import _namespace, _pickling

    _namespace.prepare("fresh")
    source, sink = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    code: dict[int, Any] = {}
    failed: BaseException | None = None
    while head := source.read(_LENGTH.size):
        kind, size = _LENGTH.unpack(head)
        data = source.read(size)
        (number,) = struct.unpack_from("<I", data)
        if kind == b"c":
            try:
                code[number] = _pickling.install(data[4:])
            except Exception as error:
                failed = error
            continue
        answer = _answer(code.get(number), data[4:], failed, spread=kind == b"s")
        sink.write(_LENGTH.pack(answer[0], len(answer[1])) + answer[1])
        sink.flush()


def _answer(
    func: Any, data: bytes, failed: BaseException | None, *, spread: bool
) -> tuple[bytes, bytes]:
    from manyhands import _pickling, _remote

    try:
        _raise(failed)
        item = _pickling.loads(data, "the argument")
        result = func(*item) if spread else func(item)
        answer = _fast(result)
        return b"r", _pickling.dumps_result(result) if answer is None else answer
    except BaseException as error:
        return b"e", _remote.dumps_exception(error, "while the test ran")


def _raise(error: BaseException | None) -> None:
    if error is not None:
        raise error
