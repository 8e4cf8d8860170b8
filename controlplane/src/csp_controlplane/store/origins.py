"""Which session was born as which resource, and what a resource is told of its session."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import orjson

from csp_controlplane.domain.fold import Fold
from csp_controlplane.domain.principal import Principal
from csp_controlplane.store import users
from csp_controlplane.store.database import Database


@dataclass(frozen=True, slots=True)
class Origin:
    """A session and the resource it was born as, if it was."""

    tenant: str
    session: str
    uid: str | None
    deleted: bool = False


@dataclass(frozen=True, slots=True)
class Facts:
    """What a resource's status says of its session. Money in millionths of a US dollar."""

    session: str
    owner: str
    fold: Fold
    bound: bool
    claude_session_id: str | None
    cost_microusd: int
    budget_microusd: int | None
    last_event_at: datetime
    trouble: str | None
    """The newest sentence about why there is no worker."""


async def sessions_of(db: Database, uids: Sequence[str], ids: Sequence[str]) -> list[Origin]:
    """Sessions that were born as these resources or have these ids, deleted ones too."""
    async with db.untenanted() as connection:
        rows = await connection.fetch(
            "select * from sessions_of_resources($1,$2)", list(uids), list(ids)
        )
    return [Origin(r["tenant"], r["session_id"], r["origin_uid"], r["deleted"]) for r in rows]


async def sessions_on_resources(db: Database) -> list[Origin]:
    """Sessions that were born as resources and are neither paused nor over."""
    async with db.untenanted() as connection:
        rows = await connection.fetch("select * from sessions_on_resources()")
    return [Origin(r["tenant"], r["session_id"], r["origin_uid"]) for r in rows]


async def find_owner(db: Database, tenant: str, name: str) -> Principal | None:
    """The enabled user of the tenant with this id or address."""
    async with db.tenant(tenant) as connection:
        found = await connection.fetchval(
            "select id from users where id = $1 or lower(email) = lower($1) "
            "order by (id = $1) desc limit 1",
            name,
        )
        return await users.principal(connection, found, tenant) if found else None


async def facts(db: Database, tenant: str, session: str) -> Facts | None:
    """None when there is no such session any more."""
    async with db.tenant(tenant) as connection:
        row = await connection.fetchrow(
            "select s.month, s.owner, s.fold, s.claude_session_id, s.budget_microusd, "
            "s.last_event_at, "
            "exists (select from bindings b where b.session_id = s.id and b.ended_at is null) "
            "as bound, "
            "(select coalesce(sum(m.cost_microusd), 0)::bigint from model_requests m "
            " where m.session_id = s.id) as cost "
            "from sessions s where s.id = $1 and s.deleted_at is null",
            session,
        )
        if row is None:
            return None
        fold = Fold.from_json(orjson.loads(row["fold"]))
        trouble = None
        if fold.state == "error":
            trouble = await connection.fetchval(
                "select payload::text from events where month = $1 and session_id = $2 "
                "and type in ('session.error', 'session.notice') order by seq desc limit 1",
                row["month"],
                session,
            )
    return Facts(
        session=session,
        owner=row["owner"],
        fold=fold,
        bound=row["bound"],
        claude_session_id=row["claude_session_id"],
        cost_microusd=row["cost"],
        budget_microusd=row["budget_microusd"],
        last_event_at=row["last_event_at"],
        trouble=_sentence(trouble) if trouble else None,
    )


async def last_answer(db: Database, tenant: str, session: str) -> str | None:
    """The text of the last message that the agent wrote itself, not one of its helpers."""
    async with db.tenant(tenant) as connection:
        rows = await connection.fetch(
            "select e.payload::text from events e join sessions s on s.id = e.session_id "
            "and s.month = e.month where e.session_id = $1 and e.type = 'agent.message' "
            "order by e.seq desc limit 20",
            session,
        )
    for row in rows:
        body = orjson.loads(row["payload"])
        if not body.get("parent_tool_use_id"):
            blocks = body.get("content") or ()
            return "".join(str(block.get("text", "")) for block in blocks)
    return None


def _sentence(payload: str) -> str:
    body = orjson.loads(payload)
    error = body.get("error") or {}
    return str(error.get("message") or body.get("message") or "")
