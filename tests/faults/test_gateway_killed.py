"""A gateway dies by SIGKILL at a named point and is started again by the supervisor.

What its client had been told holds, what it had said and not been told about is said again under
the same id, and the worker goes on as if nothing had happened.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from support.casualties import kill, replaced, worker_of
from support.choke import Choke
from support.outside import Outside
from support.play import bash, say, script, slow, watching
from support.roster import nothing_left
from support.viewer import Viewer, text_message
from support.waiting import wait_until

pytestmark = pytest.mark.faults

GATEWAY = "csp_controlplane.gateway"


@pytest.fixture(scope="module")
def outside() -> Iterator[Outside]:
    with Outside() as running:
        yield running


@pytest.fixture(autouse=True)
async def no_process_left_behind(outside: Outside) -> AsyncIterator[None]:
    async with nothing_left(outside.stack):
        yield


async def kill_gateway(outside: Outside, viewer: Viewer) -> None:
    """SIGKILL, and the client sees its connection end."""
    old = outside.stack.pid(GATEWAY)
    kill(old)
    await viewer.gone()
    await replaced(outside.stack, GATEWAY, old)


async def test_mid_delta_the_text_goes_on_where_it_was(outside: Outside) -> None:
    async with watching(outside.stack) as viewer:
        message = await viewer.say(script(slow(4000, word="tick ")))
        writing = await viewer.partial(50)
        worker = await worker_of(outside.stack, viewer.session_id)
        await kill_gateway(outside, viewer)
        seen = len(viewer.open[writing])
        await viewer.connect()
        await viewer.until(lambda: len(viewer.open.get(writing, b"")) > seen + 20, "more text")
        await viewer.send({"type": "user.interrupt"})
        end = await viewer.turn_end(message)
        assert (end["outcome"], end["reason"]) == ("interrupted", "user_interrupt")
        assert viewer.sentences() == ["The session is ready."], "nothing happened to the session"
        assert worker.living() == [worker.head, *worker.below], "the worker and its CLI live on"


async def test_between_commit_and_acknowledgement_the_message_is_said_again_and_is_one_turn(
    outside: Outside,
) -> None:
    async with watching(outside.stack) as viewer:
        await viewer.turn(script(say("first")))
        text = script(say("unacknowledged"))
        outside.choke.hold_answers_to(b"unacknowledged")
        client_id = await viewer.post(text_message(text))
        await wait_until(lambda: outside.choke.holding, what="an answer being held back")

        async def committed() -> bool:
            events = await outside.stored(viewer.session_id)
            return any(event.get("client_id") == client_id for event in events)

        await wait_until(committed, what="the message being in the log")
        assert client_id not in viewer.acks
        await kill_gateway(outside, viewer)
        outside.choke.release()
        await viewer.connect()
        again = await viewer.send(text_message(text), client_id=client_id)
        await viewer.turn_end(again)
        assert viewer.text().count("unacknowledged") == 1
        ours = [e for e in viewer.of("user.message") if e.get("client_id") == client_id]
        assert [event["id"] for event in ours] == [again["id"]]


async def test_between_acknowledgement_and_show_others_get_the_message_when_they_return(
    outside: Outside,
) -> None:
    port = outside.stack.instance.ports[0]
    with Choke(("127.0.0.1", 0), ("127.0.0.1", port)) as between:
        async with watching(outside.stack) as sender:
            await sender.turn(script(say("first")))
            deaf = Viewer(f"http://127.0.0.1:{between.port}", sender.session_id, sender.headers)
            await deaf.connect()
            between.hold_answers()
            message = await sender.say(script(slow(60)))
            await wait_until(lambda: between.holding, what="something being held back")
            assert message["id"] not in [event["id"] for event in deaf.facts]
            await kill_gateway(outside, sender)
            between.cut()
            await deaf.gone()
            await deaf.connect()
            await sender.connect()
            await sender.turn_end(message, deadline=60)
            await deaf.turn_end(message, deadline=60)
            await sender.until(lambda: sender.seq == deaf.seq, "both having the same")
            assert deaf.facts == sender.facts
            await deaf.close()


async def test_a_fact_whose_commit_nobody_heard_of_is_in_the_log_once(outside: Outside) -> None:
    async with watching(outside.stack) as viewer:
        # Only the fact holds the text in one piece: the prompt has the pieces.
        outside.choke.hold_answers_to(b"tocktock")
        message = await viewer.say(script(say("tock", n=2)))
        await wait_until(lambda: outside.choke.holding, what="an answer being held back")

        async def committed() -> bool:
            events = await outside.stored(viewer.session_id)
            return any(event["type"] == "agent.message" for event in events)

        await wait_until(committed, what="the answer being in the log")
        assert viewer.of("agent.message") == [], "shown only after the commit is known"
        await kill_gateway(outside, viewer)
        outside.choke.release()
        await viewer.connect()
        end = await viewer.turn_end(message, deadline=60)
        assert end["outcome"] == "completed"
        assert viewer.text() == "tocktock"


async def test_while_an_approval_waits_the_question_stays_open(outside: Outside) -> None:
    async with watching(outside.stack) as viewer:
        message = await viewer.say(script(bash("echo still $((20 + 3))"), say("done it")))
        question = await viewer.fact("agent.tool_use", evaluated_permission="ask")
        await viewer.fact("session.status_idle")
        await kill_gateway(outside, viewer)
        await viewer.connect()
        assert viewer.hello["session"]["pending"] == [question["id"]]
        await viewer.answer(question)
        await viewer.turn_end(message)
        (result,) = viewer.of("agent.tool_result")
        assert "still 23" in str(result["content"])


async def test_an_answer_that_nobody_acknowledged_is_given_again_and_counts_once(
    outside: Outside,
) -> None:
    async with watching(outside.stack) as viewer:
        message = await viewer.say(script(bash("echo once >> count"), say("done it")))
        question = await viewer.fact("agent.tool_use", evaluated_permission="ask")
        await viewer.fact("session.status_idle")
        answer = {
            "type": "user.tool_confirmation", "tool_use_id": question["id"], "result": "allow"
        }  # fmt: skip
        outside.choke.hold_answers_to(b"user.tool_confirmation")
        client_id = await viewer.post(answer)
        await wait_until(lambda: outside.choke.holding, what="an answer being held back")
        await kill_gateway(outside, viewer)
        outside.choke.release()
        await viewer.connect()
        await viewer.send(answer, client_id=client_id)
        await viewer.turn_end(message)
        assert len(viewer.of("user.tool_confirmation")) == 1
        assert len(viewer.of("agent.tool_result")) == 1
        async with outside.stack.client() as client:
            path = f"/sessions/{viewer.session_id}/files/content?path=count"
            assert (await client.get(path)).text == "once\n"


async def test_the_database_breaks_off_between_commit_and_answer_and_the_gateway_finds_out(
    outside: Outside,
) -> None:
    """The gateway lives on and does not know whether its commit was one."""
    async with watching(outside.stack) as viewer:
        outside.choke.hold_answers_to(b"tacktack")
        message = await viewer.say(script(say("tack", n=2)))
        await wait_until(lambda: outside.choke.holding, what="an answer being held back")
        outside.choke.cut()
        end = await viewer.turn_end(message, deadline=60)
        assert end["outcome"] == "completed"
        assert viewer.text() == "tacktack"
