"""Rows that a test of the store begins with, and what it appends."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from csp_controlplane.domain.fold import Fold
from csp_controlplane.store import sessions
from csp_controlplane.store.database import Database
from csp_controlplane.store.log import WorkerBatch
from csp_controlplane.store.sessions import NewSession
from csp_crds.agent import AgentSpec

MONTH = date(2026, 5, 1)


async def make_session(db: Database, tenant: str = "t1", session: str = "sesn_1") -> None:
    async with db.tenant(tenant) as connection:
        await connection.execute(
            "insert into tenants values ($1, 'T') on conflict do nothing", tenant
        )
        await connection.execute(
            "insert into users (id, tenant, email, name) values ($1, $2, $3, 'U')",
            f"user_{session}",
            tenant,
            f"{session}@example.org",
        )
    await sessions.insert(
        db,
        NewSession(
            id=session,
            month=MONTH,
            tenant=tenant,
            owner=f"user_{session}",
            agent={},
            spec=AgentSpec(),
            agent_id=None,
            agent_version=None,
            environment_id=None,
            title=None,
            metadata={},
            fold=Fold(),
        ),
    )


def batch(epoch: int, first_n: int, ids: Sequence[str], payload: str = "{}") -> WorkerBatch:
    ns = list(range(first_n, first_n + len(ids)))
    return WorkerBatch(epoch, first_n, ns, ids, ["agent.message"] * len(ids), [payload] * len(ids))
