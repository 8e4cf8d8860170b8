"""A worker or its CLI dies by SIGKILL at a named point: what its person sees, and what stays."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from support.casualties import Family, lives, with_program, worker_of
from support.play import bash, say, script, slow, watching
from support.stack import Stack
from support.viewer import Event, Viewer, text_message
from support.waiting import wait_until

pytestmark = pytest.mark.faults

LOST = "The session's worker stopped unexpectedly. A new one is being prepared."


async def goes_on(viewer: Viewer, message: Event | None = None) -> None:
    """A further message is answered, by a worker that remembers the conversation."""
    message = message or await viewer.say(script(say("and on it goes")))
    end = await viewer.turn_end(message, deadline=60)
    assert (end["outcome"], end["reason"]) == ("completed", "end_turn")
    assert viewer.of("agent.message")[-1]["content"] == [{"type": "text", "text": "and on it goes"}]


def interrupted(viewer: Viewer, message: Event) -> Event:
    """The end of a turn that its worker could not end."""
    (end,) = [e for e in viewer.of("span.turn_end") if message["id"] in e["message_ids"]]
    assert (end["outcome"], end["reason"]) == ("interrupted", "worker_lost")
    assert LOST in viewer.sentences()
    return end


async def test_killed_before_the_turn_starts_the_message_is_answered_once(stack: Stack) -> None:
    async with watching(stack) as viewer:
        await viewer.turn(script(say("first")))
        worker = await worker_of(stack, viewer.session_id)
        worker.head.send_signal(signal.SIGSTOP)  # so that it cannot begin
        message = await viewer.say(script(say("and on it goes")))
        worker.kill()
        await worker.gone()
        await goes_on(viewer, message)
        assert [end["outcome"] for end in viewer.of("span.turn_end")] == ["completed"] * 2
        assert LOST in viewer.sentences()


async def test_killed_mid_delta_the_turn_is_interrupted_and_what_was_shown_is_kept(
    stack: Stack,
) -> None:
    async with watching(stack) as viewer:
        message = await viewer.say(script(slow()))
        writing = await viewer.partial(50)
        worker = await worker_of(stack, viewer.session_id)
        killed = time.monotonic()
        worker.kill()
        await viewer.turn_end(message)
        assert time.monotonic() - killed < 2, "the death is visible within 2 s"
        shown = viewer.ended_previews[writing]
        (partial,) = interrupted(viewer, message)["partial"]
        assert partial["event_id"] == writing
        assert partial["text"].encode().startswith(shown)
        await worker.gone()
        await goes_on(viewer)


async def test_killed_while_a_tool_runs_the_tool_ends_too(stack: Stack) -> None:
    async with watching(stack) as viewer:
        command = "tail -f /dev/null & tail -f /dev/null"
        message = await viewer.say(script(bash(command), say("never")))
        await viewer.answer(await viewer.fact("agent.tool_use", evaluated_permission="ask"))
        worker = await with_program(stack, viewer.session_id, "tail", 2)
        worker.kill()
        await viewer.turn_end(message)
        interrupted(viewer, message)
        await worker.gone()
        assert "never" not in viewer.text()
        await goes_on(viewer)


async def test_killed_while_an_approval_waits_the_question_expires(stack: Stack) -> None:
    async with watching(stack) as viewer:
        message = await viewer.say(script(bash("touch never"), say("never")))
        question = await viewer.fact("agent.tool_use", evaluated_permission="ask")
        await viewer.fact("session.status_idle")
        worker = await worker_of(stack, viewer.session_id)
        worker.kill()
        await viewer.turn_end(message)
        interrupted(viewer, message)
        refused = await viewer.post(
            {"type": "user.tool_confirmation", "tool_use_id": question["id"], "result": "allow"}
        )
        error = await viewer.refusal(refused)
        assert error == {
            "type": "conflict_error",
            "message": "This question has already been answered, or what asked it has ended.",
        }
        await worker.gone()
        await goes_on(viewer)
        assert viewer.of("user.tool_confirmation") == []
        assert viewer.of("agent.tool_result") == []


async def test_queued_messages_outlive_the_worker_in_their_order(stack: Stack) -> None:
    async with watching(stack) as viewer:
        running = await viewer.say(script(slow()))
        await viewer.partial(20)
        queued = [await viewer.say(script(say(f"answer {n}"))) for n in range(3)]
        worker = await worker_of(stack, viewer.session_id)
        worker.kill()
        await viewer.turn_end(queued[-1], deadline=60)
        interrupted(viewer, running)
        assert [e["content"][0]["text"] for e in viewer.of("agent.message")] == [
            "answer 0", "answer 1", "answer 2"
        ]  # fmt: skip
        await worker.gone()


@pytest.fixture
def patient() -> Iterator[Stack]:
    """An installation that leaves a worker long enough to end that a frozen one can wake up."""
    with Stack(environment={"CSP_SUPERVISOR_STOP_DEADLINE": "25"}) as running:
        yield running


async def test_an_old_worker_that_wakes_up_after_its_epoch_says_nothing_more(
    patient: Stack,
) -> None:
    async with watching(patient) as viewer:
        message = await viewer.say(script(slow(600)))
        await viewer.partial(50)
        old = await worker_of(patient, viewer.session_id)
        old.head.send_signal(signal.SIGSTOP)
        await viewer.fact("session.notice", code="worker_lost", deadline=60)
        before = viewer.seq
        assert old.head.status() == psutil.STATUS_STOPPED, "it is there to wake up"
        known = len(said_by(patient, old))
        old.head.send_signal(signal.SIGCONT)
        awake = {"gateway detached", "ending"}
        await wait_until(
            lambda: awake <= set(said_by(patient, old)[known:]), 30, "it finding itself alone"
        )
        interrupted(viewer, message)
        await old.gone(30)
        await goes_on(viewer)
        said = [e for e in viewer.facts[before:] if e["type"].startswith("agent.")]
        assert [e["content"][0]["text"] for e in said] == ["and on it goes"]


def said_by(stack: Stack, worker: Family) -> list[str]:
    """What a worker has logged, also one that has ended."""
    worker_id = Path(worker.directory).name
    lines = (stack.layout.logs / "workers.log").read_text().splitlines()
    logged = [json.loads(line) for line in lines]
    return [line.get("event", "") for line in logged if line.get("worker_id") == worker_id]


async def test_the_cli_killed_mid_turn_is_seen_within_2_s_and_started_again(stack: Stack) -> None:
    async with watching(stack) as viewer:
        message = await viewer.say(script(slow()))
        writing = await viewer.partial(50)
        worker = await worker_of(stack, viewer.session_id)
        cli = worker.named("claude")
        killed = time.monotonic()
        cli.kill()
        end = await viewer.turn_end(message)
        assert time.monotonic() - killed < 2
        assert (end["outcome"], end["reason"]) == ("interrupted", "cli_died")
        assert [part["event_id"] for part in end["partial"]] == [writing]
        notice = await viewer.fact("session.notice", code="cli_restarted")
        assert notice["message"].startswith("The agent's process ended unexpectedly")
        await goes_on(viewer)
        after = await worker_of(stack, viewer.session_id)
        assert after.head.pid == worker.head.pid, "the worker stays"
        assert not lives(cli)


async def test_the_cli_killed_while_an_approval_waits_expires_the_question(stack: Stack) -> None:
    async with watching(stack) as viewer:
        message = await viewer.say(script(bash("touch never"), say("never")))
        question = await viewer.fact("agent.tool_use", evaluated_permission="ask")
        await viewer.fact("session.status_idle")
        (await worker_of(stack, viewer.session_id)).named("claude").kill()
        end = await viewer.turn_end(message)
        assert end["reason"] == "cli_died"
        late = {"type": "user.tool_confirmation", "tool_use_id": question["id"], "result": "allow"}
        refused = await viewer.post(late)
        assert (await viewer.refusal(refused))["type"] == "conflict_error"
        await goes_on(viewer)


async def test_a_worker_killed_at_rest_is_replaced_when_it_is_needed(stack: Stack) -> None:
    async with watching(stack) as viewer:
        await viewer.turn(script(say("first")))
        worker = await worker_of(stack, viewer.session_id)
        worker.kill()
        await viewer.fact("session.notice", code="worker_lost")
        await worker.gone()
        sent = await viewer.post(text_message(script(say("and on it goes"))))
        await goes_on(viewer, (await viewer.ack(sent))[0])
