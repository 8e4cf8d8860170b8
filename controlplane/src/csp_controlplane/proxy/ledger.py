"""The rows of model_requests: reserving, settling, expiring, adding up.

Who a handle belongs to, what its session may still spend and the reservation are one function of
the database (reserve_request), because it is on the way to the first token. Its commit does not
wait for the disk: the settlement writes the whole row again, so a crash of PostgreSQL in that
moment loses nothing that was settled.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from csp_controlplane.proxy.usage import Usage
from csp_controlplane.store.database import Database

_RESERVE = "select * from reserve_request($1, $2, $3, $4, $5)"
_SETTLE = """
insert into model_requests (id, tenant, session_id, user_id, epoch, model, status, http_status,
    reserved_microusd, cost_microusd, input_tokens, output_tokens, cache_read_input_tokens,
    cache_creation_input_tokens, cache_creation_1h_input_tokens, started_at, ended_at)
values ($1, $2, $3, $4, $5, $6, 'settled', $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
on conflict (id) do update set status = 'settled', http_status = excluded.http_status,
    cost_microusd = excluded.cost_microusd, input_tokens = excluded.input_tokens,
    output_tokens = excluded.output_tokens,
    cache_read_input_tokens = excluded.cache_read_input_tokens,
    cache_creation_input_tokens = excluded.cache_creation_input_tokens,
    cache_creation_1h_input_tokens = excluded.cache_creation_1h_input_tokens,
    ended_at = excluded.ended_at
"""
_EXPIRE = """
update model_requests set status = 'expired', cost_microusd = reserved_microusd, ended_at = now()
where id = any($1) and status = 'reserved'
"""
_TOTALS = """
select coalesce(sum(input_tokens), 0)::bigint, coalesce(sum(output_tokens), 0)::bigint,
       coalesce(sum(cache_read_input_tokens), 0)::bigint,
       coalesce(sum(cache_creation_input_tokens), 0)::bigint,
       coalesce(sum(cache_creation_1h_input_tokens), 0)::bigint,
       coalesce(sum(cost_microusd), 0)::bigint
from model_requests where session_id = $1
"""


class Handle(NamedTuple):
    """What a worker shows, and where it shows it from."""

    hash: bytes
    """As bindings.handle_hash holds it."""
    peer: str | None
    """The address at the other end of the connection."""


@dataclass(frozen=True, slots=True)
class Payer:
    """Whom a handle belongs to."""

    tenant: str
    session: str
    user: str
    epoch: int


@dataclass(frozen=True, slots=True)
class Admission:
    """Whom a handle belongs to, and what is left of the session's budget; None: it has none.

    `early`: nothing was reserved, because the turn that the request is for is not in the log yet.
    """

    payer: Payer
    left_microusd: int | None
    refused: bool
    early: bool


@dataclass(frozen=True, slots=True)
class Reservation:
    """Money set aside for one request."""

    id: str
    payer: Payer
    model: str
    maximum_microusd: int
    started_at: datetime


@dataclass(frozen=True, slots=True)
class Settlement:
    """What the request did cost."""

    reservation: Reservation
    http_status: int | None
    cost_microusd: int
    usage: Usage
    ended_at: datetime


@dataclass(frozen=True, slots=True)
class Totals:
    """A session's usage so far."""

    input_tokens: int
    output_tokens: int
    cache_read_input_tokens: int
    cache_creation_input_tokens: int
    cache_creation_1h_input_tokens: int
    cost_microusd: int


class Ledger:
    """The statements. Every method raises one of DATABASE_AWAY when PostgreSQL is away."""

    def __init__(self, db: Database) -> None:
        self.db = db

    async def reserve(
        self, handle: Handle, identifier: str, model: str, maximum_microusd: int
    ) -> Admission | None:
        """None: the handle is unknown, its epoch has ended, or another worker uses it."""
        async with self.db.untenanted() as connection:
            row = await connection.fetchrow(
                _RESERVE, handle.hash, handle.peer, identifier, model, maximum_microusd
            )
        if row is None:
            return None
        return Admission(Payer(row[0], row[1], row[2], row[3]), row[4], row[5], row[6])

    async def is_live(self, handle: Handle) -> bool:
        """Whether the handle's epoch goes on, and it is not another worker that uses it."""
        async with self.db.untenanted() as connection:
            row = await connection.fetchrow(
                "select 1 from find_handle($1, $2)", handle.hash, handle.peer
            )
        return row is not None

    async def settle(self, tenant: str, session: str, settled: Sequence[Settlement]) -> Totals:
        """Writes the settlements of one session; a reservation that is missing is written too."""
        async with self.db.tenant(tenant) as connection:
            await connection.executemany(_SETTLE, [_columns(one) for one in settled])
            return Totals(*await connection.fetchrow(_TOTALS, session))

    async def unsettled(self, older_than_s: float, limit: int) -> list[tuple[str, str, str]]:
        """Tenant, session and id of reservations that nobody settled."""
        async with self.db.untenanted() as connection:
            rows = await connection.fetch(
                "select tenant, session_id, id from unsettled_requests($1, $2)", older_than_s, limit
            )
        return [(row[0], row[1], row[2]) for row in rows]

    async def expire(self, tenant: str, session: str, identifiers: Sequence[str]) -> Totals:
        """Charges reservations at their maximum."""
        async with self.db.tenant(tenant) as connection:
            await connection.execute(_EXPIRE, identifiers)
            return Totals(*await connection.fetchrow(_TOTALS, session))


def _columns(settled: Settlement) -> tuple[object, ...]:
    reservation, payer, usage = settled.reservation, settled.reservation.payer, settled.usage
    return (
        reservation.id,
        payer.tenant,
        payer.session,
        payer.user,
        payer.epoch,
        reservation.model,
        settled.http_status,
        reservation.maximum_microusd,
        settled.cost_microusd,
        usage.input_tokens,
        usage.output_tokens,
        usage.cache_read_input_tokens,
        usage.cache_creation_input_tokens,
        usage.cache_creation_1h_input_tokens,
        reservation.started_at,
        settled.ended_at,
    )
