"""What workers do in the tests of spares: they look at the other children of their template."""

from __future__ import annotations

import os
import signal

from support import descendants, gone, wait_until


def await_sibling():
    """Wait until the template has another child than this worker: all of these others."""
    return wait_until(lambda: descendants(os.getppid()) - {os.getpid()}, "no sibling is forked")


def kill_sibling():
    """Kill the process that is to replace this one; its pid."""
    (spare,) = await_sibling()
    os.kill(spare, signal.SIGKILL)
    wait_until(lambda: gone(spare), "SIGKILL does not kill")
    return spare
