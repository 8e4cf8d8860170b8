"""An event loop whose time passes only when nothing else can happen.

Timeouts and polls of the product run as written and cost nothing; a test that lets ten seconds pass
takes as long as what happens in them. While something real is under way, such as a statement in the
database, time stands still.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

QUIET_ROUNDS = 40
"""Rounds of the loop without news after which everything waits: more than any chain has."""

MOST_NEWS = 500
"""Real things that may happen after one decision."""

STUCK_S = 30
"""Seconds in which something real must have happened, once it is under way."""


class _Jumping(selectors.DefaultSelector):
    """Instead of waiting for a timer, moves the clock to it."""

    loop: VirtualLoop
    _silent = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None or timeout <= 0:
            return super().select(timeout)
        if self.loop.busy:
            return self._wait_for_something_real(timeout)
        found = super().select(0)
        if not found:
            self.loop.now += timeout
        return found

    def _wait_for_something_real(self, timeout: float) -> list[tuple[selectors.SelectorKey, int]]:
        found = super().select(min(timeout, 1.0))
        self._silent = 0.0 if found else self._silent + min(timeout, 1.0)
        if self._silent > STUCK_S:
            raise AssertionError(f"nothing real has happened for {STUCK_S} s, and nobody goes on")
        return found


class VirtualLoop(asyncio.SelectorEventLoop):
    """Time begins at 0."""

    def __init__(self) -> None:
        selector = _Jumping()
        selector.loop = self
        super().__init__(selector)
        self.now = 0.0
        self.busy = 0
        self.news = 0
        """Counts what happened; see `settle`."""

    def time(self) -> float:
        return self.now

    @contextmanager
    def real(self) -> Iterator[None]:
        """Around what takes real time."""
        self.busy += 1
        try:
            yield
        finally:
            self.busy -= 1
            self.news += 1

    def run(self, work: Any) -> Any:
        return self.run_until_complete(work)

    async def settle(self) -> None:
        """Returns when everything waits for a decision or for time to pass."""
        quiet, seen, begin = 0, self.news, self.news
        while quiet < QUIET_ROUNDS:
            if self.news - begin > MOST_NEWS:
                raise AssertionError(
                    "it goes round and round: nothing waits for a decision or time"
                )
            await asyncio.sleep(0)
            quiet = 0 if self.busy or self.news != seen else quiet + 1
            seen = self.news
