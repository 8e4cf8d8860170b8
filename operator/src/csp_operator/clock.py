"""Time as the API server has it, so that a wrong clock on the operator's node decides nothing.

Timestamps in resources are the API server's or were written with this clock. Between two answers
time goes on by the monotonic clock.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime


class ServerClock:
    """`now` is within about a second of the API server's time once it has answered."""

    def __init__(
        self,
        wall: Callable[[], datetime] = lambda: datetime.now(UTC),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.monotonic = monotonic
        self._at = monotonic()
        self._then = wall()
        self._heard = False

    def now(self) -> datetime:
        """Whole seconds, as timestamps in resources are."""
        passed = timedelta(seconds=self.monotonic() - self._at)
        return (self._then + passed).replace(microsecond=0)

    def hear(self, date: str | None) -> None:
        """Takes the Date header of an answer. It only moves when it is more than a second off, so
        that rounding does not make time jump."""
        if not date:
            return
        try:
            server = parsedate_to_datetime(date)
        except ValueError:
            return
        if server.tzinfo is None:
            return
        ours = self._then + timedelta(seconds=self.monotonic() - self._at)
        if not self._heard or abs((ours - server).total_seconds()) > 2:
            self._then = server
            self._at = self.monotonic()
            self._heard = True
