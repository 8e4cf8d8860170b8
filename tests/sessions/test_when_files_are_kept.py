"""When a worker is asked for its files: at once where tools ran, else when the person pauses."""

from __future__ import annotations

import asyncio
import hashlib

import pytest

from csp_controlplane.attach import workspace
from csp_controlplane.store import checkpoints
from csp_proto import worker_pb2 as pb
from support.gateways import Gateways
from support.hostile_worker import HostileWorker, fact
from support.sessions import ALICE, new_session, say
from support.waiting import wait_until
from support.worker_play import start_turn, worker_of

TOOL = (
    ("agent.tool_use", '"name":"Bash","input":{}'),
    ("agent.tool_result", '"tool_use_id":"sevt_%d"'),
)
FILES = [
    pb.WorkspaceManifest(fingerprint="f1", pieces=[hashlib.sha256(b"").digest()], files=1),
    pb.WorkspaceManifest(data=b"list"),
]


class Turns:
    """Whole turns that the test's worker plays, their facts numbered from 1."""

    def __init__(self, worker: HostileWorker) -> None:
        self._worker = worker
        self._n = 0

    async def play(self, *between: tuple[str, str]) -> None:
        """Until the end of a turn is in the log; `between` are (type, further fields)."""
        self._n += 1
        await start_turn(self._worker, self._n, f"sevt_{self._n}")
        for type_, rest in (*between, ("span.turn_end", '"outcome":"completed"')):
            self._n += 1
            rest = rest % (self._n - 1) if "%d" in rest else rest
            self._worker.facts(self._n, fact(f"sevt_{self._n}", type_, rest))
        while (await self._worker.next("ack")).n < self._n:
            pass


async def test_after_the_first_turn_one_without_a_tool_asks_for_nothing_until_the_person_pauses(
    gateways: Gateways, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workspace, "SETTLE_S", 3600.0)
    monkeypatch.setattr(workspace, "LONGEST_SETTLE_S", 3600.0)
    service = await gateways.start()
    session = await new_session(service)
    worker = await worker_of(gateways, session.id)
    worker.workspace, worker.pieces = FILES, [b""]
    turns = Turns(worker)
    await say(service, session.id, "one")
    await turns.play()
    first = await asyncio.wait_for(worker.saves.get(), 20)
    assert not first.known_fingerprint

    async def kept() -> bool:
        return await checkpoints.newest(gateways.db, ALICE.tenant, session.id) is not None

    await wait_until(kept, what="the first turn's checkpoint")
    await say(service, session.id, "two")
    await turns.play()
    await say(service, session.id, "three")
    await turns.play(*TOOL)
    later = await asyncio.wait_for(worker.saves.get(), 20)  # for "three", and for "two" as well
    assert later.known_fingerprint == "f1"
    assert worker.saves.empty()


async def test_turns_without_a_pause_are_looked_at_all_the_same(
    gateways: Gateways, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workspace, "SETTLE_S", 3600.0)
    monkeypatch.setattr(workspace, "LONGEST_SETTLE_S", 0.2)
    service = await gateways.start()
    session = await new_session(service)
    worker = await worker_of(gateways, session.id)
    await say(service, session.id, "one")
    await Turns(worker).play()
    await asyncio.wait_for(worker.saves.get(), 20)
