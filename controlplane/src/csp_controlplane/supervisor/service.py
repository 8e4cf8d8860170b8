"""A part that has to run all the time: a server, a gateway. Started, watched, started again."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from csp_controlplane.supervisor.child import Child, Command, Family
from csp_controlplane.supervisor.errors import CommandError, ExitCode
from csp_controlplane.supervisor.logs import ComponentLog
from csp_controlplane.supervisor.restarts import Restarts

_log = structlog.get_logger(__name__)

PROBE_INTERVAL_S = 0.05

Say = Callable[[str], None]
"""Tells the person at the terminal."""


def _nothing() -> None:
    return None


@dataclass(frozen=True, slots=True)
class ServiceSpec:
    """What to run and how to know that it works."""

    name: str
    title: str
    """For people: `the gateway`."""
    command: Command
    ready: Callable[[], Awaitable[bool]]
    ready_s: float = 60.0
    stop_signal: signal.Signals = signal.SIGTERM
    stop_s: float = 8.0
    before_start: Callable[[], None] = _nothing
    """Removes what an earlier run may have left. Called before every start."""


class Service:
    """One such part. `start()` once, then `watch()` in a task, and `stop()` at the end."""

    def __init__(self, spec: ServiceSpec, family: Family, log: ComponentLog, say: Say) -> None:
        self.spec = spec
        self._family = family
        self._log_file = log
        self._say = say
        self._child: Child | None = None
        self._stopping = False
        self._restarts = Restarts()

    @property
    def pid(self) -> int | None:
        return self._child.pid if self._child is not None and self._child.alive else None

    async def start(self) -> None:
        """Returns when it answers. Raises CommandError when it ended or does not answer."""
        self.spec.before_start()
        try:
            self._child = await self._family.start(self.spec.command, self._log_file.line)
        except OSError as error:
            raise self._failure(f"could not be started ({error.strerror})") from error
        _log.info("part started", part=self.spec.name, pid=self._child.pid)
        loop = asyncio.get_running_loop()
        end = loop.time() + self.spec.ready_s
        while True:
            if not self._child.alive:
                raise self._failure(f"ended while it started ({describe(self._child.returncode)})")
            if await self._answers():
                return
            if loop.time() > end:
                self._child.kill_tree()
                raise self._failure(f"did not answer within {self.spec.ready_s:g} seconds")
            await asyncio.sleep(PROBE_INTERVAL_S)

    async def watch(self) -> None:
        """Starts it again whenever it ends. Returns after `stop()`."""
        loop = asyncio.get_running_loop()
        started = loop.time()
        while self._child is not None and not self._stopping:
            code = await self._child.wait()
            if self._stopping:
                return
            self._restarts = self._restarts.after_end(loop.time() - started)
            await self._family.sweep()
            self._report(code)
            await asyncio.sleep(self._restarts.delay_s)
            started = loop.time()
            if self._stopping:
                return
            try:
                await self.start()
                self._say(f"{_sentence(self.spec.title)} runs again.")
            except CommandError as error:
                _log.warning("part not restarted", part=self.spec.name, reason=error.message)

    async def stop(self) -> None:
        """In order, then by force."""
        self._stopping = True
        if self._child is not None:
            with contextlib.suppress(TimeoutError):
                await self._child.stop(self.spec.stop_signal, self.spec.stop_s)
            await self._family.sweep()
            self._child.close_output()

    def _report(self, code: int) -> None:
        _log.warning(
            "part ended",
            part=self.spec.name,
            code=code,
            failures=self._restarts.failures,
            retry_in_s=self._restarts.delay_s,
        )
        title = _sentence(self.spec.title)
        if self._restarts.is_loop:
            self._say(
                f"{title} keeps stopping ({self._restarts.failures} times in a row, the last "
                f"{describe(code)}). Its log: {self._log_file.file.path}. "
                f"Next try in {self._restarts.delay_s:g} s."
            )
        else:
            self._say(f"{title} stopped ({describe(code)}) and is started again.")

    async def _answers(self) -> bool:
        try:
            return await asyncio.wait_for(self.spec.ready(), 2.0)
        except (OSError, TimeoutError):
            return False

    def _failure(self, what: str) -> CommandError:
        said = self._log_file.tail()
        because = f" It said: {said}" if said else ""
        return CommandError(
            f"{_sentence(self.spec.title)} {what}. Its log: {self._log_file.file.path}.{because}",
            ExitCode.PART_FAILED,
        )


def describe(code: int | None) -> str:
    """An exit code in words."""
    if code is None:
        return "still running"
    if code < 0:
        try:
            return f"killed by {signal.Signals(-code).name}"
        except ValueError:
            return f"killed by signal {-code}"
    return f"exit code {code}"


def _sentence(title: str) -> str:
    return title[:1].upper() + title[1:]
