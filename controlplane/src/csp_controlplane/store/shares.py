"""Links that show one session to whoever has them: kept as sha256, revoked rather than deleted."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import orjson

from csp_controlplane.domain.ids import new_id
from csp_controlplane.domain.principal import Principal
from csp_controlplane.errors import NotFound
from csp_controlplane.store import audit
from csp_controlplane.store.database import Database
from csp_controlplane.store.users import token_hash

PREFIX = "cspl_"
_COLUMNS = (
    "id, session_id, hint, through_seq, created_at, expires_at, revoked_at, opened, opened_at"
)


@dataclass(frozen=True, slots=True)
class Share:
    """Everything about a link but its token."""

    id: str
    session_id: str
    hint: str
    through_seq: int
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None
    opened: int
    opened_at: datetime | None


@dataclass(frozen=True, slots=True)
class Shared:
    """What a valid token shows: this session, up to this seq, and nothing else."""

    share_id: str
    tenant: str
    session_id: str
    month: date
    owner: str
    title: str | None
    agent: str
    created_at: datetime
    through_seq: int
    expires_at: datetime


def _share(row: Any) -> Share:
    return Share(**row)


async def create(
    db: Database, who: Principal, session: str, through_seq: int, expires_at: datetime
) -> tuple[Share, str]:
    """The new link's record and its token, which cannot be had again."""
    token = PREFIX + secrets.token_urlsafe(32)
    share = new_id("share")
    async with db.tenant(who.tenant) as connection:
        row = await connection.fetchrow(
            "insert into shares (id, tenant, session_id, created_by, hash, hint, through_seq, "  # noqa: S608 -- fixed names
            f"expires_at) values ($1,$2,$3,$4,$5,$6,$7,$8) returning {_COLUMNS}",
            share,
            who.tenant,
            session,
            who.user_id,
            token_hash(token),
            token[:9] + "…",
            through_seq,
            expires_at,
        )
        data = {"session": session, "expires_at": expires_at.isoformat()}
        await audit.add(connection, who.tenant, who.user_id, "share.create", share, data)
    return _share(row), token


async def of_session(db: Database, tenant: str, session: str) -> list[Share]:
    """Newest first, the ones that are over included."""
    async with db.tenant(tenant) as connection:
        rows = await connection.fetch(
            f"select {_COLUMNS} from shares where session_id = $1 "  # noqa: S608 -- fixed names
            "order by created_at desc limit 100",
            session,
        )
    return [_share(row) for row in rows]


async def revoke(db: Database, who: Principal, session: str, share: str) -> Share:
    """Raises NotFound. A link that is revoked already stays so."""
    async with db.tenant(who.tenant) as connection:
        row = await connection.fetchrow(
            "update shares set revoked_at = coalesce(revoked_at, now()) "  # noqa: S608 -- fixed names
            f"where id = $1 and session_id = $2 returning {_COLUMNS}",
            share,
            session,
        )
        if row is None:
            raise NotFound(f"There is no link {share[:64]!r} of this session.")
        await audit.add(connection, who.tenant, who.user_id, "share.revoke", share)
    return _share(row)


async def find(db: Database, token: str) -> Shared | None:
    """What the token shows now; None when it is unknown, expired or revoked."""
    async with db.untenanted() as connection:
        found = await connection.fetchrow("select * from find_share($1)", token_hash(token))
    if found is None:
        return None
    async with db.tenant(found["tenant"]) as connection:
        row = await connection.fetchrow(
            "select h.id as share_id, s.tenant, s.id as session_id, s.month, s.owner, s.title, "
            "s.agent::text as agent, s.created_at, h.through_seq, "
            "h.expires_at from shares h join sessions s on s.id = h.session_id where h.id = $1",
            found["share_id"],
        )
    if row is None:
        return None
    return Shared(**{**row, "agent": str(orjson.loads(row["agent"]).get("name") or "Agent")})


async def opened(db: Database, shared: Shared, where: str) -> None:
    """Counts one opening and writes it into the audit log. `where`: the caller's address."""
    async with db.tenant(shared.tenant) as connection:
        await connection.execute(
            "update shares set opened = opened + 1, opened_at = now() where id = $1",
            shared.share_id,
        )
        data = {"session": shared.session_id, "from": where}
        await audit.add(connection, shared.tenant, "link", "share.open", shared.share_id, data)


async def picture(db: Database, shared: Shared, file_id: str) -> tuple[str, bytes] | None:
    """Media type and bytes of an upload that a shown message refers to."""
    async with db.tenant(shared.tenant) as connection:
        row = await connection.fetchrow(
            "select b.media_type, b.data from blobs b where b.id = $1 and b.owner = $2 and exists "
            "(select from events e where e.month = $3 and e.session_id = $4 and e.seq <= $5 "
            "and e.type in ('user.message', 'user.message_update') "
            "and strpos(e.payload::text, $6) > 0)",
            file_id,
            shared.owner,
            shared.month,
            shared.session_id,
            shared.through_seq,
            f'"file_id":"{file_id}"',
        )
    return (row["media_type"], row["data"]) if row else None
