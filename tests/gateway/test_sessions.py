"""Sessions over HTTP, on a whole installation with the scripted model."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import httpx
import pytest
from anthropic import AsyncAnthropic
from anthropic.types.beta import BetaManagedAgentsSession

from csp_controlplane.store.database import Database
from support.gateway_process import Person, new_admin, new_member
from support.stack import Stack
from support.waiting import wait_until

ASK_FOR_BASH: Any = [
    {
        "type": "agent_toolset_20260401",
        "default_config": {"permission_policy": {"type": "always_ask"}},
    }
]


@pytest.fixture
async def stack_db(stack: Stack) -> AsyncIterator[Database]:
    database = await Database.connect(stack.instance.database_url, max_size=2)
    yield database
    await database.close()


@pytest.fixture
async def person(stack: Stack, stack_db: Database) -> Person:
    return await new_admin(stack_db, stack.url)


@pytest.fixture
async def client(person: Person) -> AsyncIterator[httpx.AsyncClient]:
    async with person.client() as client:
        yield client


@pytest.fixture
async def official(person: Person) -> AsyncIterator[AsyncAnthropic]:
    async with AsyncAnthropic(
        api_key=person.key, base_url=f"{person.url}/api", max_retries=0
    ) as client:
        yield client


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
    assert [event.type for event in listed][:1] == ["session.status_running"] or listed
    results = [event for event in listed if event.type == "agent.tool_result"]
    assert "from-the-tool" in str(results[0].content)
    newest = [event.id async for event in events.list(session.id, order="desc", limit=4)]
    assert newest == [event.id for event in reversed(listed)]
    archived = await official.beta.sessions.archive(session.id)
    assert archived.archived_at is not None
    assert archived.usage.input_tokens
    with pytest.raises(Exception, match="archived"):
        await events.send(session.id, events=[message("more")])  # type: ignore[list-item]


async def test_a_session_starts_with_what_the_tenant_has(client: httpx.AsyncClient) -> None:
    session = await new_session(client)
    shown = (await client.get(f"/sessions/{session}")).json()
    assert shown["agent"]["name"] == "Assistant"
    assert shown["environment_id"].startswith("env_")
    assert shown["permission_mode"] == "default"
    assert shown["cost_usd"] == 0


async def test_initial_events_are_sent(client: httpx.AsyncClient) -> None:
    session = await new_session(
        client, initial_events=[message("hello")], permission_mode="plan", model="claude-x"
    )
    (event,) = await log_of(client, session, **{"types[]": "user.message"})
    assert event["content"] == [{"type": "text", "text": "hello"}]
    shown = (await client.get(f"/sessions/{session}")).json()
    assert (shown["permission_mode"], shown["model"]) == ("plan", "claude-x")
    answer = await client.post("/sessions", json={"initial_events": [{"type": "user.interrupt"}]})
    assert answer.status_code == 400


async def test_the_log_is_paged_both_ways_and_narrowed(client: httpx.AsyncClient) -> None:
    session = await new_session(client)
    texts = [f"message {number}" for number in range(7)]
    sent = await client.post(
        f"/sessions/{session}/events", json={"events": [message(text) for text in texts]}
    )
    assert [event["type"] for event in sent.json()["data"]] == ["user.message"] * 7
    for order in ("asc", "desc"):
        seen: list[dict[str, Any]] = []
        params: dict[str, Any] = {"limit": 2, "order": order, "types[]": "user.message"}
        while True:
            body = (await client.get(f"/sessions/{session}/events", params=params)).json()
            assert len(body["data"]) <= 2
            seen += body["data"]
            if body["next_page"] is None:
                break
            params["page"] = body["next_page"]
        said = [event["content"][0]["text"] for event in seen]
        assert said == (texts if order == "asc" else texts[::-1])
        assert next(iter(seen[0])) == "seq"
    wrong = await client.get(
        f"/sessions/{session}/events", params={"page": params["page"], "order": "asc"}
    )
    assert wrong.status_code == 400
    later = await log_of(client, session, **{"created_at[gt]": "2999-01-01T00:00:00Z"})
    assert later == []
    answer = await client.get(f"/sessions/{session}/events", params={"created_at[gt]": "whenever"})
    assert answer.status_code == 400


async def test_a_repeated_send_is_one_message(client: httpx.AsyncClient) -> None:
    session = await new_session(client)
    path = f"/sessions/{session}/events"
    body = {"events": [message("once")]}
    first = await client.post(path, json=body, headers={"idempotency-key": "k1"})
    again = await client.post(path, json=body, headers={"idempotency-key": "k1"})
    assert again.json() == first.json()
    named = {"events": [{**message("twice"), "client_id": "c1"}]}
    first, again = await client.post(path, json=named), await client.post(path, json=named)
    assert again.json()["data"][0]["id"] == first.json()["data"][0]["id"]
    plain = {"events": [message("thrice")]}
    first = await client.post(path, json=plain, headers={"x-stainless-retry-count": "0"})
    again = await client.post(path, json=plain, headers={"x-stainless-retry-count": "1"})
    assert again.json()["data"][0]["id"] == first.json()["data"][0]["id"]
    third = await client.post(path, json=plain, headers={"x-stainless-retry-count": "0"})
    assert third.json()["data"][0]["id"] != first.json()["data"][0]["id"]
    said = [
        event["content"][0]["text"] for event in await log_of(client, session)
        if event["type"] == "user.message"
    ]  # fmt: skip
    assert said == ["once", "twice", "thrice", "thrice"]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"events": []}, "events"),
        ({"events": [{"type": "agent.message"}]}, "user.message"),
        ({"events": [{"type": "user.message"}]}, "events.0"),
        ({"events": [message("  ")]}, "empty"),
        ({"events": "no"}, "events"),
        ({}, "events"),
        ({"events": [message("x")], "more": 1}, "more"),
        ({"events": [message("x")] * 51}, "50"),
    ],
)
async def test_events_that_nobody_may_send_are_refused(
    client: httpx.AsyncClient, body: dict[str, Any], words: str
) -> None:
    session = await new_session(client)
    answer = await client.post(f"/sessions/{session}/events", json=body)
    assert answer.status_code == 400, answer.text
    assert words in answer.json()["error"]["message"]
    types = [event["type"] for event in await log_of(client, session)]
    assert "user.message" not in types


async def test_a_foreign_session_looks_like_an_unknown_one(
    client: httpx.AsyncClient, person: Person, stack_db: Database
) -> None:
    session = await new_session(client)
    unknown = session[:-1] + ("0" if session[-1] != "0" else "1")
    colleague = await new_member(stack_db, person)
    stranger = await new_admin(stack_db, person.url)
    for other in (colleague, stranger):
        async with other.client() as theirs:
            for method, path, body in (
                ("GET", "/sessions/{}", None),
                ("POST", "/sessions/{}", {"title": "mine"}),
                ("DELETE", "/sessions/{}", None),
                ("POST", "/sessions/{}/archive", None),
                ("POST", "/sessions/{}/unarchive", None),
                ("GET", "/sessions/{}/events", None),
                ("POST", "/sessions/{}/events", {"events": [message("x")]}),
                ("GET", "/sessions/{}/events/stream", None),
                ("GET", "/sessions/{}/context", None),
                ("GET", "/sessions/{}/files", None),
                ("GET", "/sessions/{}/files/content?path=a", None),
            ):
                answers = [
                    await theirs.request(method, path.format(id_), json=body)
                    for id_ in (session, unknown)
                ]
                assert [answer.status_code for answer in answers] == [404, 404], path
                texts = [
                    answer.json()["error"]["message"].replace(id_, "ID")
                    for answer, id_ in zip(answers, (session, unknown), strict=True)
                ]
                assert texts[0] == texts[1]
            assert (await theirs.get("/sessions")).json()["data"] == []


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
