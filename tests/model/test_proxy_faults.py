"""The provider, the database, Redis or the proxy itself fails."""

from __future__ import annotations

import asyncio
import signal
import time
from pathlib import Path

import aiohttp
import anthropic
import pytest
from anthropic import AsyncAnthropic

from csp_controlplane.store.database import Database
from support.models import (
    MODEL,
    BoundSession,
    ProxyServer,
    ScriptedServer,
    bind_session,
    body,
    metric,
    post,
    recorded,
    requests_of,
    script,
)
from support.postgres import PostgresServer
from support.processes import ServerProcess, free_port
from support.valkey import ValkeyServer
from support.waiting import wait_until

FAIL = body(script({"t": "err", "status": 529}))
FINE = body("hello there")


async def status_of(proxy: ProxyServer, session: BoundSession, asked: object) -> int:
    async with post(proxy.url, session.handle, asked) as response:  # type: ignore[arg-type]
        await response.read()
        return response.status


async def count_at_provider(scripted: ScriptedServer) -> int:
    entries = await recorded(scripted.url)
    return int(entries[-1]["number"]) if entries else 0


# ---- the stream ---------------------------------------------------------------------------------


async def test_first_byte_arrives_before_the_provider_has_ended(
    proxy: ProxyServer, scripted: ScriptedServer, session: BoundSession
) -> None:
    step = {"t": "stall", "text": "already here ", "n": 2, "secs": 30}
    async with post(proxy.url, session.handle, body(script(step), stream=True)) as response:
        received = b""
        async with asyncio.timeout(5):
            while received.count(b"already here") < 2:
                received += await response.content.readany()
        assert "ended" not in (await recorded(scripted.url))[-1]


async def test_restart_of_the_proxy_is_a_cut_and_the_next_request_works(
    scripted: ScriptedServer, session: BoundSession, database_url: str, redis_url: str
) -> None:
    with ProxyServer(scripted.url, database_url, redis_url) as proxy:
        step = {"t": "stall", "n": 3, "secs": 30}
        async with post(proxy.url, session.handle, body(script(step), stream=True)) as response:
            await response.content.readany()
            proxy.process.kill()
            with pytest.raises(aiohttp.ClientPayloadError):
                await response.content.read()
        proxy.start()
        assert await status_of(proxy, session, FINE) == 200


async def test_sigterm_lets_a_running_stream_end_and_takes_no_new_request(
    scripted: ScriptedServer, session: BoundSession, database_url: str, redis_url: str
) -> None:
    with ProxyServer(scripted.url, database_url, redis_url) as proxy:
        step = {"t": "text", "text": "w ", "n": 40, "chunk_delay": 0.05}
        async with post(proxy.url, session.handle, body(script(step), stream=True)) as response:
            await response.content.readany()
            proxy.process.signal(signal.SIGTERM)
            text = await response.text()
        assert text.endswith('data: {"type":"message_stop"}\n\n')
        await wait_until(lambda: not proxy.process.running, 10, "the proxy ended")
        assert proxy.process.returncode == 0
        with pytest.raises(aiohttp.ClientConnectionError):
            await status_of(proxy, session, FINE)
    (row,) = await requests_of(database_url, session.id)
    assert row["status"] == "settled"


async def test_sigterm_cuts_what_does_not_end_in_time_and_still_settles_it(
    scripted: ScriptedServer, session: BoundSession, database_url: str, redis_url: str
) -> None:
    with ProxyServer(scripted.url, database_url, redis_url, shutdown_seconds="1") as proxy:
        step = {"t": "stall", "n": 3, "secs": 60, "usage": {"input_tokens": 900}}
        async with post(proxy.url, session.handle, body(script(step), stream=True)) as response:
            await response.content.readany()
            proxy.process.signal(signal.SIGTERM)
            with pytest.raises(aiohttp.ClientError):
                await response.content.read()
        await wait_until(lambda: not proxy.process.running, 10, "the proxy ended")
    (row,) = await requests_of(database_url, session.id)
    assert (row["status"], row["input_tokens"]) == ("settled", 900)


# ---- the provider -------------------------------------------------------------------------------


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


# ---- the circuit breaker ------------------------------------------------------------------------


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
        assert await metric(proxy.url, "csp_circuit_breaker_state") == 2

        async def half_open() -> bool:
            return await metric(proxy.url, "csp_circuit_breaker_state") == 1

        await wait_until(half_open, 5, "the breaker half open")
        assert await status_of(proxy, session, FINE) == 200
        assert await metric(proxy.url, "csp_circuit_breaker_state") == 0
        assert await status_of(proxy, session, FINE) == 200


