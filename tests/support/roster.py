"""Everything that runs for an installation, counted by kind: after a fault it is what it was.

A process that is no longer below `csp up` counts as an orphan: whoever should have ended it cannot.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psutil

from support.parts_of_stack import wait_warm
from support.stack import Stack
from support.waiting import DeadlineExceeded, wait_until

Roster = Counter[str]


def roster(stack: Stack) -> Roster:
    """How many there are of each kind. Of the database only its first process."""
    below = {stack.process.pid}
    below |= {child.pid for child in psutil.Process(stack.process.pid).children(recursive=True)}
    found: Roster = Counter()
    for process in stack.survivors():
        try:
            kind = _kind(process)
        except psutil.NoSuchProcess:
            continue
        if kind is not None:
            found[kind if process.pid in below else f"orphan {kind}"] += 1
    return found


@asynccontextmanager
async def nothing_left(stack: Stack, deadline: float = 60.0) -> AsyncIterator[None]:
    """What runs at the end is what ran at the beginning, spares included."""
    await asyncio.to_thread(wait_warm, stack)
    before = roster(stack)
    yield
    try:
        await wait_until(lambda: roster(stack) == before, deadline, "the same processes")
    except DeadlineExceeded:
        after = roster(stack)
        raise AssertionError(f"left behind: {after - before}, missing: {before - after}") from None


def _kind(process: psutil.Process) -> str | None:
    command, name = process.cmdline(), process.name()
    if "-m" in command:
        return command[command.index("-m") + 1]
    if any(word.endswith("csp_worker/guard") for word in command):
        return "guard"
    if name == "postgres":
        parent = process.parent()
        return None if parent is not None and parent.name() == name else name
    return name
