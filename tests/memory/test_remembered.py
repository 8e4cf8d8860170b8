"""The conversation is really remembered: the model is sent what was said before."""

from __future__ import annotations

import asyncio
import shutil

import pytest

from support.casualties import worker_of
from support.heard import heard, model_of
from support.play import say, script, watching
from support.stack import Stack
from support.viewer import Viewer

pytestmark = pytest.mark.timeout(280)


async def introduce(viewer: Viewer) -> None:
    end = await viewer.turn("My name is Ada. " + script(say("Hello Ada")), 60)
    assert end["outcome"] == "completed"


async def ask(viewer: Viewer, stack: Stack) -> None:
    end = await viewer.turn("Who am I? " + script(say("You are Ada")), 60)
    assert end["outcome"] == "completed"
    known = await heard(model_of(stack), "Who am I?")
    assert "My name is Ada." in known
    assert "Hello Ada" in known
    assert "transcript_gap" not in [event.get("code") for event in viewer.facts]


async def test_a_killed_worker_is_replaced_unasked_by_one_that_remembers(stack: Stack) -> None:
    async with watching(stack) as viewer:
        await introduce(viewer)
        worker = await worker_of(stack, viewer.session_id)
        worker.kill()
        await viewer.fact("session.notice", code="worker_lost", deadline=60)
        await viewer.fact("session.notice", code="resumed", deadline=60)
        heir = await worker_of(stack, viewer.session_id)
        assert heir.head.pid != worker.head.pid
        await ask(viewer, stack)


async def test_the_next_day_another_machine_remembers() -> None:
    with Stack() as stack:
        async with watching(stack) as viewer:
            await introduce(viewer)
            await asyncio.to_thread(stack.stop)
            # What another machine has is the database and the objects.
            for directory in (stack.layout.workspaces, stack.layout.workers):
                shutil.rmtree(directory)
            await asyncio.to_thread(stack.start)
            await viewer.connect(deadline=60)
            await ask(viewer, stack)
