"""A client that keeps the very bytes it was sent, over as many connections as it takes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from contextlib import suppress

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake


class Recorder:
    """Follows one session from its first event until `close`."""

    def __init__(self, url: str, session_id: str, headers: Mapping[str, str]) -> None:
        self.session_id = session_id
        base = url.replace("http://", "ws://", 1)
        self._address = f"{base}/api/v1/sessions/{session_id}/ws"
        self._headers = dict(headers)
        self.seq = 0
        self.connections = 0
        self.frames: list[str] = []
        """Of facts, as they came."""
        self._task = asyncio.create_task(self._record(), name="recorder")

    async def close(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    def holds(self, stored: list[bytes]) -> None:
        """Raises AssertionError unless the frames hold these events: each once, in this order, byte
        for byte, and nothing else."""
        whole = "\n".join(self.frames).encode()
        position = 0
        for number, event in enumerate(stored, start=1):
            found = whole.find(event, position)
            assert found >= 0, f"event {number} was not shown as it is stored: {event[:300]!r}"
            position = found + len(event)
        assert self.seq == len(stored)

    async def _record(self) -> None:
        while True:
            with suppress(OSError, InvalidHandshake, ConnectionClosed, TimeoutError):
                await self._connection()
            await asyncio.sleep(0.1)

    async def _connection(self) -> None:
        address = f"{self._address}?after={self.seq}"
        async with connect(
            address, additional_headers=self._headers, proxy=None, max_size=None, open_timeout=10
        ) as socket:
            self.connections += 1
            async for message in socket:
                text = message if isinstance(message, str) else message.decode()
                body = json.loads(text)
                if body["type"] == "events":
                    assert body["first_seq"] == self.seq + 1, (body["first_seq"], self.seq)
                    self.frames.append(text)
                    self.seq += len(body["events"])
