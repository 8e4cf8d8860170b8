"""Links that show one session: what they show, to whom, and for how long."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from csp_controlplane.store.database import Database
from support.gateway_process import GatewayProcess, Person
from support.session_api import ok
from support.written_log import conversation, file_of, imported, text


async def share(client: httpx.AsyncClient, session: str, **body: Any) -> dict[str, Any]:
    return await ok(await client.post(f"/sessions/{session}/shares", json=body))


def token_of(made: dict[str, Any]) -> str:
    address, _, token = made["url"].partition("#")
    assert address.endswith("/shared")
    return str(token)


def anybody(gateway: GatewayProcess, token: str) -> httpx.AsyncClient:
    """Whoever has the link: not signed in."""
    return httpx.AsyncClient(
        base_url=f"{gateway.url}/api/v1",
        headers={"x-share-token": token},
        trust_env=False,
        timeout=20,
    )


async def test_a_link_shows_its_session_without_what_is_the_owners_alone(
    api: httpx.AsyncClient, gateway: GatewayProcess
) -> None:
    session = await imported(api, file_of(conversation()))
    made = await share(api, session)
    async with anybody(gateway, token_of(made)) as client:
        head = await ok(await client.get("/shared"))
        assert (head["title"], head["agent"], head["seq"]) == ("Tides", "Assistant", 10)
        answer = await client.get("/shared/events")
    events = answer.json()["data"]
    assert [event["seq"] for event in events] == list(range(1, 11))
    assert events[0]["content"] == text("What is the tide?")
    assert events[6] == {"seq": 7, "id": events[6]["id"], "type": "hidden"}
    for private in ("user_x", "client_id", "request_id", "4200", session):
        assert private not in answer.text.replace("sesn_elsewhere", "")


async def test_a_link_reaches_nothing_else(api: httpx.AsyncClient, gateway: GatewayProcess) -> None:
    session = await imported(api, file_of(conversation()))
    token = token_of(await share(api, session))
    upload = (await ok(await api.post("/files", files={"file": ("a.txt", b"secret")})))["id"]
    async with anybody(gateway, token) as client:
        for method, path in (
            ("GET", "/sessions"),
            ("GET", f"/sessions/{session}"),
            ("GET", f"/sessions/{session}/events"),
            ("GET", f"/sessions/{session}/export"),
            ("POST", f"/sessions/{session}/events"),
            ("GET", f"/sessions/{session}/shares"),
            ("GET", "/me"),
        ):
            assert (await client.request(method, path)).status_code == 401, path
        assert (await client.get(f"/shared/files/{upload}")).status_code == 404
        keyed = await client.get("/me", headers={"x-api-key": token})
        assert keyed.status_code == 401


async def test_a_revoked_link_shows_nothing_from_then_on(
    api: httpx.AsyncClient, gateway: GatewayProcess
) -> None:
    session = await imported(api, file_of(conversation()))
    made = await share(api, session)
    async with anybody(gateway, token_of(made)) as client:
        await ok(await client.get("/shared"))
        revoked = await ok(await api.delete(f"/sessions/{session}/shares/{made['id']}"))
        assert revoked["revoked_at"] is not None
        for path in ("/shared", "/shared/events"):
            answer = await client.get(path)
            assert answer.status_code == 404
            assert "was revoked" in answer.json()["error"]["message"]
    listed = await ok(await api.get(f"/sessions/{session}/shares"))
    assert [(s["id"], s["opened"]) for s in listed["data"]] == [(made["id"], 1)]
    assert "url" not in listed["data"][0]


@pytest.mark.parametrize("end", ["expired", "deleted", "unknown"])
async def test_a_link_ends_with_its_time_and_its_session(
    api: httpx.AsyncClient, gateway: GatewayProcess, gateway_db: Database, admin: Person, end: str
) -> None:
    session = await imported(api, file_of(conversation()))
    made = await share(api, session, expires_in_hours=1)
    token = token_of(made)
    if end == "expired":
        async with gateway_db.tenant(admin.user.tenant) as connection:
            await connection.execute(
                "update shares set expires_at = $1", datetime.now(UTC) - timedelta(seconds=1)
            )
    elif end == "deleted":
        await api.delete(f"/sessions/{session}")
    else:
        token = token[:-1] + ("A" if token[-1] != "A" else "B")
    async with anybody(gateway, token) as client:
        assert (await client.get("/shared")).status_code == 404


async def test_only_the_owner_makes_lists_and_revokes_links(
    api: httpx.AsyncClient, member: Person
) -> None:
    session = await imported(api, file_of(conversation()))
    made = await share(api, session)
    async with member.client() as client:
        assert (await client.post(f"/sessions/{session}/shares", json={})).status_code == 404
        assert (await client.get(f"/sessions/{session}/shares")).status_code == 404
        path = f"/sessions/{session}/shares/{made['id']}"
        assert (await client.delete(path)).status_code == 404


async def test_the_life_of_a_link_is_in_the_audit_and_its_token_is_nowhere(
    api: httpx.AsyncClient, gateway: GatewayProcess, gateway_db: Database, admin: Person
) -> None:
    session = await imported(api, file_of(conversation()))
    made = await share(api, session)
    token = token_of(made)
    async with anybody(gateway, token) as client:
        await client.get("/shared")
    await api.delete(f"/sessions/{session}/shares/{made['id']}")
    async with gateway_db.tenant(admin.user.tenant) as connection:
        lines = await connection.fetch(
            "select action, data::text from audit_events where target = $1 order by id", made["id"]
        )
        stored = await connection.fetchval("select row_to_json(s)::text from shares s")
    assert [line["action"] for line in lines] == ["share.create", "share.open", "share.revoke"]
    assert '"from":"127.0.0.1"' in lines[1]["data"]
    assert token not in stored + str(lines) + gateway.log.read_text()
