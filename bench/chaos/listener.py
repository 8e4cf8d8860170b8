"""A client that reads the stream of server-sent events, as strictly as a viewer reads a socket.

It comes back with the last id that it has. What is withdrawn is not said on such a stream; text
that was announced and given up goes with the end of its turn.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Self

import httpx

from support.shown import Event, Shown
from support.waiting import wait_until

SILENCE_S = 40.0
"""The stream carries a ping each 15 s."""

TRY_AGAIN_S = 0.1
DELTAS = ("agent.message", "agent.thinking")
PASSING = ("overloaded_error", "api_error", "rate_limit_error")


class Listener(Shown):
    """`connect` as often as its stream ends."""

    def __init__(self, url: str, session_id: str, headers: Mapping[str, str]) -> None:
        super().__init__()
        self.url = url
        self.session_id = session_id
        self.headers = dict(headers)
        self.closed: tuple[int, str] | None = (1006, "")
        """None while the stream is open."""
        self._reader: asyncio.Task[None] | None = None

    async def connect(self, *, deadline: float = 30.0) -> Self:
        """Returns when a gateway has opened the stream. Raises AssertionError for what it said."""

        async def opened() -> bool:
            await self._drop()
            answered = asyncio.Event()
            self._reader = asyncio.create_task(self._read(answered), name="listener")
            await answered.wait()
            self._raise_problem()
            return self.closed is None

        await wait_until(opened, deadline, f"{self.url} opening a stream", TRY_AGAIN_S)
        return self

    async def close(self) -> None:
        await self._drop()

    async def _drop(self) -> None:
        if self._reader is not None:
            self._reader.cancel()
            await asyncio.gather(self._reader, return_exceptions=True)

    async def _read(self, answered: asyncio.Event) -> None:
        address = f"{self.url}/api/v1/sessions/{self.session_id}/events/stream"
        query = httpx.QueryParams({"after": self.seq, "event_deltas[]": DELTAS})
        timeout = httpx.Timeout(10.0, read=SILENCE_S)
        try:
            async with (
                httpx.AsyncClient(headers=self.headers, trust_env=False, timeout=timeout) as client,
                client.stream("GET", address, params=query) as response,
            ):
                assert response.status_code == 200 or response.status_code >= 429, response
                if response.status_code == 200:
                    self.closed = None
                    answered.set()
                    await self._take_all(response)
        except httpx.HTTPError:
            pass
        except (AssertionError, KeyError, ValueError) as error:
            self._problem = error
        finally:
            self.closed = (1006, "the stream ended")
            answered.set()

    async def _take_all(self, response: httpx.Response) -> None:
        fields: dict[str, str] = {}
        async for line in response.aiter_lines():
            if line and not line.startswith(":"):
                name, _, value = line.partition(": ")
                fields[name] = value
            elif fields:
                self._event(fields["event"], fields.get("id"), json.loads(fields["data"]))
                fields = {}

    def _event(self, name: str, seq: str | None, data: Event) -> None:
        match name:
            case "ping":
                pass
            case "error":
                assert data["error"]["type"] in PASSING, f"the stream ended with {data}"
            case "event_start" | "event_delta":
                self._preview(data)
            case _:
                assert (name, seq) == (data["type"], str(data["seq"])), f"{name} {seq}: {data}"
                self._facts(data.pop("seq"), [data])
