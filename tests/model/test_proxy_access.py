"""Who may use the proxy, for what, and what it passes on."""

from __future__ import annotations

import asyncio
import secrets
import sys
from collections.abc import AsyncIterator

import aiohttp
import anthropic
import pytest
from anthropic import AsyncAnthropic

from csp_controlplane.store import sessions
from csp_controlplane.store.database import Database
from support.models import (
    MODEL,
    TENANT,
    UPSTREAM_KEY,
    BoundSession,
    ProxyServer,
    ScriptedServer,
    bind_session,
    body,
    metrics,
    post,
    rebind,
    recorded,
    requests_of,
)


async def test_unknown_handle_is_refused(proxy: ProxyServer, database_url: str) -> None:
    async with post(proxy.url, "no-such-handle", body("hi")) as response:
        refused = await response.json()
    assert response.status == 401
    assert refused["type"] == "error"
    assert refused["error"]["type"] == "authentication_error"
    assert "access to the model has ended" in refused["error"]["message"]
    assert response.headers["x-should-retry"] == "false"


async def test_missing_handle_is_refused(proxy: ProxyServer) -> None:
    async with (
        aiohttp.ClientSession() as client,
        client.post(proxy.url + "/v1/messages", json=body("hi")) as response,
    ):
        assert response.status == 401
        assert "no session handle" in (await response.json())["error"]["message"]


async def test_handle_ends_with_its_epoch(
    worker: AsyncAnthropic, proxy: ProxyServer, db: Database, session: BoundSession
) -> None:
    await worker.messages.create(**body("hi"))
    await sessions.end_binding(db, TENANT, session.id, session.epoch, "exited")
    with pytest.raises(anthropic.AuthenticationError):
        await worker.messages.create(**body("hi"))
    with pytest.raises(anthropic.AuthenticationError):
        await worker.messages.count_tokens(model=MODEL, messages=body("hi")["messages"])


async def test_next_epoch_revokes_the_last_ones_handle(
    worker: AsyncAnthropic, proxy: ProxyServer, db: Database, session: BoundSession
) -> None:
    successor = await rebind(db, session.id, secrets.token_hex(16))
    with pytest.raises(anthropic.AuthenticationError):
        await worker.messages.create(**body("hi"))
    async with post(proxy.url, successor.handle, body("hi")) as response:
        assert response.status == 200


async def status_from(address: str, proxy: ProxyServer, session: BoundSession) -> int:
    """Of a request with the session's handle that comes from this address of the machine."""
    connector = aiohttp.TCPConnector(local_addr=(address, 0))
    async with (
        aiohttp.ClientSession(connector=connector) as client,
        client.post(
            proxy.url + "/v1/messages",
            json=body("hi"),
            # Nobody becomes another by saying so.
            headers={"x-api-key": session.handle, "x-forwarded-for": "127.0.0.71"},
        ) as response,
    ):
        await response.read()
        return response.status


@pytest.mark.skipif(sys.platform != "linux", reason="needs all of 127.0.0.0/8")
async def test_a_live_handle_is_refused_from_the_address_of_another_sessions_worker(
    proxy: ProxyServer, db: Database
) -> None:
    owner = await bind_session(db, "127.0.0.71:7443")
    thief = await bind_session(db, "127.0.0.72:7443")
    assert await status_from("127.0.0.71", proxy, owner) == 200
    assert await status_from("127.0.0.72", proxy, owner) == 401
    assert await status_from("127.0.0.72", proxy, thief) == 200
    # A network may hide who is whose: what is no worker's address says nothing.
    assert await status_from("127.0.0.73", proxy, owner) == 200


async def test_handle_is_accepted_as_bearer_token(
    proxy: ProxyServer, session: BoundSession, database_url: str
) -> None:
    async with AsyncAnthropic(
        base_url=proxy.url, auth_token=session.handle, api_key=None, max_retries=0
    ) as client:
        await client.messages.create(**body("hi"))
    assert len(await requests_of(database_url, session.id)) == 1


async def test_provider_sees_the_key_and_never_the_handle(
    worker: AsyncAnthropic, scripted: ScriptedServer, session: BoundSession
) -> None:
    await worker.messages.create(
        **body("who is asking"),
        extra_headers={
            "anthropic-beta": "one-beta",
            "x-claude-code-session-id": "mine",
            "cookie": "a=b",
            "x-forwarded-for": "10.0.0.1",
            "connection": "keep-alive, x-private",
            "x-private": "1",
        },
    )
    seen = (await recorded(scripted.url))[-1]
    assert seen["headers"]["x-api-key"] == UPSTREAM_KEY
    assert seen["headers"]["anthropic-beta"] == "one-beta"
    assert seen["headers"]["x-claude-code-session-id"] == "mine"
    assert seen["headers"]["accept-encoding"] == "identity"
    assert "authorization" not in seen["headers"]
    assert session.handle not in str(seen)


async def test_request_id_and_rate_limits_reach_the_worker(worker: AsyncAnthropic) -> None:
    answer = await worker.messages.with_raw_response.create(**body("hi"))
    assert answer.headers["request-id"].startswith("req_")
    assert "anthropic-ratelimit-requests-remaining" in answer.headers


