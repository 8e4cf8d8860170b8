"""Writes costs to the database, off the path of any answer, and tells the session about them.

Costs wait in a bounded queue. While PostgreSQL is away they stay there, in order; when the queue is
full the proxy serves nothing more, rather than serving what nobody would pay for.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Any

import asyncpg
import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from csp_controlplane.domain.events import EventFactory
from csp_controlplane.proxy.ledger import Ledger, Settlement, Totals
from csp_controlplane.proxy.metrics import ProxyMetrics
from csp_controlplane.store.database import DATABASE_AWAY
from csp_controlplane.store.log import append_control

log = structlog.get_logger(__name__)

_BATCH = 500
_FIRST_PAUSE_S = 0.2
_LONGEST_PAUSE_S = 5.0
_MICROUSD_PER_CENT = 10_000


class SessionUsage:
    """Appends `session.usage` to a session's log and announces it."""

    def __init__(self, ledger: Ledger, redis: Redis | None, events: EventFactory) -> None:
        self._db = ledger.db
        self._redis = redis
        self._events = events

    async def append(self, tenant: str, session: str, totals: Totals) -> None:
        event = self._events.make("session.usage", {"usage": usage_payload(totals)})
        done = await append_control(self._db, tenant, session, [event], None)
        if done.outcome == "appended":
            await self._announce(session, done.base + 1)

    async def _announce(self, session: str, last_seq: int) -> None:
        """May be lost: gateways also read."""
        if self._redis is None:
            return
        try:
            async with asyncio.timeout(0.5):
                await self._redis.publish(f"csp:log:{session}", str(last_seq))
        except (RedisError, OSError, TimeoutError) as error:
            log.debug("announcement_lost", session_id=session, error=str(error))


class Settler:
    """The queue and the one task that empties it."""

    def __init__(
        self, ledger: Ledger, usage: SessionUsage, metrics: ProxyMetrics, most: int
    ) -> None:
        self._ledger = ledger
        self._usage = usage
        self._metrics = metrics
        self._most = most
        self._waiting: deque[Settlement] = deque()
        self._wake = asyncio.Event()
        self._empty = asyncio.Event()
        self._empty.set()

    def has_room(self, in_flight: int) -> bool:
        """Whether the costs of this many more requests could wait here."""
        return len(self._waiting) + in_flight < self._most

    def add(self, settlement: Settlement) -> None:
        self._waiting.append(settlement)
        self._metrics.unsettled.set(len(self._waiting))
        self._empty.clear()
        self._wake.set()

    async def drain(self, deadline_s: float) -> None:
        """Until everything is written, or the deadline; what is left is charged at its maximum."""
        try:
            async with asyncio.timeout(deadline_s):
                await self._empty.wait()
        except TimeoutError:
            log.warning("costs_left_unwritten", requests=len(self._waiting))

    async def run(self) -> None:
        """Until cancelled."""
        pause = _FIRST_PAUSE_S
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                if await self._write_some():
                    pause = _FIRST_PAUSE_S
                else:
                    await asyncio.sleep(pause)
                    pause = min(pause * 2, _LONGEST_PAUSE_S)
            self._empty.set()

    async def _write_some(self) -> bool:
        """One session's costs; False when PostgreSQL is away."""
        payer = self._waiting[0].reservation.payer
        key = (payer.tenant, payer.session)
        # Several requests of a session that wait together become one event.
        group = [s for s in list(self._waiting)[:_BATCH] if _key(s) == key]
        try:
            totals = await self._ledger.settle(*key, group)
            # A request that failed changes nothing that the session has not been told.
            if any(settled.cost_microusd for settled in group):
                await self._usage.append(*key, totals)
            self._forget(group)  # until here all of it may be done again
        except DATABASE_AWAY as error:
            log.debug("costs_wait_for_the_database", requests=len(self._waiting), error=str(error))
            return False
        except asyncpg.PostgresError as error:
            # A session that was deleted meanwhile has no rows any more; nothing else is expected.
            self._metrics.lost.inc(self._forget(group))
            log.error("costs_not_written", session_id=payer.session, error=str(error))
        return True

    def _forget(self, group: Sequence[Settlement]) -> int:
        """How many of the group were still waiting."""
        written = {id(settlement) for settlement in group}
        before = len(self._waiting)
        self._waiting = deque(s for s in self._waiting if id(s) not in written)
        self._metrics.unsettled.set(len(self._waiting))
        return before - len(self._waiting)


def _key(settlement: Settlement) -> tuple[str, str]:
    payer = settlement.reservation.payer
    return payer.tenant, payer.session


def usage_payload(totals: Totals) -> dict[str, Any]:
    """`usage` of the event: the API's fields, with money in whole cents as the API has it, and the
    exact cost beside it."""
    cents = (totals.cost_microusd + _MICROUSD_PER_CENT // 2) // _MICROUSD_PER_CENT
    hourly = totals.cache_creation_1h_input_tokens
    return {
        "input_tokens": totals.input_tokens,
        "output_tokens": totals.output_tokens,
        "cache_read_input_tokens": totals.cache_read_input_tokens,
        "cache_creation": {
            "ephemeral_5m_input_tokens": totals.cache_creation_input_tokens - hourly,
            "ephemeral_1h_input_tokens": hourly,
        },
        "list_cost": {"amount": str(cents), "currency": "USD"},
        "cost_microusd": totals.cost_microusd,
    }
