"""Checkpoints as rows: what a new session begins with."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from csp_controlplane.domain.fold import Fold
from csp_controlplane.store import branches, checkpoints, pieces, sessions
from csp_controlplane.store.branches import Origin
from csp_controlplane.store.database import Database
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


@pytest.fixture
async def parent(db: Database) -> str:
    """A session that was kept at three points of its log."""
    async with db.tenant("t1") as connection:
        await connection.execute("insert into tenants values ('t1', 'T')")
        await connection.execute(
            "insert into users (id, tenant, email, name) values ('u', 't1', 'u', 'u')"
        )
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
