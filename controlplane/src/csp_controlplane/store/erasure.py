"""Rows that go: those of a person, and sessions that are older than they may become."""

from __future__ import annotations

from csp_controlplane.store import pieces
from csp_controlplane.store.database import Database


async def lock_out(db: Database, tenant: str, user_id: str) -> bool:
    """Ends every way in before anything is erased. False: there is no such user."""
    async with db.tenant(tenant) as connection:
        found = await connection.fetchval(
            "update users set disabled_at = coalesce(disabled_at, now()), password_hash = null "
            "where id = $1 returning id",
            user_id,
        )
        await connection.execute(
            "update api_keys set revoked_at = coalesce(revoked_at, now()) where user_id = $1",
            user_id,
        )
        for table in ("web_sessions", "login_links"):
            await connection.execute(
                f"delete from {table} where user_id = $1",  # noqa: S608 -- fixed names
                user_id,
            )
    return found is not None


async def sessions_of(db: Database, tenant: str, user_id: str) -> list[str]:
    """The ids of the user's sessions that are not deleted."""
    async with db.tenant(tenant) as connection:
        rows = await connection.fetch(
            "select id from sessions where owner = $1 and deleted_at is null order by id", user_id
        )
    return [row["id"] for row in rows]


async def person(db: Database, tenant: str, user_id: str) -> tuple[int, int]:
    """Removes uploads and keys and the name of a user: how many files and keys.

    The row stays without a name, because costs and audit lines refer to its id.
    """
    async with db.tenant(tenant) as connection:
        files = await connection.execute("delete from blobs where owner = $1", user_id)
        keys = await connection.execute("delete from api_keys where user_id = $1", user_id)
        await connection.execute(
            "update users set email = id || '@erased.invalid', name = 'Erased' where id = $1",
            user_id,
        )
    return _count(files), _count(keys)


async def begin(db: Database, tenant: str, session: str, why: str) -> str:
    """From here on the session is erased, by whoever goes on with it; why it was begun first."""
    async with db.tenant(tenant) as connection:
        begun: str = await connection.fetchval(
            "update sessions set erasing = coalesce(erasing, $2) where id = $1 returning erasing",
            session,
            why,
        )
    return begun


async def doom_files(db: Database, tenant: str, session: str) -> str:
    """Nobody gets the session's files any more; the lineage to remove them from."""
    async with db.tenant(tenant) as connection:
        await pieces.doom_files_of(connection, [session])
    return await pieces.lineage_of(db, tenant, session)


async def due(db: Database, days: float, limit: int) -> list[tuple[str, str]]:
    """(tenant, session) pairs whose erasure was begun, or that were last used so long ago.

    0 days: only the former.
    """
    async with db.untenanted() as connection:
        rows = await connection.fetch("select * from sessions_to_erase($1,$2)", days, limit)
    return [(row["tenant"], row["session_id"]) for row in rows]


def _count(status: str) -> int:
    return int(status.rpartition(" ")[2])
