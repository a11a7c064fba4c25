"""Tasks and values whose pickling or rebuilding a signal interrupts, in an armed process."""

from __future__ import annotations

import signal

NUMBER = signal.SIGUSR1
armed: list[bool] = []  # in the tests' process only


def interrupt_once():
    if armed:
        armed.clear()
        signal.raise_signal(NUMBER)


class Interrupts:
    """Its pickling or its rebuilding is interrupted, once."""

    def __init__(self, at: str, value: int = 0) -> None:
        self.at = at
        self.value = value

    def __getstate__(self):
        if self.at == "dumps":
            interrupt_once()
        return vars(self)

    def __setstate__(self, state):
        if state["at"] == "loads":
            interrupt_once()
        self.__dict__.update(state)


def interrupting(value):
    return Interrupts("loads", value)


def value_of(item):
    return getattr(item, "value", item)
