"""For how long the control plane has been heard without a break, by the operator's own clock.

What it says of a session's turns is as old as its last word: gateways that die as a turn begins
leave behind that none runs. Each gateway renews one Lease; while that changes, somebody is there
who would say otherwise. The times in it were written by other machines and are only compared with
each other.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import structlog

from csp_operator.api.client import KubeApi
from csp_operator.api.errors import ApiError, NotFound
from csp_operator.api.resources import LEASES
from csp_operator.settings import OperatorSettings

log = structlog.get_logger(__name__)

_LOOKS_PER_SILENCE = 4


class Pulse:
    """`run` looks until cancelled; `heard_for` answers at once."""

    def __init__(
        self, settings: OperatorSettings, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._settings = settings
        self._silence = settings.gateway_silence_seconds
        self._clock = clock
        self._seen: object = None
        self._since = 0.0
        self._last: float | None = None

    def hear(self, beat: object) -> None:
        """The Lease's renewal as it is now. The first one seen may be of any age: it counts from
        the next one on."""
        if beat == self._seen:
            return
        now, known = self._clock(), self._seen is not None
        self._seen = beat
        if not known:
            return
        if self.heard_for() == 0.0:
            self._since = now
        self._last = now

    def heard_for(self) -> float:
        """Seconds; 0 while it is silent."""
        now = self._clock()
        if self._last is None or now - self._last > self._silence:
            return 0.0
        return now - self._since

    async def run(self, api: KubeApi) -> None:
        settings = self._settings
        while True:
            try:
                lease = await api.get(LEASES, settings.lease_namespace, settings.gateway_lease_name)
                self.hear((lease.get("spec") or {}).get("renewTime"))
            except NotFound:
                pass
            except ApiError as error:
                log.info("gateways_not_heard", error=str(error))
            await asyncio.sleep(self._silence / _LOOKS_PER_SILENCE)
