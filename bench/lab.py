"""One gateway with everything around it: durable PostgreSQL, Valkey, the source, the bare relay.

The gateway is the product's process, started as `csp up` starts it; only its supervisor socket
belongs to the bench. Load is made in other processes, so that the gateway's processor time is its
own. PostgreSQL runs with its durability switched on: a commit here costs what it costs a user.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx

from bench.sink import BareClient, SocketClient, SocketClosed, Tally, open_bare, open_socket
from csp_controlplane.store.database import Database
from csp_controlplane.supervisor.access import OWNER_TENANT, OwnerAccess
from csp_controlplane.supervisor.layout import Layout
from csp_controlplane.supervisor.signing import ensure_keys
from support.postgres import PostgresServer
from support.processes import ServerProcess, free_port, listens
from support.valkey import ValkeyServer
from support.waiting import wait_until

ROOT = Path(__file__).parents[1]
DURABLE = {"fsync": "on", "full_page_writes": "on", "synchronous_commit": "on",
           "shared_buffers": "64MB", "jit": "off"}  # fmt: skip
START_S = 60.0
PLAY_SLACK_S = 120.0


@dataclass(frozen=True, slots=True)
class Watched:
    """A session and the client that watches it."""

    session_id: str
    client: SocketClient


@dataclass
class Lab:
    """The running set. All measurements share it."""

    directory: Path
    database_url: str
    db: Database
    gateway: ServerProcess
    gateway_port: int
    bare_relay: ServerProcess
    bare_port: int
    source: httpx.AsyncClient
    api: httpx.AsyncClient
    api_key: str
    tally: Tally

    # ---- sessions

    async def new_session(self) -> str:
        """A session whose replaying worker is bound and attached."""
        answer = await self.api.post("/sessions", json={"title": "bench"})
        answer.raise_for_status()
        session_id: str = answer.json()["id"]
        await self.attached([session_id])
        return session_id

    async def attached(self, sessions: Sequence[str]) -> None:
        answer = await self.source.post("/bench/attached", json={"sessions": list(sessions)})
        answer.raise_for_status()

    async def watch(self, session_id: str, query: str = "", tally: Tally | None = None) -> Watched:
        """A client of the session's WebSocket that has caught up."""
        path = f"/api/v1/sessions/{session_id}/ws{query}"
        client = await open_socket(
            tally or self.tally, self.gateway_port, path, {"x-api-key": self.api_key}
        )
        async with asyncio.timeout(START_S):
            await client.caught_up
        return Watched(session_id, client)

    async def watched_sessions(self, count: int) -> list[Watched]:
        return [await self.watch(await self.new_session()) for _ in range(count)]

    async def bare_clients(self, count: int) -> list[BareClient]:
        """Connected through the bare relay to the source."""
        clients = [await open_bare(self.tally, self.bare_port) for _ in range(count)]

        async def connected() -> bool:
            ports = (await self.source.get("/bench/ports")).json()
            return bool(ports["bare_connections"] == count)

        await wait_until(connected, START_S, "the bare relay's connections")
        return clients

    # ---- playing

    async def play(self, watched: Sequence[Watched], what: str, **pace: float) -> int:
        """Plays previews or facts to watched sessions; returns when all have arrived."""
        body = {"what": what, "sessions": [one.session_id for one in watched], **pace}
        try:
            return await self._play(body)
        finally:
            for one in watched:
                if one.client.closed is not None:
                    raise SocketClosed(f"{one.session_id}: {one.client.closed}")

    async def play_bare(self, connections: int, **pace: float) -> int:
        return await self._play({"what": "bare", "connections": connections, **pace})

    async def _play(self, body: dict[str, Any]) -> int:
        timeout = body["seconds"] + PLAY_SLACK_S
        answer = await self.source.post("/bench/play", json=body, timeout=timeout)
        answer.raise_for_status()
        sent: int = answer.json()["sent"]
        await self.tally.until(sent, START_S)
        return sent


