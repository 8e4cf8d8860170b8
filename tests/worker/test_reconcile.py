"""What the SDK's mirror does not deliver of the agent's memory is noticed and added."""

from __future__ import annotations

import signal
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
from claude_agent_sdk import project_key_for_directory

from csp_crds.agent import AgentSpec
from csp_worker.engine import Seat
from csp_worker.reconcile import Reconciler
from csp_worker.transcript import MirrorStore
from support.worker_client import Gateway

SESSION = "c1a0de00-0000-4000-8000-000000000000"


@dataclass
class Log:
    """Keeps what it is told."""

    lines: list[tuple[str, bytes]] = field(default_factory=list)
    notices: list[tuple[str, Any]] = field(default_factory=list)

    def transcript(self, subpath: str, entry: bytes) -> None:
        self.lines.append((subpath, entry))

    def notice(self, code: str, level: str, message: str, data: Any = None) -> None:
        self.notices.append((code, data))


@dataclass
class Seated:
    """An engine with a seat and no CLI."""

    seat: Seat


class Memory:
    """A CLI's files, a mirror, and what is between them."""

    def __init__(self, directory: Path) -> None:
        seat = Seat(AgentSpec(), directory / "cwd", "handle", claude_session_id=SESSION)
        self.log = Log()
        self.mirror = MirrorStore()
        self.mirror.log = self.log  # type: ignore[assignment]
        engine: Any = Seated(seat)
        log: Any = self.log
        self.reconciler = Reconciler(directory / "config", engine, self.mirror, log)
        project = directory / "config" / "projects" / project_key_for_directory(str(seat.cwd))
        self.file = project / f"{SESSION}.jsonl"
        self.file.parent.mkdir(parents=True)

    def write(self, uuid: str, path: Path | None = None) -> dict[str, str]:
        line = {"type": "user", "uuid": uuid}
        path = path or self.file
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as file:
            file.write(orjson.dumps(line) + b"\n")
        return line

    async def mirrored(self, line: dict[str, str], subpath: str = "") -> None:
        key: Any = {"session_id": SESSION, "project_key": "p", "subpath": subpath}
        entry: Any = line
        await self.mirror.append(key, [entry])


async def test_what_is_mirrored_in_time_is_not_a_gap(tmp_path: Path) -> None:
    memory = Memory(tmp_path)
    first = memory.write("1")
    await memory.reconciler.look()
    await memory.mirrored(first)
    await memory.mirrored(memory.write("2"))
    for _ in range(3):
        assert await memory.reconciler.look() == 0
    assert memory.log.notices == []
    assert len(memory.log.lines) == 2


async def test_a_line_that_the_mirror_lost_is_added_once_and_said(tmp_path: Path) -> None:
    memory = Memory(tmp_path)
    lost = memory.write("lost")
    await memory.mirrored(memory.write("kept"))
    await memory.reconciler.look()
    assert await memory.reconciler.look() == 1
    assert ("", orjson.dumps(lost)) in memory.log.lines
    assert memory.log.notices == [("transcript_gap", {"lines": 1, "repaired": True})]
    assert await memory.reconciler.look() == 0


async def test_a_helpers_lines_and_unfinished_ones_are_told_apart(tmp_path: Path) -> None:
    memory = Memory(tmp_path)
    helper = memory.file.with_suffix("") / "subagents" / "agent-1.jsonl"
    line = memory.write("h", helper)
    with memory.file.open("ab") as file:
        file.write(b'{"uuid":"half')
    await memory.reconciler.look()
    await memory.reconciler.look()
    assert memory.log.lines == [("subagents/agent-1", orjson.dumps(line))]
    with memory.file.open("ab") as file:
        file.write(b'way"}\nnot json\n{"type":"summary"}\n')
    await memory.reconciler.look()
    await memory.reconciler.look()
    assert memory.log.lines[-1] == ("", b'{"uuid":"halfway"}')
    assert len(memory.log.lines) == 2


async def test_after_the_clis_end_nothing_is_waited_for(tmp_path: Path) -> None:
    memory = Memory(tmp_path)
    memory.write("last")
    await memory.reconciler.settle()
    assert len(memory.log.lines) == 1


async def test_a_real_cli_and_its_mirror_agree(gateway: Gateway) -> None:
    """At its end a worker looks once more and waits for nothing: a difference would be said."""
    for text in ("hello", "and again"):
        await gateway.turn(text)
    gateway.worker.process.signal(signal.SIGTERM)
    await gateway.until(lambda: gateway.ended, what="the end of the stream")
    codes = [notice["code"] for notice in gateway.log.of("session.notice")]
    assert "transcript_gap" not in codes


async def test_what_the_mirror_says_it_lost_is_looked_for_before_it_is_called_lost(
    tmp_path: Path,
) -> None:
    memory = Memory(tmp_path)
    memory.write("lost")
    memory.reconciler.doubt()
    await memory.reconciler.look()
    await memory.reconciler.look()
    assert memory.log.notices == [("transcript_gap", {"lines": 1, "repaired": True})]
    memory.file.unlink()
    memory.reconciler.doubt()
    await memory.reconciler.look()
    assert memory.log.notices[1:] == [("transcript_gap", {"repaired": False})]
    await memory.reconciler.look()
    assert len(memory.log.notices) == 2