async def test_model_outside_the_list_is_refused(
    scripted: ScriptedServer,
    database_url: str,
    redis_url: str,
    session: BoundSession,
) -> None:
    with ProxyServer(
        scripted.url, database_url, redis_url, models="claude-haiku-*, claude-sonnet-5-5"
    ) as proxy:
        async with post(proxy.url, session.handle, body("hi")) as response:
            refused = await response.json()
        assert response.status == 403
        assert "claude-opus-5-5" in refused["error"]["message"]
        assert "claude-sonnet-5-5" in refused["error"]["message"]
        allowed = body("hi", model="claude-haiku-5-5")
        async with post(proxy.url, session.handle, allowed) as response:
            assert response.status == 200
        async with AsyncAnthropic(base_url=proxy.url, api_key=session.handle) as client:
            models = [model.id async for model in client.models.list()]
    assert models == ["claude-sonnet-5-5", "claude-haiku-5-5"]
    assert len(await requests_of(database_url, session.id)) == 1


async def test_models_are_listed_only_for_a_live_handle(proxy: ProxyServer) -> None:
    async with AsyncAnthropic(base_url=proxy.url, api_key="nobody", max_retries=0) as client:
        with pytest.raises(anthropic.AuthenticationError):
            await client.models.list()


async def test_counting_tokens_is_free(
    worker: AsyncAnthropic, database_url: str, session: BoundSession
) -> None:
    counted = await worker.messages.count_tokens(
        model=MODEL, messages=[{"role": "user", "content": "some words to count"}]
    )
    assert counted.input_tokens > 0
    assert await requests_of(database_url, session.id) == []


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/hello"),
        ("HEAD", "/"),
        ("POST", "/v1/complete"),
        ("POST", "/v1/messages/batches"),
        ("GET", "/v1/models/claude-opus-5-5"),
        ("GET", "/v1/files"),
        ("POST", "/v1/organizations/usage"),
    ],
)
async def test_other_endpoints_are_not_served(
    proxy: ProxyServer, session: BoundSession, method: str, path: str
) -> None:
    async with (
        aiohttp.ClientSession(headers={"x-api-key": session.handle}) as client,
        client.request(method, proxy.url + path) as response,
    ):
        assert response.status == 404


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"{", "not valid JSON"),
        (b"[1]", "not a JSON object"),
        (b'{"max_tokens": 1, "messages": []}', "model: Field required"),
        (b'{"model": 7}', "model: Field required"),
    ],
)
async def test_malformed_request_is_refused_without_a_reservation(
    proxy: ProxyServer, session: BoundSession, database_url: str, content: bytes, problem: str
) -> None:
    async with post(proxy.url, session.handle, content) as response:
        refused = await response.json()
    assert response.status == 400
    assert problem in refused["error"]["message"]
    assert await requests_of(database_url, session.id) == []


@pytest.mark.parametrize("declared", [True, False])
async def test_body_over_the_limit_is_refused(
    scripted: ScriptedServer,
    database_url: str,
    redis_url: str,
    session: BoundSession,
    declared: bool,
) -> None:
    with ProxyServer(scripted.url, database_url, redis_url, max_body_bytes="100000") as proxy:
        pieces = [b"x" * 20_000] * 8

        async def chunks() -> AsyncIterator[bytes]:
            for piece in pieces:
                yield piece

        async with (
            aiohttp.ClientSession(headers={"x-api-key": session.handle}) as client,
            client.post(
                proxy.url + "/v1/messages", data=b"".join(pieces) if declared else chunks()
            ) as response,
        ):
            refused = await response.json()
        assert response.status == 413
        assert refused["error"]["type"] == "request_too_large"


async def test_large_body_of_a_stranger_is_refused_unread(proxy: ProxyServer) -> None:
    async def slowly() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.sleep(30)  # the answer must not wait for the rest

    async with (
        asyncio.timeout(10),
        aiohttp.ClientSession(headers={"x-api-key": "stranger"}) as client,
        client.post(proxy.url + "/v1/messages", data=slowly()) as response,
    ):
        assert response.status == 401


async def test_compressed_body_is_refused(proxy: ProxyServer, session: BoundSession) -> None:
    async with post(
        proxy.url, session.handle, b"\x1f\x8b", **{"content-encoding": "gzip"}
    ) as response:
        assert response.status == 400
        assert "uncompressed" in (await response.json())["error"]["message"]


async def test_health_and_metrics_are_served(proxy: ProxyServer) -> None:
    async with aiohttp.ClientSession(base_url=proxy.url) as client:
        async with client.get("/health/live") as response:
            assert response.status == 200
        async with client.get("/health/ready") as response:
            assert await response.json() == {"database": "ok", "upstream": "127.0.0.1"}
        # Agents reach this port: what everybody does is not for them.
        async with client.get("/metrics") as response:
            assert response.status == 404
    text = await metrics(proxy)
    for name in (
        "csp_api_cost_usd_total",
        "csp_circuit_breaker_state",
        "csp_model_requests_total",
        "csp_model_request_duration_seconds",
        "csp_model_first_byte_seconds",
    ):
        assert name in text
