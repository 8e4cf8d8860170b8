"""Two gateways on one database: a client uses either, at any time, for the same session."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import psutil
import pytest

from support.casualties import gateway_on, kill, worker_of
from support.play import bash, say, script, settled, slow, watching
from support.stack import Stack
from support.viewer import Viewer, text_message
from support.waiting import wait_until

pytestmark = [pytest.mark.faults, pytest.mark.timeout(240)]

GATEWAY = "csp_controlplane.gateway"


@pytest.fixture(scope="module")
def pair() -> Iterator[Stack]:
    with Stack("--gateways", "2") as running:
        yield running


@asynccontextmanager
async def both(pair: Stack) -> AsyncIterator[tuple[Viewer, Viewer]]:
    """The same session watched through each gateway."""
    async with watching(pair) as first:
        other = f"http://127.0.0.1:{pair.instance.ports[1]}"
        second = Viewer(other, first.session_id, first.headers)
        await second.connect()
        yield first, second
        await wait_until(lambda: second.seq == first.seq, what="both having the same")
        assert second.facts == first.facts
        await second.close()


async def test_what_is_said_at_one_is_streamed_and_logged_at_both(pair: Stack) -> None:
    async with both(pair) as (first, second):
        message = await second.say(script(slow(40)))
        for viewer in (first, second):
            await viewer.partial(50)
        for viewer in (first, second):
            assert (await viewer.turn_end(message))["outcome"] == "completed"
        assert first.text() == second.text() == "word " * 40


async def test_a_question_is_answered_at_either_and_only_once(pair: Stack) -> None:
    async with both(pair) as (first, second):
        message = await first.say(script(bash("echo asked"), say("ran")))
        question = await second.fact("agent.tool_use", evaluated_permission="ask")
        await first.fact("session.status_idle")
        answer = {
            "type": "user.tool_confirmation", "tool_use_id": question["id"], "result": "allow"
        }  # fmt: skip
        sent = await asyncio.gather(first.post(answer), second.post(answer))

        for viewer, client_id in zip((first, second), sent, strict=True):
            await viewer.answered(client_id)
        refusals = [*first.errors, *second.errors]
        assert [error["error"]["type"] for error in refusals] == ["conflict_error"]
        await first.turn_end(message)
        assert len(first.of("user.tool_confirmation")) == 1


async def test_the_same_message_at_both_is_one_turn(pair: Stack) -> None:
    async with both(pair) as (first, second):
        text = text_message(script(say("once")))
        one, two = await asyncio.gather(
            first.send(text, client_id="the-same"), second.send(text, client_id="the-same")
        )
        assert one == two
        await first.turn_end(one)
        assert first.text() == "once"


async def test_one_dies_mid_delta_and_its_client_goes_on_at_the_other(pair: Stack) -> None:
    async with both(pair) as (first, second):
        message = await first.say(script(slow(200, word="tick ")))
        writing = await first.partial(50)
        kill(gateway_on(pair.instance.ports[0]))
        await first.gone()
        home, first.url = first.url, second.url
        seen = len(first.open[writing])
        await first.connect()
        assert len(first.open[writing]) >= seen
        assert (await first.turn_end(message))["outcome"] == "completed"
        assert first.text() == "tick " * 200
        assert "worker_lost" not in [e.get("code") for e in first.facts]
        first.url = home
        await first.connect(deadline=60)


async def test_a_frozen_writer_is_replaced_and_writes_nothing_twice_when_it_wakes(
    pair: Stack,
) -> None:
    """Whichever of them commits: the other takes over after 5 s, and the log has each fact once."""
    async with both(pair) as (first, second):
        await first.turn(script(say("both are attached")))
        for port, watcher in zip(pair.instance.ports, (second, first), strict=True):
            pid = gateway_on(port)
            message = await watcher.say(script(say("before "), say("unused")))
            await watcher.turn_end(message)
            psutil.Process(pid).send_signal(signal.SIGSTOP)
            try:
                message = await watcher.say(script(slow(20, word="alone ")))
                end = await watcher.turn_end(message, deadline=60)
                assert end["outcome"] == "completed"
            finally:
                psutil.Process(pid).send_signal(signal.SIGCONT)
        for viewer in (first, second):
            if viewer.closed is not None:
                await viewer.connect(deadline=60)


async def test_the_worker_dies_and_exactly_one_of_them_replaces_it(pair: Stack) -> None:
    async with both(pair) as (first, second):
        message = await second.say(script(slow()))
        await first.partial(20)
        worker = await worker_of(pair, first.session_id)
        worker.kill()
        for viewer in (first, second):
            assert (await viewer.turn_end(message))["reason"] == "worker_lost"
        await worker.gone()
        assert (await second.turn(script(say("on")), deadline=60))["outcome"] == "completed"
        epochs = [
            event["data"]["epoch"]
            for event in second.of("session.notice")
            if event["code"] in ("worker_bound", "resumed")
        ]
        assert epochs == [1, 2]


async def test_a_session_archived_at_one_is_closed_at_the_other(pair: Stack) -> None:
    async with both(pair) as (first, second), pair.client() as client:
        await first.turn(script(say("hello")))
        await client.post(f"/sessions/{first.session_id}/archive")
        refused = await second.post(text_message("too late"))
        assert "archived" in (await second.refusal(refused))["message"]
        await client.post(f"/sessions/{first.session_id}/unarchive")
        assert (await second.turn(script(say("again")), deadline=60))["outcome"] == "completed"
        await wait_until(lambda: first.seq == second.seq, what="both having the same")
        await settled(first, client)
