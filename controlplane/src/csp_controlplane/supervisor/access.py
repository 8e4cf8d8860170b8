"""What whoever owns the data directory may do without signing in: links, keys, users.

Having the database's address is the proof. Each object is opened for one command and closed again.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Self

import asyncpg

from csp_controlplane.store import keys, users
from csp_controlplane.store.database import Database
from csp_controlplane.store.keys import ApiKey
from csp_controlplane.store.users import Role, User
from csp_controlplane.supervisor.errors import CommandError, ExitCode

OWNER_TENANT = "local"


class OwnerAccess:
    """Direct access to the first tenant of one database."""

    def __init__(self, db: Database) -> None:
        self._db = db

    @classmethod
    @asynccontextmanager
    async def open(cls, database_url: str) -> AsyncIterator[Self]:
        """Raises OSError or asyncpg.PostgresError when the database is away."""
        db = await Database.connect(database_url, max_size=1, application="csp-command")
        try:
            yield cls(db)
        finally:
            await db.close()

    async def ensure_owner(self) -> User:
        """The first user, made on the first start with its tenant, agent and environment."""
        return await users.ensure_tenant(self._db, tenant=OWNER_TENANT)

    async def find(self, email: str | None) -> User:
        """The user with this address; None: the first one. Raises CommandError."""
        if email is None:
            return await self.ensure_owner()
        user = await users.find_user(self._db, email)
        if user is None:
            raise CommandError(
                f"There is no user {email!r}: `csp users list` shows who there is, "
                "`csp users add` adds one.",
                ExitCode.REFUSED,
            )
        return user

    async def sign_in_link(self, base_url: str, email: str | None = None) -> str:
        """A URL that signs the user in once, within 15 minutes."""
        user = await self.find(email)
        token = await users.create_login_link(self._db, user.tenant, user.id)
        return f"{base_url}/login?token={token}"

    async def key(
        self, name: str, lifetime: timedelta | None, email: str | None = None
    ) -> tuple[ApiKey, str]:
        """An API key of this user (None: the first one): its record and the key itself."""
        user = await self.find(email)
        expires_at = None if lifetime is None else datetime.now(UTC) + lifetime
        return await keys.create_key(self._db, user.tenant, user.id, name, expires_at)

    async def list_keys(self) -> list[ApiKey]:
        """Everybody's."""
        owner = await self.ensure_owner()
        return await keys.list_keys(self._db, owner.tenant, None)

    async def revoke_key(self, key_id: str) -> None:
        """Anybody's. Raises NotFound."""
        owner = await self.ensure_owner()
        await keys.revoke_key(self._db, owner.tenant, None, key_id, by=owner.id)

    async def short_lived_key(self, name: str, lifetime: timedelta) -> str:
        """An API key of the first user that ends by itself."""
        return (await self.key(name, lifetime))[1]

    async def add_user(
        self, email: str, name: str | None, role: Role, password: str | None
    ) -> User:
        """Raises ApiError of the store: Conflict, InvalidRequest."""
        owner = await self.ensure_owner()
        return await users.create_user(
            self._db,
            owner.tenant,
            email=email,
            name=name or email.partition("@")[0],
            role=role,
            password=password,
            actor=owner.id,
        )

    async def list_users(self) -> list[User]:
        owner = await self.ensure_owner()
        return await users.list_users(self._db, owner.tenant)


@asynccontextmanager
async def owner_access(database_url: str) -> AsyncIterator[OwnerAccess]:
    """`OwnerAccess.open` for commands: a database that is away is one sentence."""
    try:
        async with OwnerAccess.open(database_url) as access:
            yield access
    except (OSError, asyncpg.PostgresError) as error:
        raise CommandError(
            f"The database does not answer ({error}): is `csp up` running, or CSP_DATABASE_URL "
            "right?",
            ExitCode.DATABASE,
        ) from error


@asynccontextmanager
async def owner_key(database_url: str, name: str, lifetime: timedelta) -> AsyncIterator[str]:
    """An API key of the first user for as long as a command runs."""
    async with owner_access(database_url) as access:
        made, secret = await access.key(name, lifetime)
    try:
        yield secret
    finally:
        # A database that is away by now is no reason to fail: the key ends by itself.
        with suppress(CommandError):
            async with owner_access(database_url) as access:
                await access.revoke_key(made.id)
