# The part of the native module that knows pipes. `_native.pyi` hands these names on; there is no
# module of this name when the program runs. The text for users is that of `manyhands.connection`.

from types import TracebackType
from typing import Any, Self, final

from _typeshed import ReadableBuffer, WriteableBuffer

__all__ = ["PipeEnd", "PipeSeed", "adopt_pipe", "new_pipe"]

def new_pipe(duplex: bool) -> tuple[PipeSeed, PipeSeed]:
    """Make a pipe: what its first and its second end are made of."""

def adopt_pipe(world: int, handle: int, fd: int, first: bool) -> PipeSeed:
    """Take over an end that came from another process, with the descriptor `fd`."""

@final
class PipeSeed:
    """What an end is made of, once."""

class PipeEnd:
    """One end of a pipe, as `multiprocessing.connection.Connection` describes it."""

    def __new__(cls, seed: PipeSeed, readable: bool = True, writable: bool = True) -> Self: ...
    @property
    def closed(self) -> bool:
        """True if the connection is closed."""

    @property
    def readable(self) -> bool:
        """True if the connection is readable."""

    @property
    def writable(self) -> bool:
        """True if the connection is writable."""

    def send(self, obj: Any) -> None:
        """Send a picklable object.

        Raises:
            BrokenPipeError: all copies of the other end are closed, or their processes gone.
            OSError: this end is closed, or only receives.
        """

    def recv(self) -> Any:
        """Receive an object; waits until there is one.

        Raises:
            EOFError: nothing is left to receive, and nobody is left who could send.
            OSError: this end is closed, or only sends.
        """

    def send_bytes(self, buf: ReadableBuffer, offset: int = 0, size: int | None = None) -> None:
        """Send the bytes of a bytes-like object as one message."""

    def recv_bytes(self, maxlength: int | None = None) -> bytes:
        """Receive a message as bytes.

        Raises:
            OSError: it is longer than `maxlength`; then this end can no longer receive.
        """

    def recv_bytes_into(self, buf: WriteableBuffer, offset: int = 0) -> int:
        """Receive a message into a writable bytes-like object, from `offset` on; its length.

        Raises:
            multiprocessing.BufferTooShort: it does not fit; `args[0]` is the message.
        """

    def poll(self, timeout: float | None = 0.0) -> bool:
        """Whether there is something to receive, or the end, within so many seconds."""

    def fileno(self) -> int:
        """The descriptor: readable from now on exactly while there is something to receive.

        It is for `wait`, `select` and the like, and for `send_handle`: the messages are not in it.
        """

    def close(self) -> None:
        """Close this copy of the end."""

    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        trace: TracebackType | None = None,
        /,
    ) -> None: ...
    def _handle(self) -> tuple[int, int]: ...
    def _descriptor(self) -> int: ...
    @property
    def _first(self) -> bool: ...
