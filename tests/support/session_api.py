"""A session over HTTP, as a program uses it."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
from anthropic.types.beta import BetaManagedAgentsSession

from support.waiting import wait_until


async def ok(answer: httpx.Response) -> dict[str, Any]:
    """The body of an answer that must be 200."""
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


def message(text: str) -> dict[str, Any]:
    return {"type": "user.message", "content": [{"type": "text", "text": text}]}


async def new_session(client: httpx.AsyncClient, **fields: Any) -> str:
    answer = await client.post("/sessions", json=fields)
    assert answer.status_code == 200, answer.text
    BetaManagedAgentsSession.model_validate(answer.json(), strict=False)
    session: str = answer.json()["id"]
    return session


async def log_of(client: httpx.AsyncClient, session: str, **params: Any) -> list[dict[str, Any]]:
    answer = await client.get(f"/sessions/{session}/events", params={"limit": 1000, **params})
    assert answer.status_code == 200, answer.text
    data: list[dict[str, Any]] = answer.json()["data"]
    return data


async def until_event(
    client: httpx.AsyncClient, session: str, type_: str, **fields: Any
) -> dict[str, Any]:
    async def found() -> list[dict[str, Any]]:
        events = await log_of(client, session, **{"types[]": type_})
        return [event for event in events if fields.items() <= event.items()]

    events = await wait_until(found, 60, f"{type_} {fields} in the log", interval=0.1)
    first: dict[str, Any] = events[0]
    return first


class Stream:
    """A server-sent event stream, read in the background."""

    def __init__(self, response: httpx.Response) -> None:
        self.events: list[tuple[str, str, Any]] = []
        self.ended = asyncio.Event()
        self._task = asyncio.create_task(self._read(response), name="stream-reader")

    async def _read(self, response: httpx.Response) -> None:
        fields: dict[str, str] = {}
        try:
            async for line in response.aiter_lines():
                if line and not line.startswith(":"):
                    name, _, value = line.partition(": ")
                    fields[name] = value
                elif fields:
                    body = json.loads(fields["data"])
                    self.events.append((fields["event"], fields.get("id", ""), body))
                    fields = {}
        finally:
            self.ended.set()

    async def until(self, type_: str) -> tuple[str, str, Any]:
        def found() -> list[tuple[str, str, Any]]:
            return [event for event in self.events if event[0] == type_]

        return (await wait_until(found, 60, f"{type_} on the stream"))[0]

    async def close(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
