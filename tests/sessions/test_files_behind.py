"""Files that cannot be kept are a person's matter: the log says it once, and when it is over."""

from __future__ import annotations

import pytest

from csp_controlplane.attach import archiver
from csp_controlplane.store import checkpoints
from csp_controlplane.store.objects import DatabaseObjects, ObjectsAway
from csp_proto import worker_pb2 as pb
from support.gateways import Gateways
from support.hostile_worker import HostileWorker
from support.played_turns import TOOL, Turns, has
from support.sessions import ALICE, new_session, say, watching
from support.waiting import wait_until
from support.worker_play import worker_of


class Store(DatabaseObjects):
    """One that can be away."""

    away = False

    async def put(self, tenant: str, key: str, data: bytes) -> None:
        if self.away:
            raise ObjectsAway("connection refused")
        await super().put(tenant, key, data)


async def test_a_store_that_is_away_is_said_once_and_that_it_is_back(
    gateways: Gateways, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archiver, "AGAIN_S", 0.05)
    gateways.objects = store = Store(gateways.db)
    service = await gateways.start()
    session = (await new_session(service)).id
    worker = await worker_of(gateways, session)
    turns = Turns(worker)
    async with watching(service, session) as watcher:
        has(worker, b"first")
        await say(service, session, "one")
        await turns.play(*TOOL)

        async def kept() -> str | None:
            found = await checkpoints.newest(gateways.db, ALICE.tenant, session)
            return found.fingerprint if found else None

        await wait_until(kept, what="the first checkpoint")
        store.away = True
        has(worker, b"second")
        for text in ("two", "three"):
            await say(service, session, text)
            await turns.play(*TOOL)
        notice = await watcher.until("session.notice", code="workspace_behind")
        assert notice["level"] == "warning"
        assert "the last copy is of 20" in notice["message"]
        store.away = False
        await watcher.until("session.notice", code="workspace_kept")
        assert await kept() == "second"
        codes = [event.get("code") for event in watcher.events]
        assert codes.count("workspace_behind") == codes.count("workspace_kept") == 1


async def test_another_gateway_says_that_they_are_kept_again(gateways: Gateways) -> None:
    gateways.objects = store = Store(gateways.db)
    store.away = True
    service = await gateways.start()
    session = (await new_session(service)).id
    worker = await worker_of(gateways, session)
    async with watching(service, session) as watcher:
        has(worker, b"first")
        await say(service, session, "one")
        await Turns(worker).play(*TOOL)
        notice = await watcher.until("session.notice", code="workspace_behind")
        assert "there is none" in notice["message"]
        store.away = False
        has(heir := await new_stream(gateways, session), b"first")
        await say(service, session, "two")
        await Turns(heir).play(*TOOL)
        await watcher.until("session.notice", code="workspace_kept")


async def new_stream(gateways: Gateways, session: str) -> HostileWorker:
    await gateways.runtime.kill(session)
    return await worker_of(gateways, session, 2)


async def test_what_can_be_made_again_is_named_once_where_it_is_missing(
    gateways: Gateways,
) -> None:
    service = await gateways.start()
    session = (await new_session(service)).id
    worker = await worker_of(gateways, session)
    async with watching(service, session) as watcher:
        has(worker, b"first", pb.LeftOut(path="web/node_modules", reason="pattern"))
        await say(service, session, "one")
        await Turns(worker).play(*TOOL)

        async def kept() -> bool:
            return await checkpoints.newest(gateways.db, ALICE.tenant, session) is not None

        await wait_until(kept, what="the checkpoint")
        await gateways.runtime.kill(session)
        await worker_of(gateways, session, 2)
        said = await watcher.until("session.notice", code="workspace_left_out")
        assert said["level"] == "info"
        assert "web/node_modules" in said["message"]
        assert ".venv" in said["message"], "the patterns, too"
        await gateways.runtime.kill(session)
        await worker_of(gateways, session, 3)
        codes = [event.get("code") for event in watcher.events]
        assert codes.count("workspace_left_out") == 1
