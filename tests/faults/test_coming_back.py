"""Coming back: after a rest, after a night, on another machine, the session is what it was."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Iterator

import pytest

from csp_controlplane.store import checkpoints
from csp_controlplane.store.checkpoints import Checkpoint
from csp_controlplane.store.database import Database
from csp_controlplane.supervisor.access import OWNER_TENANT
from support.casualties import worker_of
from support.play import bash, say, script, watching
from support.stack import Stack
from support.viewer import Event, Viewer
from support.waiting import wait_until

pytestmark = [pytest.mark.faults, pytest.mark.timeout(280)]


@pytest.fixture
def sleepy() -> Iterator[Stack]:
    """Gives idle workers back after three seconds."""
    with Stack("--gateways", "2", environment={"CSP_SESSIONS_IDLE_TIMEOUT": "3"}) as running:
        yield running


async def run(viewer: Viewer, command: str) -> Event:
    """Has a command run; its result."""
    before = viewer.seq
    message = await viewer.say(script(bash(command), say("done")))
    question = await viewer.fact("agent.tool_use", after=before, evaluated_permission="ask",
                                 deadline=60)  # fmt: skip
    await viewer.answer(question)
    assert (await viewer.turn_end(message, 60))["outcome"] == "completed"
    return await viewer.fact("agent.tool_result", after=before)


async def kept(stack: Stack, session_id: str, files: int) -> Checkpoint:
    """The newest checkpoint, once it holds so many files."""
    db = await Database.connect(stack.instance.database_url, max_size=1)

    async def there() -> Checkpoint | None:
        found = await checkpoints.newest(db, OWNER_TENANT, session_id)
        return found if found is not None and found.files == files else None

    try:
        found = await wait_until(there, 30, f"a checkpoint of {files} files")
    finally:
        await db.close()
    assert found is not None
    return found


async def test_a_session_that_rests_is_woken_by_a_message_at_another_gateway(
    sleepy: Stack,
) -> None:
    async with watching(sleepy) as viewer:
        await run(viewer, "echo precious > file")
        await viewer.fact("session.notice", code="paused")
        other = Viewer(
            f"http://127.0.0.1:{sleepy.instance.ports[1]}", viewer.session_id, viewer.headers
        )
        async with other:
            result = await run(other, "cat file")
            assert "precious" in json.dumps(result["content"])
            assert (await other.fact("session.notice", code="resumed"))["level"] == "info"
        await viewer.until(lambda: viewer.seq >= other.seq, "the same at the first")


async def test_the_next_day_on_another_machine_conversation_and_files_are_there() -> None:
    with Stack() as stack:
        async with watching(stack) as viewer:
            await run(viewer, "mkdir -p deep && echo precious > deep/file && ln -s deep/file link")
            await kept(stack, viewer.session_id, 1)
            await asyncio.to_thread(stack.stop)
            # What another machine has is the database and the objects.
            for directory in (stack.layout.workspaces, stack.layout.workers):
                shutil.rmtree(directory)
            await asyncio.to_thread(stack.start)
            await viewer.connect(deadline=60)
            result = await run(viewer, "cat link && pwd")
            assert "precious" in json.dumps(result["content"])
            codes = [event["code"] for event in viewer.of("session.notice")]
            assert "workspace_lost" not in codes


async def test_files_that_a_killed_worker_took_along_come_back_and_the_log_says_from_when() -> None:
    with Stack() as stack:
        async with watching(stack) as viewer:
            await run(viewer, "echo one > file")
            await kept(stack, viewer.session_id, 1)
            worker = await worker_of(stack, viewer.session_id)
            before = viewer.seq
            message = await viewer.say(script(bash("echo two > file && sleep 60"), say("never")))
            question = await viewer.fact("agent.tool_use", after=before, evaluated_permission="ask")
            await viewer.answer(question)
            workspace = stack.layout.workspaces / viewer.session_id
            await wait_until(lambda: (workspace / "file").read_text() == "two\n", 30, "the change")
            worker.kill()
            shutil.rmtree(workspace)
            assert (await viewer.turn_end(message, 60))["reason"] == "worker_lost"
            result = await run(viewer, "cat file")
            assert "one" in json.dumps(result["content"])
