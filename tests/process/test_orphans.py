"""Who outlives whom: a parent that is killed, a template that is killed, a thread that ends."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import process_tasks as tasks
from support import LIMIT, gone, wait_until

import manyhands
from manyhands import _templates


def sleepers(told, context, method, options):
    """A process with a child, both asleep: the parent's object and the child's pid."""
    parent = context.Process(target=tasks.start_sleeper, args=(told, method, options))
    parent.start()
    wait_until(lambda: len(tasks.lines(told)) == 2, "the child does not run")
    child = next(pid for (pid,) in tasks.lines(told) if pid != parent.pid)
    return parent, child


def test_a_child_ends_with_its_killed_parent(context, method, told):
    parent, child = sleepers(told, context, method, {})
    before = time.monotonic()
    os.kill(parent.pid, signal.SIGKILL)
    wait_until(lambda: gone(child), "the child lives on")
    assert time.monotonic() - before < LIMIT / 2
    parent.join(LIMIT)


def test_a_child_outlives_its_killed_parent_if_it_is_to(context, method, told):
    parent, child = sleepers(told, context, method, {"outlive": True})
    parent.kill()
    parent.join(LIMIT)
    try:
        time.sleep(1.5)  # thrice the time that others are given
        assert not gone(child)
    finally:
        os.kill(child, signal.SIGKILL)
    wait_until(lambda: gone(child), "it was killed")


def test_a_child_lives_on_when_the_thread_that_started_it_ends(context, told):
    process = context.Process(target=tasks.sleep_on, args=(told,))
    thread = threading.Thread(target=process.start)
    thread.start()
    thread.join(LIMIT)
    wait_until(lambda: tasks.lines(told), "it does not run")
    time.sleep(1.0)
    assert process.is_alive()
    process.kill()
    process.join(LIMIT)
    assert process.exitcode == -9


def parent_of(pid):
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def test_a_killed_template_takes_no_process_with_it(told):
    process = manyhands.get_context("template").Process(target=tasks.sleep_on, args=(told,))
    process.start()
    wait_until(lambda: tasks.lines(told), "it does not run")
    template = parent_of(process.pid)
    assert template != os.getpid()
    os.kill(template, signal.SIGKILL)
    wait_until(lambda: gone(template), "the template lives on")
    assert process.is_alive()
    other = manyhands.get_context("template").Process(target=tasks.leave, args=(5,))
    other.start()
    other.join(LIMIT)
    assert other.exitcode == 5
    assert process.is_alive()
    process.kill()
    process.join(LIMIT)
    assert process.exitcode == 255  # nobody is left who could tell
    _templates._forget()  # the one that was started anew ends with this test


def test_an_orphan_of_the_template_ends_with_the_program(told):
    parent, child = sleepers(told, manyhands.get_context("fork"), "template", {})
    template = parent_of(child)
    os.kill(template, signal.SIGKILL)
    wait_until(lambda: gone(template), "the template lives on")
    assert not gone(child)
    parent.kill()
    wait_until(lambda: gone(child), "the child lives on")
    parent.join(LIMIT)
