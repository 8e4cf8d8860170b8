"""A person with one session of an installation: made by the API, watched over the WebSocket."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx

from support.stack import Stack
from support.viewer import Event, Viewer
from support.worker_client import MODEL, say, script, tool

__all__ = [
    "MODEL", "agent_of", "bash", "log_of", "new_session", "say", "script", "settled", "slow",
    "tool", "watching",
]  # fmt: skip


def slow(words: int = 400, pause: float = 0.05, word: str = "word ") -> dict[str, Any]:
    """A step that answers for a while: `words` pieces, a pause between them."""
    return say(word, n=words, chunk_delay=pause)


def bash(command: str) -> dict[str, Any]:
    """A step that runs a command, which a person is asked about."""
    return tool("Bash", command=command, description="Run it")


async def agent_of(client: httpx.AsyncClient, **fields: Any) -> str:
    """The id of a new agent that asks before it uses tools."""
    answer = await client.post("/agents", json={"name": "faults", "model": MODEL, **fields})
    answer.raise_for_status()
    return str(answer.json()["id"])


async def new_session(client: httpx.AsyncClient, **agent: Any) -> str:
    """The id of a new session of a new agent."""
    environments = (await client.get("/environments")).json()["data"]
    body = {"agent": await agent_of(client, **agent), "environment_id": environments[0]["id"]}
    answer = await client.post("/sessions", json=body)
    answer.raise_for_status()
    return str(answer.json()["id"])


async def log_of(client: httpx.AsyncClient, session_id: str) -> list[Event]:
    """The whole log, page by page, as REST lists it."""
    events: list[Event] = []
    page: str | None = None
    while True:
        query = {"limit": "200", **({"page": page} if page else {})}
        answer = await client.get(f"/sessions/{session_id}/events", params=query)
        answer.raise_for_status()
        events += answer.json()["data"]
        page = answer.json()["next_page"]
        if page is None:
            return events


@asynccontextmanager
async def watching(stack: Stack, **agent: Any) -> AsyncIterator[Viewer]:
    """A viewer of a new session. In the end all that it was shown must be the log, and no turn,
    question or queued message may be left over."""
    async with stack.client() as client:
        viewer = Viewer(stack.url, await new_session(client, **agent), stack.headers)
        await viewer.connect()
        try:
            yield viewer
            await viewer.fact("session.notice", code="worker_bound")
            await settled(viewer, client)
        finally:
            await viewer.close()
        answer = await client.delete(f"/sessions/{viewer.session_id}")
        assert answer.status_code == 200, answer.text


async def settled(viewer: Viewer, client: httpx.AsyncClient) -> None:
    """The transcript is the log, and the session rests with nothing undone."""
    log = await log_of(client, viewer.session_id)
    await viewer.until(lambda: viewer.seq >= len(log), "the whole log")
    viewer.agrees_with(await log_of(client, viewer.session_id))
    session = (await client.get(f"/sessions/{viewer.session_id}")).json()
    assert (session["state"], session["queue"], session["pending"]) == ("active", [], []), session
    assert viewer.open == {}, "text was shown that neither became a fact nor was withdrawn"
    starts = [event["id"] for event in log if event["type"] == "span.turn_start"]
    ends = [event["turn_start_id"] for event in log if event["type"] == "span.turn_end"]
    assert starts == ends
    begun = [i for e in log if e["type"] == "span.turn_start" for i in e["message_ids"]]
    said = [event["id"] for event in log if event["type"] == "user.message"]
    assert begun == said, "every message is exactly one turn, in order"
