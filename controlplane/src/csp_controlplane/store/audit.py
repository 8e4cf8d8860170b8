"""Who did what: lines that the application can add and never change."""

from __future__ import annotations

from typing import Any

import orjson

from csp_controlplane.store.database import Database


async def record(
    db: Database,
    tenant: str,
    actor: str,
    action: str,
    target: str | None = None,
    data: dict[str, Any] | None = None,
) -> None:
    """Adds one line in a transaction of its own. `actor` is a user id or a component's name."""
    async with db.tenant(tenant) as connection:
        await add(connection, tenant, actor, action, target, data)


async def add(
    connection: Any,
    tenant: str,
    actor: str,
    action: str,
    target: str | None = None,
    data: dict[str, Any] | None = None,
) -> None:
    """Adds one line within the caller's transaction: both stand or fall together."""
    await connection.execute(
        "insert into audit_events (tenant, actor, action, target, data) values ($1,$2,$3,$4,$5)",
        tenant,
        actor,
        action,
        target,
        orjson.dumps(data).decode() if data is not None else None,
    )
