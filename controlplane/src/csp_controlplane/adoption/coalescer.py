"""Works on keys that were marked, each at most once at a time and never forgotten while marked.

What a controller's work queue does: many marks of one key are one piece of work, failures come
back later and later, and order between keys does not matter.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

import structlog

Key = TypeVar("Key", bound=Hashable)
log = structlog.get_logger(__name__)

BACKOFF_S = (0.2, 0.5, 1.0, 2.0, 5.0, 15.0, 30.0)


class Coalescer(Generic[Key]):
    """`handle` gets a key and returns seconds after which to come back, or None."""

    def __init__(
        self, name: str, handle: Callable[[Key], Awaitable[float | None]], workers: int
    ) -> None:
        self._name = name
        self._handle = handle
        self._workers = workers
        self._waiting: dict[Key, None] = {}
        self._busy: set[Key] = set()
        self._failures: dict[Key, int] = {}
        self._timers: dict[Key, asyncio.TimerHandle] = {}
        self._work = asyncio.Event()

    def mark(self, key: Key) -> None:
        """The key needs a look."""
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.cancel()
        self._waiting[key] = None
        self._work.set()

    def mark_later(self, key: Key, seconds: float) -> None:
        """The same after a while, unless it is marked before."""
        loop = asyncio.get_running_loop()
        timer = self._timers.get(key)
        if key in self._waiting or (timer and timer.when() <= loop.time() + seconds):
            return
        if timer is not None:
            timer.cancel()
        self._timers[key] = loop.call_later(seconds, self.mark, key)

    async def run(self) -> None:
        """Until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                for number in range(self._workers):
                    group.create_task(self._worker(), name=f"{self._name}-{number}")
        finally:
            for timer in self._timers.values():
                timer.cancel()
            self._timers.clear()

    async def _worker(self) -> None:
        while True:
            key = await self._next()
            self._busy.add(key)
            try:
                again = await self._handle(key)
                self._failures.pop(key, None)
                if again is not None:
                    self.mark_later(key, again)
            except Exception as error:  # whatever it is, the key is looked at again
                failures = self._failures.get(key, 0)
                self._failures[key] = failures + 1
                delay = BACKOFF_S[min(failures, len(BACKOFF_S) - 1)]
                log.warning(
                    "again", work=self._name, key=str(key), retry_in_s=delay, exc_info=error
                )
                self.mark_later(key, delay)
            finally:
                self._busy.discard(key)
                self._work.set()

    async def _next(self) -> Key:
        while True:
            for key in self._waiting:
                if key not in self._busy:
                    del self._waiting[key]
                    return key
            self._work.clear()
            await self._work.wait()
