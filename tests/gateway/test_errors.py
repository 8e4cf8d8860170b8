"""Whatever is wrong with a request, the answer has one shape and says what to do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest

from support.gateway_process import GatewayProcess, Person
from support.waiting import wait_until

MB = 1024 * 1024


def refused(answer: httpx.Response, status: int, kind: str) -> str:
    """The message of a refusal, after checking its shape."""
    assert answer.status_code == status, answer.text
    body = answer.json()
    assert set(body) == {"type", "error", "request_id"}
    assert body["type"] == "error"
    assert body["error"]["type"] == kind
    assert body["request_id"] == answer.headers["request-id"]
    message: str = body["error"]["message"]
    return message


async def test_malformed_json_names_the_place(api: httpx.AsyncClient) -> None:
    answer = await api.post(
        "/agents", content=b'{"name": ', headers={"content-type": "application/json"}
    )
    assert "not JSON" in refused(answer, 400, "invalid_request_error")
    answer = await api.post("/sessions/sesn_1/events", content=b"{")
    assert "not JSON" in refused(answer, 400, "invalid_request_error")


async def test_a_body_that_is_no_object_is_refused(api: httpx.AsyncClient) -> None:
    for path in ("/agents", "/sessions/sesn_1/events"):
        refused(await api.post(path, json=[1]), 400, "invalid_request_error")


async def test_a_wrong_field_is_named(api: httpx.AsyncClient) -> None:
    answer = await api.post("/agents", json={"name": "x", "mcp_servers": [{"type": "url"}]})
    assert "mcp_servers.0.name" in refused(answer, 400, "invalid_request_error")
    answer = await api.post("/agents", json={"name": "x", "colour": "red"})
    assert "colour" in refused(answer, 400, "invalid_request_error")
    answer = await api.get("/agents", params={"limit": 1000})
    assert "limit" in refused(answer, 400, "invalid_request_error")


async def test_unknown_paths_and_methods_are_refused(api: httpx.AsyncClient) -> None:
    for path in ("/nothing", "/agents/", "/sessions/x/y/z"):
        refused(await api.get(path), 404, "not_found_error")
    answer = await api.put("/agents")
    refused(answer, 405, "invalid_request_error")
    assert "POST" in answer.headers["allow"]


async def test_ten_megabytes_are_refused(api: httpx.AsyncClient) -> None:
    text = "x" * (10 * MB)
    body = {"events": [{"type": "user.message", "content": [{"type": "text", "text": text}]}]}
    answer = await api.post("/sessions/sesn_1/events", json=body)
    assert "too large" in refused(answer, 413, "request_too_large")


@pytest.mark.parametrize("path", ["/agents", "/sessions/sesn_1/events", "/auth/login"])
@pytest.mark.parametrize("megabytes", [3, 20])
async def test_a_body_without_a_length_is_stopped_at_the_limit(
    api: httpx.AsyncClient, path: str, megabytes: int
) -> None:
    async def long() -> AsyncIterator[bytes]:
        yield b'{"name": "'
        for _ in range(megabytes * 16):
            yield b"x" * 65536

    answer = await api.post(path, content=long(), headers={"content-type": "application/json"})
    refused(answer, 413, "request_too_large")


async def test_a_body_without_an_end_does_not_go_on(api: httpx.AsyncClient) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while sent < 256 * MB:
            sent += 65536
            yield b"x" * 65536

    try:
        answer = await api.post("/agents", content=endless())
        refused(answer, 413, "request_too_large")
    except httpx.TransportError:
        pass  # the gateway has closed the connection while this end was still sending
    assert sent < 64 * MB


async def test_nul_and_half_surrogates_are_refused_not_stored(api: httpx.AsyncClient) -> None:
    for name in (b'"a\\u0000b"', b'"a\\ud800b"'):
        answer = await api.post(
            "/agents",
            content=b'{"name": ' + name + b"}",
            headers={"content-type": "application/json"},
        )
        refused(answer, 400, "invalid_request_error")
    for path in ("/agents/a%00b", "/sessions/a%00b", "/files/%ff", "/agents/a%00b/versions"):
        answer = await api.get(path)
        assert answer.status_code in (400, 404), answer.text
        assert answer.json()["type"] == "error"


async def test_request_ids_are_taken_over_when_they_are_well_formed(
    api: httpx.AsyncClient, gateway: GatewayProcess
) -> None:
    answer = await api.get("/me", headers={"x-request-id": "mine-1"})
    assert answer.headers["request-id"] == "mine-1"
    answer = await api.get("/me", headers={"x-request-id": "no spaces allowed"})
    assert answer.headers["request-id"].startswith("req_")
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    answer = await api.get("/me", headers={"traceparent": trace, "x-request-id": "traced-1"})
    # The line is written after the answer has left.
    (line,) = await wait_until(
        lambda: [line for line in gateway.lines() if line.get("request_id") == "traced-1"],
        what="the request's line in the log",
    )
    assert line["traceparent"] == trace
    assert line["status"] == 200
    assert str(line["user_id"]).startswith("user_")


async def test_every_answer_has_the_security_headers(
    api: httpx.AsyncClient, gateway: GatewayProcess
) -> None:
    answers = [
        await api.get("/me"),
        await api.get("/nothing"),
        gateway.get("/"),
        gateway.get("/assets/index-abc123.js"),
        gateway.get("/login"),
        gateway.get("/login?token=wrong"),
    ]
    for answer in answers:
        assert answer.headers["x-content-type-options"] == "nosniff"
        # The address of the last one is a secret: at most the origin may go elsewhere.
        assert answer.headers["referrer-policy"] in ("no-referrer", "strict-origin")
        policy = answer.headers["content-security-policy"]
        assert "frame-ancestors 'none'" in policy
        (scripts,) = [part for part in policy.split("; ") if part.startswith("script-src")]
        assert "unsafe" not in scripts


async def test_keys_and_tokens_never_reach_the_log(admin: Person, gateway: GatewayProcess) -> None:
    async with admin.client() as client:
        made = (await client.post("/api_keys", json={"name": "secret"})).json()
        await client.get("/me", headers={"x-api-key": made["key"]})
    await asyncio.to_thread(gateway.get, "/login?token=verysecrettoken")
    # The line is written after the answer has left.
    await wait_until(
        lambda: any(line.get("path") == "/login" for line in gateway.lines()),
        10,
        "the line of the last request",
    )
    log = gateway.log.read_text()
    assert made["key"] not in log
    assert admin.key not in log
    assert "verysecrettoken" not in log
