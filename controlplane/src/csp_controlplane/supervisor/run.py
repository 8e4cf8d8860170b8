"""The life of `csp up`: checks, lock, guardian, then one event loop until it is told to stop."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import structlog

from csp_controlplane.logging_setup import configure_logging
from csp_controlplane.supervisor import guardian, lock, ports, postgres, preflight, valkey
from csp_controlplane.supervisor.access import OwnerAccess
from csp_controlplane.supervisor.assembly import Assembly
from csp_controlplane.supervisor.console import Terminal
from csp_controlplane.supervisor.errors import ExitCode
from csp_controlplane.supervisor.layout import Layout
from csp_controlplane.supervisor.logs import LogFile
from csp_controlplane.supervisor.parts import Addresses
from csp_controlplane.supervisor.settings import SupervisorSettings

_log = structlog.get_logger(__name__)

STOP_DEADLINE_S = 90.0
"""The guardian ends by force what has not stopped by then."""


@dataclass(frozen=True, slots=True)
class UpOptions:
    """What `csp up` was asked for."""

    layout: Layout
    host: str
    port: int
    gateways: int
    environment: Mapping[str, str]

    @property
    def gateway_ports(self) -> range:
        return range(self.port, self.port + self.gateways)


def up(options: UpOptions) -> int:
    """Blocks until stopped; returns the exit code. Raises CommandError before the fork and after.

    Everything that can be refused cheaply is refused before anything is started.
    """
    settings = SupervisorSettings()
    options.layout.create()
    held = lock.acquire(options.layout)  # noqa: F841 - open for the life of both processes
    options.layout.instance.unlink(missing_ok=True)
    preflight.check(
        options.layout, settings, options.environment, options.host, options.gateway_ports
    )
    guardian.fork_guardian(STOP_DEADLINE_S)
    _log_to_file(options.layout)
    try:
        return asyncio.run(_supervise(options, settings))
    finally:
        options.layout.instance.unlink(missing_ok=True)


async def _supervise(options: UpOptions, settings: SupervisorSettings) -> int:
    terminal = Terminal()
    addresses = _addresses(options)
    assembly = Assembly(options.layout, settings, addresses, options.environment, terminal)
    stop = asyncio.Event()
    _on_signals(stop, assembly, terminal)
    instance = _instance(addresses, options.layout)
    lock.write_instance(options.layout, instance)
    starting = asyncio.create_task(assembly.start(), name="start")
    stopping = asyncio.create_task(stop.wait(), name="stop")
    try:
        await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            await starting
            link = await _sign_in_link(addresses)
            # From here on its parts may fail: they are started again.
            lock.write_instance(options.layout, replace(instance, ready=True))
            scripted = addresses.model_port is not None
            terminal.ready(link, scripted=scripted, logs=str(options.layout.logs))
            await stopping
        return ExitCode.OK
    except BaseExceptionGroup as group:
        raise _first(group) from group
    finally:
        starting.cancel()
        stopping.cancel()
        await asyncio.gather(starting, stopping, return_exceptions=True)
        with terminal.step("Stopping"):
            await assembly.stop()


async def _sign_in_link(addresses: Addresses) -> str:
    async with OwnerAccess.open(addresses.database_url) as access:
        return await access.sign_in_link(addresses.url)


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The first failure of several parts that started together."""
    found: BaseException = group
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    return found


def _addresses(options: UpOptions) -> Addresses:
    ours = options.environment
    database = ours.get("CSP_DATABASE_URL") or postgres.url(options.layout)
    proxy_port = int(ours.get("CSP_PROXY_PORT") or 0) or ports.free_port()
    real = any(
        ours.get(name)
        for name in ("ANTHROPIC_API_KEY", "CSP_PROXY_API_KEY", "CSP_PROXY_UPSTREAM_URL")
    )
    return Addresses(
        host=options.host,
        gateway_ports=tuple(options.gateway_ports),
        proxy_port=proxy_port,
        model_port=None if real else int(ours.get("CSP_SCRIPTED_PORT") or 0) or ports.free_port(),
        database_url=database,
        migration_url=ours.get("CSP_DATABASE_MIGRATION_URL") or database,
        redis_url=ours.get("CSP_REDIS_URL") or valkey.url(options.layout),
    )


def _instance(addresses: Addresses, layout: Layout) -> lock.Instance:
    return lock.Instance(
        pid=os.getppid(),  # the guardian: the process that the person started
        url=addresses.url,
        started_at=datetime.now(UTC).isoformat(),
        database_url=addresses.database_url,
        redis_url=addresses.redis_url,
        socket=str(layout.socket),
        ports=addresses.gateway_ports,
        scripted_model=addresses.model_port is not None,
    )


def _on_signals(stop: asyncio.Event, assembly: Assembly, terminal: Terminal) -> None:
    """The first asks to stop; a second Ctrl-C does not wait for anything."""
    loop = asyncio.get_running_loop()

    def asked(number: signal.Signals) -> None:
        if not stop.is_set():
            _log.info("asked to stop", signal=number.name)
            stop.set()
        elif number is signal.SIGINT:
            terminal.say("Ending everything at once.")
            assembly.force()
            os._exit(ExitCode.INTERRUPTED)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, asked, number)


def _log_to_file(layout: Layout) -> None:
    """The terminal is for people; the supervisor's own log goes where the others' go."""
    configure_logging("supervisor")
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logging.StreamHandler):
            handler.setStream(_LogStream(LogFile(layout.logs / "supervisor.log")))


class _LogStream:
    """A LogFile as the text stream that a logging handler wants."""

    def __init__(self, file: LogFile) -> None:
        self._file = file

    def write(self, text: str) -> None:
        if text.strip():
            self._file.write(text.rstrip("\n").encode(errors="replace"))

    def flush(self) -> None:
        """Lines are written at once."""