@asynccontextmanager
async def open_lab() -> AsyncIterator[Lab]:
    """Starts everything; stops it and removes its data."""
    with ExitStack() as stack:
        directory = Path(tempfile.mkdtemp(prefix="csp-bench-"))
        stack.callback(shutil.rmtree, directory, ignore_errors=True)
        postgres = PostgresServer(DURABLE)
        stack.callback(postgres.close)
        await asyncio.to_thread(postgres.start)
        await asyncio.to_thread(postgres.create_template)  # migrations run a loop of their own
        url = postgres.create_database("bench")
        valkey = ValkeyServer()
        stack.callback(valkey.close)
        valkey.start()
        async with _processes(stack, directory, url, valkey.url) as lab:
            yield lab


@asynccontextmanager
async def _processes(
    stack: ExitStack, directory: Path, database_url: str, redis_url: str
) -> AsyncIterator[Lab]:
    layout = Layout(directory)
    layout.signing_key.parent.mkdir()
    layout.jwks.parent.mkdir()
    ensure_keys(layout)
    socket = directory / "s"
    source = stack.enter_context(bench_module(directory, "bench.source", str(socket)))
    await wait_until(socket.exists, START_S, "the source's socket")
    transport = httpx.AsyncHTTPTransport(uds=str(socket))
    async with httpx.AsyncClient(transport=transport, base_url="http://source") as control:
        bare_source = (await control.get("/bench/ports")).json()["bare"]
        bare_port, gateway_port = free_port(), free_port()
        relay = stack.enter_context(
            bench_module(directory, "bench.bare_relay", str(bare_port), str(bare_source))
        )
        await asyncio.to_thread(relay.wait_listening, bare_port, START_S)
        environment = {
            "CSP_GATEWAY_HOST": "127.0.0.1",
            "CSP_GATEWAY_PORT": str(gateway_port),
            "CSP_GATEWAY_ID": "bench",
            "CSP_DATABASE_URL": database_url,
            "CSP_REDIS_URL": redis_url,
            "CSP_SIGNING_KEY_FILE": str(layout.signing_key),
            "CSP_SUPERVISOR_SOCKET": str(socket),
            "CSP_LOG_LEVEL": "warning",
            "GRPC_ENABLE_FORK_SUPPORT": "false",
        }
        gateway = stack.enter_context(
            ServerProcess.module(
                "csp_controlplane.gateway", log=directory / "gateway.log", environment=environment
            )
        )
        await asyncio.to_thread(gateway.wait_listening, gateway_port, START_S)
        async with OwnerAccess.open(database_url) as access:
            api_key = await access.short_lived_key("bench", timedelta(hours=6))
        db = await Database.connect(database_url, application="csp-bench")
        api = httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{gateway_port}/api/v1",
            headers={"x-api-key": api_key},
            trust_env=False,
            timeout=30,
        )
        try:
            await _ready(api, gateway)
            yield Lab(directory, database_url, db, gateway, gateway_port, relay, bare_port,
                      control, api, api_key, Tally())  # fmt: skip
        except BaseException:
            for process in (gateway, source, relay):
                tail = process.tail(20)
                if tail:
                    print(f"--- {' '.join(process.arguments)}\n{tail}", file=sys.stderr)
            raise
        finally:
            await api.aclose()
            await db.close()


async def _ready(api: httpx.AsyncClient, gateway: ServerProcess) -> None:
    async def ready() -> bool:
        if not gateway.running:
            raise RuntimeError(f"the gateway ended:\n{gateway.tail()}")
        return (await api.get("/me")).status_code == 200

    await wait_until(ready, START_S, "the gateway being ready")


def bench_module(directory: Path, module: str, *arguments: str) -> ServerProcess:
    """A process of the bench itself."""
    paths = os.pathsep.join((str(ROOT), str(ROOT / "tests")))
    return ServerProcess(
        [sys.executable, "-m", module, *arguments],
        log=directory / f"{module}.log",
        environment={"PYTHONPATH": paths},
    )


__all__ = ["OWNER_TENANT", "Lab", "Watched", "bench_module", "listens", "open_lab"]
