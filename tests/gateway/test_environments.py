"""Environments over HTTP, and what they do not promise."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from support.gateway_process import Person
from support.session_api import ok


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
        {"type": "self_hosted", "pool": "gpu"},
        {"type": "self_hosted", "pool": "Not a name"},
    ],
)
async def test_an_environment_never_promises_what_it_does_not_do(
    api: httpx.AsyncClient, config: dict[str, Any]
) -> None:
    answer = await api.post("/environments", json={"name": "e", "config": config})
    assert answer.status_code == 400
    assert answer.json()["error"]["message"].startswith("config")
