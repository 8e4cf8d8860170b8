"""The CLI of this worker through its lives: spare, claimed, dead, started again, ended.

Exactly one is current. Everything it says is read by one permanent task, because a CLI whose
messages are not read stops answering altogether. When it dies of itself it is started again and
resumes from its own files.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import structlog

from csp_crds.agent import AgentSpec
from csp_worker import claim, options, process, transcript
from csp_worker.cli import Cli, CliError, Message
from csp_worker.guard import tree
from csp_worker.options import Callbacks, Spawn
from csp_worker.paths import Paths

Start = Literal["warm", "warm_partial", "cold"]
CRASHES_ALLOWED = 5
CRASH_WINDOW_SECONDS = 60.0
_log = structlog.get_logger(__name__)


class CliUnavailable(Exception):
    """There is no CLI and there will be none for now; the text is for a person."""


@dataclass(slots=True)
class Seat:
    """What a CLI is started for: one session in one directory."""

    spec: AgentSpec
    cwd: Path
    model_handle: str
    traceparent: str = ""
    """W3C; of the request that caused the bind."""
    claude_session_id: str | None = None


class Engine:
    """Starts, restarts and ends the CLI.

    `on_message` gets what it says, `on_gone` why it ended: cli_died, or what `fail` was given.
    """

    def __init__(
        self,
        paths: Paths,
        cli_path: Path,
        env: dict[str, str],
        callbacks: Callbacks,
        clock: Callable[[], float],
    ) -> None:
        self._paths = paths
        self._cli_path = cli_path
        self._env = env
        self._callbacks = callbacks
        self._clock = clock
        self._spare_spec: AgentSpec | None = None
        self.seat: Seat | None = None
        self._drain: asyncio.Task[None] | None = None
        self._starting: asyncio.Task[None] | None = None
        self._fail_reason: str | None = None
        self._crashes: deque[float] = deque(maxlen=CRASHES_ALLOWED)
        self._stopped = False
        self.cli: Cli | None = None
        self.guards: set[int] = set()
        self.on_message: Callable[[Message], None] = lambda message: None
        self.on_gone: Callable[[str], None] = lambda reason: None

    @property
    def claude_session_id(self) -> str | None:
        return self.seat.claude_session_id if self.seat else None

    @property
    def cwd(self) -> Path | None:
        """The session's directory."""
        return self.seat.cwd if self.seat else None

    async def start_spare(self, spec: AgentSpec) -> bool:
        """A CLI that waits to be claimed; False when the cold path is all there is."""
        try:
            await self._run(spec, self._spawn(self._paths.parking))
        except CliUnavailable as error:
            _log.warning("no spare", reason=str(error))
            return False
        self._spare_spec = spec
        return True

    async def bind(self, seat: Seat) -> Start:
        """Gives the session a CLI. Raises CliUnavailable; `ready` then tries again."""
        self.seat = seat
        had_spare = self.cli is not None
        resumes = seat.claude_session_id is not None
        spare = self._spare_spec if self.cli is not None and not resumes else None
        fits = spare is not None and claim.claimable(seat.spec, spare)
        if fits and await self._claim(seat):
            return "warm"
        await self._close_current()
        await self._start_seat()
        return "warm_partial" if had_spare and not resumes else "cold"

    async def ready(self) -> Cli:
        """The CLI, started again if it has to be. Raises CliUnavailable."""
        if self._starting is not None:
            with suppress(CliUnavailable):
                await asyncio.shield(self._starting)
        if self.cli is None:
            await self._start_seat()
        if self.cli is None:
            raise CliUnavailable("The agent's process ended again right after it had started.")
        return self.cli

    def fail(self, reason: str) -> None:
        """Kills the CLI for a reason that `on_gone` will hear."""
        if self.cli is not None:
            self._fail_reason = reason
            self.cli.kill()

    async def stop(self) -> None:
        """Ends the CLI and everything it started, for good."""
        self._stopped = True
        if self._starting is not None:
            self._starting.cancel()
            with suppress(asyncio.CancelledError, CliUnavailable):
                await self._starting
        await self._close_current()

    def _spawn(self, cwd: Path, handle: str | None = None) -> Spawn:
        return Spawn(self._paths.launcher, cwd, self._env, self._callbacks, handle)

    async def _claim(self, seat: Seat) -> bool:
        if self.cli is None:
            return False
        try:
            requests = claim.claim_requests(
                seat.spec, seat.cwd, seat.model_handle, seat.traceparent
            )
            await self.cli.claim(requests)
        except CliError as error:
            _log.warning("claim failed, starting cold", reason=str(error))
            return False
        seat.claude_session_id = self.cli.session_id
        return True

    async def _start_seat(self) -> None:
        seat = self.seat
        if seat is None:
            raise CliUnavailable("This worker has no session.")
        often = len(self._crashes) == CRASHES_ALLOWED
        if often and self._clock() - self._crashes[0] < CRASH_WINDOW_SECONDS:
            raise CliUnavailable(
                "The agent's process keeps crashing. Wait a minute and send your message again; "
                "if it happens again, start a new session."
            )
        resume = seat.claude_session_id
        if resume and not transcript.exists(self._paths.config, seat.cwd, resume):
            resume = None
        spawn = self._spawn(seat.cwd, seat.model_handle)
        await self._run(seat.spec, replace(spawn, resume=resume, traceparent=seat.traceparent))

    async def _run(self, spec: AgentSpec, spawn: Spawn) -> None:
        if not self._cli_path.is_file():
            raise CliUnavailable(
                f"The agent's program is missing on the server ({self._cli_path.name} was not "
                "found). An administrator has to reinstall the worker."
            )
        try:
            cli = await Cli.start(options.spawn_options(spec, spawn))
        except CliError as error:
            _log.error("CLI not started", reason=str(error))
            raise CliUnavailable(
                "The agent's process could not be started. Send your message again; if it "
                "happens again, an administrator finds the cause in the worker's log."
            ) from error
        if self._stopped:
            await cli.close()
            raise CliUnavailable("This worker is shutting down.")
        self.cli = cli
        self.guards.add(cli.pid)
        self._drain = asyncio.create_task(self._read(cli), name="cli-messages")

    async def _read(self, cli: Cli) -> None:
        try:
            async for message in cli.messages():
                self._note_session(message)
                self.on_message(message)
        except CliError as error:
            if not cli.closing:
                _log.info("CLI ended", reason=str(error))
        if not cli.closing and self.cli is cli:
            await self._gone(cli)

    def _note_session(self, message: Message) -> None:
        if message.get("subtype") == "init" and self.seat is not None:
            self.seat.claude_session_id = message.get("session_id")

    async def _gone(self, cli: Cli) -> None:
        self.cli = None
        reason, self._fail_reason = self._fail_reason or "cli_died", None
        self._crashes.append(self._clock())
        cli.closing = True
        cli.kill()
        self.on_gone(reason)
        if not self._stopped and self.seat is not None:
            self._starting = asyncio.create_task(self._restart(cli), name="cli-restart")
        else:
            await self._end(cli)

    async def _restart(self, dead: Cli) -> None:
        try:
            await self._end(dead)
            await self._start_seat()
        except CliUnavailable as error:
            # The next message tries again and tells its sender.
            _log.error("CLI not restarted", reason=str(error))
        finally:
            self._starting = None

    async def _end(self, cli: Cli) -> None:
        """Closes it and kills what came back to this process because its guard was killed."""
        await cli.close()
        self.guards.discard(cli.pid)
        tree.kill_all(process.orphans(self.guards))

    async def _close_current(self) -> None:
        cli, self.cli = self.cli, None
        drain, self._drain = self._drain, None
        if cli is not None:
            await self._end(cli)
        if drain is not None:
            drain.cancel()
            with suppress(asyncio.CancelledError):
                await drain
        self._spare_spec = None
