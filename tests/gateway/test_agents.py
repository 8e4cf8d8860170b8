"""Agents over HTTP: versions, lists, and who may change what others run."""

from __future__ import annotations

import asyncio

import httpx

from support.gateway_process import Person
from support.session_api import ok


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
