"""The circuit breaker's rules, as a value with an injected clock. No input or output.

Closed: requests pass. Enough failures within the window open it: requests are held back. After a
while it is half open: one request is let through as a probe, and its end decides.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from enum import IntEnum


class BreakerState(IntEnum):
    """The values of the metric csp_circuit_breaker_state."""

    CLOSED = 0
    HALF_OPEN = 1
    OPEN = 2


@dataclass(frozen=True, slots=True)
class BreakerRules:
    failures: int = 5
    window_s: float = 60.0
    open_s: float = 15.0
    probe_s: float = 30.0  # a probe that has not ended by then is forgotten


@dataclass(slots=True)
class Breaker:
    """The state of one provider. Times are seconds of any one clock."""

    rules: BreakerRules
    opened_until: float | None = None
    probing_until: float | None = None
    _failures: deque[float] = field(default_factory=deque)

    def state(self, now: float) -> BreakerState:
        if self.opened_until is None:
            return BreakerState.CLOSED
        return BreakerState.OPEN if now < self.opened_until else BreakerState.HALF_OPEN

    def wait_s(self, now: float) -> float:
        """How long a request that is held back should wait before it asks again."""
        if self.opened_until is None:
            return 0.0
        return max(self.opened_until - now, 1.0)

    def probe(self, now: float) -> bool:
        """Whether the caller may try, while half open. One at a time."""
        if self.probing_until is not None and now < self.probing_until:
            return False
        self.probing_until = now + self.rules.probe_s
        return True

    def failed(self, now: float) -> bool:
        """One more failure; whether this has opened the breaker."""
        if self.state(now) is BreakerState.HALF_OPEN:
            self.open(now)
            return True
        self._failures.append(now)
        while self._failures and self._failures[0] <= now - self.rules.window_s:
            self._failures.popleft()
        if len(self._failures) >= self.rules.failures and self.opened_until is None:
            self.open(now)
            return True
        return False

    def open(self, now: float) -> None:
        self.opened_until = now + self.rules.open_s
        self.probing_until = None

    def close(self) -> None:
        self.opened_until = None
        self.probing_until = None
        self._failures.clear()

    def give_up_probe(self) -> None:
        """The probe ended without telling anything."""
        self.probing_until = None
