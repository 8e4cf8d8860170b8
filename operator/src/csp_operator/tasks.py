"""Ending tasks for sure.

A cancellation can be lost: a request whose own time runs out in the same moment turns it into a
timeout, and the task goes on. So it is repeated until the task has ended.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Any

_AGAIN_S = 0.5


async def end(tasks: Collection[asyncio.Task[Any]]) -> None:
    """Returns when all of them have ended. Their outcomes stay with them."""
    left = {task for task in tasks if not task.done()}
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=_AGAIN_S)


def failure(tasks: Collection[asyncio.Task[Any]]) -> BaseException | None:
    """The first exception among tasks that have ended by one."""
    for task in tasks:
        if task.done() and not task.cancelled() and (error := task.exception()) is not None:
            return error
    return None
