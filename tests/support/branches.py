"""Sessions that are forked and rewound, over HTTP."""

from __future__ import annotations

from typing import Any

import httpx

from support.session_api import message, until_event
from support.waiting import wait_until
from support.worker_client import say, script, tool


async def turn(client: httpx.AsyncClient, session: str, text: str) -> str:
    """Says something and waits for the end of its turn; the message's id."""
    answer = await client.post(f"/sessions/{session}/events", json={"events": [message(text)]})
    assert answer.status_code == 200, answer.text
    sent: str = answer.json()["data"][0]["id"]
    await until_event(client, session, "span.turn_end", message_ids=[sent])

    async def rests() -> bool:
        shown = (await client.get(f"/sessions/{session}")).json()
        return bool(shown["state"] == "active")

    await wait_until(rests, 30, "the session at rest")
    return sent


async def fork(client: httpx.AsyncClient, session: str, **body: Any) -> dict[str, Any]:
    answer = await client.post(f"/sessions/{session}/fork", json=body)
    assert answer.status_code == 200, answer.text
    made: dict[str, Any] = answer.json()
    return made


def writes(name: str, content: str) -> str:
    """A prompt that makes the agent write a file, in a session that allows it."""
    command = f"printf %s {content} > {name}"
    return script(tool("Bash", command=command, description="Write"), say(f"wrote {content}"))


async def files(client: httpx.AsyncClient, session: str) -> dict[str, str]:
    """The working directory as {name: content}, once the session has a worker."""

    async def listed() -> httpx.Response | None:
        answer = await client.get(f"/sessions/{session}/files")
        return answer if answer.status_code == 200 else None

    answer = await wait_until(listed, 60, "the working directory being listed", interval=0.2)
    assert answer is not None
    found = {}
    for file in answer.json()["files"]:
        params = {"path": file["name"]}
        got = await client.get(f"/sessions/{session}/files/content", params=params)
        assert got.status_code == 200, got.text
        found[file["name"]] = got.text
    return found
