"""Everything that a chaos run runs on: real servers and processes, each of which can be struck.

Gateways and the proxy are born in a nursery, workers in a workshop, both processes of the bench.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import sys
import tempfile
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import psutil

from bench.chaos.stores import Stores
from bench.lab import ROOT
from csp_controlplane.supervisor.access import OwnerAccess
from csp_controlplane.supervisor.layout import Layout
from support.casualties import Family, listener
from support.choke import Choke
from support.processes import ServerProcess, free_port, listens
from support.sim.planted import unfence
from support.waiting import wait_until

START_S = 60.0
GATEWAYS = ("gateway-1", "gateway-2")
PROXY = "proxy"
MODEL = "model"
LOOPBACK = "127.0.0.1"
SETTINGS = {
    "CSP_SESSIONS_LEASE": "3", "CSP_SESSIONS_POLL": "0.5", "CSP_LOG_LEVEL": "warning",
    "CSP_GATEWAY_MIGRATE": "false",
}  # fmt: skip


@dataclass(frozen=True)
class Prey:
    """A session's worker with what is below it."""

    id: str
    family: Family


class Ground:
    """Use it as an async context manager."""

    def __init__(self, plant: str | None) -> None:
        self.plant = plant
        self.directory = Path(tempfile.mkdtemp(prefix="csp-chaos-"))
        self.journals = self.directory / "journals"
        self.ports = {name: free_port() for name in GATEWAYS}
        self.proxy_port = free_port()
        self.api_key = ""
        self._stack = ExitStack()
        self.stores = Stores(self.directory, self._stack)
        self.links: dict[str, Choke] = {}
        """What is between clients and each gateway, and between CLIs and the model proxy."""
        self._pids: dict[str, int] = {}
        self._births = asyncio.Lock()
        self._layout = Layout(self.directory / "data")
        self.keep_logs = False
        """Set when something was found that is to be looked into."""

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
            with suppress(ProcessLookupError):
                self.kill(name)
        await asyncio.to_thread(self._stack.close)
        if not self.keep_logs:
            shutil.rmtree(self.directory, ignore_errors=True)

    # ---- addresses

    def url(self, gateway: str) -> str:
        """Through its clients' relay."""
        return f"http://{LOOPBACK}:{self.links[gateway].port}"

    def control(self, worker_id: str) -> Path:
        """Where the relay before this worker is told what to do."""
        return self.journals / f"{worker_id}.link"

    @property
    def database_url(self) -> str:
        """The database itself, without a relay."""
        return self.stores.database_url

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
        """Raises ProcessLookupError when it had ended by itself: that would be no kill."""
        os.kill(self._pids[name], signal.SIGKILL)

    def lives(self, name: str) -> bool:
        return psutil.pid_exists(self._pids[name])

    async def start_gateway(self, name: str) -> None:
        """Returns when it listens."""
        own = {
            **SETTINGS,
            "CSP_GATEWAY_HOST": LOOPBACK,
            "CSP_GATEWAY_PORT": str(self.ports[name]),
            "CSP_GATEWAY_ID": name,
            "CSP_DATABASE_URL": self.stores.url_for(name),
            "CSP_REDIS_URL": self.stores.cache_url,
            "CSP_SIGNING_KEY_FILE": str(self._layout.signing_key),
            "CSP_SUPERVISOR_SOCKET": self._socket,
            "CSP_SCRIPTED_MODEL": "true",
        }
        await self._bear(name, "csp_controlplane.gateway", own, str(self.points(name)))
        await self._listening(name, self.ports[name])

    async def start_proxy(self) -> None:
        own = {
            **SETTINGS,
            "CSP_PROXY_HOST": LOOPBACK,
            "CSP_PROXY_PORT": str(self.proxy_port),
            "CSP_PROXY_UPSTREAM_URL": f"http://{LOOPBACK}:{self._model_port}",
            "CSP_PROXY_API_KEY": "scripted",
            "CSP_DATABASE_URL": self.stores.url_for(PROXY),
            "CSP_REDIS_URL": self.stores.cache_url,
        }
        await self._bear("proxy", "csp_controlplane.proxy", own, "")
        await self._listening("proxy", self.proxy_port)

    async def worker(self, session: str) -> Prey | None:
        """The session's worker, when it has one that is ready."""
        try:
            answer = await self._supervisor.get(f"/v1/sessions/{session}")
            if answer.status_code != 200 or answer.json()["state"] != "ready":
                return None
            worker = answer.json()
            pid = listener(worker["endpoint"].removeprefix("unix:"))
            return Prey(worker["worker_id"], Family.of(pid))
        except (httpx.HTTPError, OSError, psutil.NoSuchProcess):
            return None

    # ---- its making

    async def _start(self) -> None:
        (self.directory / "points").mkdir()
        self.journals.mkdir()
        self.journals.chmod(0o777)
        for name in GATEWAYS:
            self.points(name).mkdir()
        await asyncio.to_thread(self.stores.start, (*GATEWAYS, PROXY))
        for name, port in {**self.ports, MODEL: self.proxy_port}.items():
            relay = Choke((LOOPBACK, 0), (LOOPBACK, port))
            self.links[name] = self._stack.enter_context(relay)
        await self._start_processes()
        async with OwnerAccess.open(self.database_url) as access:
            self.api_key = await access.short_lived_key("chaos", timedelta(hours=6))
        if self.plant == "forget-epochs":
            connection = await asyncpg.connect(self.database_url)
            try:
                await unfence(connection)
            finally:
                await connection.close()

    async def _start_processes(self) -> None:
        self._model_port = free_port()
        model = ServerProcess.module(
            "csp_controlplane.scripted_model",
            log=self.directory / "model.log",
            environment={
                "CSP_SCRIPTED_HOST": LOOPBACK, "CSP_SCRIPTED_PORT": str(self._model_port)
            },
        )  # fmt: skip
        self._stack.enter_context(model)
        self._nursery = await self._helper("bench.chaos.nursery")
        proxy = f"http://{LOOPBACK}:{self.links[MODEL].port}"
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
            if not self.lives(name):
                raise RuntimeError(f"{name} ended while it started: see {name}.log")
            return listens(port)

        await wait_until(there, START_S, f"{name} listening")


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
