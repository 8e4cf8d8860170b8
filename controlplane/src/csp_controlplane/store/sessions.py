"""Rows of sessions, their leases and their bindings to workers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import asyncpg
import orjson

from csp_controlplane.domain.fold import Fold
from csp_controlplane.store import checkpoints
from csp_controlplane.store.database import Database
from csp_crds.agent import AgentSpec


class WorkerUsed(Exception):
    """The worker has been bound before, to this session or another one."""


@dataclass(frozen=True, slots=True)
class SessionRow:
    """What the core needs of a session's row."""

    id: str
    month: date
    tenant: str
    owner: str
    state: str
    spec: AgentSpec
    fold: Fold
    fold_version: int
    last_seq: int
    epoch: int
    next_n: int
    claude_session_id: str | None
    title: str | None
    archived_at: datetime | None


@dataclass(frozen=True, slots=True)
class Binding:
    """The live tie between a session and a worker."""

    epoch: int
    worker_id: str
    endpoint: str
    bound_seq: int


@dataclass(frozen=True, slots=True)
class NewSession:
    """Everything that a new row holds."""

    id: str
    month: date
    tenant: str
    owner: str
    agent: dict[str, Any]
    spec: AgentSpec
    agent_id: str | None
    agent_version: int | None
    environment_id: str | None
    title: str | None
    metadata: dict[str, str]
    fold: Fold
    origin_uid: str | None = None  # UID of the resource that the session was born as
    budget_microusd: int | None = None
    resume_from: str | None = None  # a session of the same tenant whose conversation it begins with


def _row(record: Any) -> SessionRow:
    return SessionRow(
        id=record["id"],
        month=record["month"],
        tenant=record["tenant"],
        owner=record["owner"],
        state=record["state"],
        spec=AgentSpec.model_validate_json(record["spec"]),
        fold=Fold.from_json(orjson.loads(record["fold"])),
        fold_version=record["fold_version"],
        last_seq=record["last_seq"],
        epoch=record["epoch"],
        next_n=record["next_n"],
        claude_session_id=record["claude_session_id"],
        title=record["title"],
        archived_at=record["archived_at"],
    )


async def load(db: Database, tenant: str, session: str) -> SessionRow | None:
    """The row, or None when this tenant has no such session."""
    async with db.untenanted() as connection:
        record = await connection.fetchrow("select * from load_session($1,$2)", tenant, session)
    return _row(record) if record else None


async def insert(db: Database, new: NewSession) -> None:
    """Writes a new session; its month's partitions exist afterwards.

    Raises asyncpg.UniqueViolationError when its resource has a session already.
    """
    async with db.tenant(new.tenant) as connection:
        await add(connection, new)
        if new.resume_from is not None:
            await _copy_conversation(connection, new, new.resume_from)


async def add(connection: Any, new: NewSession) -> None:
    """The row alone, in the caller's transaction; its month's partitions exist afterwards."""
    await connection.execute("select ensure_month($1)", new.month)
    await connection.execute(
        "insert into sessions (id, month, tenant, owner, agent, spec, agent_id, agent_version,"
        " environment_id, title, title_is_auto, metadata, fold, state, needs_worker, origin,"
        " origin_uid, budget_microusd)"
        " values ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14,$15,$16,$17,$18)",
        new.id,
        new.month,
        new.tenant,
        new.owner,
        orjson.dumps(new.agent).decode(),
        new.spec.model_dump_json(exclude_defaults=True),
        new.agent_id,
        new.agent_version,
        new.environment_id,
        new.title,
        new.title is None,
        orjson.dumps(new.metadata).decode(),
        orjson.dumps(new.fold.to_json()).decode(),
        new.fold.state,
        new.fold.needs_worker,
        "resource" if new.origin_uid else "api",
        new.origin_uid,
        new.budget_microusd,
    )


async def _copy_conversation(connection: Any, new: NewSession, earlier: str) -> None:
    """What the new session's worker resumes from: transcript and files of an earlier session."""
    await connection.execute(
        "insert into transcript_entries (month, session_id, tenant, epoch, subpath, entry) "
        "select $1, $2, $3, 0, t.subpath, t.entry from transcript_entries t "
        "join sessions s on s.id = t.session_id and s.month = t.month "
        "where t.session_id = $4 order by t.ordinal",
        new.month,
        new.id,
        new.tenant,
        earlier,
    )
    await connection.execute(
        "update sessions set claude_session_id = "
        "(select e.claude_session_id from sessions e where e.id = $2) where id = $1",
        new.id,
        earlier,
    )
    await checkpoints.inherit(connection, earlier, new.id, None)


