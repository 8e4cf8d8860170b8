"""Tenants, people and how they sign in: passwords, one-time links, browser sessions.

Secrets are kept as hashes only: passwords with argon2 (slow on purpose, so hashing happens in a
thread), everything random with sha256.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, cast

import asyncpg
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from csp_controlplane.domain.ids import new_id
from csp_controlplane.domain.principal import Principal
from csp_controlplane.errors import Conflict, InvalidRequest, NotFound
from csp_controlplane.store import audit
from csp_controlplane.store.database import Database

Role = Literal["member", "admin"]

MIN_PASSWORD = 10
_HASHER = PasswordHasher()
# Verified when there is no such user, so that the time of the answer does not tell.
_NOBODY = _HASHER.hash(secrets.token_urlsafe(16))


@dataclass(frozen=True, slots=True)
class User:
    """A person or program of one tenant."""

    id: str
    tenant: str
    email: str
    name: str
    role: Role
    has_password: bool
    created_at: datetime
    disabled_at: datetime | None


def token_hash(token: str) -> bytes:
    """What is stored of a random secret."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def _user(row: Any) -> User:
    return User(
        id=row["id"],
        tenant=row["tenant"],
        email=row["email"],
        name=row["name"],
        role=row["role"],
        has_password=row["password_hash"] is not None,
        created_at=row["created_at"],
        disabled_at=row["disabled_at"],
    )


def _checked_email(email: str) -> str:
    email = email.strip()
    local, _, domain = email.rpartition("@")
    if not local or not domain or len(email) > 254 or any(c.isspace() or c == "\0" for c in email):
        raise InvalidRequest(f"email: {email[:80]!r} is not an address such as name@example.org")
    return email


# ---- people -------------------------------------------------------------------------------------


async def create_user(
    db: Database,
    tenant: str,
    *,
    email: str,
    name: str,
    role: Role = "member",
    password: str | None = None,
    actor: str = "csp",
) -> User:
    """Adds a user to an existing tenant. Raises Conflict when the address is taken."""
    hashed = await hash_password(password) if password is not None else None
    try:
        async with db.tenant(tenant) as connection:
            row = await connection.fetchrow(
                "insert into users (id, tenant, email, name, role, password_hash)"
                " values ($1,$2,$3,$4,$5,$6) returning *",
                new_id("user"),
                tenant,
                _checked_email(email),
                name,
                role,
                hashed,
            )
            await audit.add(connection, tenant, actor, "user.create", row["id"], {"role": role})
    except asyncpg.UniqueViolationError:
        raise Conflict(f"email: {email!r} belongs to a user already") from None
    except asyncpg.ForeignKeyViolationError:
        raise NotFound(f"tenant: there is no tenant {tenant!r}") from None
    return _user(row)


async def list_users(db: Database, tenant: str) -> list[User]:
    """All users of a tenant, oldest first."""
    async with db.tenant(tenant) as connection:
        rows = await connection.fetch("select * from users order by created_at, id")
    return [_user(row) for row in rows]


async def get_user(db: Database, tenant: str, user_id: str) -> User | None:
    async with db.tenant(tenant) as connection:
        row = await connection.fetchrow("select * from users where id = $1", user_id)
    return _user(row) if row else None


async def find_user(db: Database, email: str) -> User | None:
    """The enabled user with this address, in whichever tenant."""
    async with db.untenanted() as connection:
        found = await connection.fetchrow("select * from find_user_by_email($1)", email.strip())
    return await get_user(db, found["tenant"], found["user_id"]) if found else None


async def principal(connection: Any, user_id: str, tenant: str) -> Principal | None:
    """Who a signed-in user is, read within a transaction of the tenant."""
    row = await connection.fetchrow(
        "select u.role, u.name, u.email from users u where u.id = $1 and u.disabled_at is null",
        user_id,
    )
    if row is None:
        return None
    return Principal(tenant, user_id, cast(Role, row["role"]), row["name"], row["email"])


async def tenant_name(db: Database, tenant: str) -> str:
    async with db.tenant(tenant) as connection:
        name: str | None = await connection.fetchval("select name from tenants")
    return name or tenant


# ---- passwords ----------------------------------------------------------------------------------


async def hash_password(password: str) -> str:
    """Raises InvalidRequest when it is too short to be worth hashing."""
    if len(password) < MIN_PASSWORD:
        raise InvalidRequest(f"password: at least {MIN_PASSWORD} characters are needed")
    if len(password) > 1000:
        raise InvalidRequest("password: at most 1000 characters are possible")
    return await asyncio.to_thread(_HASHER.hash, password)


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
    matches = await asyncio.to_thread(_verify, stored or _NOBODY, password)
    return user if matches and stored is not None else None


def _verify(hashed: str, password: str) -> bool:
    try:
        return _HASHER.verify(hashed, password)
    except (VerificationError, InvalidHashError, UnicodeEncodeError):
        return False


# ---- one-time links and browser sessions --------------------------------------------------------


async def create_login_link(
    db: Database, tenant: str, user_id: str, ttl: timedelta = timedelta(minutes=15)
) -> str:
    """A token that signs this user in once: the URL is `<gateway>/login?token=<token>`."""
    token = secrets.token_urlsafe(32)
    async with db.tenant(tenant) as connection:
        await connection.execute("delete from login_links where expires_at < now()")
        await connection.execute(
            "insert into login_links (hash, tenant, user_id, expires_at) values ($1,$2,$3,$4)",
            token_hash(token),
            tenant,
            user_id,
            datetime.now(UTC) + ttl,
        )
    return token


async def redeem_login_link(db: Database, token: str) -> tuple[str, str] | None:
    """(tenant, user id) of a link that was still good; it is used up by this."""
    async with db.untenanted() as connection:
        row = await connection.fetchrow("select * from redeem_login_link($1)", token_hash(token))
    return (row["tenant"], row["user_id"]) if row else None


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
