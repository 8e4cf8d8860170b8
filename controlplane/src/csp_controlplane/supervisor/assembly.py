"""Starts the parts of a local installation in order and stops them in the opposite order."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Coroutine, Mapping
from typing import Any

import structlog

from csp_controlplane.supervisor import postgres, schema_stamp, signing, valkey
from csp_controlplane.supervisor.api import SocketServer, SupervisorApi
from csp_controlplane.supervisor.child import Family
from csp_controlplane.supervisor.console import Terminal
from csp_controlplane.supervisor.environment import child_environment
from csp_controlplane.supervisor.errors import CommandError, ExitCode
from csp_controlplane.supervisor.layout import Layout
from csp_controlplane.supervisor.logs import ComponentLog, LogFile
from csp_controlplane.supervisor.parts import Addresses, Parts
from csp_controlplane.supervisor.refill import Refill
from csp_controlplane.supervisor.remains import remove_remains_of_earlier_runs
from csp_controlplane.supervisor.service import Service, ServiceSpec
from csp_controlplane.supervisor.settings import SupervisorSettings
from csp_controlplane.supervisor.worker import WorkerCommand
from csp_controlplane.supervisor.workers import Workers

_log = structlog.get_logger(__name__)

PREPARE_S = 120.0


class Assembly:
    """Owns every part. `start()` once, `stop()` always."""

    def __init__(
        self,
        layout: Layout,
        settings: SupervisorSettings,
        addresses: Addresses,
        environment: Mapping[str, str],
        terminal: Terminal,
    ) -> None:
        self.family = Family()
        self._layout = layout
        self._addresses = addresses
        self._environment = environment
        self._terminal = terminal
        self._parts = Parts(layout, addresses, environment)
        command = WorkerCommand(layout, environment, addresses.proxy_url)
        self.workers = Workers(command, settings, self.family)
        refill = Refill(self.workers, settings)
        self._refill = refill
        self._api = SocketServer(
            SupervisorApi(self.workers, refill.report).application(), layout.socket
        )
        self._layers: list[list[Service]] = []
        """In the order of their start."""
        self._tasks: list[asyncio.Task[Any]] = []

    async def start(self) -> None:
        """Returns when the gateways answer. Raises CommandError; then call `stop()`."""
        await asyncio.to_thread(remove_remains_of_earlier_runs, self._layout)
        signing.ensure_keys(self._layout)
        with self._terminal.step("Starting the database"):
            await self._start_database()
        with self._terminal.step("Preparing the database"):
            await self._together(self._prepare(), self._start_cache_and_model())
        with self._terminal.step("Starting the gateway"):
            await self._api.start()
            await self._start_layer(self._parts.proxy())
            self._tasks.append(asyncio.create_task(self._refill.run(), name="refill"))
            self._tasks.append(asyncio.create_task(self._sweep(), name="sweep"))
            count = len(self._addresses.gateway_ports)
            await self._start_layer(*(self._parts.gateway(n) for n in range(1, count + 1)))

    async def stop(self) -> None:
        """Workers, gateways, proxy, servers: each in order with a deadline, then by force.

        Workers come first: what a running turn comes to is for gateways to write down and to show.
        """
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.workers.close()
        if self._layers and self._layers[-1][0].spec.name.startswith("gateway"):
            await self._stop_layer(self._layers.pop())
        await self._api.stop()
        while self._layers:
            await self._stop_layer(self._layers.pop())
        self.force()
        await self.family.sweep()
        await asyncio.to_thread(shutil.rmtree, self._layout.run, ignore_errors=True)
        _log.info("everything stopped")

    def force(self) -> None:
        """Ends every child at once."""
        self.family.kill_all()

    async def _start_database(self) -> None:
        if self._own_database:
            environment = child_environment("server", self._environment, {})
            user = await asyncio.to_thread(postgres.prepare, self._layout, environment)
            await self._start_layer(postgres.service(self._layout, user, environment))

    async def _start_cache_and_model(self) -> None:
        specs: list[ServiceSpec] = []
        if self._addresses.redis_url == valkey.url(self._layout):
            environment = child_environment("server", self._environment, {})
            specs.append(valkey.service(self._layout, environment))
        else:
            await valkey.check_external(self._addresses.redis_url)
        if self._addresses.model_port is not None:
            specs.append(self._parts.model())
        await self._start_layer(*specs)

    @staticmethod
    async def _together(*works: Coroutine[Any, Any, None]) -> None:
        """The first failure ends the others."""
        async with asyncio.TaskGroup() as group:
            for work in works:
                group.create_task(work, name="start")

    async def _start_layer(self, *specs: ServiceSpec) -> None:
        """Starts these together. All are known to `stop()` even when one fails."""
        services = [
            Service(
                spec,
                self.family,
                ComponentLog(spec.name, LogFile(self._layout.logs / f"{spec.name}.log")),
                self._terminal.say,
            )
            for spec in specs
        ]
        if not services:
            return
        self._layers.append(services)
        await self._together(*(service.start() for service in services))
        for service in services:
            task = asyncio.create_task(service.watch(), name=f"watch-{service.spec.name}")
            self._tasks.append(task)

    async def _stop_layer(self, services: list[Service]) -> None:
        await asyncio.gather(*(service.stop() for service in services))

    @property
    def _own_database(self) -> bool:
        return self._addresses.database_url == postgres.url(self._layout)

    async def _prepare(self) -> None:
        if self._own_database and schema_stamp.is_current(self._layout):
            return
        await self._run_prepare()
        if self._own_database:
            schema_stamp.write(self._layout)

    async def _run_prepare(self) -> None:
        log = ComponentLog("prepare", LogFile(self._layout.logs / "prepare.log"))
        child = await self.family.start(self._parts.prepare(), log.line)
        try:
            code = await asyncio.wait_for(child.wait(), PREPARE_S)
        except TimeoutError:
            child.kill_tree()
            raise CommandError(
                f"The database was not ready for use within {PREPARE_S:g} seconds. Its log: "
                f"{log.file.path}.",
                ExitCode.DATABASE,
            ) from None
        finally:
            log.file.close()
        if code == ExitCode.DATABASE:
            raise CommandError(log.tail(1), ExitCode.DATABASE)
        if code != 0:
            raise CommandError(
                f"The database could not be prepared: {log.tail(1)}. Its log: {log.file.path}.",
                ExitCode.DATABASE,
            )

    async def _sweep(self) -> None:
        """Collects what lost its parent while that part lives on."""
        while True:
            await asyncio.sleep(5)
            if count := await self.family.sweep():
                _log.info("strays ended", count=count)
