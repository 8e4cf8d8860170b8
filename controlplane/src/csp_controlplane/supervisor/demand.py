"""What the pool remembers: which kinds of agent are used, and when their next spares may start.

A start is put off after one has failed, and for a moment after a session took a spare.
"""

from __future__ import annotations

from csp_controlplane.supervisor.profiles import spare_spec
from csp_controlplane.supervisor.restarts import Restarts
from csp_crds.agent import AgentSpec

KEPT_PROFILES = 200


class Demand:
    """Bounded memory, by spawn profile. Times are the loop's."""

    def __init__(self, default: AgentSpec, refill_delay: float = 0.0) -> None:
        self._refill_delay = refill_delay
        self._quiet_until: dict[str, float] = {}
        self.default_profile = default.spawn_profile()
        self.used_at: dict[str, float] = {}
        self._retry_at: dict[str, float] = {}
        self.last_error: dict[str, str] = {}
        self._specs = {self.default_profile: default}
        self._failures: dict[str, Restarts] = {}

    def spec(self, profile: str) -> AgentSpec:
        """What a spare of this profile is started with."""
        return self._specs[profile]

    def used(self, spec: AgentSpec, now: float) -> None:
        """A session with this definition has come."""
        bare = spare_spec(spec)
        if bare is None:
            return
        profile = bare.spawn_profile()
        self._specs.setdefault(profile, bare)
        self.used_at.pop(profile, None)  # so that the order is that of the last use
        self.used_at[profile] = now
        self.spare_taken(profile, now)
        if len(self.used_at) > KEPT_PROFILES:
            self._forget(next(iter(self.used_at)))

    def spare_taken(self, profile: str, now: float) -> None:
        """A session begins with it, and is left in peace for a moment, which further ones do not
        make longer."""
        if self._quiet_until.get(profile, now) <= now:
            self._quiet_until[profile] = now + self._refill_delay

    def start_at(self) -> dict[str, float]:
        """When a spare of each profile may start, where it may not at any time."""
        profiles = self._retry_at.keys() | self._quiet_until.keys()
        return {
            one: max(self._retry_at.get(one, 0.0), self._quiet_until.get(one, 0.0))
            for one in profiles
        }

    def spare_failed(self, profile: str, error: str, now: float) -> float:
        """Returns the seconds until the next try."""
        restarts = self._failures.get(profile, Restarts()).after_end(0.0)
        self._failures[profile] = restarts
        self._retry_at[profile] = now + restarts.delay_s
        self.last_error[profile] = error
        return restarts.delay_s

    def spare_ready(self, profile: str) -> bool:
        """True when the refill of this profile had been failing."""
        self._retry_at.pop(profile, None)
        self.last_error.pop(profile, None)
        return self._failures.pop(profile, None) is not None

    def failing(self, profile: str) -> bool:
        return profile in self._failures

    def _forget(self, profile: str) -> None:
        del self.used_at[profile]
        self._quiet_until.pop(profile, None)
        if profile != self.default_profile:
            for memory in (self._specs, self._retry_at, self.last_error, self._failures):
                memory.pop(profile, None)
