"""Tenants, their people, and the one-time links that let a person in.

`ensure_tenant` is what a first start needs. Passwords and browser sessions have modules of their
own. Of every secret only a hash is kept.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, cast

import asyncpg

from csp_controlplane.domain.ids import new_id
from csp_controlplane.domain.principal import Principal
from csp_controlplane.errors import Conflict, InvalidRequest, NotFound
from csp_controlplane.store import agents, audit, environments
from csp_controlplane.store.database import Database
from csp_controlplane.store.passwords import hash_password
from csp_crds.agent import AgentSpec

Role = Literal["member", "admin"]
DEFAULT_AGENT_DESCRIPTION = "Reads freely, asks before it changes or runs anything."


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


# ---- first start --------------------------------------------------------------------------------


async def ensure_tenant(
    db: Database,
    *,
    tenant: str = "local",
    tenant_name: str = "Local",
    email: str = "you@localhost",
    name: str = "You",
) -> User:
    """The tenant with its first user, an admin; also its default agent and environment.

    May be called at every start: what is there is left as it is, and the first admin is returned.
    """
    async with db.tenant(tenant) as connection:
        await connection.execute("select pg_advisory_xact_lock(hashtext('csp.tenant'))")
        await connection.execute(
            "insert into tenants (id, name) values ($1,$2) on conflict do nothing",
            tenant,
            tenant_name,
        )
        if not await connection.fetchval("select exists (select from agents)"):
            definition = {"name": "Assistant", "description": DEFAULT_AGENT_DESCRIPTION}
            await agents.insert(connection, tenant, definition, AgentSpec())
        if not await connection.fetchval("select exists (select from environments)"):
            await environments.insert(
                connection,
                tenant,
                name="local",
                description="Where this installation runs its workers.",
                config={"type": "self_hosted"},
                metadata={},
            )
        row = await connection.fetchrow(
            "select * from users where role = 'admin' and disabled_at is null"
            " order by created_at, id limit 1"
        )
        if row is None:
            row = await insert_user(
                connection, tenant, email=email, name=name, role="admin", password_hash=None
            )
    return _user(row)


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
            row = await insert_user(
                connection, tenant, email=email, name=name, role=role, password_hash=hashed
            )
            await audit.add(connection, tenant, actor, "user.create", row["id"], {"role": role})
    except asyncpg.UniqueViolationError:
        raise Conflict(f"email: {email!r} belongs to a user already") from None
    except asyncpg.ForeignKeyViolationError:
        raise NotFound(f"tenant: there is no tenant {tenant!r}") from None
    return _user(row)


async def insert_user(
    connection: Any,
    tenant: str,
    *,
    email: str,
    name: str,
    role: Role,
    password_hash: str | None,
) -> Any:
    """The new row, within the caller's transaction of the tenant."""
    return await connection.fetchrow(
        "insert into users (id, tenant, email, name, role, password_hash)"
        " values ($1,$2,$3,$4,$5,$6) returning *",
        new_id("user"),
        tenant,
        _checked_email(email),
        name,
        role,
        password_hash,
    )


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


# ---- one-time links ----------------------------------------------------------------------------


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
