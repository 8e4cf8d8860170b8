"""The end of a worker's life: said in the log, then to the gateways, then done."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from csp_crds.agent import AgentSpec, Limits
from csp_proto import worker_pb2 as pb
from csp_worker import options
from csp_worker.engine import Engine, Seat
from csp_worker.hooks import Gate
from csp_worker.ids import new_id
from csp_worker.metrics import Metrics
from csp_worker.outputs import Outputs
from csp_worker.paths import Paths
from csp_worker.plans import Plans
from csp_worker.session import Identity, Session, Tools
from csp_worker.spill import SpillFile
from csp_worker.transcript import MirrorStore


class Ended:
    """What the process around a session would hear."""

    def __init__(self) -> None:
        self.heard: asyncio.Future[tuple[str, str]] = asyncio.get_running_loop().create_future()

    def __call__(self, reason: str, message: str) -> None:
        self.heard.set_result((reason, message))


@pytest.fixture
async def session(tmp_path: Path) -> AsyncIterator[Session]:
    """A session of a fifth of a second on a worker whose CLI is missing: it needs none."""
    paths = Paths.create(tmp_path / "home", tmp_path / "workspaces")
    gate = Gate(60)
    calls = options.Callbacks(
        gate.pre_tool_use, gate.can_use_tool, lambda line: None, MirrorStore()
    )
    engine = Engine(paths, tmp_path / "absent", {}, calls, time.monotonic)
    spec = AgentSpec(limits=Limits.model_construct(**{**Limits().model_dump(),
                                                      "session_seconds": 0.2}))  # fmt: skip
    tools = Tools(
        clock=time.monotonic,
        now=lambda: datetime.now(UTC),
        new_id=new_id,
        spill=SpillFile(paths.spill, 10_000),
        memory_bytes=10_000,
        silence_seconds=5,
        metrics=Metrics(),
        log_fields={},
        plans=Plans(paths.config),
        outputs=Outputs(paths.config, lambda: None),
    )
    made = Session(Identity("wrkr_1", "sesn_1", 1), spec, 0, engine, gate, tools)
    await made.start(Seat(spec, paths.workspace("sesn_1"), "handle"), [], time.monotonic)
    yield made
    await made.close()
    await engine.stop()


async def test_a_session_ends_at_its_cap_and_says_so(session: Session) -> None:
    session.on_end = ended = Ended()
    reason, message = await asyncio.wait_for(ended.heard, 5)
    attachment = session.outbox.attach("gateway", can_write=True)
    closing = asyncio.create_task(session.end(reason, message, 0.2))

    frames: list[pb.WorkerFrame] = []
    while (frame := await asyncio.wait_for(attachment.next(), 5)) is not None:
        frames.append(frame)
        if frame.HasField("facts"):
            last = frame.facts.first_n + len(frame.facts.facts) - 1
            session.acknowledge(attachment, pb.Ack(n=last, last_seq=last))
    await closing

    facts = [fact for frame in frames for fact in frame.facts.facts]
    assert [fact.type for fact in facts] == ["session.error", "session.notice"]
    assert b'"code":"session_time_limit"' in facts[1].payload
    assert frames[-1].ending.reason == "session_cap"
    assert "Send a message" in frames[-1].ending.message
