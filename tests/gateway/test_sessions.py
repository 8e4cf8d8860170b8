"""Sessions over HTTP, on a whole installation with the scripted model."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any, get_args

import httpx
import pytest
from anthropic import AsyncAnthropic, ConflictError, NotFoundError
from anthropic.types.beta.sessions import (
    BetaManagedAgentsSessionEvent,
    BetaManagedAgentsSessionEventType,
)
from jsonschema import Draft202012Validator
from pydantic import TypeAdapter
from websockets.asyncio.client import connect

from support.gateway_process import Person
from support.session_api import message, new_session, until_event

ASK_FOR_BASH: Any = [
    {
        "type": "agent_toolset_20260401",
        "default_config": {"permission_policy": {"type": "always_ask"}},
    }
]


@pytest.fixture
async def official(person: Person) -> AsyncIterator[AsyncAnthropic]:
    async with AsyncAnthropic(
        api_key=person.key, base_url=f"{person.url}/api", max_retries=0
    ) as client:
        yield client


def _check_strictly(events: list[dict[str, Any]]) -> None:
    """Every event of a standard type is exactly what the client's own models describe."""
    adapter: TypeAdapter[Any] = TypeAdapter(BetaManagedAgentsSessionEvent)
    standard = get_args(BetaManagedAgentsSessionEventType)
    seen = set()
    for event in events:
        if event["type"] in standard:
            adapter.validate_python(event)
            seen.add(event["type"])
    assert len(seen) > 8, seen
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))


async def test_the_official_client_does_everything(official: AsyncAnthropic) -> None:
    """Creates, sends, streams with deltas, confirms, interrupts, pages, archives."""
    agent = await official.beta.agents.create(
        model="claude-haiku-5-5", name="Runner", tools=ASK_FOR_BASH
    )
    environment = await official.beta.environments.create(name="here")
    session = await official.beta.sessions.create(agent=agent.id, environment_id=environment.id)
    events = official.beta.sessions.events

    types: list[str] = []
    text = ""
    interrupted = False
    stream = await events.stream(session.id, event_deltas=["agent.message"])
    await events.send(session.id, events=[message("run `echo from-the-tool`")])  # type: ignore[list-item]
    async with asyncio.timeout(90), stream:
        async for event in stream:
            types.append(event.type)
            if event.type == "event_delta":
                text += event.delta.content.text
            elif event.type == "session.status_idle":
                if event.stop_reason.type == "requires_action":
                    for tool in event.stop_reason.event_ids:
                        await events.send(
                            session.id,
                            events=[
                                {
                                    "type": "user.tool_confirmation",
                                    "tool_use_id": tool,
                                    "result": "allow",
                                }
                            ],
                        )
                elif interrupted:
                    break
                else:
                    await events.send(session.id, events=[message("answer slowly")])  # type: ignore[list-item]
            elif event.type == "session.status_running" and types.count(event.type) > 1:
                running = await official.beta.sessions.retrieve(session.id)
                if running.status == "running" and "agent.tool_result" in types:
                    await events.send(session.id, events=[{"type": "user.interrupt"}])
                    interrupted = True
    assert text
    assert {"event_start", "agent.tool_use", "agent.tool_result", "agent.message"} <= set(types)

    listed = [event async for event in events.list(session.id, limit=3)]
    results = [event for event in listed if event.type == "agent.tool_result"]
    assert "from-the-tool" in str(results[0].content)
    _check_strictly([event.to_dict(mode="json") for event in listed])
    newest = [event.id async for event in events.list(session.id, order="desc", limit=4)]
    assert newest == [event.id for event in reversed(listed)]
    archived = await official.beta.sessions.archive(session.id)
    assert archived.archived_at is not None
    assert archived.usage.input_tokens
    with pytest.raises(ConflictError, match="archived"):
        await events.send(session.id, events=[message("more")])  # type: ignore[list-item]
    deleted = await official.beta.sessions.delete(session.id)
    assert deleted.type == "session_deleted"
    with pytest.raises(NotFoundError):
        await official.beta.sessions.retrieve(session.id)


