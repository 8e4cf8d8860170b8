"""Archives of working directories, in chunks: what a session's next worker starts from.

A version's chunks are written one by one and become the session's archive all at once, if the epoch
that made them is still the session's. Older versions go at that moment, unfinished ones with them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from csp_controlplane.store.database import Database

Outcome = Literal["stored", "too_large"]


@dataclass(frozen=True, slots=True)
class Archive:
    """The newest that is known of a working directory."""

    version: str
    epoch: int
    seq: int
    outcome: Outcome
    bytes: int
    chunks: int
    fingerprint: str
    saved_at: datetime


@dataclass(frozen=True, slots=True)
class NewArchive:
    """What a worker has handed over, whole."""

    version: str
    epoch: int
    seq: int
    outcome: Outcome
    bytes: int
    chunks: int
    fingerprint: str


async def add_chunk(
    db: Database, tenant: str, session: str, version: str, n: int, data: bytes
) -> None:
    """One piece of a version that is not the session's archive yet."""
    async with db.tenant(tenant) as connection:
        await connection.execute(
            "insert into workspace_chunks (session_id, version, n, tenant, data) "
            "values ($1,$2,$3,$4,$5)",
            session,
            version,
            n,
            tenant,
            data,
        )


async def drop_version(db: Database, tenant: str, session: str, version: str) -> None:
    """Forgets a version that will not be finished."""
    async with db.tenant(tenant) as connection:
        await connection.execute(
            "delete from workspace_chunks where session_id = $1 and version = $2", session, version
        )


async def publish(db: Database, tenant: str, session: str, new: NewArchive) -> bool:
    """False when its epoch is over: the archive stays what it was."""
    async with db.untenanted() as connection:
        done: bool = await connection.fetchval(
            "select publish_workspace($1,$2,$3,$4,$5,$6,$7,$8,$9)",
            tenant,
            session,
            new.epoch,
            new.version,
            new.seq,
            new.outcome,
            new.bytes,
            new.chunks,
            new.fingerprint,
        )
    return done


async def newest(db: Database, tenant: str, session: str) -> Archive | None:
    async with db.tenant(tenant) as connection:
        row = await connection.fetchrow(
            "select version, epoch, seq, outcome, bytes, chunks, fingerprint, saved_at "
            "from workspaces where session_id = $1",
            session,
        )
    return Archive(**row) if row else None


async def chunks(db: Database, tenant: str, session: str, archive: Archive) -> AsyncIterator[bytes]:
    """The archive's bytes. Raises LookupError when a newer one has taken its place."""
    for n in range(archive.chunks):
        async with db.tenant(tenant) as connection:
            data: bytes | None = await connection.fetchval(
                "select data from workspace_chunks "
                "where session_id = $1 and version = $2 and n = $3",
                session,
                archive.version,
                n,
            )
        if data is None:
            raise LookupError(f"chunk {n} of {archive.version} is gone")
        yield data


async def tool_used_since(db: Database, tenant: str, session: str, seq: int) -> bool:
    """Whether a tool ran after this point of the log, and so may have changed files."""
    async with db.tenant(tenant) as connection:
        found: bool = await connection.fetchval(
            "select exists (select from events e join sessions s on s.id = e.session_id "
            "and s.month = e.month where e.session_id = $1 and e.seq > $2 "
            "and e.type in ('agent.tool_result', 'agent.mcp_tool_result'))",
            session,
            seq,
        )
    return found
