"""One gateway's stream, seen from the worker: what waits to be written to it, and nothing else.

The queue is bounded in bytes. A gateway that does not read fast enough loses its stream, not its
session: it attaches again and gets what it lacks.
"""

from __future__ import annotations

import asyncio
from collections import deque

from csp_proto import worker_pb2 as pb

QUEUE_BYTES = 16 * 1024 * 1024


class Attachment:
    """Frames for one gateway, in order."""

    def __init__(self, gateway_id: str, can_write: bool, queue_bytes: int = QUEUE_BYTES) -> None:
        self.gateway_id = gateway_id
        self.can_write = can_write
        self.too_slow = False
        self._limit = queue_bytes
        self._frames: deque[tuple[pb.WorkerFrame, int]] = deque()
        self._bytes = 0
        self._wake = asyncio.Event()
        self._closed = asyncio.Event()

    @property
    def closed(self) -> bool:
        return self._closed.is_set()

    async def until_closed(self) -> None:
        """Returns when the gateway has hung up, or was too slow."""
        await self._closed.wait()

    @property
    def queued_bytes(self) -> int:
        return self._bytes

    def send(self, frame: pb.WorkerFrame, size: int) -> None:
        """Queues a frame of about `size` bytes; closes the stream when too much waits."""
        if self.closed:
            return
        # One frame may be larger than the limit: a whole image in the transcript.
        if self._frames and self._bytes + size > self._limit:
            self.too_slow = True
            self.close()
            return
        self._frames.append((frame, size))
        self._bytes += size
        self._wake.set()

    def close(self) -> None:
        """Nothing more is queued; what is queued is still delivered unless it was too slow."""
        self._closed.set()
        if self.too_slow:
            self._frames.clear()
            self._bytes = 0
        self._wake.set()

    async def next(self) -> pb.WorkerFrame | None:
        """The next frame; None at the end of the stream."""
        while not self._frames:
            if self.closed:
                return None
            self._wake.clear()
            await self._wake.wait()
        frame, size = self._frames.popleft()
        self._bytes -= size
        return frame
