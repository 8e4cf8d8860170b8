"""Branches are tried on a whole installation, which has no sessions left after each test."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from support.stack import Stack


@pytest.fixture
async def client(stack: Stack) -> AsyncIterator[httpx.AsyncClient]:
    async with stack.client() as client:
        yield client
        listed = await client.get("/sessions", params={"limit": 100, "include_archived": True})
        for session in listed.json()["data"]:
            await client.delete(f"/sessions/{session['id']}")
