"""Everything that a chaos run runs on: real servers and processes, each of which can be struck.

Between the gateways and their stores lie relays that can be cut or slowed. The database lies on a
small disk of its own where the system allows that, so that it can be filled.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from contextlib import ExitStack, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import psutil

from bench.lab import ROOT
from csp_controlplane.supervisor.access import OwnerAccess
from csp_controlplane.supervisor.layout import Layout
from support.casualties import Family, listener
from support.choke import Choke
from support.postgres import PostgresServer
from support.processes import ServerProcess, free_port, listens
from support.sim.planted import unfence
from support.valkey import ValkeyServer
from support.waiting import DeadlineExceeded, wait_until

START_S = 60.0
GATEWAYS = ("gateway-1", "gateway-2")
BALLAST_BYTES = 64 * 1024**2
SETTINGS = {
    "CSP_SESSIONS_LEASE": "3", "CSP_SESSIONS_POLL": "0.5", "CSP_LOG_LEVEL": "warning",
    "CSP_GATEWAY_MIGRATE": "false",
}  # fmt: skip


class Ground:
    """Use it as an async context manager."""

    def __init__(self, plant: str | None) -> None:
        self.plant = plant
        self.directory = Path(tempfile.mkdtemp(prefix="csp-chaos-"))
        self.journals = self.directory / "journals"
        self.ports = {name: free_port() for name in GATEWAYS}
        self.proxy_port = free_port()
        self.api_key = ""
        self.relays: dict[str, Choke] = {}
        self._stack = ExitStack()
        self._pids: dict[str, int] = {}
        self._births = asyncio.Lock()
        self._layout = Layout(self.directory / "data")
        self._ballast: Path | None = None

    async def __aenter__(self) -> Ground:
        try:
            await self._start()
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        for name in tuple(self._pids):
            self.kill(name)
        await asyncio.to_thread(self._stack.close)
        shutil.rmtree(self.directory, ignore_errors=True)

    # ---- addresses

    def url(self, gateway: str) -> str:
        return f"http://127.0.0.1:{self.ports[gateway]}"

    @property
    def headers(self) -> dict[str, str]:
        return {"x-api-key": self.api_key}

    def points(self, gateway: str) -> Path:
        """Where its probes are armed."""
        return self.directory / "points" / gateway

    # ---- blows

    def pid(self, name: str) -> int:
        return self._pids[name]

    def kill(self, name: str) -> None:
        with suppress(ProcessLookupError, KeyError):
            os.kill(self._pids[name], signal.SIGKILL)

    def lives(self, name: str) -> bool:
        return psutil.pid_exists(self._pids[name])

    async def start_gateway(self, name: str) -> None:
        """Returns when it listens."""
        own = {
            **SETTINGS,
            "CSP_GATEWAY_HOST": "127.0.0.1",
            "CSP_GATEWAY_PORT": str(self.ports[name]),
            "CSP_GATEWAY_ID": name,
            "CSP_DATABASE_URL": self._relayed(name),
            "CSP_REDIS_URL": f"unix://{self.directory / 'cache' / 's'}",
            "CSP_SIGNING_KEY_FILE": str(self._layout.signing_key),
            "CSP_SUPERVISOR_SOCKET": self._socket,
            "CSP_SCRIPTED_MODEL": "true",
        }
        await self._bear(name, "csp_controlplane.gateway", own, str(self.points(name)))
        await self._listening(name, self.ports[name])

    async def start_proxy(self) -> None:
        own = {
            **SETTINGS,
            "CSP_PROXY_HOST": "127.0.0.1",
            "CSP_PROXY_PORT": str(self.proxy_port),
            "CSP_PROXY_UPSTREAM_URL": f"http://127.0.0.1:{self._model_port}",
            "CSP_PROXY_API_KEY": "scripted",
            "CSP_DATABASE_URL": self.database_url,
            "CSP_REDIS_URL": f"unix://{self.directory / 'cache' / 's'}",
        }
        await self._bear("proxy", "csp_controlplane.proxy", own, "")
        await self._listening("proxy", self.proxy_port)

    def kill_postgres(self) -> None:
        """All of it at once, and a start on what it left."""
        with suppress(psutil.NoSuchProcess):
            family = Family.of(self.postgres.pid)
            for process in (family.head, *family.below):
                with suppress(psutil.NoSuchProcess):
                    process.kill()
            psutil.wait_procs([family.head, *family.below], timeout=10)
        self.postgres.start()

    def postgres_runs(self) -> bool:
        return psutil.pid_exists(self.postgres.pid) and listens_on(self.postgres.directory)

    def kill_valkey(self) -> None:
        self.valkey.kill()
        self.valkey.start()

    async def read_only(self, on: bool) -> None:
        """For every session that begins a transaction from now on."""
        connection = await asyncpg.connect(self.database_url)
        try:
            await connection.execute("set default_transaction_read_only = off")
            word = "on" if on else "off"
            await connection.execute(f"alter system set default_transaction_read_only = {word}")
            await connection.execute("select pg_reload_conf()")
        finally:
            await connection.close()

    def fill(self, full: bool) -> bool:
        """Takes all the room that the database has. False: it has no disk of its own here."""
        if self._ballast is None:
            return False
        if not full:
            self._ballast.unlink(missing_ok=True)
            return True
        with suppress(OSError), self._ballast.open("wb") as file:
            while True:
                file.write(b"\0" * 65536)
                file.flush()
        return True

    async def worker(self, session: str) -> Family | None:
        """The session's worker with what is below it, when it has one that is ready."""
        try:
            answer = await self._supervisor.get(f"/v1/sessions/{session}")
            if answer.status_code != 200 or answer.json()["state"] != "ready":
                return None
            return Family.of(listener(answer.json()["endpoint"].removeprefix("unix:")))
        except (httpx.HTTPError, OSError, psutil.NoSuchProcess):
            return None

    async def next_epoch_at(self, session: str, epoch: int, n: int, deadline: float) -> bool:
        """Waits until a later epoch of the session is to write this number."""
        connection = await asyncpg.connect(self.database_url)

        async def there() -> bool:
            row = await connection.fetchrow(
                "select epoch, next_n from sessions where id = $1", session
            )
            return bool(row and row["epoch"] > epoch and row["next_n"] == n)

        try:
            return await wait_until(there, deadline, "the next epoch", 0.005)
        except DeadlineExceeded:
            return False
        finally:
            await connection.close()

    # ---- its making

    async def _start(self) -> None:
        for directory in ("points", "cache", *(f"db-{name}" for name in GATEWAYS)):
            (self.directory / directory).mkdir()
        self.journals.mkdir()
        self.journals.chmod(0o777)
        for name in GATEWAYS:
            self.points(name).mkdir()
        await asyncio.to_thread(self._start_stores)
        await self._start_processes()
        async with OwnerAccess.open(self.database_url) as access:
            self.api_key = await access.short_lived_key("chaos", timedelta(hours=6))
        if self.plant == "forget-epochs":
            connection = await asyncpg.connect(self.database_url)
            try:
                await unfence(connection)
            finally:
                await connection.close()

    def _start_stores(self) -> None:
        self.postgres = PostgresServer({"shared_buffers": "64MB"})
        self._stack.callback(self.postgres.close)
        self._small_disk(self.postgres.directory)
        self.postgres.start()
        self.postgres.create_template()
        self.database_url = self.postgres.create_database("chaos")
        self.valkey = ValkeyServer()
        self._stack.callback(self.valkey.close)
        self.valkey.start()
        there = self.postgres.directory / ".s.PGSQL.5432"
        for name in GATEWAYS:
            here = self.directory / f"db-{name}" / ".s.PGSQL.5432"
            self.relays[name] = self._stack.enter_context(Choke(here, there))
        cache = Path(self.valkey.url.removeprefix("unix://"))
        relay = Choke(self.directory / "cache" / "s", cache)
        self.relays["cache"] = self._stack.enter_context(relay)

    def _small_disk(self, at: Path) -> None:
        """Nothing where file systems cannot be mounted."""
        data = at / "data"
        held = at / "held"
        data.rename(held)
        data.mkdir()
        shutil.copystat(held, data)
        mount = ["mount", "-t", "tmpfs", "-o", "size=700m,mode=0700", "tmpfs", str(data)]
        mounted = subprocess.run(mount, capture_output=True, check=False).returncode == 0
        owner = held.stat()
        os.chown(data, owner.st_uid, owner.st_gid)
        shutil.copytree(held, data, dirs_exist_ok=True)
        for path in data.rglob("*"):
            os.chown(path, owner.st_uid, owner.st_gid)
        shutil.rmtree(held)
        if mounted:
            self._ballast = data / "ballast"
            unmount = ["umount", "--lazy", str(data)]
            self._stack.callback(subprocess.run, unmount, check=False)
            # Stopped before its disk goes: callbacks run in the opposite order.
            self._stack.callback(self.postgres.stop)

    async def _start_processes(self) -> None:
        self._model_port = free_port()
        model = ServerProcess.module(
            "csp_controlplane.scripted_model",
            log=self.directory / "model.log",
            environment={
                "CSP_SCRIPTED_HOST": "127.0.0.1", "CSP_SCRIPTED_PORT": str(self._model_port)
            },
        )  # fmt: skip
        self._stack.enter_context(model)
        self._nursery = await self._helper("bench.chaos.nursery")
        proxy = f"http://127.0.0.1:{self.proxy_port}"
        workshop = await self._helper(
            "bench.chaos.workshop", str(self._layout.data), str(self.journals), proxy
        )
        assert workshop.stdout is not None
        self._socket = json.loads(await workshop.stdout.readline())["socket"]
        self._supervisor = httpx.AsyncClient(
            transport=httpx.AsyncHTTPTransport(uds=self._socket), base_url="http://supervisor"
        )
        await asyncio.to_thread(model.wait_listening, self._model_port, START_S)
        await self.start_proxy()
        await asyncio.gather(*(self.start_gateway(name) for name in GATEWAYS))

    async def _helper(self, module: str, *arguments: str) -> asyncio.subprocess.Process:
        """A process of the bench with which it talks by lines."""
        paths = os.pathsep.join((str(ROOT), str(ROOT / "tests")))
        with (self.directory / f"{module}.log").open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", module, *arguments,
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=log,
                env={**os.environ, "PYTHONPATH": paths}, cwd=self.directory,
            )  # fmt: skip
        self._stack.callback(_end, process)
        return process

    async def _bear(self, name: str, module: str, own: dict[str, Any], probes: str) -> None:
        log = str(self.directory / f"{name}.log")
        plant = self.plant if module.endswith("gateway") else None
        order = {
            "module": module, "environment": own, "log": log, "probes": probes, "plant": plant
        }  # fmt: skip
        assert self._nursery.stdin is not None and self._nursery.stdout is not None
        async with self._births:
            self._nursery.stdin.write(json.dumps(order).encode() + b"\n")
            self._pids[name] = int(await self._nursery.stdout.readline())

    async def _listening(self, name: str, port: int) -> None:
        def there() -> bool:
            return listens(port) or not self.lives(name)

        await wait_until(there, START_S, f"{name} listening")

    def _relayed(self, gateway: str) -> str:
        path = str(self.postgres.directory)
        return self.database_url.replace(path, str(self.directory / f"db-{gateway}"))


def listens_on(directory: Path) -> bool:
    """Whether a PostgreSQL server accepts on its socket there."""
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(directory / ".s.PGSQL.5432")) == 0


def _end(process: asyncio.subprocess.Process) -> None:
    """With everything below it."""
    try:
        family = Family.of(process.pid)
    except psutil.NoSuchProcess:
        return
    family.head.terminate()
    _, left = psutil.wait_procs([family.head], timeout=5)
    for one in (*left, *family.below):
        with suppress(psutil.NoSuchProcess):
            one.kill()
