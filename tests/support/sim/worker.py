"""The product's worker without process, network and CLI: what its CLI says is the test's choice."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from csp_worker.auth import Authenticator
from csp_worker.binder import Binder
from csp_worker.engine import Seat
from csp_worker.event import Event
from csp_worker.hooks import Gate
from csp_worker.ids import new_id
from csp_worker.journal import Journal
from csp_worker.metrics import Metrics
from csp_worker.outputs import Outputs
from csp_worker.paths import Paths
from csp_worker.plans import Plans
from csp_worker.servicer import WorkerServicer
from csp_worker.session import Session, Tools
from csp_worker.spill import SpillFile
from csp_worker.transcript import MirrorStore
from support.sim.clock import VirtualLoop


class Cli:
    """Takes questions. The plane decides which of them reach the model, the test what it says."""

    def __init__(self) -> None:
        self.queries: list[str] = []
        self.admitted: set[str] = set()

    async def query(self, content: Any, uuid: str) -> None:
        self.queries.append(uuid)

    async def interrupt(self) -> None:
        """The turn's end is the test's choice."""

    def terminate(self) -> None: ...
    def kill(self) -> None: ...


class Engine:
    """In place of csp_worker.engine.Engine."""

    def __init__(self) -> None:
        self.cli = Cli()
        self.seat: Seat | None = None
        self.guards: set[int] = set()
        self.on_message: Any = None
        self.on_gone: Any = None
        self.claude_session_id = "c1a0de00-0000-4000-8000-000000000000"

    async def bind(self, seat: Seat) -> str:
        self.seat = seat
        return "cold"

    async def ready(self) -> Cli:
        return self.cli


class RecordingJournal(Journal):
    """Remembers what was acknowledged, too."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.said: list[Event] = []

    def append(self, event: Event) -> int:
        self.said.append(event)
        return super().append(event)


class NoWatchdog:
    """Nothing here uses memory of its own."""

    def __init__(self, *_: Any) -> None: ...

    async def run(self) -> None:
        await asyncio.Event().wait()


class Worker:
    """One worker process: `kill` ends it without notice."""

    def __init__(self, worker_id: str, directory: Path, jwks: Path, loop: VirtualLoop) -> None:
        self.id = worker_id
        self.alive = True
        self.engine = Engine()
        paths = Paths.create(directory / worker_id, directory / "workspaces")
        metrics = Metrics()
        tools = Tools(
            clock=loop.time, now=lambda: datetime.now(UTC), new_id=new_id,
            spill=SpillFile(paths.spill, 2**20), memory_bytes=2**20, silence_seconds=5.0,
            metrics=metrics, log_fields={}, plans=Plans(paths.config),
            outputs=Outputs(paths.config, lambda: None),
        )  # fmt: skip
        engine: Any = self.engine
        self.binder = Binder(worker_id, paths, engine, Gate(60.0), MirrorStore(), tools)
        # Tokens are of real time; the loop's time is not.
        auth = Authenticator(worker_id, jwks, lambda: datetime.now(UTC).timestamp())
        self.servicer = WorkerServicer(auth, self.binder)
        self.writing: str | None = None
        self.text = ""
        self.asked: list[str] = []
        """Tool uses about which a person is asked."""

    @property
    def session(self) -> Session | None:
        return self.binder.session

    @property
    def said(self) -> list[Event]:
        """Every fact of its life; the first has number 1."""
        journal: Any = self.session.journal if self.session else None
        return journal.said if journal else []

    @property
    def answering(self) -> bool:
        """Whether the CLI was asked something and has not finished."""
        turn = self.session.turns.current if self.session else None
        return self.alive and turn is not None and turn.queried

    # ---- what the CLI does

    def speak(self) -> None:
        """A piece of an answer."""
        log = self._log()
        if self.writing is None:
            self.writing, self.text = log.preview_start("agent.message", None), ""
        self.text += "word "
        log.preview_text(self.writing, "word ")

    def state(self) -> None:
        """The whole of an answer, announced or not."""
        fields = {"content": [{"type": "text", "text": self.text or "at once"}]}
        self._log().emit("agent.message", fields, self.writing)
        self.writing, self.text = None, ""

    def ask(self) -> None:
        """It wants to use a tool, and a person has to agree."""
        fields = {"name": "Bash", "input": {}, "evaluated_permission": "ask"}
        self.asked.append(self._log().emit("agent.tool_use", fields).id)

    def finish(self) -> None:
        """The turn is over."""
        session = self.session
        assert session is not None and session.turns.current is not None
        if self.writing is not None:
            session.log.preview_withdraw(self.writing)
            self.writing, self.text = None, ""
        stop = session.turns.current.stop
        session.turns.end("interrupted" if stop else "completed", stop or "end_turn")

    def _log(self) -> Any:
        assert self.session is not None
        return self.session.log

    async def kill(self) -> None:
        self.alive = False
        if self.session is not None:
            await self.session.close()
