"""An orderly end of a worker, whoever wants it, leaves no file behind."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from csp_controlplane.attach import archiver
from csp_controlplane.sessions.service import SessionService
from csp_controlplane.store import checkpoints
from csp_proto import worker_pb2 as pb
from support.gateways import Gateways
from support.hostile_worker import HostileWorker
from support.played_turns import TOOL, Turns, has
from support.sessions import ALICE, new_session, say
from support.waiting import wait_until
from support.worker_play import worker_of

END = pb.WorkerFrame(ending=pb.Ending(reason="shutdown", message="It is being stopped."))


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A turn without a tool is looked at in an hour."""
    monkeypatch.setattr(archiver, "SETTLE_S", 3600.0)
    monkeypatch.setattr(archiver, "LONGEST_SETTLE_S", 3600.0)


async def newest(gateways: Gateways, session: str) -> str | None:
    found = await checkpoints.newest(gateways.db, ALICE.tenant, session)
    return found.fingerprint if found else None


async def after_two_turns(gateways: Gateways, service: SessionService) -> tuple[str, HostileWorker]:
    """A session whose first turn is kept, and whose second one has changed a file unseen."""
    session = (await new_session(service)).id
    worker = await worker_of(gateways, session)
    has(worker, b"first")
    turns = Turns(worker)
    await say(service, session, "one")
    await turns.play()

    async def kept() -> bool:
        return await newest(gateways, session) == "first"

    await wait_until(kept, what="the first turn's checkpoint")
    await say(service, session, "two")
    await turns.play()
    has(worker, b"last")
    return session, worker


async def test_a_worker_that_says_good_bye_is_asked_for_its_files_and_then_hung_up(
    gateways: Gateways,
) -> None:
    service = await gateways.start()
    session, worker = await after_two_turns(gateways, service)
    worker.say(END)
    heir = await worker_of(gateways, session, 2)
    assert await newest(gateways, session) == "last"
    assert not worker.attached.is_set()
    assert heir.offered, "the next worker begins with them"
    assert heir.offered[1].data == b"list of last"


async def test_a_turn_that_is_interrupted_at_the_end_is_kept(gateways: Gateways) -> None:
    service = await gateways.start()
    session, worker = await after_two_turns(gateways, service)
    turns = Turns(worker, after=4)
    await say(service, session, "three")
    await turns.begin()
    await turns.say(*TOOL, ("span.turn_end", '"outcome":"interrupted","reason":"shutdown"'))
    worker.say(END)
    await worker_of(gateways, session, 2)
    assert await newest(gateways, session) == "last"


async def test_a_worker_that_cannot_give_its_files_is_let_go_all_the_same(
    gateways: Gateways,
) -> None:
    service = await gateways.start()
    session, worker = await after_two_turns(gateways, service)
    worker.workspace = []
    worker.say(END)
    await worker_of(gateways, session, 2)
    assert await newest(gateways, session) == "first"


async def archive(service: SessionService, session: str) -> None:
    await service.archive(ALICE, session)


async def suspend(service: SessionService, session: str) -> None:
    await service.resources.suspend(ALICE.tenant, session)


async def end(service: SessionService, session: str) -> None:
    await service.resources.end(ALICE.tenant, session, "Its resource is gone.")


async def uninstall(service: SessionService, session: str) -> None:
    await service.resources.rest(ALICE.tenant, session, "csp was uninstalled.")


async def idle(service: SessionService, session: str) -> None:
    assert await service.resources.pause_if_idle(ALICE.tenant, session)


@pytest.mark.parametrize("rest", [archive, suspend, end, uninstall, idle])
async def test_files_are_kept_before_a_worker_is_given_back(
    gateways: Gateways, rest: Callable[[SessionService, str], Awaitable[None]]
) -> None:
    service = await gateways.start()
    session, worker = await after_two_turns(gateways, service)
    await rest(service, session)
    assert await newest(gateways, session) == "last"
    assert worker not in gateways.runtime.live.values()


async def test_sessions_that_nobody_uses_are_kept_before_they_rest(gateways: Gateways) -> None:
    service = await gateways.start(idle_timeout=0.4)
    session = (await new_session(service)).id
    worker = await worker_of(gateways, session)
    has(worker, b"last")
    await wait_until(lambda: worker not in gateways.runtime.live.values(), what="its rest")
    assert await newest(gateways, session) == "last"


async def test_what_a_running_turn_has_made_is_kept_when_its_owner_stops_it(
    gateways: Gateways,
) -> None:
    service = await gateways.start()
    session, worker = await after_two_turns(gateways, service)
    turns = Turns(worker, after=4)
    await say(service, session, "three")
    await turns.begin()
    await turns.say(*TOOL)
    await asyncio.wait_for(suspend(service, session), 30)
    assert await newest(gateways, session) == "last"