async def take_lease(db: Database, tenant: str, session: str, holder: str, seconds: float) -> bool:
    """Whether this gateway now has the duty to look after the session."""
    async with db.untenanted() as connection:
        taken: bool = await connection.fetchval(
            "select take_lease($1,$2,$3,$4)", tenant, session, holder, seconds
        )
    return taken


async def drop_lease(db: Database, tenant: str, session: str, holder: str) -> None:
    async with db.untenanted() as connection:
        await connection.execute("select drop_lease($1,$2,$3)", tenant, session, holder)


async def renew_leases(db: Database, holder: str, sessions: list[str], seconds: float) -> set[str]:
    """The sessions whose lease is still this holder's."""
    async with db.untenanted() as connection:
        rows = await connection.fetch(
            "select renew_leases($1,$2,$3) as id", holder, sessions, seconds
        )
    return {row["id"] for row in rows}


async def needing_worker(db: Database, limit: int) -> list[tuple[str, str]]:
    """(tenant, session) pairs with work that no living gateway looks after."""
    async with db.untenanted() as connection:
        rows = await connection.fetch("select * from sessions_needing_worker($1)", limit)
    return [(row["tenant"], row["session_id"]) for row in rows]


async def idle_since(db: Database, seconds: float, limit: int) -> list[tuple[str, str]]:
    """(tenant, session) pairs that hold a worker and have been silent for so long."""
    async with db.untenanted() as connection:
        rows = await connection.fetch("select * from sessions_idle_since($1,$2)", seconds, limit)
    return [(row["tenant"], row["session_id"]) for row in rows]


async def live_binding(db: Database, tenant: str, session: str) -> Binding | None:
    async with db.tenant(tenant) as connection:
        row = await connection.fetchrow(
            "select epoch, worker_id, endpoint, bound_seq from bindings "
            "where session_id = $1 and ended_at is null",
            session,
        )
    return Binding(**row) if row else None


async def open_epoch(
    db: Database,
    tenant: str,
    session: str,
    *,
    holder: str,
    worker_id: str,
    endpoint: str,
    handle_hash: bytes,
) -> int | None:
    """The new epoch, or None when the lease is not the holder's any more. Raises WorkerUsed."""
    async with db.untenanted() as connection:
        try:
            epoch: int | None = await connection.fetchval(
                "select open_epoch($1,$2,$3,$4,$5,$6)",
                tenant,
                session,
                holder,
                worker_id,
                endpoint,
                handle_hash,
            )
        except asyncpg.UniqueViolationError:
            raise WorkerUsed(worker_id) from None
    return epoch


async def end_binding(db: Database, tenant: str, session: str, epoch: int, reason: str) -> bool:
    """Ends one epoch: its handle is void and its worker can append nothing more.

    False when it had ended before.
    """
    async with db.tenant(tenant) as connection:
        await connection.execute(
            "update sessions set next_n = 0 where id = $1 and epoch = $2", session, epoch
        )
        row = await connection.fetchrow(
            "update bindings set ended_at = now(), end_reason = $3 "
            "where session_id = $1 and epoch = $2 and ended_at is null returning epoch",
            session,
            epoch,
            reason,
        )
    return row is not None


async def set_claude_session(db: Database, tenant: str, session: str, claude_id: str) -> None:
    async with db.tenant(tenant) as connection:
        await connection.execute(
            "update sessions set claude_session_id = $2 where id = $1", session, claude_id
        )


async def transcript(db: Database, tenant: str, month: date, session: str) -> list[tuple[str, str]]:
    """(subpath, entry) lines of the stored transcript, oldest first, each uuid once."""
    async with db.tenant(tenant) as connection:
        rows = await connection.fetch(
            "select subpath, entry from transcript_entries "
            "where month = $1 and session_id = $2 order by ordinal",
            month,
            session,
        )
    seen: set[tuple[str, str]] = set()
    lines = []
    for row in rows:
        uuid = orjson.loads(row["entry"]).get("uuid")
        key = (row["subpath"], uuid)
        if uuid is None or key not in seen:
            lines.append((row["subpath"], row["entry"]))
            seen.add(key)
    return lines
