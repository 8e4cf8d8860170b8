"""A fork's files are as new as its conversation; where they cannot be, the fork says so."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from csp_controlplane.attach import archiver
from csp_controlplane.sessions.branches import ForkRequest
from csp_controlplane.sessions.service import SessionService
from csp_controlplane.store import checkpoints
from csp_controlplane.store.checkpoints import Checkpoint
from csp_crds.agent import AgentSpec
from support.gateways import Gateways
from support.hostile_worker import HostileWorker
from support.played_turns import TOOL, Turns, has
from support.sessions import ALICE, Watcher, new_session, say, watching
from support.waiting import wait_until
from support.worker_play import worker_of


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A turn without a tool is looked at in an hour."""
    monkeypatch.setattr(archiver, "SETTLE_S", 3600.0)
    monkeypatch.setattr(archiver, "LONGEST_SETTLE_S", 3600.0)


async def after_a_turn(
    gateways: Gateways, service: SessionService
) -> tuple[str, HostileWorker, Turns]:
    """A session whose first turn's files are kept."""
    session = (await new_session(service)).id
    worker = await worker_of(gateways, session)
    has(worker, b"first")
    turns = Turns(worker)
    await say(service, session, "one")
    await turns.play(*TOOL)

    async def kept() -> Checkpoint | None:
        return await checkpoints.newest(gateways.db, ALICE.tenant, session)

    await wait_until(kept, what="the first turn's checkpoint")
    return session, worker, turns


async def listed(gateways: Gateways, session: str) -> bytes:
    found = await checkpoints.newest(gateways.db, ALICE.tenant, session)
    assert found is not None
    return found.manifest


def older(watcher: Watcher) -> list[dict[str, Any]]:
    return [event for event in watcher.events if event.get("code") == "workspace_restored"]


async def fork(service: SessionService, session: str) -> str:
    return (await service.branches.fork(ALICE, session, ForkRequest())).id


async def test_a_fork_waits_for_the_files_of_its_last_turn(gateways: Gateways) -> None:
    service = await gateways.start()
    session, worker, turns = await after_a_turn(gateways, service)
    await say(service, session, "two")
    await turns.play()
    has(worker, b"last")
    branch = await fork(service, session)
    assert await listed(gateways, branch) == hashlib.sha256(b"list of last").digest()
    async with watching(service, branch) as watcher:
        await watcher.until("session.notice", code="worker_bound")
        assert older(watcher) == []


async def test_a_fork_whose_last_files_were_not_kept_says_so(gateways: Gateways) -> None:
    service = await gateways.start()
    session, worker, turns = await after_a_turn(gateways, service)
    worker.workspace = []
    await say(service, session, "two")
    await turns.play(*TOOL)
    branch = await fork(service, session)
    assert await listed(gateways, branch) == hashlib.sha256(b"list of first").digest()
    async with watching(service, branch) as watcher:
        await worker_of(gateways, branch, 2)
        await watcher.until("session.notice", code="worker_bound")
        assert len(older(watcher)) == 1
        assert "was not kept for itself" in older(watcher)[0]["message"]


async def test_a_session_that_goes_on_with_anothers_files_has_the_last_ones(
    gateways: Gateways,
) -> None:
    service = await gateways.start()
    session, worker, turns = await after_a_turn(gateways, service)
    has(worker, b"last")
    await say(service, session, "two")
    await turns.play()
    heir = await service.resources.create(ALICE, "uid-1", AgentSpec(), resume_from=session)
    assert await listed(gateways, heir) == hashlib.sha256(b"list of last").digest()
    worker.workspace = []
    await say(service, session, "three")
    await turns.play(*TOOL)
    late = await service.resources.create(ALICE, "uid-2", AgentSpec(), resume_from=session)
    async with watching(service, late) as watcher:
        await watcher.until("session.notice", code="workspace_restored")


async def test_what_a_fork_itself_has_changed_and_lost_is_said(gateways: Gateways) -> None:
    service = await gateways.start()
    session, _, _ = await after_a_turn(gateways, service)
    branch = await fork(service, session)
    async with watching(service, branch) as watcher:
        worker = await worker_of(gateways, branch, 2)
        assert older(watcher) == []
        await say(service, branch, "here")
        await Turns(worker).play(*TOOL)
        await gateways.runtime.kill(branch)
        await worker_of(gateways, branch, 3)
        lost = await watcher.until("session.notice", code="workspace_restored")
        assert "lost with the session's last worker" in lost["message"]
