"""Logs that the bench writes itself, through the product's own append functions."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Self

from bench import events
from csp_controlplane.domain.fold import Fold
from csp_controlplane.domain.ids import new_id
from csp_controlplane.store import sessions
from csp_controlplane.store.database import Database
from csp_controlplane.store.log import WorkerBatch, append_worker
from csp_controlplane.store.sessions import NewSession
from csp_controlplane.store.users import ensure_tenant
from csp_crds.agent import AgentSpec

LEASE_S = 100_000.0


class OwnLog:
    """A session without a worker, whose epoch the bench holds. No gateway looks after it."""

    def __init__(self, db: Database, tenant: str, session_id: str, epoch: int) -> None:
        self._db = db
        self._tenant = tenant
        self._epoch = epoch
        self._next_n = 1
        self.session_id = session_id

    @classmethod
    async def create(cls, db: Database) -> Self:
        """A session of the first user."""
        owner = await ensure_tenant(db)
        now = datetime.now(UTC)
        new = NewSession(
            id=new_id("sesn"),
            month=now.date().replace(day=1),
            tenant=owner.tenant,
            owner=owner.id,
            agent={},
            spec=AgentSpec(),
            agent_id=None,
            agent_version=None,
            environment_id=None,
            title="bench",
            metadata={},
            fold=Fold(),
        )
        await sessions.insert(db, new)
        await sessions.take_lease(db, owner.tenant, new.id, "bench", LEASE_S)
        epoch = await sessions.open_epoch(
            db,
            owner.tenant,
            new.id,
            holder="bench",
            worker_id=f"bench-{new.id}",
            endpoint="bench",
            handle_hash=new.id.encode(),
        )
        if epoch is None:
            raise RuntimeError(f"another holder has the lease of {new.id}")
        return cls(db, owner.tenant, new.id, epoch)

    async def append(self) -> None:
        """One agent.message of the size that is played."""
        id_ = events.event_id(self.session_id, self._next_n)
        await self.append_facts([(id_, "agent.message", events.fact(id_).decode())])

    async def append_facts(self, facts: Sequence[tuple[str, str, str]]) -> None:
        """(id, type, payload) of a worker's facts."""
        batch = WorkerBatch(
            epoch=self._epoch,
            first_n=self._next_n,
            ns=list(range(self._next_n, self._next_n + len(facts))),
            ids=[fact[0] for fact in facts],
            types=[fact[1] for fact in facts],
            payloads=[fact[2] for fact in facts],
        )
        if await append_worker(self._db, self._tenant, self.session_id, batch, None) is None:
            raise RuntimeError(f"the log of {self.session_id} refused n {self._next_n}")
        self._next_n += len(facts)
