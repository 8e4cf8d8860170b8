"""Nobody sees, or learns of, what is another tenant's or user's."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from csp_controlplane.store.database import Database
from support.gateway_process import Person
from support.session_api import ok


async def test_a_foreign_thing_looks_like_an_unknown_one(
    api: httpx.AsyncClient, stranger: Person
) -> None:
    agent = (await ok(await api.post("/agents", json={"name": "a"})))["id"]
    environment = (await ok(await api.get("/environments")))["data"][0]["id"]
    file = (await ok(await api.post("/files", files={"file": ("a.txt", b"x")})))["id"]
    key = (await ok(await api.post("/api_keys", json={"name": "k"})))["id"]
    async with stranger.client() as client:
        for method, path in (
            ("GET", "/agents/{}"),
            ("POST", "/agents/{}"),
            ("POST", "/agents/{}/archive"),
            ("GET", "/agents/{}/versions"),
            ("GET", "/environments/{}"),
            ("DELETE", "/environments/{}"),
            ("GET", "/files/{}/content"),
            ("DELETE", "/api_keys/{}"),
        ):
            kind = path.split("/")[1]
            id_ = {"agents": agent, "environments": environment, "files": file}.get(kind, key)
            unknown = id_[:-1] + ("0" if id_[-1] != "0" else "1")
            body: dict[str, Any] | None = {} if method == "POST" and path == "/agents/{}" else None
            foreign = await client.request(method, path.format(id_), json=body)
            missing = await client.request(method, path.format(unknown), json=body)
            assert foreign.status_code == missing.status_code == 404, (method, path)
            assert (
                foreign.text.replace(id_, "ID").split("request_id")[0]
                == (missing.text.replace(unknown, "ID").split("request_id")[0])
            )


async def test_even_the_database_shows_a_tenant_nothing_of_another(
    api: httpx.AsyncClient, admin: Person, stranger: Person, gateway_db: Database
) -> None:
    await ok(await api.post("/agents", json={"name": "a"}))
    await ok(await api.post("/files", files={"file": ("a.txt", b"x")}))
    tables = ("users", "api_keys", "agents", "agent_versions", "environments", "blobs",
              "audit_events", "tenants")  # fmt: skip
    async with gateway_db.tenant(stranger.user.tenant) as connection:
        for table in tables:
            column = "id" if table == "tenants" else "tenant"
            rows = await connection.fetch(f"select {column} as t from {table}")
            assert {row["t"] for row in rows} <= {stranger.user.tenant}, table
        changed = await connection.execute(
            "update agents set archived_at = now() where tenant = $1", admin.user.tenant
        )
        assert changed == "UPDATE 0"
    async with gateway_db.untenanted() as connection:
        for table in tables:
            assert await connection.fetch(f"select * from {table}") == []


async def test_what_admins_do_is_in_the_audit_and_stays_there(
    api: httpx.AsyncClient, admin: Person, gateway_db: Database
) -> None:
    made = await ok(await api.post("/agents", json={"name": "a"}))
    async with gateway_db.tenant(admin.user.tenant) as connection:
        row = await connection.fetchrow("select * from audit_events where target = $1", made["id"])
    assert (row["actor"], row["action"]) == (admin.user.id, "agent.create")
    for statement in ("delete from audit_events", "update audit_events set actor = 'x'"):
        with pytest.raises(Exception, match="permission denied"):
            async with gateway_db.tenant(admin.user.tenant) as connection:
                await connection.execute(statement)
