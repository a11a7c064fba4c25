"""What `concurrent.futures.wait` and `as_completed` look at, for results that are no futures.

They lock a condition, read a word, and leave a waiter that is to be told of the end. Each
`AsyncResult` that they are given gets these, and tells the waiters when it has arrived.

Refuses: to be anything more of a future.
"""

from __future__ import annotations

import threading

from ._genuine import check_wakes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ._native import AsyncResult


class Waitable:
    """The condition, the word and the waiters of one result."""

    def __init__(self) -> None:
        self.condition = threading.Condition()
        self.state = "PENDING"
        self.waiters: list[Any] = []

    def settle(self, result: AsyncResult[Any]) -> None:
        """The result has arrived."""
        with self.condition:
            cancelled = result.cancelled()
            self.state = "CANCELLED_AND_NOTIFIED" if cancelled else "FINISHED"
            for waiter in self.waiters:
                if cancelled:
                    waiter.add_cancelled(result)
                elif result.successful():
                    waiter.add_result(result)
                else:
                    waiter.add_exception(result)
            self.condition.notify_all()


def waitable(result: AsyncResult[Any]) -> Waitable:
    """Those of a result, from now on told of its end."""
    check_wakes("concurrent.futures.wait")
    made = Waitable()
    result.add_done_callback(made.settle)
    return made
