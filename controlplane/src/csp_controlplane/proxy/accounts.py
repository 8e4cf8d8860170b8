"""Admits requests: whose handle it is, and the money set aside for them.

PostgreSQL is asked for every request, so that a handle ends with its epoch at once, and the model
is asked for no turn that the log does not have. While it is away, handles that it confirmed within
the last minute are served from memory, to whom they were confirmed for and within what was left of
their budget, and their costs wait to be written.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog

from csp_controlplane.proxy import refusals
from csp_controlplane.proxy.ledger import Admission, Handle, Ledger, Payer, Reservation
from csp_controlplane.proxy.settings import ProxySettings
from csp_controlplane.store.database import DATABASE_AWAY

log = structlog.get_logger(__name__)

_MOST_KNOWN = 10_000
# While PostgreSQL is away, one request a second finds out whether it is back.
_ASK_AGAIN_S = 1.0
_EARLY_S = (0.002, 0.1)
"""The first and the longest pause before a request ahead of its turn is looked at again."""


@dataclass(slots=True)
class Known:
    """A handle that PostgreSQL confirmed."""

    payer: Payer
    confirmed_at: float
    left_microusd: int | None = None  # of the session's budget; None: it has none


def hash_handle(handle: str) -> bytes:
    """As bindings.handle_hash holds it."""
    return hashlib.sha256(handle.encode("utf-8", "replace")).digest()


class Accounts:
    """Knows who pays. `clock` counts seconds; `new_id` makes ids of requests."""

    def __init__(
        self,
        ledger: Ledger,
        settings: ProxySettings,
        clock: Callable[[], float],
        new_id: Callable[[str], str],
    ) -> None:
        self._ledger = ledger
        self._settings = settings
        self._clock = clock
        self._new_id = new_id
        self._known: OrderedDict[Handle, Known] = OrderedDict()
        self._away_since: float | None = None
        self._asked_at = 0.0

    @property
    def away(self) -> bool:
        """Whether PostgreSQL was away at the last look."""
        return self._away_since is not None

    async def reserve(self, handle: Handle, model: str, maximum_microusd: int) -> Reservation:
        """Sets the maximum aside. Raises Refusal for an ended handle or an empty budget."""
        identifier, started = self._new_id("mreq"), datetime.now(UTC)
        if self._may_ask():
            try:
                found = await self._admit(handle, identifier, model, maximum_microusd)
            except DATABASE_AWAY as error:
                self._gone(error)
            else:
                self._back()
                if found is None:
                    self._known.pop(handle, None)
                    raise refusals.unknown_handle()
                self._confirm(handle, found.payer)
                self.remember(handle, left_microusd=found.left_microusd)
                if found.refused:
                    raise refusals.budget_used_up()
                return Reservation(identifier, found.payer, model, maximum_microusd, started)
        payer = self._from_memory(handle, maximum_microusd)
        return Reservation(identifier, payer, model, maximum_microusd, started)

    async def _admit(
        self, handle: Handle, identifier: str, model: str, maximum_microusd: int
    ) -> Admission | None:
        """Waits for the turn's beginning, which is on its way into the log. Raises Refusal."""
        pause, longest = _EARLY_S
        end = self._clock() + self._settings.turn_seconds
        while True:
            async with asyncio.timeout(self._settings.database_seconds):
                found = await self._ledger.reserve(handle, identifier, model, maximum_microusd)
            if found is None or not found.early:
                return found
            if self._clock() >= end:
                raise refusals.turn_not_begun(self._settings.turn_seconds)
            await asyncio.sleep(pause)
            pause = min(2 * pause, longest)

    async def check(self, handle: Handle) -> None:
        """For requests that cost nothing. Raises Refusal for an ended handle."""
        if self._may_ask():
            try:
                async with asyncio.timeout(self._settings.database_seconds):
                    live = await self._ledger.is_live(handle)
            except DATABASE_AWAY as error:
                self._gone(error)
            else:
                self._back()
                if not live:
                    raise refusals.unknown_handle()
                return
        self._from_memory(handle, 0)

    def payer(self, handle: Handle) -> Payer | None:
        """Whom a handle belongs to, as far as it is remembered."""
        known = self._known.get(handle)
        return None if known is None else known.payer

    def remember(self, handle: Handle, *, left_microusd: int | None) -> None:
        """What is left of the session's budget, for requests without PostgreSQL."""
        if known := self._known.get(handle):
            known.left_microusd = left_microusd

    def _confirm(self, handle: Handle, payer: Payer) -> None:
        self._known[handle] = Known(payer, self._clock())
        self._known.move_to_end(handle)
        if len(self._known) > _MOST_KNOWN:
            self._known.popitem(last=False)

    def _from_memory(self, handle: Handle, maximum_microusd: int) -> Payer:
        known = self._known.get(handle)
        limit = self._settings.offline_seconds
        if known is None or self._clock() - known.confirmed_at > limit:
            raise refusals.database_away(limit)
        if known.left_microusd is not None:
            if known.left_microusd < maximum_microusd:
                raise refusals.budget_used_up()
            known.left_microusd -= maximum_microusd
        return known.payer

    def _may_ask(self) -> bool:
        if self._away_since is None or self._clock() - self._asked_at >= _ASK_AGAIN_S:
            self._asked_at = self._clock()
            return True
        return False

    def _gone(self, error: BaseException) -> None:
        if self._away_since is None:
            self._away_since = self._clock()
            log.warning("database_away", error=f"{type(error).__name__}: {error}")

    def _back(self) -> None:
        if self._away_since is not None:
            log.info("database_back", after_s=round(self._clock() - self._away_since, 1))
            self._away_since = None
