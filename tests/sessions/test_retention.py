"""Sessions that nobody has used for longer than they are kept."""

from __future__ import annotations

import pytest

from csp_controlplane.errors import NotFound
from csp_controlplane.sessions.service import SessionService
from csp_controlplane.store.database import Database
from support.gateways import Gateways
from support.sessions import ALICE, new_session
from support.waiting import wait_until


async def _last_used(db: Database, session: str, days: float) -> None:
    async with db.tenant("t1") as connection:
        await connection.execute(
            "update sessions set last_event_at = now() - make_interval(secs => $2 * 86400), "
            "needs_worker = false, state = 'paused' where id = $1",
            session,
            days,
        )


async def _bindings(db: Database, session: str) -> list[bool]:
    """For each worker that the session has had, whether it is gone."""
    query = "select ended_at is not null as gone from bindings where session_id = $1"
    async with db.tenant("t1") as connection:
        return [row["gone"] for row in await connection.fetch(query, session)]


async def _at_rest(service: SessionService, db: Database, session: str) -> None:
    """Archives it, and returns when nothing is written to its log any more."""

    async def ended() -> bool:
        return all(await _bindings(db, session))

    await wait_until(lambda: _bindings(db, session), 30, f"a worker of {session}")
    await service.archive(ALICE, session)
    await wait_until(ended, 30, f"the worker of {session} being gone")


async def test_what_is_older_than_the_retention_goes_and_is_audited(
    gateways: Gateways, db: Database
) -> None:
    service = await gateways.start(retention_days=30)
    old, young = await new_session(service), await new_session(service)
    await _at_rest(service, db, old.id)
    await _at_rest(service, db, young.id)
    await _last_used(db, old.id, 31)
    await _last_used(db, young.id, 29)
    assert await service.retention.expired() == 1
    assert await service.retention.expired() == 0
    with pytest.raises(NotFound):
        await service.get(ALICE, old.id)
    assert (await service.get(ALICE, young.id)).id == young.id
    async with db.tenant("t1") as connection:
        row = await connection.fetchrow(
            "select actor, target from audit_events where action = 'session.expire'"
        )
        left = await connection.fetchval(
            "select count(*) from events where session_id = $1", old.id
        )
    assert (row["actor"], row["target"], left) == ("retention", old.id, 0)
