"""Agents, environments and files over HTTP, and who may touch them."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from csp_controlplane.store.database import Database
from support.gateway_process import Person

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 20


async def ok(answer: httpx.Response) -> dict[str, Any]:
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


# ---- agents


async def test_an_update_makes_a_version_and_keeps_the_old_ones(api: httpx.AsyncClient) -> None:
    made = await ok(await api.post("/agents", json={"name": "a", "system": "one"}))
    assert made["version"] == 1
    body = {"system": "two", "metadata": {"k": "v"}, "options": {"permission_mode": "plan"}}
    changed = await ok(await api.post(f"/agents/{made['id']}", json=body))
    assert (changed["version"], changed["system"], changed["name"]) == (2, "two", "a")
    assert changed["options"] == {"permission_mode": "plan"}
    old = await ok(await api.get(f"/agents/{made['id']}", params={"version": 1}))
    assert (old["version"], old["system"], old["metadata"]) == (1, "one", {})
    versions = await ok(await api.get(f"/agents/{made['id']}/versions", params={"limit": 1}))
    assert [each["version"] for each in versions["data"]] == [2]
    versions = await ok(
        await api.get(f"/agents/{made['id']}/versions", params={"page": versions["next_page"]})
    )
    assert [each["version"] for each in versions["data"]] == [1]
    assert versions["next_page"] is None
    missing = await api.get(f"/agents/{made['id']}", params={"version": 9})
    assert missing.status_code == 404


async def test_an_update_without_a_change_makes_no_version(api: httpx.AsyncClient) -> None:
    made = await ok(await api.post("/agents", json={"name": "a"}))
    same = await ok(await api.post(f"/agents/{made['id']}", json={"name": "a"}))
    assert same["version"] == 1


async def test_a_stale_version_is_refused(api: httpx.AsyncClient) -> None:
    made = await ok(await api.post("/agents", json={"name": "a"}))
    path = f"/agents/{made['id']}"
    await ok(await api.post(path, json={"name": "b", "version": 1}))
    answer = await api.post(path, json={"name": "c", "version": 1})
    assert answer.status_code == 409
    assert "2 is" in answer.json()["error"]["message"]


async def test_updates_at_the_same_time_make_one_version_each(api: httpx.AsyncClient) -> None:
    made = await ok(await api.post("/agents", json={"name": "a"}))
    path = f"/agents/{made['id']}"
    answers = await asyncio.gather(
        *(api.post(path, json={"name": f"n{number}"}) for number in range(8))
    )
    assert sorted([(await ok(answer))["version"] for answer in answers]) == list(range(2, 10))
    answers = await asyncio.gather(
        *(api.post(path, json={"name": f"m{number}", "version": 9}) for number in range(4))
    )
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409]


async def test_null_clears_and_metadata_is_patched(api: httpx.AsyncClient) -> None:
    body = {"name": "a", "system": "s", "description": "d", "metadata": {"a": "1", "b": "2"}}
    made = await ok(await api.post("/agents", json=body))
    path = f"/agents/{made['id']}"
    patch = {"system": None, "description": "", "metadata": {"a": None, "c": "3"}, "tools": None}
    changed = await ok(await api.post(path, json=patch))
    assert changed["system"] is None
    assert changed["description"] is None
    assert changed["metadata"] == {"b": "2", "c": "3"}
    assert changed["tools"] == []
    many = {"metadata": {f"k{number}": "v" for number in range(16)}}
    assert (await api.post(path, json=many)).status_code == 400


async def test_an_archived_agent_leaves_the_list_and_cannot_change(api: httpx.AsyncClient) -> None:
    made = await ok(await api.post("/agents", json={"name": "a"}))
    path = f"/agents/{made['id']}"
    archived = await ok(await api.post(f"{path}/archive"))
    assert archived["archived_at"] is not None
    assert (await ok(await api.post(f"{path}/archive")))["archived_at"] == archived["archived_at"]
    assert made["id"] not in (await api.get("/agents")).text
    assert made["id"] in (await api.get("/agents", params={"include_archived": True})).text
    assert (await api.post(path, json={"name": "b"})).status_code == 409
    answer = await api.post("/sessions", json={"agent": made["id"]})
    assert answer.status_code == 409


async def test_lists_are_paged_without_gaps(api: httpx.AsyncClient) -> None:
    made = [(await ok(await api.post("/agents", json={"name": f"a{n}"})))["id"] for n in range(5)]
    seen: list[str] = []
    page = None
    while True:
        params = {"limit": 2, **({"page": page} if page else {})}
        body = await ok(await api.get("/agents", params=params))
        seen += [each["id"] for each in body["data"]]
        page = body["next_page"]
        if page is None:
            break
    assert seen[:5] == made[::-1]
    assert len(seen) == len(set(seen)) == 6
    for bad in ("nonsense", "W10", "WzEsMl0", "ÿ"):
        assert (await api.get("/agents", params={"page": bad})).status_code == 400


async def test_lists_can_be_narrowed_by_time(api: httpx.AsyncClient) -> None:
    made = await ok(await api.post("/agents", json={"name": "a"}))
    later = {"created_at[gte]": "2999-01-01T00:00:00Z"}
    assert (await ok(await api.get("/agents", params=later)))["data"] == []
    before = {"created_at[lte]": "2999-01-01T00:00:00Z"}
    assert made["id"] in (await api.get("/agents", params=before)).text
    assert (await api.get("/agents", params={"created_at[gte]": "soon"})).status_code == 400


async def test_a_member_cannot_change_what_others_run(
    api: httpx.AsyncClient, member: Person
) -> None:
    (assistant,) = (await ok(await api.get("/agents")))["data"]
    async with member.client() as client:
        path = f"/agents/{assistant['id']}"
        body = {"options": {"permission_mode": "bypassPermissions"}}
        answer = await client.post(path, json=body)
        assert answer.status_code == 403
        assert (await client.post(f"{path}/archive")).status_code == 403
        own = await ok(await client.post("/agents", json={"name": "mine"}))
        await ok(await client.post(f"/agents/{own['id']}", json={"name": "mine too"}))
    await ok(await api.post(f"/agents/{own['id']}", json={"name": "an admin may"}))


# ---- environments


async def test_environments_are_kept_by_admins(api: httpx.AsyncClient, member: Person) -> None:
    made = await ok(await api.post("/environments", json={"name": "e"}))
    assert made["config"] == {"type": "self_hosted"}
    path = f"/environments/{made['id']}"
    changed = await ok(await api.post(path, json={"name": "f", "metadata": {"a": "b"}}))
    assert (changed["name"], changed["metadata"]) == ("f", {"a": "b"})
    async with member.client() as client:
        assert (await ok(await client.get(path)))["name"] == "f"
        assert (await client.post("/environments", json={"name": "e"})).status_code == 403
        assert (await client.post(path, json={"name": "g"})).status_code == 403
        assert (await client.delete(path)).status_code == 403
    assert (await ok(await api.post(f"{path}/archive")))["archived_at"] is not None
    assert (await api.post("/sessions", json={"environment_id": made["id"]})).status_code == 409
    gone = await ok(await api.delete(path))
    assert gone == {"id": made["id"], "type": "environment_deleted"}
    assert (await api.get(path)).status_code == 404


@pytest.mark.parametrize(
    "config",
    [
        {"type": "cloud", "networking": {"type": "limited", "allowed_hosts": ["a.b"]}},
        {"type": "cloud", "packages": {"pip": ["x"]}},
        {"type": "moon"},
    ],
)
async def test_an_environment_never_promises_what_it_does_not_do(
    api: httpx.AsyncClient, config: dict[str, Any]
) -> None:
    answer = await api.post("/environments", json={"name": "e", "config": config})
    assert answer.status_code == 400
    assert answer.json()["error"]["message"].startswith("config")


# ---- files


@pytest.mark.parametrize(
    ("name", "data", "media_type"),
    [
        ("a.png", PNG, "image/png"),
        ("a.txt", PNG, "image/png"),
        ("a.jpg", b"\xff\xd8\xff\xe0", "image/jpeg"),
        ("a.gif", b"GIF89a..", "image/gif"),
        ("a.webp", b"RIFF\0\0\0\0WEBPVP8 ", "image/webp"),
        ("a.pdf", b"%PDF-1.7 ..", "application/pdf"),
        ("notes.md", "# Ä".encode(), "text/markdown"),
        ("page.html", b"<script>alert(1)</script>", "text/plain"),
    ],
)
async def test_the_bytes_decide_what_a_file_is(
    api: httpx.AsyncClient, name: str, data: bytes, media_type: str
) -> None:
    made = await ok(await api.post("/files", files={"file": (name, data, "text/html")}))
    assert (made["filename"], made["mime_type"], made["size_bytes"]) == (
        name,
        media_type,
        len(data),
    )
    content = await api.get(f"/files/{made['id']}/content")
    assert content.content == data
    assert "sandbox" in content.headers["content-security-policy"]
    assert "html" not in content.headers["content-type"]
    assert content.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("name", "data"), [("a.bin", b"\0\1\2"), ("a.txt", b""), ("a", b"\xff\xfe")]
)
async def test_other_kinds_cannot_be_attached(
    api: httpx.AsyncClient, name: str, data: bytes
) -> None:
    answer = await api.post("/files", files={"file": (name, data)})
    assert answer.status_code == 400
    assert "PNG" in answer.json()["error"]["message"]


async def test_an_upload_over_25_mb_is_refused(api: httpx.AsyncClient) -> None:
    for size in (25 * 1024 * 1024 + 1, 26 * 1024 * 1024):
        answer = await api.post("/files", files={"file": ("a.txt", b"x" * size)})
        assert answer.status_code == 413, answer.text
        assert answer.json()["error"]["type"] == "request_too_large"


async def test_a_form_without_a_file_is_refused(api: httpx.AsyncClient) -> None:
    requests: tuple[dict[str, Any], ...] = (
        {"data": {"file": "text"}},
        {"files": {"other": b"x"}},
        {"json": {}},
        {"content": b"x", "headers": {"content-type": "multipart/form-data; boundary=b"}},
        {"content": b"x", "headers": {"content-type": "multipart/form-data"}},
        {"files": [("file", b"x"), ("file", b"y")]},
    )
    for kwargs in requests:
        answer = await api.post("/files", **kwargs)
        assert answer.status_code == 400, (kwargs, answer.text)


async def test_a_file_name_cannot_leave_its_place(api: httpx.AsyncClient) -> None:
    made = await ok(await api.post("/files", files={"file": ("../../etc/pass\nwd", b"x")}))
    assert "/" not in made["filename"]
    assert "\n" not in made["filename"]
    shown = await api.get(f"/files/{made['id']}/content", params={"download": True})
    assert shown.headers["content-disposition"].startswith("attachment")


async def test_files_are_their_owners_alone(api: httpx.AsyncClient, member: Person) -> None:
    made = await ok(await api.post("/files", files={"file": ("a.txt", b"mine")}))
    path = f"/files/{made['id']}"
    assert (await ok(await api.get("/files", params={"ids[]": made["id"]})))["data"] == [made]
    async with member.client() as client:
        for answer in (
            await client.get(path),
            await client.get(f"{path}/content"),
            await client.delete(path),
        ):
            assert answer.status_code == 404
        assert (await ok(await client.get("/files")))["data"] == []
    assert (await ok(await api.delete(path)))["type"] == "file_deleted"
    assert (await api.get(path)).status_code == 404


# ---- tenants


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
