"""What a power cut leaves: every process gone at once in the middle of things, then `csp up`."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from support.casualties import with_program, worker_of
from support.parts_of_stack import wait_warm
from support.play import bash, log_of, new_session, say, script, settled, slow
from support.roster import roster
from support.stack import Stack
from support.viewer import Event, Viewer
from support.waiting import wait_until

pytestmark = [pytest.mark.faults, pytest.mark.timeout(300)]

WORD = "power "


@pytest.fixture
def own_stack() -> Iterator[Stack]:
    with Stack() as stack:
        yield stack


async def test_after_a_power_cut_nothing_shown_is_lost_and_every_session_goes_on(
    own_stack: Stack,
) -> None:
    async with own_stack.client() as client:
        talking, asking, working, resting = viewers = [
            Viewer(own_stack.url, await new_session(client), own_stack.headers) for _ in range(4)
        ]
        for viewer in viewers:
            await viewer.connect()
        await resting.turn(script(say("at rest")), deadline=90)
        cut = await talking.say(script(slow(word=WORD)))
        queued = await talking.say(script(say("was queued")))
        asked = await asking.say(script(bash("touch never"), say("never")))
        await asking.fact("session.status_idle", deadline=60)
        ran = await working.say(script(bash("sleep 4243 & setsid sleep 4243"), say("never")))
        await working.answer(await working.fact("agent.tool_use", deadline=60))
        families = [await worker_of(own_stack, viewer.session_id) for viewer in (talking, asking)]
        families.append(await with_program(own_stack, working.session_id, "sleep", 2))
        await talking.partial(50)
    own_stack.kill_everything()
    await wait_until(lambda: not own_stack.survivors(), 5, "every process being gone")
    for family in families:  # as the kernel had them, whatever they carry
        await family.gone(5)
    own_stack.start()

    async with own_stack.client() as client:
        for viewer in viewers:
            shown = list(viewer.facts)
            await viewer.connect(deadline=60)
            assert viewer.facts[: len(shown)] == shown
            log = await log_of(client, viewer.session_id)
            assert [{**event, "seq": None} for event in log[: len(shown)]] == [
                {**event, "seq": None} for event in shown
            ]
        await talking.turn_end(queued, deadline=90)
        was_cut(talking, cut)
        assert talking.text() == "was queued"
        await asking.turn_end(asked, deadline=60)
        was_cut(asking, asked)
        assert asking.of("agent.tool_result") == []
        await working.turn_end(ran, deadline=60)
        was_cut(working, ran)
        for viewer in viewers:
            end = await viewer.turn(script(say("and on")), deadline=90)
            assert end["outcome"] == "completed"
            await settled(viewer, client)
            await viewer.close()
            await client.delete(f"/sessions/{viewer.session_id}")
    await asyncio.to_thread(wait_warm, own_stack)
    assert [kind for kind in roster(own_stack) if kind.startswith("orphan")] == []


def was_cut(viewer: Viewer, message: Event) -> None:
    (end,) = [e for e in viewer.of("span.turn_end") if message["id"] in e["message_ids"]]
    assert (end["outcome"], end["reason"]) == ("interrupted", "worker_lost")
    assert "The session's worker stopped unexpectedly. A new one is being prepared." in (
        viewer.sentences()
    )
