"""A person's right to be forgotten: all that is theirs goes, and one line says that it went."""

from __future__ import annotations

import json

import httpx

from csp_controlplane.domain.fold import Fold
from csp_controlplane.store.database import Database
from support.gateway_process import GatewayProcess, Person
from support.session_api import ok
from support.written_log import conversation, file_of, imported

SECRET = "quicksilver"


async def _everything(db: Database, tenant: str) -> str:
    """Every row of the tenant, but the audit log, as text."""
    tables = (
        "users", "api_keys", "web_sessions", "login_links", "sessions", "events",
        "transcript_entries", "blobs", "shares",
    )  # fmt: skip
    found = []
    async with db.tenant(tenant) as connection:
        for table in tables:
            rows = await connection.fetch(f"select row_to_json(t)::text as row from {table} t")
            found += [row["row"] for row in rows]
            if table == "blobs":
                data = await connection.fetch("select data from blobs")
                found += [row["data"].decode("latin-1") for row in data]
    return "\n".join(found)


async def _told(db: Database, tenant: str, session: str) -> None:
    """The session remembers what its person allowed, and its agent's own name for it."""
    async with db.tenant(tenant) as connection:
        await connection.execute(
            "update sessions set fold = $2, claude_session_id = $3 where id = $1",
            session,
            json.dumps(Fold(allowed_rules=(f"Bash(curl {SECRET}.example:*)",)).to_json()),
            SECRET,
        )


async def test_erasing_a_person_leaves_an_id_and_an_audit_line(
    api: httpx.AsyncClient,
    admin: Person,
    member: Person,
    gateway: GatewayProcess,
    gateway_db: Database,
) -> None:
    entries = [{"uuid": "u", "message": SECRET}]
    async with member.client() as client:
        session = await imported(client, file_of(conversation(SECRET), entries, title=SECRET))
        await client.post("/files", files={"file": (f"{SECRET}.txt", SECRET.encode())})
        link = (await ok(await client.post(f"/sessions/{session}/shares", json={})))["url"]
        await ok(await client.post("/api_keys", json={"name": SECRET}))
    mine = await imported(api, file_of(conversation("mine")))
    await _told(gateway_db, admin.user.tenant, session)
    assert SECRET in await _everything(gateway_db, admin.user.tenant)

    erased = await ok(await api.post(f"/users/{member.user.id}/erase"))
    assert (erased["sessions"], erased["files"], erased["keys"]) == (1, 1, 2)
    left = await _everything(gateway_db, admin.user.tenant)
    assert SECRET not in left
    assert member.user.email not in left
    async with member.client() as client:
        assert (await client.get("/me")).status_code == 401
    token = link.partition("#")[2]
    shared = httpx.get(
        f"{gateway.url}/api/v1/shared", headers={"x-share-token": token}, trust_env=False
    )
    assert shared.status_code == 404
    assert (await api.get(f"/sessions/{mine}")).status_code == 200

    async with gateway_db.tenant(admin.user.tenant) as connection:
        row = await connection.fetchrow(
            "select actor, target, data::text from audit_events where action = 'person.erase'"
        )
    assert (row["actor"], row["target"]) == (admin.user.id, member.user.id)
    assert json.loads(row["data"]) == {"sessions": 1, "files": 1, "keys": 2}


async def test_only_administrators_erase_and_nobody_themselves_or_strangers(
    api: httpx.AsyncClient, admin: Person, member: Person, stranger: Person
) -> None:
    async with member.client() as client:
        assert (await client.post(f"/users/{admin.user.id}/erase")).status_code == 403
        assert (await client.get("/users")).status_code == 403
    assert (await api.post(f"/users/{admin.user.id}/erase")).status_code == 409
    assert (await api.post(f"/users/{stranger.user.id}/erase")).status_code == 404
    listed = (await ok(await api.get("/users")))["data"]
    assert {user["id"] for user in listed} == {admin.user.id, member.user.id}


async def test_an_erasure_that_was_cut_off_can_be_done_again(
    api: httpx.AsyncClient, member: Person
) -> None:
    async with member.client() as client:
        await imported(client, file_of(conversation()))
    first = await ok(await api.post(f"/users/{member.user.id}/erase"))
    again = await ok(await api.post(f"/users/{member.user.id}/erase"))
    assert first["sessions"] == 1
    assert again["sessions"] == 0
