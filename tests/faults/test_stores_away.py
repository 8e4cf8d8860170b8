"""PostgreSQL or Valkey are away for a while: what waits, what is refused in words, what goes on."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Iterator

import pytest

from support.outside import Outside
from support.play import bash, say, script, slow, watching
from support.roster import nothing_left
from support.viewer import Viewer, text_message
from support.waiting import wait_until

pytestmark = [pytest.mark.faults, pytest.mark.timeout(300)]

AWAY_S = float(os.environ.get("CSP_TEST_DATABASE_AWAY_S", "30"))
"""How long the database stays away."""


@pytest.fixture(scope="module")
def outside() -> Iterator[Outside]:
    with Outside() as running:
        yield running


@pytest.fixture(autouse=True)
async def no_process_left_behind(outside: Outside) -> AsyncIterator[None]:
    async with nothing_left(outside.stack):
        yield


async def test_a_turn_that_runs_outlives_a_database_that_stops(outside: Outside) -> None:
    """It streams on, and its facts are written when the database is back."""
    async with watching(outside.stack) as viewer:
        message = await viewer.say(script(slow(20), say("unused")))
        writing = await viewer.partial(10)
        stopped = time.monotonic()
        outside.postgres.stop()
        await viewer.until(lambda: len(viewer.open.get(writing, b"")) == 100, "the whole text")
        assert "agent.message" not in viewer.types(), "a fact is shown only after its commit"
        refused = await _is_told(viewer, outside)
        await asyncio.sleep(max(0.0, stopped + AWAY_S - time.monotonic()))
        outside.postgres.start()
        if viewer.closed is not None:
            await viewer.connect(deadline=60)
        end = await viewer.turn_end(message, deadline=60)
        assert end["outcome"] == "completed"
        assert viewer.text() == "word " * 20
        again = await viewer.send(text_message(script(say("kept"))), client_id=refused)
        assert (await viewer.turn_end(again, deadline=60))["outcome"] == "completed"
        assert "worker_lost" not in [e.get("code") for e in viewer.facts], "the worker stays"


async def _is_told(viewer: Viewer, outside: Outside) -> str:
    """Who writes meanwhile is told, by both ways; nothing is accepted that could be lost."""
    client_id = await viewer.post(text_message(script(say("kept"))))
    await viewer.answered(client_id)
    assert client_id not in viewer.acks
    if viewer.closed is not None:
        assert viewer.closed[0] == 1013, viewer.closed
        assert "database" in viewer.closed[1]
    async with outside.stack.client() as client:
        body = {"events": [text_message("hello")]}
        answer = await client.post(f"/sessions/{viewer.session_id}/events", json=body)
        assert answer.status_code == 503, answer.text
        assert answer.json()["error"]["type"] == "overloaded_error"
        assert "database" in answer.json()["error"]["message"]
        ready = await client.get("/health/ready")
        assert ready.status_code == 503
        assert (await client.get("/health/live")).status_code == 200
    return client_id


async def test_a_tool_is_not_run_before_the_log_has_it(outside: Outside) -> None:
    """The database is away when the agent wants to use a tool: it waits, then asks."""
    async with watching(outside.stack) as viewer:
        message = await viewer.say(
            script({"t": "text", "text": "wait ", "n": 30, "chunk_delay": 0.1, "delay": 0.2},
                   say("unused"))
        )  # fmt: skip
        await viewer.partial(10)
        await viewer.send({"type": "user.interrupt"})
        await viewer.turn_end(message)
        allowed = await viewer.say(script({**bash("echo ran >> ran"), "delay": 3.0}, say("after")))
        await viewer.fact("span.turn_start", message_ids=[allowed["id"]])
        outside.postgres.stop()
        await asyncio.sleep(AWAY_S / 2)
        workspace = outside.stack.layout.workspaces / viewer.session_id
        assert not (workspace / "ran").exists()
        outside.postgres.start()
        if viewer.closed is not None:
            await viewer.connect(deadline=60)
        question = await viewer.fact("agent.tool_use", evaluated_permission="ask", deadline=60)
        assert not (workspace / "ran").exists()
        await viewer.answer(question)
        await viewer.turn_end(allowed, deadline=60)
        assert (workspace / "ran").read_text() == "ran\n"


async def test_valkey_flushed_and_stopped_costs_no_data(outside: Outside) -> None:
    async with watching(outside.stack) as viewer:
        message = await viewer.say(script(slow(60)))
        await viewer.partial(20)
        outside.valkey.flush()
        assert (await viewer.turn_end(message))["outcome"] == "completed"
        outside.valkey.kill()
        other = Viewer(viewer.url, viewer.session_id, viewer.headers)
        async with other:
            assert (await viewer.turn(script(say("without it"))))["outcome"] == "completed"
            await other.until(lambda: other.seq == viewer.seq, "the other client having all")
        async with outside.stack.client() as client:
            answer = await client.post(
                f"/sessions/{viewer.session_id}/events",
                json={"events": [text_message(script(say("by REST")))]},
            )
            assert answer.status_code == 200
            await viewer.turn_end(answer.json()["data"][0])
        outside.valkey.start()
        assert (await viewer.turn(script(say("with it"))))["outcome"] == "completed"


async def test_a_database_killed_under_load_loses_nothing_that_was_acknowledged(
    outside: Outside,
) -> None:
    async with watching(outside.stack) as viewer:
        posted = [
            await viewer.post(text_message(script(say(f"<{n}>"))), client_id=f"load-{n}")
            for n in range(20)
        ]
        await viewer.ack(posted[3])
        outside.postgres.kill()
        outside.postgres.start()

        async def all_acknowledged() -> bool:
            if viewer.closed is not None:
                await viewer.connect(deadline=60)
            for n, client_id in enumerate(posted):
                if client_id not in viewer.acks and viewer.closed is None:
                    await viewer.post(text_message(script(say(f"<{n}>"))), client_id=client_id)
                    await viewer.answered(client_id)
            return all(client_id in viewer.acks for client_id in posted)

        await wait_until(all_acknowledged, 60, "every message being acknowledged")
        await viewer.until(lambda: len(viewer.of("agent.message")) >= 20, "20 answers", 90)
        assert sorted(viewer.text().strip("<>").split("><")) == sorted(str(n) for n in range(20))
        last = viewer.of("user.message")[-1]
        await viewer.turn_end(last)
