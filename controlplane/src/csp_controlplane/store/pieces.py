"""What the object store holds of each lineage, the family of a session and its forks.

A row is there before its object is written and until after it was removed, so that no object is
ever forgotten, whatever fails in between. The name of an object is used once: what is doomed is
never needed again, and who removes it late, or twice, hits nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from csp_controlplane.domain.ids import new_id
from csp_controlplane.store.database import Database

DIGEST_BYTES = 32


@dataclass(frozen=True, slots=True)
class Claim:
    """Pieces that a checkpoint is about to name. `keys`: the object of each."""

    lineage: str
    keys: dict[bytes, str]
    there: frozenset[bytes]
    """Those that the object store has."""


def digests(joined: bytes) -> tuple[bytes, ...]:
    """The names of pieces, as a checkpoint's row holds them one after the other."""
    return tuple(joined[i : i + DIGEST_BYTES] for i in range(0, len(joined), DIGEST_BYTES))


async def lineage_of(db: Database, tenant: str, session: str) -> str:
    """Under whose name the session's pieces are kept."""
    async with db.tenant(tenant) as connection:
        found: str | None = await connection.fetchval(
            "select coalesce(lineage, id) from sessions where id = $1", session
        )
    return found or session


async def claim(
    db: Database, tenant: str, session: str, epoch: int, names: Iterable[bytes]
) -> Claim | None:
    """Announces what is about to be written. It stays for as long as a save may take.

    None: the epoch is over, or the session was deleted.
    """
    async with db.tenant(tenant) as connection:
        lineage = await connection.fetchval(
            "select coalesce(lineage, id) from sessions "
            "where id = $1 and epoch = $2 and deleted_at is null for share",
            session,
            epoch,
        )
        if lineage is None:
            return None
        rows = await connection.fetch(
            "insert into pieces (tenant, lineage, sha256, key) "
            "select $1, $2, n, $2 || '/' || encode(n, 'hex') || '.' || $4 "
            "from unnest($3::bytea[]) n order by n "
            "on conflict (tenant, lineage, sha256) where not doomed do update set used_at = now() "
            "returning sha256, key, bytes is not null as there",
            tenant,
            lineage,
            list(set(names)),
            new_id("obj"),
        )
    keys = {row["sha256"]: row["key"] for row in rows}
    return Claim(lineage, keys, frozenset(row["sha256"] for row in rows if row["there"]))


async def written(connection: Any, claim: Claim, sizes: dict[str, int]) -> int:
    """How many of the claimed objects are doomed, or not written. `sizes`: by key, of those that
    were written since the claim. The others stay until the transaction ends."""
    await keep(connection, claim.lineage)
    await connection.execute(
        "update pieces p set bytes = n.bytes from unnest($1::text[], $2::int[]) as n(key, bytes) "
        "where p.key = n.key and p.bytes is null",
        list(sizes),
        list(sizes.values()),
    )
    there: int = await connection.fetchval(
        "select count(*) from pieces where key = any($1) and not doomed and bytes is not null",
        list(claim.keys.values()),
    )
    return len(claim.keys) - there


async def keep(connection: Any, lineage: str) -> None:
    """Nothing of the lineage is doomed before the transaction ends."""
    await connection.execute("select from sessions where id = $1 for key share", lineage)


async def keys_of(
    db: Database, tenant: str, lineage: str, names: Sequence[bytes]
) -> dict[bytes, str]:
    """The objects of those pieces that the store has."""
    async with db.tenant(tenant) as connection:
        rows = await connection.fetch(
            "select sha256, key from pieces where lineage = $1 and sha256 = any($2) "
            "and not doomed and bytes is not null",
            lineage,
            list(names),
        )
    return {row["sha256"]: row["key"] for row in rows}


# ---- removing -----------------------------------------------------------------------------------


async def doom(connection: Any, lineage: str, unused_s: float) -> None:
    """Dooms what no checkpoint of the lineage names, and nobody claimed for so long."""
    # After those who `keep` it: what they wrote is among the checkpoints that are read here.
    await connection.execute("select from sessions where id = $1 for update", lineage)
    rows = await connection.fetch(
        "select c.manifest, c.pieces from checkpoints c join sessions s on s.id = c.session_id "
        "where coalesce(s.lineage, s.id) = $1",
        lineage,
    )
    named = {row["manifest"] for row in rows}
    for row in rows:
        named.update(digests(row["pieces"]))
    await connection.execute(
        "update pieces set doomed = true where lineage = $1 and not doomed and sha256 <> all($2) "
        "and used_at <= clock_timestamp() - make_interval(secs => $3)",
        lineage,
        list(named),
        unused_s,
    )


async def doom_files_of(connection: Any, sessions: Sequence[str]) -> None:
    """Removes the sessions' checkpoints; what only they needed is doomed."""
    await connection.execute("delete from checkpoints where session_id = any($1)", list(sessions))
    rows = await connection.fetch(
        "select distinct p.lineage from pieces p join sessions s "
        "on p.lineage = coalesce(s.lineage, s.id) where s.id = any($1) and not p.doomed order by 1",
        list(sessions),
    )
    for row in rows:
        await doom(connection, row["lineage"], 0)


async def doomed(db: Database, tenant: str, lineage: str, after: str, limit: int) -> list[str]:
    """The names of objects that are to be removed, in order, beginning behind one."""
    async with db.tenant(tenant) as connection:
        rows = await connection.fetch(
            "select key from pieces where lineage = $1 and doomed and key > $2 order by key "
            "limit $3",
            lineage,
            after,
            limit,
        )
    return [row["key"] for row in rows]


async def forget(db: Database, tenant: str, keys: Sequence[str], unused_s: float) -> None:
    """The objects were removed. Those that a save may still write are kept in mind."""
    async with db.tenant(tenant) as connection:
        await connection.execute(
            "delete from pieces where key = any($1) and doomed "
            "and used_at <= now() - make_interval(secs => $2)",
            list(keys),
            unused_s,
        )


async def lineages_with_doomed(db: Database) -> list[tuple[str, str]]:
    """(tenant, lineage) pairs of which something is to be removed."""
    async with db.untenanted() as connection:
        rows = await connection.fetch("select * from lineages_with_doomed_pieces()")
    return [(row["tenant"], row["lineage"]) for row in rows]
