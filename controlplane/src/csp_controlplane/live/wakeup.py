"""An `asyncio.Event` for one waiter.

An Event holds a queue for any number of waiters, 760 bytes of it even when it is empty, and an idle
session has ten that never see a second one. `python -m bench --only idle` shows the difference.
"""

from __future__ import annotations

import asyncio


class Wakeup:
    """Set by anybody, awaited by one task at a time."""

    __slots__ = ("_set", "_waiter")

    def __init__(self) -> None:
        self._set = False
        self._waiter: asyncio.Future[None] | None = None

    def is_set(self) -> bool:
        return self._set

    @property
    def awaited(self) -> bool:
        """Whether somebody sleeps and has not been woken."""
        return self._waiter is not None and not self._waiter.done()

    def set(self) -> None:
        """Lets the waiter go on, now or when it comes."""
        self._set = True
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def clear(self) -> None:
        self._set = False

    async def wait(self) -> None:
        """Until it is set. RuntimeError for a second waiter, which would wait for ever."""
        if self._set:
            return
        if self._waiter is not None:
            raise RuntimeError("a Wakeup has one waiter, and somebody waits already")
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None
