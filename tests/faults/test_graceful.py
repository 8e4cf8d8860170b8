"""SIGTERM, as every deploy sends it: whoever is in the middle of something does not notice."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Iterator

import pytest

from support.casualties import gateway_on, replaced, worker_of
from support.parts_of_stack import PROXY
from support.play import bash, say, script, slow, watching
from support.stack import Stack

pytestmark = [pytest.mark.faults, pytest.mark.timeout(240)]

GAP_S = 1.0


@pytest.fixture(scope="module")
def pair() -> Iterator[Stack]:
    with Stack("--gateways", "2", environment={"CSP_WORKER_GRACE_SECONDS": "20"}) as running:
        yield running


async def test_a_gateway_hands_its_streams_over_without_a_gap(pair: Stack) -> None:
    async with watching(pair) as viewer:
        message = await viewer.say(script(slow(250, 0.02, "tick ")))
        writing = await viewer.partial(50)
        other = f"http://127.0.0.1:{pair.instance.ports[1]}"
        old = gateway_on(pair.instance.ports[0])
        os.kill(old, signal.SIGTERM)
        code, _ = await viewer.gone()
        assert code == 1012, "the page knows this code, and tries the next gateway at once"
        shown = len(viewer.open[writing])
        home, viewer.url = viewer.url, other
        begin = time.monotonic()
        await viewer.connect()
        await viewer.partial(shown + 5)
        assert time.monotonic() - begin < GAP_S, "the answer goes on at once"
        assert (await viewer.turn_end(message))["outcome"] == "completed"
        assert viewer.text() == "tick " * 250
        assert {"worker_lost", "resumed"}.isdisjoint(e.get("code") for e in viewer.facts)
        viewer.url = home
        await viewer.connect(deadline=60)
        assert gateway_on(pair.instance.ports[0]) != old


async def test_a_worker_lets_its_turn_end_and_the_next_message_has_another(pair: Stack) -> None:
    async with watching(pair) as viewer:
        message = await viewer.say(script(slow(100, 0.02, "tick ")))
        await viewer.partial(50)
        waiting = await viewer.say(script(say("next")))
        worker = await worker_of(pair, viewer.session_id)
        worker.head.send_signal(signal.SIGTERM)
        assert (await viewer.turn_end(message))["outcome"] == "completed"
        await worker.gone()
        assert (await viewer.turn_end(waiting, 60))["outcome"] == "completed"
        assert viewer.text() == "tick " * 100 + "next"


async def test_a_worker_that_waits_for_a_person_ends_at_once_and_says_so(pair: Stack) -> None:
    async with watching(pair) as viewer:
        message = await viewer.say(script(bash("echo asked"), say("over")))
        await viewer.fact("agent.tool_use", evaluated_permission="ask")
        await viewer.fact("session.status_idle")
        worker = await worker_of(pair, viewer.session_id)
        begin = time.monotonic()
        worker.head.send_signal(signal.SIGTERM)
        end = await viewer.turn_end(message)
        assert (end["outcome"], end["reason"]) == ("interrupted", "shutdown")
        assert time.monotonic() - begin < 15
        await worker.gone()
        assert (await viewer.turn(script(say("on")), 60))["outcome"] == "completed"


async def test_a_worker_at_the_end_of_its_life_says_so_and_the_next_one_takes_over(
    pair: Stack,
) -> None:
    """A minute is the shortest life that a definition can give."""
    async with watching(pair, options={"limits": {"session_seconds": 60}}) as viewer:
        await viewer.turn("My name is Ada. " + script(say("noted")), 60)
        first = await worker_of(pair, viewer.session_id)
        notice = await viewer.fact("session.notice", code="session_time_limit", deadline=90)
        assert notice["message"] == (
            "This session's worker has reached its life of 1 min. Send a message to go on with a "
            "new one."
        )
        await first.gone()
        assert (await viewer.turn(script(say("and on")), 60))["outcome"] == "completed"
        second = await worker_of(pair, viewer.session_id)
        assert second.head.pid != first.head.pid
        notices = viewer.of("session.notice")
        assert "worker_lost" not in [event["code"] for event in notices]
        bound = [event["data"]["epoch"] for event in notices if event["code"] == "worker_bound"]
        assert bound == [1, 2]


async def test_all_of_it_stopped_in_mid_answer_keeps_what_was_said_and_says_why() -> None:
    with Stack() as stack:
        async with watching(stack) as viewer:
            message = await viewer.say(script(slow(400, 0.05, "tick ")))
            shown = len(viewer.open[await viewer.partial(50)])
            await asyncio.to_thread(stack.stop)
            await asyncio.to_thread(stack.start)
            await viewer.connect(deadline=60)
            end = await viewer.turn_end(message, 60)
            reason = (end["outcome"], end["reason"])
            assert reason == ("interrupted", "shutdown"), viewer.sentences()
            kept = viewer.text() or "".join(part["text"] for part in end["partial"])
            assert len(kept) >= shown
            assert viewer.of("session.error") == []
            assert (await viewer.turn(script(say("on")), 60))["outcome"] == "completed"
            assert "worker_lost" not in [e.get("code") for e in viewer.facts]


async def test_all_of_it_stopped_while_nothing_runs_leaves_no_mark() -> None:
    with Stack() as stack:
        async with watching(stack) as viewer:
            assert (await viewer.turn(script(say("once"))))["outcome"] == "completed"
            before = [e["id"] for e in viewer.facts]
            await asyncio.to_thread(stack.stop)
            await asyncio.to_thread(stack.start)
            await viewer.connect(deadline=60)
            assert (await viewer.turn(script(say("again")), 60))["outcome"] == "completed"
            added = [e for e in viewer.facts if e["id"] not in before]
            codes = [e["code"] for e in added if e["type"] == "session.notice"]
            assert codes == ["worker_bound"], viewer.sentences()


async def test_the_proxy_lets_an_answer_end(pair: Stack) -> None:
    async with watching(pair) as viewer:
        message = await viewer.say(script(slow(150, 0.02, "tick ")))
        await viewer.partial(50)
        old = pair.pid(PROXY)
        os.kill(old, signal.SIGTERM)
        assert (await viewer.turn_end(message))["outcome"] == "completed"
        assert viewer.text() == "tick " * 150
        await replaced(pair, PROXY, old)
        assert (await viewer.turn(script(say("on")), 60))["outcome"] == "completed"
