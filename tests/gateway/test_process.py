"""The process: how it starts, says how it is, loses what it needs, and stops."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import httpx
import pytest

from csp_controlplane.store.database import Database
from support.gateway_process import GatewayProcess, new_admin, new_member
from support.memory import Memory
from support.postgres import PostgresServer
from support.session_api import message, new_session
from support.valkey import ValkeyServer
from support.waiting import wait_until


@pytest.fixture
def own_postgres() -> Iterator[PostgresServer]:
    server = PostgresServer()
    server.start()
    yield server
    server.close()


@pytest.fixture
def own_valkey() -> Iterator[ValkeyServer]:
    server = ValkeyServer()
    server.start()
    yield server
    server.close()


async def test_it_serves_before_the_database_and_heals(own_postgres: PostgresServer) -> None:
    own_postgres.sql("create database late")
    url = own_postgres.url("late")
    own_postgres.stop()
    process = GatewayProcess(url, None).start(wait="live")
    try:
        startup = process.get("/api/v1/health/startup")
        assert startup.status_code == 503
        assert "database" in startup.json()["checks"]["startup"]["message"]
        answer = await asyncio.to_thread(
            httpx.get, f"{process.url}/api/v1/me", headers={"x-api-key": "csp_x"}, trust_env=False
        )
        assert answer.status_code == 503
        assert answer.json()["error"]["type"] == "overloaded_error"
        assert "database" in answer.json()["error"]["message"]

        own_postgres.start()

        def healthy() -> bool:
            return process.get("/api/v1/health/ready").status_code == 200

        await wait_until(healthy, 30, "the gateway being ready")

        own_postgres.stop()
        ready = process.get("/api/v1/health/ready")
        assert ready.status_code == 503
        assert ready.json()["checks"]["database"]["state"] == "unavailable"
        assert process.get("/api/v1/health/live").status_code == 200
        answer = await asyncio.to_thread(
            httpx.get, f"{process.url}/api/v1/me", headers={"x-api-key": "csp_x"}, trust_env=False
        )
        assert answer.status_code == 503

        own_postgres.start()
        await wait_until(healthy, 30, "the gateway being ready again")
    finally:
        process.close()


async def test_without_redis_it_is_degraded_and_works(
    new_database: Callable[[], str], own_valkey: ValkeyServer
) -> None:
    url = new_database()
    environment = {"CSP_GATEWAY_SIGN_IN_FAILURES": "2"}
    with GatewayProcess(url, own_valkey.url, environment) as process:
        db = await Database.connect(url, max_size=2)
        admin = await new_admin(db, process.url)
        member = await new_member(db, admin, "correct horse battery")
        await db.close()
        own_valkey.kill()
        ready = process.get("/api/v1/health/ready")
        assert ready.status_code == 200
        assert ready.json()["status"] == "degraded"
        assert ready.json()["checks"]["redis"]["state"] == "degraded"
        async with admin.client() as client:
            assert (await client.post("/agents", json={"name": "a"})).status_code == 200
        async with member.browser() as browser:
            codes = []
            for password in ("wrong wrong", "wrong wrong", "correct horse battery"):
                body = {"email": member.user.email, "password": password}
                codes.append((await browser.post("/api/v1/auth/login", json=body)).status_code)
        assert codes == [401, 401, 429]


def test_readiness_names_what_it_needs(gateway: GatewayProcess) -> None:
    checks = gateway.get("/api/v1/health/ready").json()["checks"]
    assert set(checks) == {"startup", "database", "redis", "runtime", "warm_spares"}
    assert checks["runtime"]["state"] == "degraded"
    assert "csp up" in checks["runtime"]["message"]


def test_metrics_are_not_for_those_who_reach_the_page(gateway: GatewayProcess) -> None:
    assert gateway.get("/metrics").status_code == 404
    assert gateway.get("/metrics/").status_code == 404


async def test_a_taken_port_for_metrics_names_the_setting(new_database: Callable[[], str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        environment = {"CSP_GATEWAY_METRICS_PORT": str(taken.getsockname()[1])}
        gateway = GatewayProcess(new_database(), None, environment)
        with pytest.raises(RuntimeError, match="CSP_GATEWAY_METRICS_PORT"):
            await asyncio.to_thread(gateway.start)
        gateway.close()


def test_metrics_exist_before_anything_happened(gateway: GatewayProcess) -> None:
    text = gateway.metrics()
    for series in (
        'csp_session_init_duration_seconds_count{start="warm"}',
        'csp_prewarm_pool_size{state="warm"}',
        'csp_subprocess_rss_bytes{process="cli"}',
        'csp_http_request_duration_seconds_count{method="POST",route="/api/v1/sessions/'
        '{session_id}/events",status="2xx"}',
        "csp_websocket_connections",
        'csp_events_appended_total{writer="control"}',
        'csp_event_append_seconds_count{writer="worker"}',
        'csp_active_sessions{state="running"}',
        'csp_sign_in_attempts_total{method="password",outcome="throttled"}',
        "process_resident_memory_bytes",
    ):
        assert series in text, series


async def test_requests_are_counted_by_template_not_by_path(
    gateway: GatewayProcess, api: httpx.AsyncClient
) -> None:
    await api.get("/agents/agent_counted")
    await api.get("/nothing-counted")
    text = gateway.metrics()
    assert "agent_counted" not in text
    assert "nothing-counted" not in text
    assert (
        'csp_http_request_duration_seconds_count{method="GET",route="/api/v1/agents/{agent_id}"'
        in text
    )


async def test_sessions_are_counted_by_state(
    gateway: GatewayProcess, api: httpx.AsyncClient
) -> None:
    assert (await api.post("/sessions", json={})).status_code == 200

    def counted() -> bool:
        lines = gateway.metrics().splitlines()
        return any(
            line.startswith("csp_active_sessions{") and float(line.split()[-1]) > 0
            for line in lines
        )

    await wait_until(counted, 15, "the session being counted")


def test_the_page_is_sent_compressed_to_those_who_take_it(gateway: GatewayProcess) -> None:
    url = f"{gateway.url}/assets/index-abc123.js"

    def sent(accepted: str) -> tuple[str | None, int, str]:
        with httpx.stream(
            "GET", url, headers={"accept-encoding": accepted}, trust_env=False
        ) as answer:
            assert answer.headers["vary"] == "accept-encoding"
            assert answer.headers["content-type"].startswith("text/javascript")
            length = int(answer.headers["content-length"])
            return answer.headers.get("content-encoding"), length, answer.read().decode()

    encoding, length, text = sent("br, gzip;q=0.5")
    assert encoding == "gzip"
    assert length < len(text) / 2
    for refused in ("identity", "gzip;q=0", "gzip; q=0.0, br"):
        assert sent(refused) == (None, len(text), text)
    assert gateway.get("/assets/index-abc123.js.gz").status_code == 404


def test_only_the_script_of_the_page_itself_runs_in_it(gateway: GatewayProcess) -> None:
    digest = base64.b64encode(hashlib.sha256(b"early()").digest()).decode()
    for path in ("/", "/sessions/sesn_1"):
        policy = gateway.get(path).headers["content-security-policy"]
        assert f"script-src 'self' 'sha256-{digest}';" in policy
    policy = gateway.get("/favicon.svg").headers["content-security-policy"]
    assert "script-src 'self';" in policy


def test_the_page_is_served_with_its_caching(gateway: GatewayProcess) -> None:
    index = gateway.get("/")
    assert index.status_code == 200
    assert index.headers["cache-control"] == "no-cache"
    assert gateway.get("/sessions/sesn_1").text == index.text
    asset = gateway.get("/assets/index-abc123.js")
    assert "immutable" in asset.headers["cache-control"]
    assert asset.headers["content-type"].startswith("text/javascript")
    assert gateway.get("/favicon.svg").headers["content-type"] == "image/svg+xml"
    for path in ("/assets/old.js", "/missing.txt", "/api/v2/me", "/..%2f..%2fetc%2fpasswd"):
        answer = gateway.get(path)
        assert "<!doctype" not in answer.text or answer.text == index.text
        if path != "/..%2f..%2fetc%2fpasswd":
            assert answer.status_code == 404


def test_a_page_that_is_not_built_is_explained(new_database: Callable[[], str]) -> None:
    with GatewayProcess(new_database(), None) as process:
        answer = process.get("/")
        assert answer.status_code == 503
        assert "make build-page" in answer.text


async def test_sigterm_ends_open_streams_and_the_process(new_database: Callable[[], str]) -> None:
    url = new_database()
    process = GatewayProcess(url, None).start()
    assert process.process is not None
    db = await Database.connect(url, max_size=2)
    admin = await new_admin(db, process.url)
    await db.close()
    async with admin.client() as client:
        session = (await client.post("/sessions", json={})).json()["id"]
        async with client.stream("GET", f"/sessions/{session}/events/stream") as stream:
            lines = stream.aiter_lines()
            assert await anext(lines) == ": open"
            process.process.signal(signal.SIGTERM)
            started = time.monotonic()
            async with asyncio.timeout(10):
                rest = [line async for line in lines]
            assert time.monotonic() - started < 5
            assert not any("event: error" in line for line in rest), rest

    def ended() -> bool:
        return process.process is not None and not process.process.running

    await wait_until(ended, 10, "the gateway having ended")
    assert process.process.returncode == 0
    assert "Traceback" not in process.log.read_text()
    process.close()


def test_wrong_settings_are_one_sentence() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "csp_controlplane.gateway"],
        env={"CSP_DATABASE_URL": "mysql://x", "CSP_PUBLIC_URL": "nonsense"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "CSP_SIGNING_KEY_FILE" in done.stderr
    assert "CSP_PUBLIC_URL" in done.stderr


async def test_a_burst_of_writes_is_limited_per_user(
    new_database: Callable[[], str], own_valkey: ValkeyServer
) -> None:
    url = new_database()
    with GatewayProcess(url, own_valkey.url, {"CSP_GATEWAY_WRITES_PER_MINUTE": "5"}) as process:
        db = await Database.connect(url, max_size=2)
        admin, other = await new_admin(db, process.url), await new_admin(db, process.url)
        await db.close()
        async with admin.client() as client:
            codes = [
                (await client.post("/agents", json={"name": "a"})).status_code for _ in range(7)
            ]
            assert codes == [200] * 5 + [429] * 2
            assert (await client.get("/agents")).status_code == 200
        async with other.client() as client:
            assert (await client.post("/agents", json={"name": "a"})).status_code == 200


SOCKET = (
    "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n"
    "sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
)
MESSAGES, MESSAGE_BYTES = 40, 900_000


@pytest.mark.parametrize(
    ("way", "headers", "gauge"),
    [
        ("events/stream", "", "csp_event_stream_connections"),
        ("ws", SOCKET, "csp_websocket_connections"),
    ],
)
async def test_a_reader_that_does_not_read_is_dropped_and_little_is_kept_for_it(
    new_database: Callable[[], str], way: str, headers: str, gauge: str
) -> None:
    url = new_database()
    environment = {"CSP_SESSIONS_SUBSCRIBER_BYTES": "1000000"}
    with GatewayProcess(url, None, environment) as process:
        db = await Database.connect(url, max_size=2)
        admin = await new_admin(db, process.url)
        await db.close()
        async with admin.client() as client:
            session = await new_session(client)
            path = f"/api/v1/sessions/{session}/{way}"
            with socket.create_connection(("127.0.0.1", process.port)) as reader:
                request = f"GET {path} HTTP/1.1\r\nhost: x\r\nx-api-key: {admin.key}\r\n"
                reader.sendall(f"{request}{headers}\r\n".encode())

                def streams() -> float:
                    lines = process.metrics().splitlines()
                    found = next(line for line in lines if line.startswith(f"{gauge} "))
                    return float(found.split()[1])

                await wait_until(lambda: streams() == 1, 10, "the stream being open")
                assert process.process is not None
                memory = Memory(process.process.pid)
                for _ in range(MESSAGES):
                    body = {"events": [message("x" * MESSAGE_BYTES)]}
                    answer = await client.post(f"/sessions/{session}/events", json=body)
                    assert answer.status_code == 200, answer.text
                await wait_until(lambda: streams() == 0, 20, "the slow reader being dropped")
                assert memory.growth() < MESSAGES * MESSAGE_BYTES / 2
            assert (await client.get(f"/sessions/{session}")).status_code == 200
