"""Environments: where a session's worker runs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from csp_controlplane.domain.ids import new_id
from csp_controlplane.errors import NotFound
from csp_controlplane.store.database import Database
from csp_controlplane.store.pages import read_time_cursor, time_cursor


@dataclass(frozen=True, slots=True)
class Environment:
    """One row of environments."""

    id: str
    name: str
    description: str | None
    config: dict[str, Any]
    metadata: dict[str, str]
    created_at: datetime
    updated_at: datetime
    archived_at: datetime | None


def _environment(row: Any) -> Environment:
    return Environment(
        id=row["id"],
        name=row["name"],
        description=row["description"],
        config=orjson.loads(row["config"]),
        metadata=orjson.loads(row["metadata"]),
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        archived_at=row["archived_at"],
    )


def _missing(environment_id: str) -> NotFound:
    return NotFound(f"There is no environment {environment_id!r}.")


async def insert(
    connection: Any,
    tenant: str,
    *,
    name: str,
    description: str | None,
    config: dict[str, Any],
    metadata: dict[str, str],
) -> Environment:
    """Within the caller's transaction of the tenant."""
    row = await connection.fetchrow(
        "insert into environments (id, tenant, name, description, config, metadata)"
        " values ($1,$2,$3,$4,$5,$6) returning *",
        new_id("env"),
        tenant,
        name,
        description,
        orjson.dumps(config).decode(),
        orjson.dumps(metadata).decode(),
    )
    return _environment(row)


async def get(db: Database, tenant: str, environment_id: str) -> Environment:
    """Raises NotFound."""
    async with db.tenant(tenant) as connection:
        row = await connection.fetchrow("select * from environments where id = $1", environment_id)
    if row is None:
        raise _missing(environment_id)
    return _environment(row)


async def pool_of_session(db: Database, tenant: str, session_id: str) -> str | None:
    """The pool that the session's environment names, if it names one."""
    async with db.tenant(tenant) as connection:
        config = await connection.fetchval(
            "select e.config from environments e join sessions s on s.environment_id = e.id"
            " where s.id = $1",
            session_id,
        )
    return orjson.loads(config).get("pool") if config else None


async def default(db: Database, tenant: str) -> Environment | None:
    """Where sessions run that name no environment: the oldest one that is not archived."""
    async with db.tenant(tenant) as connection:
        row = await connection.fetchrow(
            "select * from environments where archived_at is null order by created_at, id limit 1"
        )
    return _environment(row) if row else None


async def page(
    db: Database, tenant: str, *, limit: int, cursor: str | None, include_archived: bool
) -> tuple[list[Environment], str | None]:
    """Newest first."""
    before, before_id = read_time_cursor(cursor)
    async with db.tenant(tenant) as connection:
        rows = await connection.fetch(
            "select * from environments where ($1 or archived_at is null)"
            " and ($2::timestamptz is null or (created_at, id) < ($2, $3))"
            " order by created_at desc, id desc limit $4",
            include_archived,
            before,
            before_id,
            limit + 1,
        )
    found = [_environment(row) for row in rows[:limit]]
    more = len(rows) > limit
    return found, time_cursor(found[-1].created_at, found[-1].id) if more else None


async def save(connection: Any, environment: Environment) -> Environment:
    """Writes what may change; the caller has read the row in this transaction."""
    row = await connection.fetchrow(
        "update environments set name = $2, description = $3, config = $4, metadata = $5,"
        " updated_at = now() where id = $1 returning *",
        environment.id,
        environment.name,
        environment.description,
        orjson.dumps(environment.config).decode(),
        orjson.dumps(environment.metadata).decode(),
    )
    return _environment(row)


async def lock(connection: Any, environment_id: str) -> Environment:
    """The row, held until the caller's transaction ends. Raises NotFound."""
    row = await connection.fetchrow(
        "select * from environments where id = $1 for update", environment_id
    )
    if row is None:
        raise _missing(environment_id)
    return _environment(row)


async def archive(db: Database, tenant: str, environment_id: str) -> Environment:
    """Twice is once. Raises NotFound."""
    async with db.tenant(tenant) as connection:
        row = await connection.fetchrow(
            "update environments set archived_at = coalesce(archived_at, now())"
            " where id = $1 returning *",
            environment_id,
        )
    if row is None:
        raise _missing(environment_id)
    return _environment(row)


async def delete(db: Database, tenant: str, environment_id: str) -> None:
    """Raises NotFound. Sessions that ran there keep its id."""
    async with db.tenant(tenant) as connection:
        deleted = await connection.fetchval(
            "delete from environments where id = $1 returning id", environment_id
        )
    if deleted is None:
        raise _missing(environment_id)
