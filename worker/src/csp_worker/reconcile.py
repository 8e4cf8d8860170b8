"""Compares what the CLI wrote of its memory with what reached the log, and adds what is missing.

The CLI's own file is the truth about its memory; the log gets it through the SDK's mirror, which
may fail or be cut off with the CLI. A line that the file has had for a whole look and the mirror
has not delivered is delivered from here. Lines are told apart by their uuid; a reader drops one
that it has.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import structlog

from csp_worker.engine import Engine
from csp_worker.eventlog import EventLog
from csp_worker.transcript import MirrorStore, files_of

LOOK_SECONDS = 5.0
_log = structlog.get_logger(__name__)

Line = tuple[str, str]
"""Subpath and uuid."""


class Reconciler:
    """One session's. Reads only what was written since the last look."""

    def __init__(self, config: Path, engine: Engine, mirror: MirrorStore, log: EventLog) -> None:
        self._config = config
        self._engine = engine
        self._mirror = mirror
        self._log = log
        self._read: dict[Path, int] = {}
        self._waiting: dict[Line, bytes] = {}
        self._doubted = False

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            await self.look()

    def doubt(self) -> None:
        """The mirror says that it has lost something: what it was, the next looks find out."""
        self._doubted = True

    async def look(self) -> int:
        """Delivers what an earlier look saw and the mirror still has not; how many lines."""
        seat = self._engine.seat
        if seat is None or not seat.claude_session_id:
            return 0
        missing = self._undelivered()
        self._waiting.clear()
        files = files_of(self._config, seat.cwd, seat.claude_session_id)
        self._waiting.update(await asyncio.to_thread(lambda: dict(self._new_lines(files))))
        self._deliver(missing)
        if self._doubted:
            self._doubted = False
            if not await asyncio.to_thread(files[""].is_file):
                self._say_that_lost()
        return len(missing)

    async def settle(self) -> None:
        """The last look, when nobody will deliver any more: after the CLI's end."""
        await self.look()
        self._deliver(self._undelivered())
        self._waiting.clear()

    def _undelivered(self) -> dict[Line, bytes]:
        return {
            line: entry for line, entry in self._waiting.items() if line not in self._mirror.known
        }

    def _deliver(self, missing: dict[Line, bytes]) -> None:
        if not missing:
            return
        for line, entry in missing.items():
            self._mirror.known.add(line)
            self._log.transcript(line[0], entry)
        _log.warning("transcript lines were not mirrored", count=len(missing))
        self._log.notice(
            "transcript_gap",
            "info",
            "A part of the agent's memory of this conversation had not been saved. It was found "
            "and added, so nothing is missing.",
            {"lines": len(missing), "repaired": True},
        )

    def _say_that_lost(self) -> None:
        self._log.notice(
            "transcript_gap",
            "warning",
            "A part of the agent's memory of this conversation could not be saved. If the session "
            "has to restart, the agent may not remember it.",
            {"repaired": False},
        )

    def _new_lines(self, files: dict[str, Path]) -> Iterator[tuple[Line, bytes]]:
        for subpath, path in files.items():
            for entry in self._new_entries(path):
                uuid = _uuid(entry)
                if uuid is not None:
                    yield (subpath, uuid), entry

    def _new_entries(self, path: Path) -> Iterator[bytes]:
        """Whole lines beyond those that were read; a file that was written anew is read anew."""
        try:
            with path.open("rb") as file:
                size = file.seek(0, 2)
                begin = self._read.get(path, 0)
                file.seek(begin if begin <= size else 0)
                data = file.read()
                end = file.tell()
        except OSError:
            return
        whole, _, rest = data.rpartition(b"\n")
        self._read[path] = end - len(rest)
        yield from (line for line in whole.split(b"\n") if line)


def _uuid(entry: bytes) -> str | None:
    try:
        uuid = json.loads(entry).get("uuid")
    except (ValueError, AttributeError):
        return None
    return uuid if isinstance(uuid, str) else None