async def test_sessions_are_found_renamed_archived_and_deleted(client: httpx.AsyncClient) -> None:
    one = await new_session(client, title="Tidy the attic")
    two = await new_session(client, title="100% done_now", metadata={"a": "b"})

    async def listed(**params: Any) -> list[str]:
        answer = await client.get("/sessions", params=params)
        assert answer.status_code == 200, answer.text
        return [session["id"] for session in answer.json()["data"]]

    assert await listed() == [two, one]
    assert await listed(order="asc") == [one, two]
    assert await listed(search="ATTIC") == [one]
    assert await listed(search="0% d") == [two]
    assert await listed(search="e_n") == [two]
    assert await listed(**{"statuses[]": "terminated"}) == []
    assert (await client.get("/sessions", params={"statuses[]": "x"})).status_code == 400
    changed = await client.post(f"/sessions/{one}", json={"title": "Renamed"})
    assert changed.json()["title"] == "Renamed"
    patched = await client.post(f"/sessions/{two}", json={"metadata": {"a": None, "c": "d"}})
    assert patched.json()["metadata"] == {"c": "d"}
    assert (await client.post(f"/sessions/{one}/archive")).json()["archived_at"] is not None
    assert await listed() == [two]
    assert await listed(include_archived=True) == [two, one]
    assert (await client.post(f"/sessions/{one}/unarchive")).json()["archived_at"] is None
    gone = await client.delete(f"/sessions/{one}")
    assert gone.json() == {"id": one, "type": "session_deleted"}
    assert (await client.get(f"/sessions/{one}")).status_code == 404
    assert await listed(include_archived=True) == [two]


async def test_the_workspace_is_shown(client: httpx.AsyncClient) -> None:
    body = {
        "agent": {
            "type": "agent_with_overrides",
            "id": (await client.get("/agents")).json()["data"][0]["id"],
            "tools": [{"type": "agent_toolset_20260401"}],
        }
    }
    session = await new_session(client, **body)
    command = "printf '<b>hi</b>' > page.html; printf '\\0\\1' > raw.bin; mkdir sub"
    await client.post(f"/sessions/{session}/events", json={"events": [message(f"run `{command}`")]})
    await until_event(client, session, "agent.tool_result")
    path = f"/sessions/{session}/files"
    listing = (await client.get(path)).json()
    kinds = {file["name"]: file["type"] for file in listing["files"]}
    assert kinds == {"page.html": "file", "raw.bin": "file", "sub": "directory"}
    page = await client.get(f"{path}/content", params={"path": "page.html"})
    assert page.text == "<b>hi</b>"
    assert page.headers["content-type"].startswith("text/plain")
    assert "sandbox" in page.headers["content-security-policy"]
    raw = await client.get(f"{path}/content", params={"path": "raw.bin"})
    assert raw.content == b"\0\1"
    assert raw.headers["content-disposition"].startswith("attachment")
    for missing in ("nothing.txt", "../../etc/passwd", "/etc/passwd", "sub"):
        answer = await client.get(f"{path}/content", params={"path": missing})
        assert answer.status_code == 404, (missing, answer.text)
    usage = await client.get(f"/sessions/{session}/context")
    assert usage.status_code == 200
    assert usage.json()


async def test_what_the_socket_says_is_what_its_schema_says(
    client: httpx.AsyncClient, person: Person
) -> None:
    session = await new_session(client)
    schema = (await client.get("/socket-schema.json")).json()
    validator = Draft202012Validator({"$ref": "#/$defs/ServerMessage", "$defs": schema["$defs"]})
    url = f"{person.url.replace('http', 'ws')}/api/v1/sessions/{session}/ws"
    seen: set[str] = set()
    texts: dict[str, str] = {}
    async with connect(url, additional_headers={"x-api-key": person.key}) as socket:
        body = {"type": "send", "client_id": "c", "events": [message("think, then answer")]}
        await socket.send(json.dumps(body))
        await socket.send('{"type":"ping"}')
        await socket.send("nonsense")
        ended = False
        async with asyncio.timeout(60):
            while not ended:
                said = json.loads(await socket.recv())
                validator.validate(said)
                seen.add(said["type"])
                for event in said.get("events", []):
                    if event["type"] == "event_delta":
                        piece = event["delta"]["content"]
                        before = texts.get(event["event_id"], "")
                        assert event["offset"] == len(before.encode())
                        texts[event["event_id"]] = before + (
                            piece.get("text") or piece.get("thinking")
                        )
                    elif event["type"] == "agent.message" and event["id"] in texts:
                        assert event["content"][0]["text"] == texts[event["id"]]
                    ended = ended or event["type"] == "span.turn_end"
    assert seen >= {"hello", "events", "previews", "caught_up", "ack", "pong", "error"}
    assert texts
