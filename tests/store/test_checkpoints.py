"""Checkpoints as rows: what a new session begins with, and up to where files are as they were."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from csp_controlplane.domain.events import NewEvent
from csp_controlplane.domain.fold import Fold
from csp_controlplane.domain.ids import new_id
from csp_controlplane.store import branches, checkpoints, pieces, sessions
from csp_controlplane.store.branches import Origin
from csp_controlplane.store.database import Database
from csp_controlplane.store.log import append_control
from csp_controlplane.store.objects import DatabaseObjects
from csp_controlplane.store.sessions import NewSession
from csp_crds.agent import AgentSpec
from support.kept_files import keep, named

MONTH = date(2026, 1, 1)


def new(name: str, like: str | None = None) -> NewSession:
    return NewSession(
        id=name, month=MONTH, tenant="t1", owner="u", agent={}, spec=AgentSpec(), agent_id=None,
        agent_version=None, environment_id=None, title=None, metadata={},
        fold=replace(Fold(), state="paused"), resume_from=like,
    )  # fmt: skip


async def seqs(db: Database, session: str) -> list[int]:
    async with db.tenant("t1") as connection:
        rows = await connection.fetch(
            "select seq from checkpoints where session_id = $1 order by id", session
        )
    return [row["seq"] for row in rows]


async def a_tenant(db: Database) -> None:
    async with db.tenant("t1") as connection:
        await connection.execute("insert into tenants values ('t1', 'T')")
        await connection.execute(
            "insert into users (id, tenant, email, name) values ('u', 't1', 'u', 'u')"
        )


@pytest.fixture
async def parent(db: Database) -> str:
    """A session that was kept at three points of its log."""
    await a_tenant(db)
    await sessions.insert(db, new("parent"))
    for seq in (1, 5, 9):
        await keep(db, DatabaseObjects(db), "t1", "parent", str(seq).encode(), seq=seq)
    return "parent"


async def test_a_fork_has_every_checkpoint_up_to_its_place(db: Database, parent: str) -> None:
    await branches.insert_fork(db, new("fork"), Origin(parent, 5, 0, None), [])
    assert await seqs(db, "fork") == [1, 5]
    assert await seqs(db, parent) == [1, 5, 9]
    found = await checkpoints.newest(db, "t1", "fork")
    assert found is not None
    assert (found.pieces, found.epoch, found.fingerprint) == ((named(b"5"),), 0, "")


async def test_what_goes_on_from_a_session_begins_with_its_newest(
    db: Database, parent: str
) -> None:
    await sessions.insert(db, new("heir", parent))
    assert await seqs(db, "heir") == [0]
    found = await checkpoints.newest(db, "t1", "heir")
    assert found is not None
    assert (found.pieces, found.checked_seq) == ((named(b"9"),), 0)


async def test_a_family_of_any_depth_has_one_lineage(db: Database, parent: str) -> None:
    await sessions.insert(db, new("heir", parent))
    await branches.insert_fork(db, new("fork"), Origin("heir", 0, 0, None), [])
    assert await pieces.lineage_of(db, "t1", "fork") == parent
    assert await seqs(db, "fork") == [0]


async def test_what_files_were_taken_back_to_is_the_newest_from_then_on(
    db: Database, parent: str
) -> None:
    earlier = await checkpoints.at(db, "t1", parent, 5)
    assert earlier is not None
    assert await checkpoints.choose(db, "t1", parent, earlier.id)
    found, chosen = await checkpoints.next_to_restore(db, "t1", parent)
    assert found is not None
    assert (found.id, chosen) == (earlier.id, True)
    await checkpoints.restored(db, "t1", parent, earlier.id)
    await checkpoints.restored(db, "t1", parent, earlier.id)  # as another gateway may
    # Its worker is lost before anybody looked at its files again.
    found, chosen = await checkpoints.next_to_restore(db, "t1", parent)
    assert found is not None
    assert (found.pieces, chosen) == ((named(b"5"),), False)
    assert len(await seqs(db, parent)) == 4


async def row_version(db: Database, session: str) -> tuple[int, str]:
    """How far the newest checkpoint was checked, and which version of its row that is."""
    async with db.tenant("t1") as connection:
        row = await connection.fetchrow(
            "select checked_seq, xmin::text from checkpoints where session_id = $1 "
            "order by id desc limit 1",
            session,
        )
    assert row is not None
    return row["checked_seq"], row["xmin"]


async def log_of(db: Database, session: str, *types: str) -> int:
    """Appends events; the last seq."""
    events = [NewEvent(new_id("sevt"), type_, b"{}") for type_ in types]
    result = await append_control(db, "t1", session, events, None)
    return result.base + len(events)


async def test_a_turn_without_a_tool_writes_nothing_about_files(db: Database) -> None:
    await a_tenant(db)
    await sessions.insert(db, new("one"))
    first = await log_of(db, "one", "user.message", "agent.tool_result")
    await keep(db, DatabaseObjects(db), "t1", "one", b"x", seq=first)
    before = await row_version(db, "one")
    talk = await log_of(db, "one", "user.message", "agent.message")
    await checkpoints.still_so(db, "t1", "one", 0, talk)
    assert await row_version(db, "one") == before
    assert not await checkpoints.tool_used_since(db, "t1", "one", first)


async def test_a_turn_whose_tools_changed_nothing_is_said_to_be_checked(db: Database) -> None:
    await a_tenant(db)
    await sessions.insert(db, new("one"))
    first = await log_of(db, "one", "user.message")
    await keep(db, DatabaseObjects(db), "t1", "one", b"x", seq=first)
    for kind in ("agent.tool_result", "agent.mcp_tool_result"):
        last = await log_of(db, "one", kind, "agent.message")
        await checkpoints.still_so(db, "t1", "one", 7, last)
        assert (await row_version(db, "one"))[0] < last, "the epoch is another one"
        await checkpoints.still_so(db, "t1", "one", 0, last)
        checked, _ = await row_version(db, "one")
        assert checked == last
        assert not await checkpoints.tool_used_since(db, "t1", "one", checked)


async def test_a_listing_that_a_later_tool_may_have_met_is_of_that_tools_turn(db: Database) -> None:
    await a_tenant(db)
    await sessions.insert(db, new("one"))
    end = await log_of(db, "one", "user.message", "agent.tool_use", "span.turn_end")
    talk = await log_of(db, "one", "user.message", "span.turn_start", "agent.message")
    assert talk > end
    assert await checkpoints.point_of(db, "t1", "one", end) == end, "nothing has run since"
    used = await log_of(db, "one", "agent.tool_use")
    await log_of(db, "one", "agent.tool_result")
    assert await checkpoints.point_of(db, "t1", "one", end) == used