async def test_failed_probe_opens_the_breaker_again(
    scripted: ScriptedServer, session: BoundSession, database_url: str, redis_url: str
) -> None:
    with ProxyServer(scripted.url, database_url, redis_url, breaker_open_seconds="0.5") as proxy:
        for _ in range(5):
            await status_of(proxy, session, FAIL)

        async def state() -> float:
            return await metric(proxy.url, "csp_circuit_breaker_state")

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
                    return await metric(asked.url, "csp_circuit_breaker_state") == 2

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


# ---- the database -------------------------------------------------------------------------------


@pytest.mark.faults
async def test_database_away_serves_known_handles_for_a_while_and_settles_later(
    scripted: ScriptedServer, redis_url: str
) -> None:
    postgres = PostgresServer()
    try:
        postgres.start()
        await asyncio.to_thread(postgres.create_template)
        url = postgres.create_database()
        db = await Database.connect(url)
        known, unknown = await bind_session(db), await bind_session(db)
        await db.close()
        with ProxyServer(scripted.url, url, redis_url, offline_seconds="4") as proxy:
            assert await status_of(proxy, known, FINE) == 200
            confirmed = time.monotonic()
            postgres.stop()
            assert await status_of(proxy, known, FINE) == 200
            async with post(proxy.url, unknown.handle, FINE) as response:
                refused = await response.json()
            assert response.status == 503
            assert "database" in refused["error"]["message"]
            async with (
                aiohttp.ClientSession() as client,
                client.get(proxy.url + "/health/ready") as ready,
            ):
                assert ready.status == 503

            async def too_late() -> bool:
                return await status_of(proxy, known, FINE) == 503

            await wait_until(too_late, 10, "the known handle is refused", interval=0.2)
            assert time.monotonic() - confirmed >= 4
            postgres.start()

            async def back() -> bool:
                return await status_of(proxy, unknown, FINE) == 200

            await wait_until(back, 10, "the database is used again", interval=0.2)

            async def all_settled() -> bool:
                rows = await requests_of(url, known.id)
                return len(rows) >= 2 and all(row["status"] == "settled" for row in rows)

            await wait_until(all_settled, 10, "what was served without it is settled")
    finally:
        postgres.close()


async def test_full_queue_of_costs_refuses_requests(
    scripted: ScriptedServer, session: BoundSession, database_url: str, redis_url: str
) -> None:
    with ProxyServer(scripted.url, database_url, redis_url, unsettled_queue="1") as proxy:
        assert await status_of(proxy, session, FINE) == 503


async def test_more_requests_than_allowed_at_once_are_asked_to_wait(
    scripted: ScriptedServer, session: BoundSession, database_url: str, redis_url: str
) -> None:
    with ProxyServer(scripted.url, database_url, redis_url, max_in_flight="1") as proxy:
        step = {"t": "stall", "n": 1, "secs": 20}
        async with post(proxy.url, session.handle, body(script(step), stream=True)) as response:
            await response.content.readany()
            async with post(proxy.url, session.handle, FINE) as second:
                assert second.status == 529
                assert second.headers["retry-after"] == "2"


# ---- the start ----------------------------------------------------------------------------------


async def test_port_taken_is_one_clear_line(
    proxy: ProxyServer, database_url: str, redis_url: str, tmp_path: Path
) -> None:
    second = ServerProcess.module(
        "csp_controlplane.proxy",
        log=tmp_path / "log",
        environment={
            "CSP_PROXY_PORT": str(proxy.port),
            "CSP_DATABASE_URL": database_url,
            "CSP_REDIS_URL": redis_url,
        },
    )
    await wait_until(lambda: not second.running, 20, "the second proxy ended")
    assert second.returncode == 1
    (line,) = second.log.read_text().splitlines()
    assert "CSP_PROXY_PORT" in line


async def test_official_client_retries_on_its_own(
    scripted: ScriptedServer, session: BoundSession, database_url: str, redis_url: str
) -> None:
    with ProxyServer(scripted.url, database_url, redis_url) as proxy:
        async with AsyncAnthropic(
            base_url=proxy.url, api_key=session.handle, max_retries=2
        ) as client:
            step = {"t": "err", "status": 529, "times": 1, "then": {"t": "text", "text": "again"}}
            answer = await client.messages.create(
                model=MODEL,
                max_tokens=10,
                messages=[{"role": "user", "content": script(step)}],
            )
    assert answer.content[0].text == "again"  # type: ignore[union-attr]
    assert len(await requests_of(database_url, session.id)) == 2
    assert issubclass(anthropic.InternalServerError, anthropic.APIStatusError)
