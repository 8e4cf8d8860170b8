"""Server-sent events of a session, on a whole installation with the scripted model."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import httpx

from support.session_api import Stream, message, new_session, until_event
from support.waiting import wait_until


def _has_more_than(stream: Stream, count: int) -> bool:
    return len(stream.events) > count


async def test_a_stream_begins_at_the_end_and_resumes_by_seq(client: httpx.AsyncClient) -> None:
    session = await new_session(client)
    path = f"/sessions/{session}/events"
    sent = await client.post(path, json={"events": [message("hello")]})
    await until_event(client, session, "session.status_idle")
    head = (await client.get(f"/sessions/{session}")).json()["seq"]
    async with client.stream("GET", f"{path}/stream") as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        stream = Stream(response)
        await client.post(path, json={"events": [message("again")]})
        kind, seq, body = await stream.until("user.message")
        assert (kind, int(seq)) == ("user.message", body["seq"])
        assert body["seq"] > head
        assert body["content"][0]["text"] == "again"
        assert not any(kind.startswith("event_") for kind, _, _ in stream.events)
        await stream.close()
    first = sent.json()["data"][0]["seq"]
    resumes: list[dict[str, Any]] = [
        {"params": {"after": first - 1}},
        {"headers": {"last-event-id": str(first - 1)}},
    ]
    for resume in resumes:
        async with client.stream("GET", f"{path}/stream", **resume) as response:
            stream = Stream(response)
            await wait_until(partial(_has_more_than, stream, head - first), 20, "the replay")
            seqs = [int(seq) for _, seq, _ in stream.events]
            assert seqs == list(range(first, first + len(seqs)))
            await stream.close()


async def test_deltas_add_up_to_the_message(client: httpx.AsyncClient) -> None:
    session = await new_session(client)
    path = f"/sessions/{session}/events"
    params = {"event_deltas[]": ["agent.message", "agent.thinking"]}
    async with client.stream("GET", f"{path}/stream", params=params) as response:
        stream = Stream(response)
        await client.post(path, json={"events": [message("think about something, then answer")]})
        _, _, fact = await stream.until("agent.message")
        text = "".join(
            body["delta"]["content"]["text"]
            for kind, _, body in stream.events
            if kind == "event_delta" and body["event_id"] == fact["id"]
        )
        assert text == fact["content"][0]["text"]
        assert any(
            body["event"]["type"] == "agent.thinking"
            for kind, _, body in stream.events
            if kind == "event_start"
        )
        await stream.close()


async def test_a_stream_ends_with_its_session(client: httpx.AsyncClient) -> None:
    session = await new_session(client)
    path = f"/sessions/{session}/events/stream"
    async with client.stream("GET", path) as response:
        stream = Stream(response)
        assert (await client.delete(f"/sessions/{session}")).status_code == 200
        await asyncio.wait_for(stream.ended.wait(), 20)


async def test_a_stream_refuses_what_it_cannot_do(client: httpx.AsyncClient) -> None:
    session = await new_session(client)
    path = f"/sessions/{session}/events/stream"
    assert (await client.get(path, params={"event_deltas[]": "user.message"})).status_code == 400
    assert (await client.get(path, headers={"last-event-id": "x"})).status_code == 400
    async with client.stream("GET", path, params={"after": 10_000}) as response:
        stream = Stream(response)
        _, _, body = await stream.until("error")
        assert body["error"]["type"] == "conflict_error"
        await asyncio.wait_for(stream.ended.wait(), 10)
