"""The provider refuses the key, is silent, or is not there; the proxy never asks it twice."""

from __future__ import annotations

import json

from support.models import (
    FAIL,
    FINE,
    BoundSession,
    ProxyServer,
    ScriptedServer,
    body,
    count_at_provider,
    post,
    requests_of,
    script,
    status_of,
)
from support.processes import free_port


async def test_wrong_key_becomes_a_sentence_without_the_key(
    session: BoundSession, database_url: str, redis_url: str
) -> None:
    with (
        ScriptedServer(api_key="another-key") as scripted,
        ProxyServer(scripted.url, database_url, redis_url) as proxy,
    ):
        async with post(proxy.url, session.handle, FINE) as response:
            text = await response.text()
        assert response.status == 401
        assert "refused the API key" in text
        assert "ANTHROPIC_API_KEY" in text
        assert response.headers["x-should-retry"] == "false"
        assert "the-real-key" not in text + proxy.process.log.read_text()


async def test_missing_key_becomes_a_sentence(
    scripted: ScriptedServer, session: BoundSession, database_url: str, redis_url: str
) -> None:
    with ProxyServer(scripted.url, database_url, redis_url, api_key="") as proxy:
        async with post(proxy.url, session.handle, FINE) as response:
            refused = await response.json()
        assert response.status == 401
        assert "Set ANTHROPIC_API_KEY" in refused["error"]["message"]


async def test_no_network_becomes_a_sentence(
    session: BoundSession, database_url: str, redis_url: str
) -> None:
    nowhere = f"http://127.0.0.1:{free_port()}"
    with ProxyServer(nowhere, database_url, redis_url) as proxy:
        async with post(proxy.url, session.handle, FINE) as response:
            refused = await response.json()
        assert response.status == 502
        assert "cannot be reached" in refused["error"]["message"]
    (row,) = await requests_of(database_url, session.id)
    assert (row["status"], row["cost_microusd"]) == ("settled", 0)


async def test_silent_provider_becomes_a_sentence(
    scripted: ScriptedServer, session: BoundSession, database_url: str, redis_url: str
) -> None:
    with ProxyServer(scripted.url, database_url, redis_url, silence_seconds="0.5") as proxy:
        asked = body(script({"t": "hang", "secs": 30}))
        async with post(proxy.url, session.handle, asked) as response:
            refused = await response.json()
        assert response.status == 504
        assert refused["error"]["type"] == "timeout_error"


async def test_provider_is_never_asked_twice(
    proxy: ProxyServer, scripted: ScriptedServer, session: BoundSession
) -> None:
    before = await count_at_provider(scripted)
    assert await status_of(proxy, session, FAIL) == 529
    assert await count_at_provider(scripted) == before + 1


async def test_lines_about_a_request_name_its_session_its_user_and_its_trace(
    session: BoundSession, database_url: str, redis_url: str
) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    nowhere = f"http://127.0.0.1:{free_port()}"
    with ProxyServer(nowhere, database_url, redis_url) as proxy:
        async with post(proxy.url, session.handle, FINE, traceparent=trace) as response:
            assert response.status == 502
        lines = [json.loads(line) for line in proxy.process.log.read_text().splitlines()]
    (line,) = [line for line in lines if line["message"] == "provider_unreachable"]
    assert (line["session_id"], line["epoch"]) == (session.id, session.epoch)
    assert line["user_id"].startswith("user_")
    assert line["traceparent"] == trace
