"""The files of forks and of rewound sessions: as they were before a message, and no later."""

from __future__ import annotations

import httpx
import pytest

from support.branches import files, fork, turn, writes
from support.play import log_of
from support.session_api import message, until_event
from support.worker_client import say, script

FREELY = {"permission_mode": "bypassPermissions"}


async def begin(client: httpx.AsyncClient) -> tuple[str, list[str]]:
    """A session whose turns write one, nothing, and two; the ids of its messages."""
    answer = await client.post("/sessions", json=FREELY)
    assert answer.status_code == 200, answer.text
    session = answer.json()["id"]
    said = [
        await turn(client, session, writes("a.txt", "one")),
        await turn(client, session, script(say("nothing to write"))),
        await turn(client, session, writes("a.txt", "two")),
    ]
    assert await files(client, session) == {"a.txt": "two"}
    return session, said


async def test_a_fork_has_the_files_of_its_place(client: httpx.AsyncClient) -> None:
    session, said = await begin(client)
    for at, wanted in zip(said, [{}, {"a.txt": "one"}, {"a.txt": "one"}], strict=True):
        branch = (await fork(client, session, at=at))["id"]
        assert await files(client, branch) == wanted, at
        notices = [e["code"] for e in await log_of(client, branch) if e["type"] == "session.notice"]
        assert not {"workspace_lost", "workspace_restored"} & set(
            notices[notices.index("forked") :]
        )
    whole = (await fork(client, session))["id"]
    assert await files(client, whole) == {"a.txt": "two"}
    await turn(client, whole, writes("b.txt", "three"))
    assert await files(client, session) == {"a.txt": "two"}, "the parent's are its own"


async def test_files_go_back_to_a_message_and_the_conversation_stays(
    client: httpx.AsyncClient,
) -> None:
    session, said = await begin(client)
    before = await log_of(client, session)
    for to in (said[2], said[1]):
        answer = await client.post(f"/sessions/{session}/rewind", json={"to": to})
        assert answer.status_code == 200, answer.text
        assert await files(client, session) == {"a.txt": "one"}
    log = await log_of(client, session)
    assert log[: len(before)] == before
    notice = await until_event(client, session, "session.notice", code="files_taken_back")
    assert notice["data"] == {"message_id": said[2]}
    await turn(client, session, writes("c.txt", "four"))
    assert await files(client, session) == {"a.txt": "one", "c.txt": "four"}


async def test_a_running_turn_is_interrupted_when_its_files_are_taken_back(
    client: httpx.AsyncClient,
) -> None:
    session, said = await begin(client)
    slow = script(say("word ", n=2000, chunk_delay=0.05))
    await client.post(f"/sessions/{session}/events", json={"events": [message(slow)]})
    await until_event(client, session, "span.turn_start")
    answer = await client.post(f"/sessions/{session}/rewind", json={"to": said[2]})
    assert answer.status_code == 200, answer.text
    assert await files(client, session) == {"a.txt": "one"}
    await turn(client, session, script(say("here again")))
    ends = [e for e in await log_of(client, session) if e["type"] == "span.turn_end"]
    assert [end["outcome"] for end in ends] == ["completed"] * 3 + ["interrupted", "completed"]


@pytest.mark.parametrize("to", ["sevt_nothing", ""], ids=["unknown", "empty"])
async def test_a_place_that_is_none_is_refused(client: httpx.AsyncClient, to: str) -> None:
    answer = await client.post("/sessions", json={})
    refused = await client.post(f"/sessions/{answer.json()['id']}/rewind", json={"to": to})
    assert refused.status_code == 400
