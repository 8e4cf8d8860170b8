"""Signing in with a password, and the browser sessions that signing in makes."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta

from csp_controlplane.domain.principal import Principal
from csp_controlplane.errors import NotFound
from csp_controlplane.store import audit
from csp_controlplane.store.database import Database
from csp_controlplane.store.passwords import hash_password, verify_password
from csp_controlplane.store.users import User, find_user, principal, token_hash


async def set_password(db: Database, tenant: str, user_id: str, password: str) -> None:
    """Replaces the password and signs the user out everywhere."""
    hashed = await hash_password(password)
    async with db.tenant(tenant) as connection:
        changed = await connection.fetchval(
            "update users set password_hash = $2 where id = $1 returning id", user_id, hashed
        )
        if changed is None:
            raise NotFound(f"user: there is no user {user_id!r}")
        await connection.execute("delete from web_sessions where user_id = $1", user_id)
        await audit.add(connection, tenant, user_id, "user.set_password", user_id)


async def check_password(db: Database, email: str, password: str) -> User | None:
    """The user, if the password is theirs. Takes as long for an unknown address."""
    user = await find_user(db, email)
    stored: str | None = None
    if user is not None:
        async with db.tenant(user.tenant) as connection:
            stored = await connection.fetchval(
                "select password_hash from users where id = $1", user.id
            )
    return user if await verify_password(stored, password) else None


async def create_web_session(
    db: Database, tenant: str, user_id: str, ttl: timedelta, method: str
) -> str:
    """The cookie of a browser that has just signed in."""
    token = secrets.token_urlsafe(32)
    async with db.tenant(tenant) as connection:
        await connection.execute(
            "delete from web_sessions where user_id = $1 and expires_at < now()", user_id
        )
        await connection.execute(
            "insert into web_sessions (hash, tenant, user_id, expires_at) values ($1,$2,$3,$4)",
            token_hash(token),
            tenant,
            user_id,
            datetime.now(UTC) + ttl,
        )
        await audit.add(connection, tenant, user_id, "user.sign_in", user_id, {"method": method})
    return token


async def end_web_session(db: Database, tenant: str, token: str) -> None:
    async with db.tenant(tenant) as connection:
        await connection.execute("delete from web_sessions where hash = $1", token_hash(token))


async def find_web_session(db: Database, token: str) -> Principal | None:
    """Who this cookie belongs to, if it is good."""
    async with db.untenanted() as connection:
        row = await connection.fetchrow("select * from find_web_session($1)", token_hash(token))
    if row is None:
        return None
    async with db.tenant(row["tenant"]) as connection:
        return await principal(connection, row["user_id"], row["tenant"])
