"""The circuit breaker, with proxies as processes and a Valkey that fails."""

from __future__ import annotations

import pytest

from support.models import (
    FAIL,
    FINE,
    BoundSession,
    ProxyServer,
    ScriptedServer,
    body,
    count_at_provider,
    metric,
    post,
    script,
    status_of,
)
from support.processes import free_port
from support.valkey import ValkeyServer
from support.waiting import wait_until


async def test_breaker_opens_after_five_failures_and_closes_after_a_good_probe(
    scripted: ScriptedServer, session: BoundSession, database_url: str, redis_url: str
) -> None:
    with ProxyServer(scripted.url, database_url, redis_url, breaker_open_seconds="1") as proxy:
        for _ in range(5):
            assert await status_of(proxy, session, FAIL) == 529
        before = await count_at_provider(scripted)
        async with post(proxy.url, session.handle, FINE) as response:
            held = await response.json()
        assert response.status == 529
        assert held["error"]["type"] == "overloaded_error"
        assert "held back" in held["error"]["message"]
        assert int(response.headers["retry-after"]) >= 1
        assert await count_at_provider(scripted) == before
        assert await metric(proxy, "csp_circuit_breaker_state") == 2

        async def half_open() -> bool:
            return await metric(proxy, "csp_circuit_breaker_state") == 1

        await wait_until(half_open, 5, "the breaker half open")
        assert await status_of(proxy, session, FINE) == 200
        assert await metric(proxy, "csp_circuit_breaker_state") == 0
        assert await status_of(proxy, session, FINE) == 200


async def test_failed_probe_opens_the_breaker_again(
    scripted: ScriptedServer, session: BoundSession, database_url: str, redis_url: str
) -> None:
    with ProxyServer(scripted.url, database_url, redis_url, breaker_open_seconds="0.5") as proxy:
        for _ in range(5):
            await status_of(proxy, session, FAIL)

        async def state() -> float:
            return await metric(proxy, "csp_circuit_breaker_state")

        async def half_open() -> bool:
            return await state() == 1

        await wait_until(half_open, 5, "the breaker half open")
        before = await count_at_provider(scripted)
        assert await status_of(proxy, session, FAIL) == 529
        assert await count_at_provider(scripted) == before + 1
        assert await state() == 2
        await wait_until(half_open, 5, "the breaker half open again")
        assert await status_of(proxy, session, FINE) == 200


@pytest.mark.parametrize("status", [400, 404, 429])
async def test_answers_that_are_not_the_providers_fault_do_not_open_the_breaker(
    scripted: ScriptedServer, session: BoundSession, database_url: str, redis_url: str, status: int
) -> None:
    with ProxyServer(scripted.url, database_url, redis_url) as proxy:
        asked = body(script({"t": "err", "status": status}))
        for _ in range(7):
            assert await status_of(proxy, session, asked) == status
        assert await status_of(proxy, session, FINE) == 200


async def test_unreachable_provider_opens_the_breaker(
    session: BoundSession, database_url: str, redis_url: str
) -> None:
    nowhere = f"http://127.0.0.1:{free_port()}"
    with ProxyServer(nowhere, database_url, redis_url) as proxy:
        statuses = [await status_of(proxy, session, FINE) for _ in range(6)]
    assert statuses == [502] * 5 + [529]


async def test_breaker_is_shared_between_proxies(
    scripted: ScriptedServer, session: BoundSession, database_url: str
) -> None:
    valkey = ValkeyServer()
    valkey.start()
    try:
        with (
            ProxyServer(scripted.url, database_url, valkey.url, breaker_open_seconds="30") as one,
            ProxyServer(scripted.url, database_url, valkey.url, breaker_open_seconds="30") as other,
        ):
            for proxy in (one, one, one, other, other):
                await status_of(proxy, session, FAIL)
            for proxy in (one, other):

                async def is_open(asked: ProxyServer = proxy) -> bool:
                    return await metric(asked, "csp_circuit_breaker_state") == 2

                await wait_until(is_open, 5, f"{proxy.url} open")
            # What Redis forgets closes the breaker: the next failures open it again.
            valkey.flush()
            for proxy in (one, other):

                async def works(asked: ProxyServer = proxy) -> bool:
                    return await status_of(asked, session, FINE) == 200

                await wait_until(works, 5, f"{proxy.url} serves again")
    finally:
        valkey.close()


async def test_breaker_and_requests_work_without_valkey(
    scripted: ScriptedServer, session: BoundSession, database_url: str
) -> None:
    valkey = ValkeyServer()
    valkey.start()
    try:
        with ProxyServer(scripted.url, database_url, valkey.url) as proxy:
            assert await status_of(proxy, session, FINE) == 200
            valkey.kill()
            assert await status_of(proxy, session, FINE) == 200
            for _ in range(5):
                await status_of(proxy, session, FAIL)
            assert "held back" in await _text(proxy, session)
    finally:
        valkey.close()


async def _text(proxy: ProxyServer, session: BoundSession) -> str:
    async with post(proxy.url, session.handle, FINE) as response:
        return await response.text()
