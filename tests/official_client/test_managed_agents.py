"""Anthropic's own client over a bad connection: what it sends again by itself is one turn.

Its ordinary use (agents, sessions, streams, confirmations, pages) is tested with the gateway. Here
a relay loses the gateway's answer after the gateway has committed, and the client, which has no
message ids, repeats the request as it does against Anthropic's API.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from anthropic import AsyncAnthropic, ConflictError
from httpx2 import TransportError

from support.choke import Choke
from support.play import MODEL, bash, say, script, slow
from support.stack import Stack
from support.waiting import wait_until

pytestmark = pytest.mark.timeout(240)


@pytest.fixture(scope="module")
def line(stack: Stack) -> Iterator[Choke]:
    """The connection between the client and the gateway."""
    with Choke(("127.0.0.1", 0), ("127.0.0.1", stack.instance.ports[0])) as choke:
        yield choke


@pytest.fixture
async def client(stack: Stack, line: Choke) -> AsyncIterator[AsyncAnthropic]:
    """With the retries that it has by default."""
    url = f"http://127.0.0.1:{line.port}/api"
    async with AsyncAnthropic(api_key=stack.api_key, base_url=url, timeout=30) as client:
        yield client


@pytest.fixture
async def session_id(client: AsyncAnthropic) -> AsyncIterator[str]:
    agent = await client.beta.agents.create(model=MODEL, name="a")
    environment = await anext(aiter(client.beta.environments.list()))
    session = await client.beta.sessions.create(agent=agent.id, environment_id=environment.id)
    yield session.id
    await client.beta.sessions.delete(session.id)


async def events_of(client: AsyncAnthropic, session_id: str, *types: Any) -> list[Any]:
    """Of these types, in the log's order, two to a page."""
    listed = client.beta.sessions.events.list(session_id, limit=2, types=list(types))
    return [event async for event in listed]


async def until_idle(client: AsyncAnthropic, session_id: str, turns: int = 1) -> None:
    async def ended() -> bool:
        idle = await events_of(client, session_id, "session.status_idle")
        return sum(1 for e in idle if e.stop_reason.type != "requires_action") >= turns

    await wait_until(ended, 60, f"the end of turn {turns}", interval=0.1)


def said(text: str) -> Any:
    return {"type": "user.message", "content": [{"type": "text", "text": text}]}


@asynccontextmanager
async def answer_lost(line: Choke, marker: bytes) -> AsyncIterator[None]:
    """The gateway answers the request that has `marker` in it, and the connection breaks."""

    async def lose() -> None:
        await wait_until(lambda: line.holding, 30, "the gateway's answer")
        line.cut()

    line.hold_answers_to(marker)
    losing = asyncio.create_task(lose(), name="lose-the-answer")
    yield
    await losing


async def test_a_message_whose_answer_was_lost_is_one_turn(
    client: AsyncAnthropic, line: Choke, session_id: str
) -> None:
    async with answer_lost(line, b"only-once"):
        sent = await client.beta.sessions.events.send(
            session_id, events=[said(script(say("only-once")))]
        )
    await until_idle(client, session_id)
    messages = await events_of(client, session_id, "user.message")
    assert sent.data is not None
    assert [event.id for event in messages] == [event.id for event in sent.data]
    answers = await events_of(client, session_id, "agent.message")
    assert [answer.content[0].text for answer in answers] == ["only-once"]


async def test_the_same_words_on_purpose_are_two_turns(
    client: AsyncAnthropic, session_id: str
) -> None:
    for _ in range(2):
        await client.beta.sessions.events.send(session_id, events=[said(script(say("twice")))])
    await until_idle(client, session_id, turns=1)

    async def both() -> bool:
        return len(await events_of(client, session_id, "agent.message")) == 2

    await wait_until(both, 60, "two answers", interval=0.1)


async def test_a_confirmation_whose_answer_was_lost_counts_once(
    client: AsyncAnthropic, line: Choke, session_id: str
) -> None:
    await client.beta.sessions.events.send(
        session_id, events=[said(script(bash("echo ran >> ran; cat ran"), say("over")))]
    )

    async def question() -> Any:
        uses = await events_of(client, session_id, "agent.tool_use")
        return uses[0] if uses else None

    asked = await wait_until(question, 60, "the question", interval=0.1)
    confirmation: Any = {
        "type": "user.tool_confirmation", "tool_use_id": asked.id, "result": "allow"
    }  # fmt: skip
    async with answer_lost(line, b"user.tool_confirmation"):
        sent = await client.beta.sessions.events.send(session_id, events=[confirmation])
    await until_idle(client, session_id)
    given = await events_of(client, session_id, "user.tool_confirmation")
    assert sent.data is not None
    assert [event.id for event in given] == [event.id for event in sent.data]
    (result,) = await events_of(client, session_id, "agent.tool_result")
    assert str(result.content).count("ran") == 1
    with pytest.raises(ConflictError):
        await client.beta.sessions.events.send(session_id, events=[confirmation])


async def test_an_interrupt_reaches_the_turn_and_the_log_says_so(
    client: AsyncAnthropic, session_id: str
) -> None:
    text = ""
    stream = await client.beta.sessions.events.stream(session_id, event_deltas=["agent.message"])
    await client.beta.sessions.events.send(session_id, events=[said(script(slow()))])
    async with asyncio.timeout(60), stream:
        async for event in stream:
            if event.type == "event_delta" and not text:
                text = event.delta.content.text
                await client.beta.sessions.events.send(
                    session_id, events=[{"type": "user.interrupt"}]
                )
            if event.type == "session.status_idle":
                break
    assert text.startswith("word ")
    assert len(await events_of(client, session_id, "user.interrupt")) == 1


async def test_a_stream_that_breaks_is_opened_again_without_a_gap(
    client: AsyncAnthropic, line: Choke, session_id: str
) -> None:
    """The client does not open streams again by itself: its user does, with what it has seen."""
    ids: list[Any] = []
    events = client.beta.sessions.events
    stream = await events.stream(session_id)
    await events.send(session_id, events=[said(script(slow(40)))])
    last: Any = 0
    with pytest.raises(TransportError):
        async with asyncio.timeout(60), stream:
            async for event in stream:
                shown = event.to_dict()
                ids.append(shown["id"])
                last = shown["seq"]
                if event.type == "session.status_running":
                    line.cut()
    again = await events.stream(session_id, extra_query={"after": last})
    async with asyncio.timeout(60), again:
        async for event in again:
            ids.append(event.to_dict()["id"])
            if event.type == "session.status_idle":
                break
    logged = [event.id async for event in events.list(session_id)]
    assert ids == logged[logged.index(ids[0]) :]
