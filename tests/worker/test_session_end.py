"""The end of a worker's life: said in the log, then to the gateways, then done."""

from __future__ import annotations

import asyncio
import signal
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
from csp_worker.session import Identity, Patience, Session, Tools
from csp_worker.spill import SpillFile
from csp_worker.transcript import MirrorStore
from support.waiting import wait_until
from support.worker_client import WorkerProcess
from worker.conftest import NewGateway


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
    closing = asyncio.create_task(session.end(reason, message, Patience(0.2)))

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


async def test_an_ending_worker_gives_its_files_until_the_writer_hangs_up(
    worker: WorkerProcess, new_gateway: NewGateway
) -> None:
    gateway = await new_gateway(worker, hangs_up=False).open()
    await gateway.turn("hello")
    (worker.workspace_root / gateway.session_id / "file").write_text("of the last turn")
    worker.process.signal(signal.SIGTERM)
    await gateway.until(lambda: gateway.frames[-1].HasField("ending"), what="the last frame")
    request = pb.SaveWorkspaceRequest(limits=pb.WorkspaceLimits(total_bytes=99, file_bytes=99))
    listed = gateway.stub.SaveWorkspace(request, metadata=gateway.metadata())
    first, *_ = [part async for part in listed]
    wanted = pb.ReadPiecesRequest(pieces=first.pieces)
    given = gateway.stub.ReadPieces(wanted, metadata=gateway.metadata())
    assert [piece.data async for piece in given] == [b"of the last turn"]
    assert gateway.ended is None
    await gateway.close()
    await wait_until(lambda: not worker.process.running, what="the worker ends")
    assert worker.process.returncode == 0


async def test_a_writer_that_never_hangs_up_holds_no_worker(session: Session) -> None:
    session.outbox.attach("gateway", can_write=True)
    await asyncio.wait_for(session.end("shutdown", "", Patience(0.0, files_s=0.05)), 5)


async def test_without_a_gateway_a_worker_ends_at_once(session: Session) -> None:
    await asyncio.wait_for(session.end("shutdown", "", Patience(0.0, files_s=3600)), 5)
