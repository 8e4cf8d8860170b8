"""Forks on a whole installation: what they begin with, and what the model hears of it."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from support.branches import fork, turn
from support.heard import heard, model_of
from support.play import log_of, new_session
from support.session_api import message, until_event
from support.stack import Stack
from support.worker_client import say, script


async def test_a_fork_begins_as_its_parent_did_and_goes_its_own_way(
    client: httpx.AsyncClient, stack: Stack
) -> None:
    session = await new_session(client)
    await turn(client, session, script(say("first answer")))
    second = await turn(client, session, "SECOND " + script(say("second answer")))
    parent = await log_of(client, session)
    cut = next(event["seq"] for event in parent if event["id"] == second) - 1

    made = await fork(client, session, at=second)
    branch = made["id"]
    assert made["title"].endswith("(2)")
    await turn(client, branch, "THIRD " + script(say("third answer")))

    log = await log_of(client, branch)
    assert log[:cut] == parent[:cut]
    seam = log[cut]
    assert (seam["type"], seam["code"]) == ("session.notice", "forked")
    assert seam["data"] == {"session_id": session, "seq": cut}
    assert "second answer" not in str(log)
    assert [event["seq"] for event in log] == list(range(1, len(log) + 1))
    asked = await heard(model_of(stack))
    assert "first answer" in asked
    assert "THIRD" in asked
    assert "SECOND" not in asked
    assert await log_of(client, session) == parent, "the parent does not notice"
    family = (await client.get(f"/sessions/{branch}/branches")).json()["data"]
    assert family[0]["said"] is None
    assert family[1]["said"].startswith("THIRD ")


async def test_a_fork_at_the_first_message_begins_empty(client: httpx.AsyncClient) -> None:
    session = await new_session(client)
    first = await turn(client, session, script(say("one")))
    branch = (await fork(client, session, at=first, title="Again"))["id"]
    await turn(client, branch, script(say("two")))
    answers = [e["content"][0]["text"] for e in await log_of(client, branch)
               if e["type"] == "agent.message"]  # fmt: skip
    assert answers == ["two"]


async def test_a_fork_without_a_place_holds_every_turn_that_has_ended(
    client: httpx.AsyncClient,
) -> None:
    session = await new_session(client)
    await turn(client, session, script(say("whole")))
    said = {"events": [message(script(say("word ", n=2000, chunk_delay=0.05)))]}
    await client.post(f"/sessions/{session}/events", json=said)
    await until_event(client, session, "agent.message")
    branch = (await fork(client, session, initial_events=[message(script(say("more")))]))["id"]
    await until_event(client, branch, "agent.message", content=[{"type": "text", "text": "more"}])
    types = [event["type"] for event in await log_of(client, branch)]
    assert types.count("span.turn_start") == 2
    assert types.count("user.message") == 2 + types.count("user.message_cancel")
    await client.post(f"/sessions/{session}/events", json={"events": [{"type": "user.interrupt"}]})


async def test_the_family_of_forks_is_shown_and_survives_a_deleted_parent(
    client: httpx.AsyncClient,
) -> None:
    session = await new_session(client)
    first = await turn(client, session, script(say("one")))
    child = (await fork(client, session))["id"]
    grandchild = (await fork(client, child, at=first))["id"]
    for member in (session, child, grandchild):
        data = (await client.get(f"/sessions/{member}/branches")).json()["data"]
        assert [(b["id"], b["parent"]) for b in data] == [
            (session, None), (child, session), (grandchild, child),
        ]  # fmt: skip
    before = await log_of(client, child)
    await client.delete(f"/sessions/{session}")
    data = (await client.get(f"/sessions/{grandchild}/branches")).json()["data"]
    assert [b["id"] for b in data] == [child, grandchild]
    assert (await log_of(client, child))[: len(before)] == before


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({"at": "sevt_nothing"}, 400, "at: 'sevt_nothing' is no user.message"),
        ({"where": 1}, 400, "where"),
        ({"initial_events": [{"type": "user.interrupt"}]}, 400, "initial_events"),
    ],
    ids=["unknown-message", "unknown-field", "no-message"],
)
async def test_a_bad_fork_is_refused_in_words(
    client: httpx.AsyncClient, body: dict[str, Any], status: int, said: str
) -> None:
    session = await new_session(client)
    answer = await client.post(f"/sessions/{session}/fork", json=body)
    assert answer.status_code == status, answer.text
    assert said in answer.text
