"""Sessions over HTTP as far as they need no worker: made, listed, sent to, read, kept apart."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from support.gateway_process import Person
from support.session_api import log_of, message, new_session


async def test_a_session_starts_with_what_the_tenant_has(api: httpx.AsyncClient) -> None:
    session = await new_session(api)
    shown = (await api.get(f"/sessions/{session}")).json()
    assert shown["agent"]["name"] == "Assistant"
    assert shown["environment_id"].startswith("env_")
    assert shown["permission_mode"] == "default"
    assert shown["cost_usd"] == 0


async def test_initial_events_are_sent(api: httpx.AsyncClient) -> None:
    session = await new_session(
        api, initial_events=[message("hello")], permission_mode="plan", model="claude-x"
    )
    (event,) = await log_of(api, session, **{"types[]": "user.message"})
    assert event["content"] == [{"type": "text", "text": "hello"}]
    shown = (await api.get(f"/sessions/{session}")).json()
    assert (shown["permission_mode"], shown["model"]) == ("plan", "claude-x")
    answer = await api.post("/sessions", json={"initial_events": [{"type": "user.interrupt"}]})
    assert answer.status_code == 400


async def test_the_log_is_paged_both_ways_and_narrowed(api: httpx.AsyncClient) -> None:
    session = await new_session(api)
    texts = [f"message {number}" for number in range(7)]
    sent = await api.post(
        f"/sessions/{session}/events", json={"events": [message(text) for text in texts]}
    )
    assert [event["type"] for event in sent.json()["data"]] == ["user.message"] * 7
    for order in ("asc", "desc"):
        seen: list[dict[str, Any]] = []
        params: dict[str, Any] = {"limit": 2, "order": order, "types[]": "user.message"}
        while True:
            body = (await api.get(f"/sessions/{session}/events", params=params)).json()
            assert len(body["data"]) <= 2
            seen += body["data"]
            if body["next_page"] is None:
                break
            params["page"] = body["next_page"]
        said = [event["content"][0]["text"] for event in seen]
        assert said == (texts if order == "asc" else texts[::-1])
        assert next(iter(seen[0])) == "seq"
    wrong = await api.get(
        f"/sessions/{session}/events", params={"page": params["page"], "order": "asc"}
    )
    assert wrong.status_code == 400
    later = await log_of(api, session, **{"created_at[gt]": "2999-01-01T00:00:00Z"})
    assert later == []
    answer = await api.get(f"/sessions/{session}/events", params={"created_at[gt]": "whenever"})
    assert answer.status_code == 400


async def test_the_list_goes_by_creation_unless_it_is_asked_for_by_activity(
    api: httpx.AsyncClient,
) -> None:
    made = [await new_session(api) for _ in range(5)]
    for old in (made[1], made[0]):
        answer = await api.post(f"/sessions/{old}/events", json={"events": [message("again")]})
        assert answer.status_code == 200, answer.text

    async def listed(**params: Any) -> list[str]:
        seen: list[str] = []
        page: dict[str, Any] = {}
        while True:
            body = (await api.get("/sessions", params={"limit": 2, **params, **page})).json()
            seen += [session["id"] for session in body["data"]]
            if body["next_page"] is None:
                return seen
            page = {"page": body["next_page"]}

    active = [made[0], made[1], made[4], made[3], made[2]]
    assert await listed() == made[::-1]
    assert await listed(order_by="last_event_at") == active
    assert await listed(order_by="last_event_at", order="asc") == active[::-1]
    assert await listed(order_by="last_event_at", search="again") == active[:2]
    first = (await api.get("/sessions", params={"limit": 2, "order_by": "last_event_at"})).json()
    wrong = await api.get("/sessions", params={"page": first["next_page"]})
    assert wrong.status_code == 400


async def test_a_session_names_the_modes_that_hold_in_it_and_refuses_another(
    api: httpx.AsyncClient,
) -> None:
    asking = await new_session(api)
    shown = (await api.get(f"/sessions/{asking}")).json()
    assert shown["permission_modes"] == ["default", "acceptEdits", "plan", "dontAsk"]
    body = {"title": "new", "permission_mode": "bypassPermissions"}
    answer = await api.post(f"/sessions/{asking}", json=body)
    assert answer.status_code == 400
    assert "does not hold in this session" in answer.json()["error"]["message"]
    assert (await api.get(f"/sessions/{asking}")).json() == shown
    assert "session.updated" not in [event["type"] for event in await log_of(api, asking)]

    free = await new_session(api, permission_mode="bypassPermissions")
    for mode in ("default", "bypassPermissions"):
        answer = await api.post(f"/sessions/{free}", json={"permission_mode": mode})
        assert answer.json()["permission_mode"] == mode
        assert "bypassPermissions" in answer.json()["permission_modes"]


async def test_a_repeated_send_is_one_message(api: httpx.AsyncClient) -> None:
    session = await new_session(api)
    path = f"/sessions/{session}/events"
    body = {"events": [message("once")]}
    first = await api.post(path, json=body, headers={"idempotency-key": "k1"})
    again = await api.post(path, json=body, headers={"idempotency-key": "k1"})
    assert again.json() == first.json()
    named = {"events": [{**message("twice"), "client_id": "c1"}]}
    first, again = await api.post(path, json=named), await api.post(path, json=named)
    assert again.json()["data"][0]["id"] == first.json()["data"][0]["id"]
    plain = {"events": [message("thrice")]}
    first = await api.post(path, json=plain, headers={"x-stainless-retry-count": "0"})
    again = await api.post(path, json=plain, headers={"x-stainless-retry-count": "1"})
    assert again.json()["data"][0]["id"] == first.json()["data"][0]["id"]
    third = await api.post(path, json=plain, headers={"x-stainless-retry-count": "0"})
    assert third.json()["data"][0]["id"] != first.json()["data"][0]["id"]
    said = [
        event["content"][0]["text"] for event in await log_of(api, session)
        if event["type"] == "user.message"
    ]  # fmt: skip
    assert said == ["once", "twice", "thrice", "thrice"]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"events": []}, "events"),
        ({"events": [{"type": "agent.message"}]}, "user.message"),
        ({"events": [{"type": "user.message"}]}, "events.0"),
        ({"events": [message("  ")]}, "empty"),
        ({"events": "no"}, "events"),
        ({}, "events"),
        ({"events": [message("x")], "more": 1}, "more"),
        ({"events": [message("x")] * 51}, "50"),
        ({"events": [message("x"), {"type": "user.shout"}]}, "events.1.type: 'user.shout' is not"),
    ],
)
async def test_events_that_nobody_may_send_are_refused(
    api: httpx.AsyncClient, body: dict[str, Any], words: str
) -> None:
    session = await new_session(api)
    answer = await api.post(f"/sessions/{session}/events", json=body)
    assert answer.status_code == 400, answer.text
    assert words in answer.json()["error"]["message"]
    types = [event["type"] for event in await log_of(api, session)]
    assert "user.message" not in types


async def test_a_foreign_session_looks_like_an_unknown_one(
    api: httpx.AsyncClient, member: Person, stranger: Person
) -> None:
    session = await new_session(api)
    unknown = session[:-1] + ("0" if session[-1] != "0" else "1")
    for other in (member, stranger):
        async with other.client() as theirs:
            for method, path, body in (
                ("GET", "/sessions/{}", None),
                ("POST", "/sessions/{}", {"title": "mine"}),
                ("DELETE", "/sessions/{}", None),
                ("POST", "/sessions/{}/archive", None),
                ("POST", "/sessions/{}/unarchive", None),
                ("GET", "/sessions/{}/events", None),
                ("POST", "/sessions/{}/events", {"events": [message("x")]}),
                ("GET", "/sessions/{}/events/stream", None),
                ("GET", "/sessions/{}/context", None),
                ("GET", "/sessions/{}/files", None),
                ("GET", "/sessions/{}/files/content?path=a", None),
            ):
                answers = [
                    await theirs.request(method, path.format(id_), json=body)
                    for id_ in (session, unknown)
                ]
                assert [answer.status_code for answer in answers] == [404, 404], path
                texts = [
                    answer.json()["error"]["message"].replace(id_, "ID")
                    for answer, id_ in zip(answers, (session, unknown), strict=True)
                ]
                assert texts[0] == texts[1]
            assert (await theirs.get("/sessions")).json()["data"] == []
