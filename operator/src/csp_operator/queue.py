"""The work queue: what shall be looked at, each thing once, never twice at the same time.

What is added while it waits is one entry; what is added while it is looked at is looked at again.
Sessions come before pools and pools before orphans, because people wait for the first.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Literal, NamedTuple

from prometheus_client import Gauge

Kind = Literal["session", "pool", "orphan"]
_ORDER: tuple[Kind, ...] = ("session", "pool", "orphan")


class Key(NamedTuple):
    kind: Kind
    namespace: str
    name: str


class WorkQueue:
    """Keys and the workers that take them. `clock` is the loop's."""

    def __init__(self, length: Gauge) -> None:
        self._length = length
        self._ready: dict[Kind, deque[Key]] = {kind: deque() for kind in _ORDER}
        self._queued: dict[Key, float] = {}  # since when
        self._active: set[Key] = set()
        self._again: dict[Key, float] = {}
        self._timers: dict[Key, asyncio.TimerHandle] = {}
        self._idle: deque[asyncio.Future[None]] = deque()  # workers without work

    def add(self, key: Key, delay: float = 0.0) -> None:
        """Now, or after a delay; of several delays the shortest counts."""
        loop = asyncio.get_running_loop()
        timer = self._timers.get(key)
        if delay > 0:
            due = loop.time() + delay
            if timer is not None:
                if timer.when() <= due:
                    return
                timer.cancel()
            self._timers[key] = loop.call_at(due, self._due, key)
            return
        if timer is not None:
            timer.cancel()
            del self._timers[key]
        self._push(key, loop.time())

    def _due(self, key: Key) -> None:
        self._timers.pop(key, None)
        self._push(key, asyncio.get_running_loop().time())

    def _push(self, key: Key, since: float) -> None:
        if key in self._active:
            self._again.setdefault(key, since)
        elif key not in self._queued:
            self._queued[key] = since
            self._ready[key.kind].append(key)
            self._length.set(len(self._queued))
            self._signal()

    def _signal(self) -> None:
        while self._idle:
            worker = self._idle.popleft()
            if not worker.done():
                worker.set_result(None)
                return

    def sessions(self) -> int:
        """How many sessions are looked at or wait for it."""
        active = sum(1 for key in self._active if key.kind == "session")
        return len(self._ready["session"]) + active

    def clear(self) -> None:
        """Forgets everything; used when this replica stops leading."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        for keys in self._ready.values():
            keys.clear()
        self._queued.clear()
        self._again.clear()
        self._active.clear()
        self._length.set(0)

    async def work(self, handle: Callable[[Key, float], Awaitable[None]]) -> None:
        """One worker, until cancelled. `handle` gets the key and since when it waited, and raises
        nothing."""
        while True:
            while not self._queued:
                turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
                self._idle.append(turn)
                await turn
            key = next(keys.popleft() for kind in _ORDER if (keys := self._ready[kind]))
            since = self._queued.pop(key)
            self._active.add(key)
            self._length.set(len(self._queued))
            try:
                await handle(key, since)
            finally:
                self._active.discard(key)
                if (again := self._again.pop(key, None)) is not None:
                    self._push(key, again)
