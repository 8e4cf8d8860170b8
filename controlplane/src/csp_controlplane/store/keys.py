"""API keys of programs: shown once, stored as sha256, revoked rather than deleted."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from csp_controlplane.domain.ids import new_id
from csp_controlplane.domain.principal import Principal
from csp_controlplane.errors import NotFound
from csp_controlplane.store import audit, users
from csp_controlplane.store.database import Database
from csp_controlplane.store.users import token_hash

PREFIX = "csp_"


@dataclass(frozen=True, slots=True)
class ApiKey:
    """Everything about a key but the key."""

    id: str
    user_id: str
    name: str
    hint: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None


def _key(row: Any) -> ApiKey:
    return ApiKey(
        id=row["id"],
        user_id=row["user_id"],
        name=row["name"],
        hint=row["hint"],
        created_at=row["created_at"],
        expires_at=row["expires_at"],
        revoked_at=row["revoked_at"],
        last_used_at=row["last_used_at"],
    )


async def create_key(
    db: Database, tenant: str, user_id: str, name: str, expires_at: datetime | None = None
) -> tuple[ApiKey, str]:
    """The new key's record and the key itself, which cannot be had again."""
    secret = PREFIX + secrets.token_urlsafe(32)
    async with db.tenant(tenant) as connection:
        row = await connection.fetchrow(
            "insert into api_keys (id, tenant, user_id, name, hint, hash, expires_at)"
            " values ($1,$2,$3,$4,$5,$6,$7) returning *",
            new_id("key"),
            tenant,
            user_id,
            name,
            secret[:8] + "…",
            token_hash(secret),
            expires_at,
        )
        await audit.add(connection, tenant, user_id, "api_key.create", row["id"])
    return _key(row), secret


async def list_keys(db: Database, tenant: str, user_id: str | None) -> list[ApiKey]:
    """Keys that are not revoked, newest first: a user's, or (None) everybody's in the tenant."""
    async with db.tenant(tenant) as connection:
        rows = await connection.fetch(
            "select * from api_keys where ($1::text is null or user_id = $1)"
            " and revoked_at is null order by created_at desc, id desc limit 1000",
            user_id,
        )
    return [_key(row) for row in rows]


async def revoke_key(
    db: Database, tenant: str, user_id: str | None, key_id: str, *, by: str
) -> None:
    """From now on the key is refused. Raises NotFound when it is not this user's.

    None: whoever's it is. `by` is who does it.
    """
    async with db.tenant(tenant) as connection:
        revoked = await connection.fetchval(
            "update api_keys set revoked_at = coalesce(revoked_at, now())"
            " where id = $1 and ($2::text is null or user_id = $2) returning id",
            key_id,
            user_id,
        )
        if revoked is None:
            raise NotFound(f"There is no API key {key_id!r}.")
        await audit.add(connection, tenant, by, "api_key.revoke", key_id)


async def find_key(db: Database, secret: str) -> Principal | None:
    """Whose key this is, if it is good."""
    async with db.untenanted() as connection:
        row = await connection.fetchrow("select * from find_api_key($1)", token_hash(secret))
    if row is None:
        return None
    async with db.tenant(row["tenant"]) as connection:
        # Exact to the minute is enough for people, and spares a write per request.
        await connection.execute(
            "update api_keys set last_used_at = now() where id = $1"
            " and (last_used_at is null or last_used_at < now() - interval '1 minute')",
            row["key_id"],
        )
        return await users.principal(connection, row["user_id"], row["tenant"])
