"""The database or the proxy itself fails, stops or has too much to do."""

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
from csp_controlplane.store.migrate import migrate
from support.models import (
    FINE,
    MODEL,
    BoundSession,
    ProxyServer,
    ScriptedServer,
    bind_session,
    body,
    post,
    recorded,
    requests_of,
    script,
    status_of,
)
from support.postgres import PostgresServer
from support.processes import ServerProcess
from support.waiting import wait_until


async def test_first_byte_arrives_before_the_provider_has_ended(
    proxy: ProxyServer, scripted: ScriptedServer, session: BoundSession
) -> None:
    step = {"t": "stall", "text": "already here ", "n": 2, "secs": 30}
    async with post(proxy.url, session.handle, body(script(step), stream=True)) as response:
        received = b""
        async with asyncio.timeout(5):
            async for piece in response.content.iter_any():
                received += piece
                if received.count(b"already here") == 2:
                    break
        assert received.count(b"already here") == 2, received
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


async def test_a_proxy_that_is_there_before_the_first_migration_waits_for_it(
    scripted: ScriptedServer, redis_url: str
) -> None:
    postgres = PostgresServer()
    try:
        postgres.start()
        url = postgres.url()
        with ProxyServer(scripted.url, url, redis_url) as proxy:
            log = postgres.directory / "log"
            await wait_until(
                lambda: 'role "csp_app" does not exist' in log.read_text(), 30, "a first attempt"
            )
            await asyncio.to_thread(migrate, url)
            db = await Database.connect(url)
            session = await bind_session(db)
            await db.close()
            assert await status_of(proxy, session, FINE) == 200
    finally:
        postgres.close()


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
        with ProxyServer(scripted.url, url, redis_url, offline_seconds="10") as proxy:
            asked = time.monotonic()
            assert await status_of(proxy, known, FINE) == 200
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

            await wait_until(too_late, 40, "the known handle is refused", interval=0.2)
            assert time.monotonic() - asked >= 10  # it was confirmed after that
            postgres.start()

            async def back() -> bool:
                return await status_of(proxy, unknown, FINE) == 200

            await wait_until(back, 30, "the database is used again", interval=0.2)

            async def all_settled() -> bool:
                rows = await requests_of(url, known.id)
                return len(rows) >= 2 and all(row["status"] == "settled" for row in rows)

            await wait_until(all_settled, 30, "what was served without it is settled")
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
