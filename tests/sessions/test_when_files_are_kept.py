"""When a worker is asked for its files: at once where tools ran, else when the person pauses."""

from __future__ import annotations

import asyncio

import pytest

from csp_controlplane.attach import archiver
from csp_controlplane.store import checkpoints
from support.gateways import Gateways
from support.played_turns import TOOL, Turns, has
from support.sessions import ALICE, new_session, say
from support.waiting import wait_until
from support.worker_play import worker_of


async def test_after_the_first_turn_one_without_a_tool_asks_for_nothing_until_the_person_pauses(
    gateways: Gateways, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archiver, "SETTLE_S", 3600.0)
    monkeypatch.setattr(archiver, "LONGEST_SETTLE_S", 3600.0)
    service = await gateways.start()
    session = await new_session(service)
    worker = await worker_of(gateways, session.id)
    has(worker, b"f1")
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
    monkeypatch.setattr(archiver, "SETTLE_S", 3600.0)
    monkeypatch.setattr(archiver, "LONGEST_SETTLE_S", 0.2)
    service = await gateways.start()
    session = await new_session(service)
    worker = await worker_of(gateways, session.id)
    await say(service, session.id, "one")
    await Turns(worker).play()
    await asyncio.wait_for(worker.saves.get(), 20)
