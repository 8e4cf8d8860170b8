"""Agents and their versions. A version never changes; an update adds one.

What a version holds is made by the gateway: `definition` as the API shows it, `spec` as a worker
runs it. This module keeps them together and in order.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from csp_controlplane.domain.ids import new_id
from csp_controlplane.errors import NotFound
from csp_controlplane.store.database import Database
from csp_controlplane.store.pages import (
    decode_cursor,
    encode_cursor,
    read_time_cursor,
    time_cursor,
)
from csp_crds.agent import AgentSpec

_COLUMNS = (
    "a.id, a.version as current, a.created_at, a.archived_at,"
    " v.version, v.definition, v.spec, v.created_at as updated_at"
)


@dataclass(frozen=True, slots=True)
class Agent:
    """One version of an agent. `updated_at` is when this version was made."""

    id: str
    version: int
    current: int
    definition: dict[str, Any]
    spec: AgentSpec
    created_at: datetime
    updated_at: datetime
    archived_at: datetime | None


def _agent(row: Any) -> Agent:
    return Agent(
        id=row["id"],
        version=row["version"],
        current=row["current"],
        definition=orjson.loads(row["definition"]),
        spec=AgentSpec.model_validate_json(row["spec"]),
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        archived_at=row["archived_at"],
    )


def missing(agent_id: str, version: int | None = None) -> NotFound:
    """The answer for an agent that is unknown or another tenant's."""
    which = f" with version {version}" if version is not None else ""
    return NotFound(f"There is no agent {agent_id!r}{which}.")


async def insert(
    connection: Any, tenant: str, definition: dict[str, Any], spec: AgentSpec
) -> Agent:
    """A new agent with version 1, within the caller's transaction of the tenant."""
    agent_id = new_id("agent")
    await connection.execute(
        "insert into agents (id, tenant, version) values ($1,$2,1)", agent_id, tenant
    )
    await _insert_version(connection, tenant, agent_id, 1, definition, spec)
    return await read(connection, agent_id)


async def _insert_version(
    connection: Any,
    tenant: str,
    agent_id: str,
    version: int,
    definition: dict[str, Any],
    spec: AgentSpec,
) -> None:
    await connection.execute(
        "insert into agent_versions (agent_id, version, tenant, definition, spec)"
        " values ($1,$2,$3,$4,$5)",
        agent_id,
        version,
        tenant,
        orjson.dumps(definition).decode(),
        spec.model_dump_json(exclude_defaults=True),
    )


async def add_version(
    connection: Any, tenant: str, agent: Agent, definition: dict[str, Any], spec: AgentSpec
) -> Agent:
    """The next version of an agent that `lock` has read in this transaction."""
    version = agent.current + 1
    await _insert_version(connection, tenant, agent.id, version, definition, spec)
    await connection.execute(
        "update agents set version = $2, updated_at = now() where id = $1", agent.id, version
    )
    return await read(connection, agent.id)


async def read(connection: Any, agent_id: str, version: int | None = None) -> Agent:
    """One version, the newest by default. Raises NotFound."""
    row = await connection.fetchrow(
        f"select {_COLUMNS} from agents a join agent_versions v on v.agent_id = a.id"  # noqa: S608
        " where a.id = $1 and v.version = coalesce($2, a.version)",
        agent_id,
        version,
    )
    if row is None:
        raise missing(agent_id, version)
    return _agent(row)


async def lock(connection: Any, agent_id: str) -> Agent:
    """The newest version, held until the caller's transaction ends. Raises NotFound."""
    await connection.execute("select 1 from agents where id = $1 for update", agent_id)
    return await read(connection, agent_id)


async def get(db: Database, tenant: str, agent_id: str, version: int | None = None) -> Agent:
    """Raises NotFound."""
    async with db.tenant(tenant) as connection:
        return await read(connection, agent_id, version)


async def default(db: Database, tenant: str) -> Agent | None:
    """What sessions run that name no agent: the oldest one that is not archived."""
    async with db.tenant(tenant) as connection:
        agent_id = await connection.fetchval(
            "select id from agents where archived_at is null order by created_at, id limit 1"
        )
        return await read(connection, agent_id) if agent_id else None


async def page(
    db: Database,
    tenant: str,
    *,
    limit: int,
    cursor: str | None,
    include_archived: bool,
    created_from: datetime | None,
    created_until: datetime | None,
) -> tuple[list[Agent], str | None]:
    """Newest versions of agents, the newest agent first."""
    before, before_id = read_time_cursor(cursor)
    async with db.tenant(tenant) as connection:
        rows = await connection.fetch(
            f"select {_COLUMNS} from agents a"  # noqa: S608
            " join agent_versions v on v.agent_id = a.id and v.version = a.version"
            " where ($1 or a.archived_at is null)"
            " and ($2::timestamptz is null or (a.created_at, a.id) < ($2, $3))"
            " and ($4::timestamptz is null or a.created_at >= $4)"
            " and ($5::timestamptz is null or a.created_at <= $5)"
            " order by a.created_at desc, a.id desc limit $6",
            include_archived,
            before,
            before_id,
            created_from,
            created_until,
            limit + 1,
        )
    found = [_agent(row) for row in rows[:limit]]
    more = len(rows) > limit
    return found, time_cursor(found[-1].created_at, found[-1].id) if more else None


async def versions(
    db: Database, tenant: str, agent_id: str, *, limit: int, cursor: str | None
) -> tuple[list[Agent], str | None]:
    """All versions of one agent, newest first. Raises NotFound."""
    before = decode_cursor(cursor, int)[0] if cursor is not None else None
    async with db.tenant(tenant) as connection:
        await read(connection, agent_id)
        rows = await connection.fetch(
            f"select {_COLUMNS} from agents a join agent_versions v on v.agent_id = a.id"  # noqa: S608
            " where a.id = $1 and ($2::int is null or v.version < $2)"
            " order by v.version desc limit $3",
            agent_id,
            before,
            limit + 1,
        )
    found = [_agent(row) for row in rows[:limit]]
    return found, encode_cursor(found[-1].version) if len(rows) > limit else None


async def archive(connection: Any, agent_id: str) -> Agent:
    """Twice is once. The caller has read the agent in this transaction."""
    await connection.execute(
        "update agents set archived_at = coalesce(archived_at, now()) where id = $1", agent_id
    )
    return await read(connection, agent_id)
