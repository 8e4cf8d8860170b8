"""What has been said in a session's log already, for those who say things once."""

from __future__ import annotations

from collections.abc import Sequence

from csp_controlplane.store.database import Database


async def newest(db: Database, tenant: str, session: str, codes: Sequence[str]) -> str | None:
    """The code of the last notice that has one of these; None when there is none.

    Found in the text: a payload may hold what PostgreSQL cannot take apart as JSON. What people or
    models wrote has its quotation marks escaped there.
    """
    async with db.tenant(tenant) as connection:
        found: str | None = await connection.fetchval(
            "select c.code from events e join sessions s on s.id = e.session_id "
            "and s.month = e.month join unnest($2::text[]) as c(code) "
            "on strpos(e.payload::text, '\"code\":\"' || c.code || '\"') > 0 "
            "where e.session_id = $1 and e.type = 'session.notice' order by e.seq desc limit 1",
            session,
            list(codes),
        )
    return found
