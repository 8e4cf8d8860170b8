"""Tells every connected gateway when a worker has ended."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

HEARTBEAT_S = 2.0
QUEUE = 1000


class Watchers:
    """Fans events out. A reader that falls QUEUE events behind is cut off and must look itself."""

    def __init__(self) -> None:
        self._queues: set[asyncio.Queue[dict[str, Any] | None]] = set()

    def __len__(self) -> int:
        return len(self._queues)

    def publish(self, event: dict[str, Any]) -> None:
        """Never waits."""
        for queue in list(self._queues):
            try:
                queue.put_nowait(event)
            except asyncio.QueueFull:
                self._end(queue)

    async def events(self) -> AsyncIterator[dict[str, Any]]:
        """What happens from now on, with a heartbeat at once and while nothing does."""
        queue: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue(QUEUE)
        self._queues.add(queue)
        try:
            yield {"type": "alive"}
            while True:
                try:
                    event = await asyncio.wait_for(queue.get(), HEARTBEAT_S)
                except TimeoutError:
                    event = {"type": "alive"}
                if event is None:
                    return
                yield event
        finally:
            self._queues.discard(queue)

    def close(self) -> None:
        """Ends every stream."""
        for queue in list(self._queues):
            self._end(queue)

    def _end(self, queue: asyncio.Queue[dict[str, Any] | None]) -> None:
        self._queues.discard(queue)
        with suppress(asyncio.QueueEmpty):
            while True:
                queue.get_nowait()
        queue.put_nowait(None)
