"""The scripted model and the proxy as processes, and sessions whose handles the proxy knows."""

from __future__ import annotations

import json
import secrets
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp
import asyncpg

from csp_controlplane.domain.fold import Fold
from csp_controlplane.domain.ids import new_id
from csp_controlplane.proxy.accounts import hash_handle
from csp_controlplane.store import sessions
from csp_controlplane.store.database import Database
from csp_crds.agent import AgentSpec
from support.processes import ServerProcess, free_port

TENANT = "tenant_1"
MODEL = "claude-opus-5-5"
UPSTREAM_KEY = "the-real-key"


class _Server:
    """One process that listens on a free port."""

    module: str

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._directory = tempfile.TemporaryDirectory(prefix="csp-model-")
        self._environment = dict(environment)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.process = self.start()

    def start(self) -> ServerProcess:
        """Starts on the same port, again after a stop or a kill."""
        self.process = ServerProcess.module(
            self.module, log=Path(self._directory.name) / "log", environment=self._environment
        )
        self.process.wait_listening(self.port)
        return self.process

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.process.stop()
        self._directory.cleanup()


class ScriptedServer(_Server):
    """The scripted model without delays, unless told otherwise."""

    module = "csp_controlplane.scripted_model"

    def __init__(self, **settings: str) -> None:
        super().__init__({"CSP_SCRIPTED_WORD_DELAY_MS": "0", **_named("CSP_SCRIPTED_", settings)})

    def start(self) -> ServerProcess:
        self._environment["CSP_SCRIPTED_PORT"] = str(self.port)
        return super().start()


class ProxyServer(_Server):
    """The model proxy in front of `upstream`."""

    module = "csp_controlplane.proxy"

    def __init__(self, upstream: str, database: str, redis: str, **settings: str) -> None:
        super().__init__(
            {
                "CSP_PROXY_UPSTREAM_URL": upstream,
                "CSP_PROXY_API_KEY": UPSTREAM_KEY,
                "CSP_DATABASE_URL": database,
                "CSP_REDIS_URL": redis,
                **_named("CSP_PROXY_", settings),
            }
        )

    def start(self) -> ServerProcess:
        self._environment["CSP_PROXY_PORT"] = str(self.port)
        self._environment.setdefault("CSP_PROXY_METRICS_PORT", str(free_port()))
        return super().start()

    @property
    def metrics_url(self) -> str:
        return f"http://127.0.0.1:{self._environment['CSP_PROXY_METRICS_PORT']}/metrics"


def _named(prefix: str, settings: Mapping[str, str]) -> dict[str, str]:
    return {prefix + name.upper(): value for name, value in settings.items()}


@dataclass(frozen=True)
class BoundSession:
    """A session with a live epoch."""

    id: str
    epoch: int
    handle: str


async def bind_session(db: Database, endpoint: str = "unix:/nowhere") -> BoundSession:
    """A new session of a new user, bound to a worker that does not exist."""
    session, user, handle = new_id("sesn"), new_id("user"), secrets.token_urlsafe(32)
    async with db.tenant(TENANT) as connection:
        await connection.execute(
            "insert into tenants (id, name) values ($1, 'T') on conflict do nothing", TENANT
        )
        await connection.execute(
            "insert into users (id, tenant, email, name) values ($1, $2, $3, 'U')",
            user,
            TENANT,
            f"{user}@example.org",
        )
    await sessions.insert(
        db,
        sessions.NewSession(
            id=session,
            month=date(2026, 5, 1),
            tenant=TENANT,
            owner=user,
            agent={},
            spec=AgentSpec(),
            agent_id=None,
            agent_version=None,
            environment_id=None,
            title=None,
            metadata={},
            fold=Fold(),
        ),
    )
    return await rebind(db, session, handle, endpoint)


async def rebind(
    db: Database, session: str, handle: str, endpoint: str = "unix:/nowhere"
) -> BoundSession:
    """Opens the session's next epoch, which ends the last one."""
    assert await sessions.take_lease(db, TENANT, session, "test", 60)
    epoch = await sessions.open_epoch(
        db,
        TENANT,
        session,
        holder="test",
        worker_id=new_id("wrkr"),
        endpoint=endpoint,
        handle_hash=hash_handle(handle),
    )
    assert epoch is not None
    return BoundSession(session, epoch, handle)


async def requests_of(url: str, session: str) -> list[dict[str, Any]]:
    """The session's rows in model_requests, oldest first, read as the owner of the tables."""
    connection = await asyncpg.connect(url)
    try:
        rows = await connection.fetch(
            "select * from model_requests where session_id = $1 order by started_at, id", session
        )
    finally:
        await connection.close()
    return [dict(row) for row in rows]


async def usage_events(url: str, session: str) -> list[dict[str, Any]]:
    """The session's `session.usage` events with their seq."""
    connection = await asyncpg.connect(url)
    try:
        rows = await connection.fetch(
            "select seq, payload::text from events where session_id = $1 "
            "and type = 'session.usage' order by seq",
            session,
        )
    finally:
        await connection.close()
    return [{"seq": row[0], **json.loads(row[1])} for row in rows]


def script(*steps: Mapping[str, Any]) -> str:
    """A prompt in the language of the scripted model."""
    return f"SCRIPT:{json.dumps(steps)}:END"


def body(prompt: str, **fields: Any) -> dict[str, Any]:
    """A request to the Messages API."""
    return {
        "model": MODEL,
        "max_tokens": 1000,
        "messages": [{"role": "user", "content": prompt}],
        **fields,
    }


@asynccontextmanager
async def post(
    url: str, handle: str, content: Mapping[str, Any] | bytes, **headers: str
) -> AsyncIterator[aiohttp.ClientResponse]:
    """A raw request with a handle, for tests that look below the official client."""
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    sent = {"x-api-key": handle, "content-type": "application/json", **headers}
    async with (
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60)) as client,
        client.post(url + "/v1/messages", data=data, headers=sent) as response,
    ):
        yield response


async def recorded(url: str) -> list[dict[str, Any]]:
    """What the scripted model was asked."""
    async with aiohttp.ClientSession() as client, client.get(url + "/_requests") as response:
        entries: list[dict[str, Any]] = await response.json()
    return entries


async def metric(proxy: ProxyServer, name: str) -> float:
    """One sample of a proxy's metrics, by its name with labels as Prometheus prints it."""
    lines = (await metrics(proxy)).splitlines()
    return float(next(line.rsplit(" ", 1)[1] for line in lines if line.startswith(name + " ")))


async def metrics(proxy: ProxyServer) -> str:
    """As Prometheus is told them."""
    async with aiohttp.ClientSession() as client, client.get(proxy.metrics_url) as response:
        return await response.text()


async def status_of(proxy: ProxyServer, session: BoundSession, asked: Mapping[str, Any]) -> int:
    """The status of one request through the proxy."""
    async with post(proxy.url, session.handle, asked) as response:
        await response.read()
        return response.status


async def count_at_provider(scripted: ScriptedServer) -> int:
    """How many requests the scripted model has seen."""
    entries = await recorded(scripted.url)
    return int(entries[-1]["number"]) if entries else 0


FINE: Mapping[str, Any] = body("hello there")
FAIL: Mapping[str, Any] = body(script({"t": "err", "status": 529}))
